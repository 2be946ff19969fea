using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>Several post-processors, one after the other; at most the last may join the sequences.</summary>
internal sealed class SequencePostProcessor : IPostProcessor
{
    private readonly IPostProcessor[] parts;

    public SequencePostProcessor(IPostProcessor[] parts)
    {
        this.parts = parts;
        for (int i = 0; i + 1 < parts.Length; i++)
            if (parts[i] is not ByteLevelPostProcessor)
                throw TokenizerException.Unsupported("post_processor Sequence with something behind a part that joins the texts");
    }

    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        foreach (var part in parts)
            part.Process(sequences, addSpecialTokens);
    }

    /// <inheritdoc/>
    public int CountAdded(bool pair) => parts.Sum(p => p.CountAdded(pair));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("processors"u8);
        foreach (var part in parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }
}
