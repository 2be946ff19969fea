using System.Text;
using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Changes a section of text before it is cut into pieces.</summary>
internal interface INormalizer
{
    /// <summary>Changes the buffer's text; characters keep track of where they came from.</summary>
    void Normalize(PieceBuffer buffer);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>Several normalizers, one after the other.</summary>
internal sealed record SequenceNormalizer(INormalizer[] Parts) : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        foreach (var part in Parts)
            part.Normalize(buffer);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("normalizers"u8);
        foreach (var part in Parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}

/// <summary>Writing components that consist of their type alone.</summary>
internal static class NormalizerJson
{
    public static void WriteBare(Utf8JsonWriter writer, string type)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, type);
        writer.WriteEndObject();
    }
}

/// <summary>Puts a text before any text that is not empty; it shares the place of the first character.</summary>
internal sealed record PrependNormalizer(string Prepend) : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IsEmpty || Prepend.Length == 0)
            return;
        var writer = buffer.Rewrite();
        writer.Append(Prepend, 0);
        writer.Copy(0, buffer.Text.Length);
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Prepend"u8);
        writer.WriteString("prepend"u8, Prepend);
        writer.WriteEndObject();
    }
}

/// <summary>Puts a text after any text that is not empty; it shares the place of the last character.</summary>
internal sealed record AppendNormalizer(string Append) : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        int length = buffer.Text.Length;
        if (length == 0 || Append.Length == 0)
            return;
        var writer = buffer.Rewrite();
        writer.Copy(0, length);
        writer.Append(Append, length - 1);
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Append"u8);
        writer.WriteString("append"u8, Append);
        writer.WriteEndObject();
    }
}

/// <summary>Puts a text in place of every match; it shares the place of the last character of the match.</summary>
internal sealed record ReplaceNormalizer(TextPattern Pattern, string Content) : INormalizer
{
    private readonly bool _isCharacterForCharacter = !Pattern.IsRegex && Pattern.Text.Length == 1 && Content.Length == 1;

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        var text = buffer.Text;
        if (text.IsEmpty)
            return;
        if (_isCharacterForCharacter)
        {
            buffer.Characters.Replace(Pattern.Text[0], Content[0]);
            return;
        }

        var matches = new List<RegexMatch>();
        Pattern.FindAll(text, matches);
        if (matches.Count == 0)
            return;
        var writer = buffer.Rewrite();
        int copied = 0;
        foreach (var match in matches)
        {
            writer.Copy(copied, match.Start);
            writer.Append(Content, match.End - 1);
            copied = match.End;
        }

        writer.Copy(copied, text.Length);
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => WriteReplace(writer, Pattern, Content);

    /// <summary>The normalizer and the decoder of this name are written alike.</summary>
    internal static void WriteReplace(Utf8JsonWriter writer, TextPattern pattern, string content)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Replace"u8);
        pattern.Write(writer);
        writer.WriteString("content"u8, content);
        writer.WriteEndObject();
    }
}

/// <summary>Removes white space from the ends of the text.</summary>
internal sealed record StripNormalizer(bool Left, bool Right) : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        var text = buffer.Text;
        int start = 0, end = text.Length;
        while (Left && start < end && UnicodeData.IsWhiteSpace(text[start]))
            start++;
        while (Right && end > start && UnicodeData.IsWhiteSpace(text[end - 1]))
            end--;
        if (start == 0 && end == text.Length)
            return;
        var writer = buffer.Rewrite();
        writer.Copy(start, end);
        writer.Finish();
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Strip"u8);
        writer.WriteBoolean("strip_left"u8, Left);
        writer.WriteBoolean("strip_right"u8, Right);
        writer.WriteEndObject();
    }
}

/// <summary>Lower case, code point by code point (no rule looks at its neighbours).</summary>
internal sealed record LowercaseNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer) => Lower(buffer);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Lowercase");

    public static void Lower(PieceBuffer buffer)
    {
        var text = buffer.Characters;
        if (Ascii.IsValid(text))
        {
            _ = Ascii.ToLowerInPlace(text, out _);
            return;
        }

        // Nearly every character keeps its length: in place as long as that holds.
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            var lower = UnicodeData.GetLowerCase(CodePoints.Next(text, ref at));
            if (lower.IsEmpty)
                continue;
            if (lower.Length > 1 || (lower[0] >= 0x10000 ? 2 : 1) != at - start)
            {
                Rewrite(buffer);
                return;
            }

            if (lower[0] < 0x10000)
                text[start] = (char)lower[0];
            else
                (text[start], text[start + 1]) = ((char)(0xD7C0 + (lower[0] >> 10)), (char)(0xDC00 | lower[0] & 0x3FF));
        }
    }

    private static void Rewrite(PieceBuffer buffer)
    {
        var text = buffer.Text;
        var writer = buffer.Rewrite();
        for (int at = 0; at < text.Length;)
        {
            int start = at;
            var lower = UnicodeData.GetLowerCase(CodePoints.Next(text, ref at));
            if (lower.IsEmpty)
                writer.Copy(start, at);
            foreach (int codePoint in lower)
                writer.Append(codePoint, start);
        }

        writer.Finish();
    }
}

/// <summary>Removes every mark (categories M*); a text is usually decomposed before.</summary>
internal sealed record StripAccentsNormalizer : INormalizer
{
    // Nothing below the first combining mark is one.
    private const char LastPlain = '\u02FF';

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IndexOfAnyExceptInRange('\0', LastPlain) >= 0)
            CodePointFilter.Remove(buffer, LibraryCategories.IsCombiningMark);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "StripAccents");
}

/// <summary>SentencePiece's rules for control characters and unusual blanks (its nmt_nfkc without NFKC).</summary>
internal sealed record NmtNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        if (buffer.Text.IndexOfAnyExceptInRange(' ', '~') < 0)
            return;
        CodePointFilter.Remove(buffer, static c => c is (>= 0x01 and <= 0x08) or 0x0B or (>= 0x0E and <= 0x1F) or 0x7F or 0x8F or 0x9F);
        foreach (ref char c in buffer.Characters)
            if (c is '\t' or '\n' or '\f' or '\r' or '\u1680' or (>= '\u200B' and <= '\u200F') or '\u2028' or '\u2029' or '\u2581'
                or '\uFEFF' or '\uFFFD')
                c = ' ';
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "Nmt");
}

/// <summary>Spells the whole text in the byte alphabet.</summary>
internal sealed record ByteLevelNormalizer : INormalizer
{
    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer) => buffer.SpellBytes();

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => NormalizerJson.WriteBare(writer, "ByteLevel");
}

/// <summary>Removes code points from a text; the others keep their origin.</summary>
internal static class CodePointFilter
{
    public static void Remove(PieceBuffer buffer, Func<int, bool> remove)
    {
        var text = buffer.Text;
        int at = 0, start = 0;
        while (at < text.Length)
        {
            start = at;
            if (remove(CodePoints.Next(text, ref at)))
                break;
            start = at;
        }

        if (start == text.Length)
            return;
        var writer = buffer.Rewrite();
        writer.Copy(0, start);
        int kept = at;
        while (at < text.Length)
        {
            int next = at;
            if (remove(CodePoints.Next(text, ref next)))
            {
                writer.Copy(kept, at);
                kept = next;
            }

            at = next;
        }

        writer.Copy(kept, at);
        writer.Finish();
    }
}
