using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>BERT's frame: <c>[CLS] A [SEP]</c>, for a pair <c>[CLS] A [SEP] B [SEP]</c> with the second text as segment 1.</summary>
internal sealed record BertPostProcessor((string Token, int Id) Start, (string Token, int Id) Separator) : IPostProcessor
{
    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        if (!addSpecialTokens)
            return;
        List<TokenSequence> parts = [sequences[0].LikeWith(Start, 0)];
        for (int i = 0; i < sequences.Count; i++)
            parts.AddRange([sequences[i].Retyped(i), sequences[i].LikeWith(Separator, i)]);
        sequences.Clear();
        sequences.AddRange(parts);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => !addSpecialTokens;

    /// <inheritdoc/>
    public int CountAdded(bool pair) => pair ? 3 : 2;

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "BertProcessing"u8);
        WriteFrame(writer, Start, Separator);
        writer.WriteEndObject();
    }

    internal static void WriteFrame(Utf8JsonWriter writer, (string Token, int Id) start, (string Token, int Id) separator)
    {
        writer.WriteStartArray("sep"u8);
        writer.WriteStringValue(separator.Token);
        writer.WriteNumberValue(separator.Id);
        writer.WriteEndArray();
        writer.WriteStartArray("cls"u8);
        writer.WriteStringValue(start.Token);
        writer.WriteNumberValue(start.Id);
        writer.WriteEndArray();
    }
}
