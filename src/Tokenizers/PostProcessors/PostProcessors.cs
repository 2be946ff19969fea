using System.Text.Json;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Processes finished sequences: trims offsets, adds special tokens.</summary>
internal interface IPostProcessor
{
    /// <summary>Changes the sequences (one or two, more when another has added tokens), which are then read one after the other.</summary>
    void Process(List<TokenSequence> sequences, bool addSpecialTokens);

    /// <summary>Whether the ids of one text come out of <see cref="Process"/> as they went in, so that it need not run for them.</summary>
    bool KeepsIds(bool addSpecialTokens);

    /// <summary>How many tokens are added to a text, or to a pair.</summary>
    int CountAdded(bool pair);

    /// <summary>Writes the component as tokenizer.json has it.</summary>
    void Write(Utf8JsonWriter writer);
}

/// <summary>Several post-processors, one after the other; at most one of them may add tokens.</summary>
internal sealed class SequencePostProcessor : IPostProcessor
{
    private readonly IPostProcessor[] _parts;
    private readonly bool _keepsIdsAlways;
    private readonly bool _keepsIdsOfPlain;

    public SequencePostProcessor(IPostProcessor[] parts)
    {
        _parts = parts;
        (_keepsIdsAlways, _keepsIdsOfPlain) = (parts.All(p => p.KeepsIds(true)), parts.All(p => p.KeepsIds(false)));
        if (Flatten(parts).Count(p => p is not ByteLevelPostProcessor) > 1)
            throw TokenizerException.Unsupported("post_processor Sequence with two parts that add tokens");
    }

    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        foreach (var part in _parts)
            part.Process(sequences, addSpecialTokens);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => addSpecialTokens ? _keepsIdsAlways : _keepsIdsOfPlain;

    /// <inheritdoc/>
    public int CountAdded(bool pair) => _parts.Sum(p => p.CountAdded(pair));

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "Sequence"u8);
        writer.WriteStartArray("processors"u8);
        foreach (var part in _parts)
            part.Write(writer);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static IEnumerable<IPostProcessor> Flatten(IEnumerable<IPostProcessor> parts)
        => parts.SelectMany(p => p is SequencePostProcessor inner ? Flatten(inner._parts) : [p]);
}

/// <summary>
/// Joins the sequences and special tokens in the order that a template gives, one template for a text and one for a pair.
/// </summary>
internal sealed class TemplatePostProcessor : IPostProcessor
{
    private readonly TemplatePiece[] _single;
    private readonly TemplatePiece[] _pair;
    private readonly bool _singleIsText;
    private readonly Dictionary<string, TemplateSpecialToken> _specialTokens;

    public TemplatePostProcessor(TemplatePiece[] single, TemplatePiece[] pair, IEnumerable<TemplateSpecialToken> specialTokens)
    {
        (_single, _pair) = (single, pair);
        _specialTokens = specialTokens.ToDictionary(t => t.Name, StringComparer.Ordinal);
        _singleIsText = single.Where(p => p.SpecialToken is null).ToArray() is [{ Sequence: 0 }];
        foreach (var piece in single.Concat(pair))
            if (piece.SpecialToken is { } name && !_specialTokens.ContainsKey(name))
                throw new TokenizerException(
                    $"post_processor TemplateProcessing names '{name}', which its special_tokens lack. Add it there.");
    }

    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        List<TokenSequence> parts = [];
        foreach (var piece in sequences.Count == 1 ? _single : _pair)
        {
            if (piece.SpecialToken is null)
            {
                if (piece.Sequence < sequences.Count)
                    parts.Add(sequences[piece.Sequence].Retyped(piece.TypeId));
                continue;
            }

            if (!addSpecialTokens)
                continue;
            var special = _specialTokens[piece.SpecialToken];
            for (int i = 0; i < special.Ids.Length; i++)
                parts.Add(sequences[0].LikeWith((special.Tokens[i], special.Ids[i]), piece.TypeId));
        }

