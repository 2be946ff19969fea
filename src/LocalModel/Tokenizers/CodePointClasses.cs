using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>One byte per UTF-16 unit, so that a scanner's inner loop is a table look-up.</summary>
internal static class CodePointClasses
{
    private static readonly CodePointClass[] Table = Build();

    /// <summary>The class at an index, and how many units its code point has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CodePointClass At(ReadOnlySpan<char> text, int index, out int width)
    {
        var found = Table[text[index]];
        width = 1;
        return found == CodePointClass.Surrogate ? OfPair(text, index, out width) : found;
    }

    /// <summary>The end of the run of one class that starts at an index.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int index, CodePointClass wanted)
    {
        var table = Table;
        while ((uint)index < (uint)text.Length)
        {
            var found = table[text[index]];
            if (found == wanted)
            {
                index++;
                continue;
            }

            if (found != CodePointClass.Surrogate || OfPair(text, index, out int width) != wanted)
                break;
            index += width;
        }

        return index;
    }

    /// <summary>The end of the run of white space (line ends included) that starts at an index.</summary>
    public static int SpaceEnd(ReadOnlySpan<char> text, int index)
    {
        var table = Table;
        while ((uint)index < (uint)text.Length && table[text[index]] is CodePointClass.Blank or CodePointClass.LineEnd)
            index++;
        return index;
    }

    public static bool IsSpace(CodePointClass found) => found is CodePointClass.Blank or CodePointClass.LineEnd;

    /// <summary>
    /// <c>\w</c> of the reference: letters, marks, decimal digits, letter numbers, connectors, joiners, circled and squared letters.
    /// </summary>
    public static bool IsWord(int codePoint)
        => UnicodeData.IsLetter(codePoint) || UnicodeData.IsMark(codePoint)
            || UnicodeData.GetCategory(codePoint) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.ConnectorPunctuation
            || codePoint is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);

    private static CodePointClass OfPair(ReadOnlySpan<char> text, int index, out int width)
    {
        if (char.IsHighSurrogate(text[index]) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            width = 2;
            return Of(char.ConvertToUtf32(text[index], text[index + 1]));
        }

        width = 1;
        return CodePointClass.Other;
    }

    private static CodePointClass Of(int codePoint)
        => UnicodeData.IsLetter(codePoint) ? CodePointClass.Letter
            : UnicodeData.IsNumber(codePoint) ? CodePointClass.Number
            : codePoint is '\r' or '\n' ? CodePointClass.LineEnd
            : UnicodeData.IsWhiteSpace(codePoint) ? CodePointClass.Blank
            : CodePointClass.Other;

    private static CodePointClass[] Build()
    {
        var table = new CodePointClass[0x10000];
        for (int unit = 0; unit < table.Length; unit++)
            table[unit] = char.IsSurrogate((char)unit) ? CodePointClass.Surrogate : Of(unit);
        return table;
    }
}
