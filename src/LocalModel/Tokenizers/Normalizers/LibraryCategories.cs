using System.Globalization;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>
/// Unicode as the components of Hugging Face tokenizers know it, whose tables are older than ours: categories of Unicode 8
/// (unicode_categories 0.1.1), normalisation of Unicode 9 (unicode-normalization-alignments 0.1.12). A code point that came later is to them
/// unassigned: it has no category, does not decompose and is no mark.
/// </summary>
internal static class LibraryCategories
{
    private const int CategoriesAge = 80;
    private const int NormalizationAge = 90;

    /// <summary>Whether it is a control, format, private-use or surrogate code point.</summary>
    public static bool IsOther(int codePoint)
        => Category(codePoint) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate;

    /// <summary>Whether it is punctuation to BERT: categories P*, and all of ASCII's printable characters but letters, digits and the blank.</summary>
    public static bool IsPunctuation(int codePoint)
    {
        if (codePoint < 0x80)
            return codePoint is >= '!' and <= '/' or >= ':' and <= '@' or >= '[' and <= '`' or >= '{' and <= '~';

        // Two that were punctuation then and are a symbol and a mark today.
        return codePoint is 0x166D or 0x111C9
            || Category(codePoint) is >= UnicodeCategory.ConnectorPunctuation and <= UnicodeCategory.OtherPunctuation;
    }

    /// <summary>Whether it is a mark without a width (category Mn).</summary>
    public static bool IsNonspacingMark(int codePoint) => codePoint != 0x111C9 && Category(codePoint) == UnicodeCategory.NonSpacingMark;

    /// <summary>Whether it is a mark (categories M*).</summary>
    public static bool IsCombiningMark(int codePoint) => UnicodeData.IsMark(codePoint) && TakesPartInNormalization(codePoint);

    /// <summary>Whether normalisation knows the code point.</summary>
    public static bool TakesPartInNormalization(int codePoint) => UnicodeData.GetAge(codePoint) is > 0 and <= NormalizationAge;

    private static UnicodeCategory Category(int codePoint)
        => UnicodeData.GetAge(codePoint) is > 0 and <= CategoriesAge ? UnicodeData.GetCategory(codePoint) : UnicodeCategory.OtherNotAssigned;
}
