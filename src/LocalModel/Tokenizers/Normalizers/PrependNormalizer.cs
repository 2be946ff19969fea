using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Normalizers;

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
