using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>One byte per UTF-16 unit, as <see cref="CodePointClasses"/>, with the finer classes.</summary>
internal static class CasedClasses
{
    private static readonly CasedClass[] Table = Build();

    /// <summary>The class at an index, and how many units its code point has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static CasedClass At(ReadOnlySpan<char> text, int index, out int width)
    {
        var found = Table[text[index]];
        width = 1;
        return found == CasedClass.Surrogate ? OfPair(text, index, out width) : found;
    }

    /// <summary>The end of the run of some classes (one bit for each) that starts at an index.</summary>
    public static int RunEnd(ReadOnlySpan<char> text, int index, int wanted)
    {
        while (index < text.Length)
        {
            var found = At(text, index, out int width);
            if ((wanted >> (int)found & 1) == 0)
                break;
            index += width;
        }

        return index;
    }

    private static CasedClass OfPair(ReadOnlySpan<char> text, int index, out int width)
    {
        if (char.IsHighSurrogate(text[index]) && index + 1 < text.Length && char.IsLowSurrogate(text[index + 1]))
        {
            width = 2;
            return Of(char.ConvertToUtf32(text[index], text[index + 1]));
        }

        width = 1;
        return CasedClass.Other;
    }

    private static CasedClass Of(int codePoint) => UnicodeData.GetCategory(codePoint) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.TitlecaseLetter => CasedClass.Upper,
        UnicodeCategory.LowercaseLetter => CasedClass.Lower,
        UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter => CasedClass.Uncased,
        _ => UnicodeData.IsMark(codePoint) ? CasedClass.Mark
            : UnicodeData.IsNumber(codePoint) ? CasedClass.Number
            : codePoint is '\r' or '\n' ? CasedClass.LineEnd
            : UnicodeData.IsWhiteSpace(codePoint) ? CasedClass.Blank
            : UnicodeData.IsPunctuation(codePoint) || IsSymbol(codePoint) ? CasedClass.Symbol
            : CasedClass.Other,
    };

    private static bool IsSymbol(int codePoint)
        => UnicodeData.GetCategory(codePoint) is >= UnicodeCategory.MathSymbol and <= UnicodeCategory.OtherSymbol;

    private static CasedClass[] Build()
    {
        var table = new CasedClass[0x10000];
        for (int unit = 0; unit < table.Length; unit++)
            table[unit] = char.IsSurrogate((char)unit) ? CasedClass.Surrogate : Of(unit);
        return table;
    }
}
