using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Python's case mappings: full ones, by code points, the same everywhere.</summary>
internal static class PyCase
{
    private const int CapitalSigma = 0x3A3;
    private const char SmallSigma = '\u03C3';
    private const char FinalSigma = '\u03C2';

    public static void Upper(int codePoint, StringBuilder into)
    {
        if (SpecialCasing.Upper(codePoint) is { } longer)
            into.Append(longer);
        else
            CodePoints.Append(into, Rune.IsValid(codePoint) ? Rune.ToUpperInvariant(new Rune(codePoint)).Value : codePoint);
    }

    public static void Title(int codePoint, StringBuilder into)
    {
        if (SpecialCasing.Title(codePoint) is { } title)
            into.Append(title);
        else
            Upper(codePoint, into);
    }

    /// <summary>The lower case of the code point at an index of a text; a sigma depends on its neighbours.</summary>
    public static void Lower(string text, int index, int codePoint, StringBuilder into)
    {
        if (codePoint == 0x130)
            into.Append("i\u0307");
        else if (codePoint == CapitalSigma)
            into.Append(IsFinalSigma(text, index) ? FinalSigma : SmallSigma);
        else
            CodePoints.Append(into, Rune.IsValid(codePoint) ? Rune.ToLowerInvariant(new Rune(codePoint)).Value : codePoint);
    }

    // Behind a cased letter and before none, case-ignorable characters aside.
    private static bool IsFinalSigma(string text, int index)
    {
        int before = index - 1;
        while (before >= 0 && IsIgnorable(text[before]))
            before--;
        if (before < 0 || !IsCased(text[before]))
            return false;
        int after = index + 1;
        while (after < text.Length && IsIgnorable(text[after]))
            after++;
        return after >= text.Length || !IsCased(text[after]);
    }

    private static bool IsCased(char c) => PyChar.IsLower(c) || PyChar.IsUpper(c) || PyChar.IsTitle(c);

    private static bool IsIgnorable(char c) => c is '\'' or '.' or ':' or '^' or '`' or '\u00AD' or '\u00B7' or '\u2019' || UnicodeData.IsMark(c);
}
