using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>BERT's preparation of text (source: google-research/bert tokenization.py as Hugging Face tokenizers has it).</summary>
/// <param name="CleanText">Whether control characters, U+0000 and U+FFFD go and every white space becomes a blank.</param>
/// <param name="HandleChineseChars">Whether every Chinese character stands between blanks.</param>
/// <param name="StripAccents">Whether marks go; null: as <paramref name="Lowercase"/> says.</param>
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
        // Nearly all texts are printable ASCII but for tabs and line ends.
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
