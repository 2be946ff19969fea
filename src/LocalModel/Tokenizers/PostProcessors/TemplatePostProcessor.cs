using System.Text.Json;

namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>Joins the sequences and special tokens in the order that a template gives, one template for a text and one for a pair.</summary>
internal sealed class TemplatePostProcessor : IPostProcessor
{
    private readonly TemplatePiece[] single;
    private readonly TemplatePiece[] pair;
    private readonly bool singleIsText;
    private readonly Dictionary<string, TemplateSpecialToken> specialTokens;

    public TemplatePostProcessor(TemplatePiece[] single, TemplatePiece[] pair, IEnumerable<TemplateSpecialToken> specialTokens)
    {
        (this.single, this.pair) = (single, pair);
        this.specialTokens = specialTokens.ToDictionary(t => t.Name, StringComparer.Ordinal);
        singleIsText = single.Where(p => p.SpecialToken is null).ToArray() is [{ Sequence: 0 }];
        foreach (var piece in single.Concat(pair))
            if (piece.SpecialToken is { } name && !this.specialTokens.ContainsKey(name))
                throw new TokenizerException($"post_processor TemplateProcessing names '{name}', which its special_tokens lack. Add it there.");
    }

    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        List<TokenSequence> parts = [];
        foreach (var piece in sequences.Count == 1 ? single : pair)
        {
            if (piece.SpecialToken is null)
            {
                if (piece.Sequence < sequences.Count)
                    parts.Add(sequences[piece.Sequence].Retyped(piece.TypeId));
                continue;
            }

            if (!addSpecialTokens)
                continue;
            var special = specialTokens[piece.SpecialToken];
            for (int i = 0; i < special.Ids.Length; i++)
                parts.Add(sequences[0].LikeWith((special.Tokens[i], special.Ids[i]), piece.TypeId));
        }

        sequences.Clear();
        sequences.AddRange(parts);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => singleIsText && (!addSpecialTokens || single.Length == 1);

    /// <inheritdoc/>
    public int CountAdded(bool pair) => (pair ? this.pair : single).Sum(p => p.SpecialToken is { } name ? specialTokens[name].Ids.Length : 0);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "TemplateProcessing"u8);
        WritePieces("single", single);
        WritePieces("pair", pair);
        writer.WriteStartObject("special_tokens"u8);
        foreach (var special in specialTokens.Values)
        {
            writer.WriteStartObject(special.Name);
            writer.WriteString("id"u8, special.Name);
            writer.WriteStartArray("ids"u8);
            foreach (int id in special.Ids)
                writer.WriteNumberValue(id);
            writer.WriteEndArray();
            writer.WriteStartArray("tokens"u8);
            foreach (var token in special.Tokens)
                writer.WriteStringValue(token);
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        writer.WriteEndObject();
        writer.WriteEndObject();

        void WritePieces(string name, TemplatePiece[] pieces)
        {
            writer.WriteStartArray(name);
            foreach (var piece in pieces)
            {
                writer.WriteStartObject();
                writer.WriteStartObject(piece.SpecialToken is null ? "Sequence" : "SpecialToken");
                writer.WriteString("id"u8, piece.SpecialToken ?? (piece.Sequence == 0 ? "A" : "B"));
                writer.WriteNumber("type_id"u8, piece.TypeId);
                writer.WriteEndObject();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }
    }
}
