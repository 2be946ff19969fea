using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>RoBERTa's frame: <c>&lt;s&gt; A &lt;/s&gt;</c>, for a pair <c>&lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;</c>; everything is segment 0.</summary>
internal sealed record RobertaPostProcessor(
    (string Token, int Id) Start, (string Token, int Id) Separator, bool TrimOffsets, bool AddPrefixSpace) : IPostProcessor
{
    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        List<TokenSequence> parts = [];
        for (int i = 0; i < sequences.Count; i++)
        {
            if (TrimOffsets)
                ByteLevelPostProcessor.Trim(sequences[i], AddPrefixSpace);
            if (addSpecialTokens)
                parts.Add(sequences[i].LikeWith(i == 0 ? Start : Separator, 0));
            parts.Add(sequences[i].Retyped(0, keepOverflowTypes: !addSpecialTokens));
            if (addSpecialTokens)
                parts.Add(sequences[i].LikeWith(Separator, 0));
        }

        sequences.Clear();
        sequences.AddRange(parts);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => !addSpecialTokens;

    /// <inheritdoc/>
    public int CountAdded(bool pair) => pair ? 4 : 2;

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "RobertaProcessing"u8);
        BertPostProcessor.WriteFrame(writer, Start, Separator);
        writer.WriteBoolean("trim_offsets"u8, TrimOffsets);
        writer.WriteBoolean("add_prefix_space"u8, AddPrefixSpace);
        writer.WriteEndObject();
    }
}
