using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>How the word patterns of byte-level tokenizers classify a code point.</summary>
internal enum CodePointClass : byte
{
    /// <summary>Neither a letter nor a number nor white space.</summary>
    Other,

    /// <summary>Category L*.</summary>
    Letter,

    /// <summary>Category N*.</summary>
    Number,

    /// <summary>White space other than CR and LF.</summary>
    Blank,

    /// <summary>CR or LF.</summary>
    LineEnd,

    /// <summary>Half of a surrogate pair: the class is found by the whole code point.</summary>
    Surrogate,
}

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
            || UnicodeData.GetCategory(codePoint) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber
            or UnicodeCategory.ConnectorPunctuation
            || codePoint is 0x200C or 0x200D or (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
            or (>= 0x1F170 and <= 0x1F189);

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

/// <summary>How the word patterns that look at case classify a code point.</summary>
internal enum CasedClass : byte
{
    /// <summary>None of the others.</summary>
    Other,

    /// <summary>Categories Lu and Lt.</summary>
    Upper,

    /// <summary>Category Ll.</summary>
    Lower,

    /// <summary>Categories Lm and Lo.</summary>
    Uncased,

    /// <summary>Categories M*.</summary>
    Mark,

    /// <summary>Categories N*.</summary>
    Number,

    /// <summary>Categories P* and S*.</summary>
    Symbol,

    /// <summary>White space other than CR and LF.</summary>
    Blank,

    /// <summary>CR or LF.</summary>
    LineEnd,

    /// <summary>Half of a surrogate pair: the class is found by the whole code point.</summary>
    Surrogate,
}

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

/// <summary>Compares texts by code points, as comparing their UTF-8 bytes does.</summary>
internal sealed class CodePointComparer : IComparer<string>
{
    public static CodePointComparer Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        if (x is null || y is null)
            return x is null ? y is null ? 0 : -1 : 1;
        int common = x.AsSpan().CommonPrefixLength(y);
        if (common == x.Length || common == y.Length)
            return x.Length.CompareTo(y.Length);

        // Surrogates stand for code points above all others.
        var (a, b) = (x[common], y[common]);
        return char.IsSurrogate(a) == char.IsSurrogate(b) ? a.CompareTo(b) : char.IsSurrogate(a) ? 1 : -1;
    }
}
