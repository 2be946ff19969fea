using System.Globalization;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>What Python's <c>str</c> says of a code point.</summary>
internal static class PyChar
{
    /// <summary><c>str.isspace</c>, the white space of <c>strip</c>, <c>split</c> and of <c>\s</c>.</summary>
    public static bool IsSpace(int codePoint) => codePoint switch
    {
        ' ' or (>= 0x09 and <= 0x0D) or (>= 0x1C and <= 0x1F) => true,
        < 0x85 => false,
        0x85 or 0xA0 or 0x1680 or (>= 0x2000 and <= 0x200A) or 0x2028 or 0x2029 or 0x202F or 0x205F or 0x3000 => true,
        _ => false,
    };

    /// <summary>The line ends of <c>str.splitlines</c>.</summary>
    public static bool IsLineEnd(char c) => c is '\n' or '\r' or '\v' or '\f' or (>= '\x1C' and <= '\x1E') or '\x85' or '\u2028' or '\u2029';

    public static bool IsAlpha(int codePoint) => codePoint < 128 ? char.IsAsciiLetter((char)codePoint) : UnicodeData.IsLetter(codePoint);

    public static bool IsDecimal(int codePoint) => codePoint < 128 ? char.IsAsciiDigit((char)codePoint) : UnicodeData.GetCategory(codePoint) == UnicodeCategory.DecimalDigitNumber;

    public static bool IsDigit(int codePoint) => IsDecimal(codePoint) || (codePoint >= 128 && CharUnicodeInfo.GetDigitValue(Text(codePoint), 0) >= 0);

    public static bool IsNumeric(int codePoint) => IsDigit(codePoint) || (codePoint >= 128 && CharUnicodeInfo.GetNumericValue(Text(codePoint), 0) >= 0);

    public static bool IsWord(int codePoint) => codePoint == '_' || IsAlpha(codePoint) || IsNumeric(codePoint);

    public static bool IsIdentifierStart(int codePoint)
        => IsAlpha(codePoint) || codePoint == '_' || UnicodeData.GetCategory(codePoint) == UnicodeCategory.LetterNumber;

    public static int DecimalValue(int codePoint) => codePoint < 128 ? codePoint - '0' : CharUnicodeInfo.GetDecimalDigitValue(Text(codePoint), 0);

    public static bool IsUpper(int codePoint)
        => UnicodeData.GetCategory(codePoint) == UnicodeCategory.UppercaseLetter || codePoint is (>= 0x2160 and <= 0x216F) or (>= 0x24B6 and <= 0x24CF);

    public static bool IsTitle(int codePoint) => UnicodeData.GetCategory(codePoint) == UnicodeCategory.TitlecaseLetter;

    public static bool IsLower(int codePoint)
        => UnicodeData.GetCategory(codePoint) == UnicodeCategory.LowercaseLetter
            || codePoint is 0xAA or 0xBA or (>= 0x2B0 and <= 0x2B8) or (>= 0x2170 and <= 0x217F) or (>= 0x24D0 and <= 0x24E9);

    /// <summary>Whether <c>repr</c> writes the character itself.</summary>
    public static bool IsPrintable(int codePoint) => codePoint switch
    {
        < 0x7F => codePoint >= ' ',
        _ => UnicodeData.GetCategory(codePoint) is not (UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse
            or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator),
    };

    private static string Text(int codePoint) => codePoint is >= 0xD800 and < 0xE000 ? ((char)codePoint).ToString() : char.ConvertFromUtf32(codePoint);
}
