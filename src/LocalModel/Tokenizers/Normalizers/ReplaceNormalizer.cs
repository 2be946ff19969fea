using System.Text.Json;
using Kotonoha.LocalModel.Tokenizers.Patterns;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Puts a text in the place of every match; it shares the place of the last character of the match.</summary>
internal sealed record ReplaceNormalizer(TextPattern Pattern, string Content) : INormalizer
{
    private readonly bool isCharacterForCharacter = !Pattern.IsRegex && Pattern.Text.Length == 1 && Content.Length == 1;

    /// <inheritdoc/>
    public void Normalize(PieceBuffer buffer)
    {
        var text = buffer.Text;
        if (text.IsEmpty)
            return;
        if (isCharacterForCharacter)
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
