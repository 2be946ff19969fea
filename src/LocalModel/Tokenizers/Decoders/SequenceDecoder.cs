using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>Several decoders, one after the other.</summary>
internal sealed record SequenceDecoder(ITokenDecoder[] Parts) : ITokenDecoder
{
    /// <inheritdoc/>
    public IDecoderStream Start(IDecoderStream next, bool incremental)
    {
        for (int i = Parts.Length - 1; i >= 0; i--)
            next = Parts[i].Start(next, incremental);
        return next;
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("decoders"u8);
        foreach (var part in Parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
