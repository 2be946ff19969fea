using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>Several pre-tokenizers, one after the other.</summary>
internal sealed record SequencePreTokenizer(IPreTokenizer[] Parts) : IPreTokenizer
{
    /// <inheritdoc/>
    public bool NeedsOrigins => Parts.Any(p => p.NeedsOrigins);

    /// <inheritdoc/>
    public void PreTokenize(PieceBuffer buffer)
    {
        foreach (var part in Parts)
            part.PreTokenize(buffer);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("pretokenizers"u8);
        foreach (var part in Parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
