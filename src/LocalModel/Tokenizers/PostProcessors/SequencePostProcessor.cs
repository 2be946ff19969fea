using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>Several post-processors, one after the other; at most one of them may add tokens.</summary>
internal sealed class SequencePostProcessor : IPostProcessor
{
    private readonly IPostProcessor[] parts;
    private readonly bool keepsIdsAlways;
    private readonly bool keepsIdsOfPlain;

    public SequencePostProcessor(IPostProcessor[] parts)
    {
        this.parts = parts;
        (keepsIdsAlways, keepsIdsOfPlain) = (parts.All(p => p.KeepsIds(true)), parts.All(p => p.KeepsIds(false)));
        if (Flatten(parts).Count(p => p is not ByteLevelPostProcessor) > 1)
            throw TokenizerException.Unsupported("post_processor Sequence with two parts that add tokens");
    }

    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        foreach (var part in parts)
            part.Process(sequences, addSpecialTokens);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => addSpecialTokens ? keepsIdsAlways : keepsIdsOfPlain;

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

    private static IEnumerable<IPostProcessor> Flatten(IEnumerable<IPostProcessor> parts)
        => parts.SelectMany(p => p is SequencePostProcessor inner ? Flatten(inner.parts) : [p]);
}
