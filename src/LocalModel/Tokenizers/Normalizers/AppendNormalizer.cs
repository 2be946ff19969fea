using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

/// <summary>Puts a text behind any text that is not empty; it shares the place of the last character.</summary>
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