        sequences.Clear();
        sequences.AddRange(parts);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => _singleIsText && (!addSpecialTokens || _single.Length == 1);

    /// <inheritdoc/>
    public int CountAdded(bool pair) => (pair ? _pair : _single).Sum(p => p.SpecialToken is { } name ? _specialTokens[name].Ids.Length : 0);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "TemplateProcessing"u8);
        WritePieces("single", _single);
        WritePieces("pair", _pair);
        writer.WriteStartObject("special_tokens"u8);
        foreach (var special in _specialTokens.Values)
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

/// <summary>One step of a template: a sequence of the input, or a special token.</summary>
/// <param name="Sequence">0 for the first text, 1 for the second; -1 for a special token.</param>
/// <param name="SpecialToken">The special token's name, or null.</param>
/// <param name="TypeId">The segment that the tokens get.</param>
internal sealed record TemplatePiece(int Sequence, string? SpecialToken, int TypeId);

/// <summary>What a special token of a template stands for: one or more tokens.</summary>
internal sealed record TemplateSpecialToken(string Name, int[] Ids, string[] Tokens);

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

/// <summary>
/// RoBERTa's frame: <c>&lt;s&gt; A &lt;/s&gt;</c>, for a pair <c>&lt;s&gt; A &lt;/s&gt;&lt;/s&gt; B &lt;/s&gt;</c>; everything is segment
/// 0.
/// </summary>
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

/// <summary>Removes white space from the offsets of byte-level tokens.</summary>
/// <param name="AddPrefixSpace">Whether the first blank of a text may have been added by the pre-tokenizer.</param>
/// <param name="TrimOffsets">Whether it does anything.</param>
/// <param name="UseRegex">Kept for the file; has no effect.</param>
internal sealed record ByteLevelPostProcessor(bool AddPrefixSpace, bool TrimOffsets, bool UseRegex) : IPostProcessor
{
    /// <inheritdoc/>
    public void Process(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        if (TrimOffsets)
            foreach (var sequence in sequences)
                Trim(sequence, AddPrefixSpace);
    }

    /// <inheritdoc/>
    public bool KeepsIds(bool addSpecialTokens) => true;

    /// <inheritdoc/>
    public int CountAdded(bool pair) => 0;

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => ByteLevelPreTokenizer.WriteByteLevel(writer, AddPrefixSpace, TrimOffsets, UseRegex);

    internal static void Trim(TokenSequence sequence, bool addPrefixSpace)
    {
        if (!sequence.Detailed)
            return;
        for (int i = 0; i < sequence.Count; i++)
        {
            var token = sequence.Tokens[i];
            int leading = 0, trailing = 0;
            while (leading < token.Length && IsBlank(token[leading]))
                leading++;
            while (trailing < token.Length && IsBlank(token[token.Length - 1 - trailing]))
                trailing++;
            var (start, end) = sequence.Offsets[i];
            if (leading > 0)
            {
                // A single blank at the start of the text is taken for the added one, which stands for no character.
                if (leading == 1 && addPrefixSpace && (i == 0 || start == 0))
                    leading = 0;
                start = Math.Min(Forward(sequence.Text, start, leading), end);
            }

            if (trailing > 0 && Back(sequence.Text, end, trailing) is int shorter and >= 0)
                end = Math.Max(shorter, start);
            sequence.Offsets[i] = new TokenOffset(start, end);
        }
    }

    // An added blank shares the place of the character after it, and that may be a surrogate pair: count in code points.
    private static int Forward(string text, int at, int codePoints)
    {
        for (; codePoints > 0; codePoints--)
            at += at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
        return at;
    }

    private static int Back(string text, int at, int codePoints)
    {
        for (; codePoints > 0 && at >= 0; codePoints--)
            at -= at > 1 && char.IsSurrogatePair(text[at - 2], text[at - 1]) ? 2 : 1;
        return at;
    }

    private static bool IsBlank(char c) => c == ByteAlphabet.ToChar((byte)' ') || UnicodeData.IsWhiteSpace(c);
}
