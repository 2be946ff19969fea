using System.Globalization;
using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>BERT's preparation of text (source: google-research/bert tokenization.py as Hugging Face tokenizers has it).</summary>
/// <param name="CleanText">Whether control characters, U+0000 and U+FFFD are dropped and every white space becomes a blank.</param>
/// <param name="HandleChineseChars">Whether blanks are put around every Chinese character.</param>
/// <param name="StripAccents">Whether marks are dropped; null: as <paramref name="Lowercase"/> says.</param>
/// <param name="Lowercase">Whether the text becomes lower case.</param>
internal sealed record BertNormalizer(bool CleanText, bool HandleChineseChars, bool? StripAccents, bool Lowercase) : INormalizer
{
    private static readonly UnicodeFormNormalizer Decompose = new(NormalizationForm.FormD);

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (CleanText)
            Clean(buffer);
        if (HandleChineseChars && buffer.Text.IndexOfAnyInRange('\u3400', '\uFFFF') >= 0)
            SetApart(buffer);
        if (StripAccents ?? Lowercase)
        {
            Decompose.Normalize(buffer);
            if (buffer.Text.IndexOfAnyExceptInRange('\0', '\u02FF') >= 0)
                CodePointFilter.Remove(buffer, LibraryCategories.IsNonspacingMark);
        }

        if (Lowercase)
            LowercaseNormalizer.Lower(buffer);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "BertNormalizer"u8);
        writer.WriteBoolean("clean_text"u8, CleanText);
        writer.WriteBoolean("handle_chinese_chars"u8, HandleChineseChars);
        if (StripAccents is { } strip)
            writer.WriteBoolean("strip_accents"u8, strip);
        else
            writer.WriteNull("strip_accents"u8);
        writer.WriteBoolean("lowercase"u8, Lowercase);
        writer.WriteEndObject();
    }

    private static void Clean(PieceBuffer buffer)
    {
        // Nearly all texts are printable ASCII, tabs and line ends.
        var characters = buffer.Characters;
        int at = characters.IndexOfAnyExceptInRange(' ', '~');
        while (at >= 0 && characters[at] is '\t' or '\n' or '\r')
        {
            characters[at] = ' ';
            int next = characters[(at + 1)..].IndexOfAnyExceptInRange(' ', '~');
            at = next < 0 ? -1 : at + 1 + next;
        }

        if (at < 0)
            return;
        CodePointFilter.Remove(buffer, static c => c is 0 or 0xFFFD || (c is not ('\t' or '\n' or '\r') && LibraryCategories.IsOther(c)));
        foreach (ref char c in buffer.Characters)
            if (c != ' ' && UnicodeData.IsWhiteSpace(c))
                c = ' ';
    }

    private static void SetApart(PieceBuffer buffer)
    {
        var text = buffer.Text;
        var writer = buffer.Rewrite();
        int copied = 0;
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            if (!IsChinese(CodePoints.Next(text, ref at)))
                continue;
            writer.Copy(copied, start);
            writer.Append(' ', start);
            writer.Copy(start, at);
            writer.Append(' ', start);
            copied = at;
        }

        writer.Copy(copied, text.Length);
        writer.Finish();
    }

    private static bool IsChinese(int c)
        => c is >= 0x4E00 and <= 0x9FFF or >= 0x3400 and <= 0x4DBF or >= 0x20000 and <= 0x2A6DF or >= 0x2A700 and <= 0x2B73F
            or >= 0x2B740 and <= 0x2B81F or >= 0x2B920 and <= 0x2CEAF or >= 0xF900 and <= 0xFAFF or >= 0x2F800 and <= 0x2FA1F;
}

/// <summary>
/// Unicode as the components of Hugging Face tokenizers know it, whose tables are older than ours: categories of Unicode 8
/// (unicode_categories 0.1.1), normalisation of Unicode 9 (unicode-normalization-alignments 0.1.12). A code point that came later is to
/// them unassigned: it has no category, does not decompose and is not a mark.
/// </summary>
internal static class LibraryCategories
{
    private const int CategoriesAge = 80;
    private const int NormalizationAge = 90;

    /// <summary>Whether it is a control, format, private-use or surrogate code point.</summary>
    public static bool IsOther(int codePoint)
        => Category(codePoint) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse
            or UnicodeCategory.Surrogate;

    /// <summary>
    /// Whether it is punctuation to BERT: categories P*, and all of ASCII's printable characters but letters, digits and the blank.
    /// </summary>
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
        => UnicodeData.GetAge(codePoint) is > 0 and <= CategoriesAge
            ? UnicodeData.GetCategory(codePoint)
            : UnicodeCategory.OtherNotAssigned;
}
