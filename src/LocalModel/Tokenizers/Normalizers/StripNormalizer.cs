using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Takes white space off the ends of the text.</summary>
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
