using System.Runtime.InteropServices;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Gguf;
using Kotonoha.Foundation.IO;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A tokenizer: one fixed pipeline of normalizer, pre-tokenizer, model, post-processor, decoder and added tokens, stored as Hugging Face's
/// tokenizer.json.
/// </summary>
/// <remarks>
/// Immutable and thread-safe. Any string can be encoded; a lone surrogate is read as U+FFFD, as every UTF-8 encoder does. A tokenizer made
/// by <see cref="TrainByteLevelBpe(IEnumerable{string}, int, int, IReadOnlyList{string}?, CancellationToken)"/> decodes every encoded
/// well-formed string to itself.
/// </remarks>
public sealed partial class Tokenizer
{
    private readonly INormalizer? _normalizer;
    private readonly IPreTokenizer? _preTokenizer;
    private readonly ITokenModel _model;
    private readonly IPostProcessor? _postProcessor;
    private readonly ITokenDecoder? _decoder;
    private readonly AddedVocabulary _added;
    private readonly bool _needsOrigins;

    internal Tokenizer(TokenizerParts parts)
    {
        (_normalizer, _preTokenizer, _model) = (parts.Normalizer, parts.PreTokenizer, parts.Model);
        (_postProcessor, _decoder) = (parts.PostProcessor, parts.Decoder);
        foreach (var token in parts.AddedTokens)
            if (_model.Vocabulary.TryGetId(token.Content, out int id) ? id != token.Id : _model.Vocabulary.TokenOf(token.Id) is not null)
                throw new TokenizerException($"added_tokens: '{token.Content}' has id {token.Id}, but the model's vocabulary says "
                    + "otherwise. Give it the id of the vocabulary, or a free one.");
        (Truncation, Padding, _needsOrigins) = (parts.Truncation, parts.Padding, _preTokenizer?.NeedsOrigins ?? false);
        _added = new AddedVocabulary(parts.AddedTokens, NormalizeText);
        VocabularySize = Math.Max(_model.Vocabulary.IdLimit, parts.AddedTokens.Count == 0 ? 0 : parts.AddedTokens.Max(t => t.Id) + 1);
        SpecialTokens = [.. parts.AddedTokens.Where(t => t.IsSpecial)];
    }

    /// <summary>One more than the highest id, added tokens included: the number of rows that an embedding needs.</summary>
    public int VocabularySize { get; }

    /// <summary>The control tokens, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> SpecialTokens { get; }

    /// <summary>All tokens that are searched in the text before the model sees it, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> AddedTokens => _added.Tokens;

    /// <summary>
    /// How texts that are too long are cut, or null. Every method of encoding does so, as in the library that the file comes from.
    /// </summary>
    public TruncationOptions? Truncation { get; private set; }

    /// <summary>
    /// How encodings are padded to one length, or null. Every method of encoding does so, as in the library that the file comes from.
    /// </summary>
    public PaddingOptions? Padding { get; private set; }

    internal ITokenModel Model => _model;

    /// <summary>The same tokenizer with another truncation.</summary>
    /// <param name="truncation">How to truncate; null for not at all.</param>
    /// <returns>A tokenizer that shares everything else with this one.</returns>
    /// <exception cref="ArgumentException">A number is negative, or the stride is longer than what the added tokens leave of the
    /// length.</exception>
    public Tokenizer WithTruncation(TruncationOptions? truncation)
    {
        if (truncation is not null)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(truncation.MaxLength);
            ArgumentOutOfRangeException.ThrowIfNegative(truncation.Stride);
            if (truncation.MaxLength - CountAddedTokens() is >= 0 and var room && room < truncation.Stride)
                throw new ArgumentException(
                    $"A stride of {truncation.Stride} does not fit into {truncation.MaxLength} tokens of which "
                        + $"{CountAddedTokens()} are added by the post-processor.", nameof(truncation));
        }

        var copy = (Tokenizer)MemberwiseClone();
        copy.Truncation = truncation;
        return copy;
    }

    /// <summary>The same tokenizer with another padding.</summary>
    /// <param name="padding">How to pad; null for not at all.</param>
    /// <returns>A tokenizer that shares everything else with this one.</returns>
    /// <exception cref="ArgumentException">A number is negative or beyond <see cref="PaddingOptions.MaxLength"/>.</exception>
    public Tokenizer WithPadding(PaddingOptions? padding)
    {
        if (padding is not null)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(padding.Length ?? 0);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(padding.Length ?? 0, PaddingOptions.MaxLength);
            ArgumentOutOfRangeException.ThrowIfNegative(padding.PadToMultipleOf ?? 0);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(padding.PadToMultipleOf ?? 0, PaddingOptions.MaxLength);
            ArgumentOutOfRangeException.ThrowIfNegative(padding.PadId);
            ArgumentNullException.ThrowIfNull(padding.PadToken);
        }

        var copy = (Tokenizer)MemberwiseClone();
        copy.Padding = padding;
        return copy;
    }

    /// <summary>How many tokens the post-processor adds to a text, or to a pair.</summary>
    /// <param name="pair">Whether to a pair.</param>
    /// <returns>The number of tokens.</returns>
    public int CountAddedTokens(bool pair = false) => _postProcessor?.CountAdded(pair) ?? 0;

    /// <summary>The id of a token as the vocabulary spells it.</summary>
    /// <param name="token">The token, for example <c>Ġthe</c> or <c>&lt;|endoftext|&gt;</c>.</param>
    /// <returns>The id, or null.</returns>
    public int? TokenToId(ReadOnlySpan<char> token)
        => _added.ByContent(token) is { } found ? found.Id : _model.Vocabulary.TryGetId(token, out int id) ? id : null;

    /// <summary>The token of an id as the vocabulary spells it.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The token, or null.</returns>
    public string? IdToToken(int id) => _added.ById(id)?.Content ?? _model.Vocabulary.TokenOf(id);

    /// <summary>The pairs that BPE joins, in the order of their ranks; of other models none.</summary>
    internal IReadOnlyList<(string Left, string Right)> Merges => (_model as BpeModel)?.Merges ?? [];

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (for example a begin-of-text token).</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>The token ids.</returns>
    public int[] Encode(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecialTokens);
        return [.. ids];
    }

    /// <summary>Encodes a text and appends the ids to a list; allocates nothing once the buffers are warm.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ids">Receives the token ids.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from
    /// outside.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if ((_postProcessor is null || _postProcessor.KeepsIds(addSpecialTokens)) && Truncation is null && Padding is null)
        {
            Run(text, parseSpecialTokens, ids, null, 0);
            return;
        }

        var sequence = new TokenSequence();
        Run(text, parseSpecialTokens, sequence.Ids, null, 0);
        List<TokenSequence> sequences = [sequence];
        Truncate(sequences, addSpecialTokens);
        _postProcessor?.Process(sequences, addSpecialTokens);
        int first = ids.Count;
        foreach (var part in sequences)
            ids.AddRange(part.Ids);
        if (Padding is { } padding)
        {
            int missing = Math.Max(0, PaddedLength(ids.Count - first) - (ids.Count - first));
            ids.InsertRange(padding.Direction == TokenSide.Left ? first : ids.Count, Enumerable.Repeat(padding.PadId, missing));
        }
    }

    /// <summary>Encodes a text into a buffer.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="destination">Receives the token ids.</param>
    /// <param name="written">How many ids there are; when they do not fit, how many would.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>False when the buffer is too short; it is then left as it was.</returns>
    public bool TryEncode(
        ReadOnlySpan<char> text, Span<int> destination, out int written, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecialTokens);
        written = ids.Count;
        return CollectionsMarshal.AsSpan(ids).TryCopyTo(destination);
    }

    /// <summary>Encodes a text with the place of every token.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>The tokens with offsets in UTF-16 units.</returns>
    public TokenizedText EncodeWithOffsets(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool parseSpecialTokens = false)
        => Pad(Finish([RunDetailed(text, parseSpecialTokens, 0)], addSpecialTokens));

    /// <summary>Encodes a pair of texts (such as a question and a passage) with the place of every token.</summary>
    /// <param name="first">Any text.</param>
    /// <param name="second">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the texts spell out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>The tokens; offsets count from the start of their own text.</returns>
    public TokenizedText EncodePair(
        ReadOnlySpan<char> first, ReadOnlySpan<char> second, bool addSpecialTokens = true, bool parseSpecialTokens = false)
        => Pad(Finish([RunDetailed(first, parseSpecialTokens, 0), RunDetailed(second, parseSpecialTokens, 1)], addSpecialTokens));

    /// <summary>Encodes texts together: padding without a length pads all of them to the longest.</summary>
    /// <param name="texts">Any texts.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the texts spell out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>The tokens of each text.</returns>
    public IReadOnlyList<TokenizedText> EncodeBatch(
        IReadOnlyList<string> texts, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return Pad([.. texts.Select(t => Finish([RunDetailed(t, parseSpecialTokens, 0)], addSpecialTokens))]);
    }

    /// <summary>Encodes pairs of texts together: padding without a length pads all of them to the longest.</summary>
    /// <param name="pairs">Any texts.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the texts spell out are recognised. Leave it off for text from
    /// outside.</param>
    /// <returns>The tokens of each pair; offsets count from the start of their own text.</returns>
    public IReadOnlyList<TokenizedText> EncodeBatch(
        IReadOnlyList<(string First, string Second)> pairs, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        return Pad(
            [.. pairs.Select(
                p => Finish([RunDetailed(p.First, parseSpecialTokens, 0), RunDetailed(p.Second, parseSpecialTokens, 1)],
                    addSpecialTokens))]);
    }

    /// <summary>The number of tokens of a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the tokens of the post-processor count.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised.</param>
    /// <returns>The number of tokens.</returns>
    public int CountTokens(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecialTokens);
        return ids.Count;
    }

    /// <summary>Decodes tokens.</summary>
    /// <param name="ids">The token ids; an id without a token stands for no text.</param>
    /// <param name="skipSpecialTokens">Whether control tokens are left out.</param>
    /// <returns>The text; bytes that are not UTF-8 become U+FFFD, one for each maximal broken part.</returns>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var output = new StringBuilder();
        var stream = StartDecoding(output, incremental: false);
        foreach (int id in ids)
            if (TokenForDecoding(id, skipSpecialTokens) is { } token)
                stream.Push(token, endsToken: true);
        stream.Finish();
        return output.ToString();
    }

    /// <summary>Starts decoding a text whose tokens come one by one.</summary>
    /// <param name="skipSpecialTokens">Whether control tokens are left out.</param>
    /// <returns>A decoder for one text.</returns>
    public TokenStreamDecoder CreateStreamDecoder(bool skipSpecialTokens = false) => new(this, skipSpecialTokens);

    /// <summary>
    /// Reads a tokenizer; the content of the file says what it is: a tokenizer.json, the vocabulary of a GGUF file, a SentencePiece
    /// <c>.model</c>, or a tiktoken rank file with its <c>encoding.json</c> (<c>pat_str</c>, <c>special_tokens</c>) beside it, or under its
    /// published name (<c>r50k_base.tiktoken</c>, <c>cl100k_base.tiktoken</c>, <c>o200k_base.tiktoken</c>).
    /// </summary>
    /// <param name="path">
    /// The file, or a model's folder: <c>tokenizer.json</c> is looked for there, then <c>vocab.json</c> with <c>merges.txt</c>,
    /// <c>tokenizer.model</c> and <c>*.tiktoken</c>.
    /// </param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="TokenizerException">The file is missing, malformed or names a component that is not supported.</exception>
    public static Tokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = path;
        try
        {
            if (Directory.Exists(path))
            {
                if (TokenizerFolder.Load(path) is { } tokenizer)
                    return tokenizer;
                file = Path.Combine(path, TokenizerFiles.JsonName);
            }

            return TokenizerFiles.Read(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or GgufException or CheckpointException)
        {
            throw new TokenizerException($"Tokenizer '{file}' cannot be read: {exception.Message}", exception);
        }
    }

    /// <summary>Reads the content of a tokenizer.json.</summary>
    /// <param name="utf8Json">The content.</param>
    /// <param name="source">The name that errors give it.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="TokenizerException">The content is malformed or names a component that is not supported.</exception>
    public static Tokenizer Parse(ReadOnlyMemory<byte> utf8Json, string source = "tokenizer.json")
    {
        try
        {
            return new Tokenizer(TokenizerReader.Read(utf8Json));
        }
        catch (TokenizerException exception)
        {
            throw new TokenizerException($"{source}: {exception.Message}", exception.UnsupportedComponent, exception);
        }
    }

    /// <summary>Writes the tokenizer as tokenizer.json; a reader sees the old file or the new one, never half of one.</summary>
    /// <param name="path">The file; its folder must exist.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="TokenizerException">
    /// The tokenizer came from a file of another kind and does what tokenizer.json cannot express.
    /// </exception>
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the tokenizer as tokenizer.json.</summary>
    /// <param name="stream">Receives the JSON in UTF-8.</param>
    /// <exception cref="TokenizerException">
    /// The tokenizer came from a file of another kind and does what tokenizer.json cannot express.
    /// </exception>
    public void Write(Stream stream)
        => TokenizerWriter.Write(stream, SentencePieceConversion.Convert(new TokenizerParts
        {
            Normalizer = _normalizer,
            PreTokenizer = _preTokenizer,
            Model = _model,
            PostProcessor = _postProcessor,
            Decoder = _decoder,
            Truncation = Truncation,
            Padding = Padding,
            AddedTokens = _added.Tokens,
        }));

    /// <summary>What turns tokens into text; null where they are joined by blanks.</summary>
    internal ITokenDecoder? Decoder => _decoder;

    internal IDecoderStream StartDecoding(StringBuilder output, bool incremental)
    {
        var text = new TextStream(output);
        return _decoder?.Start(text, incremental) ?? new BlankJoiningStream(text);
    }

    internal string? TokenForDecoding(int id, bool skipSpecialTokens)
        => _added.ById(id) is { } token
            ? _added.Spelling(token, skipSpecialTokens)
            : _model.Vocabulary.TokenOf(id);

    private string NormalizeText(string text)
    {
        if (_normalizer is null)
            return text;
        var buffer = new PieceBuffer();
        buffer.Load(text, 0, trackOffsets: false);
        _normalizer.Normalize(buffer);
        return buffer.Text.ToString();
    }

    private CutOffTokens[]? Truncate(List<TokenSequence> sequences, bool addSpecialTokens)
        => Truncation is null
            ? null
            : Truncator.Apply(sequences, Truncation, addSpecialTokens ? CountAddedTokens(sequences.Count == 2) : 0);

    private TokenizedText Finish(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        Lazy<IReadOnlyList<TokenizedText>>? overflowing = null;
        if (Truncate(sequences, addSpecialTokens) is { } cutOff)
        {
            // Post-processors change what they are given.
            TokenSequence[] kept = [.. sequences.Select(Copy)];
            overflowing = new(() => [.. Combine(kept, cutOff).Select(c => Further(c.Parts, c.Others))]);
        }

        return PostProcess(sequences, addSpecialTokens, overflowing);

        static TokenSequence Copy(TokenSequence sequence) => sequence.Slice(0, sequence.Count, sequence.IsOverflow);

        TokenizedText Further(TokenSequence[] parts, IEnumerable<TokenSequence[]> others)
            => PostProcess([.. parts.Select(Copy)], addSpecialTokens, new(() => [.. others.Select(o => Further(o, []))]));
    }

    private TokenizedText PostProcess(List<TokenSequence> sequences, bool addSpecialTokens, Lazy<IReadOnlyList<TokenizedText>>? overflowing)
    {
        _postProcessor?.Process(sequences, addSpecialTokens);
        return new TokenizedText(sequences, overflowing);
    }

    /// <summary>
    /// Every combination of the parts of a text, or of two, except the one that is kept. A combination with a part that is kept has further
    /// ones itself: those in which that part is another.
    /// </summary>
    private static IEnumerable<(TokenSequence[] Parts, IEnumerable<TokenSequence[]> Others)> Combine(
        TokenSequence[] kept, CutOffTokens[] cutOff)
    {
        if (kept.Length == 1)
        {
            foreach (var part in cutOff[0].Parts)
                yield return ([part], []);
            yield break;
        }

        foreach (var first in cutOff[0].Parts)
        {
            yield return ([first, kept[1]], cutOff[1].Parts.Select(second => (TokenSequence[])[first, second]));
            foreach (var second in cutOff[1].Parts)
                yield return ([first, second], []);
        }

        foreach (var second in cutOff[1].Parts)
            yield return ([kept[0], second], cutOff[0].Parts.Select(first => (TokenSequence[])[first, second]));
    }

    private TokenizedText Pad(TokenizedText text) => Padding is null ? text : text.Pad(PaddedLength(text.Ids.Count), Padding);

    private TokenizedText[] Pad(TokenizedText[] batch)
    {
        if (Padding is null || batch.Length == 0)
            return batch;
        int length = PaddedLength(batch.Max(t => t.Ids.Count));
        return [.. batch.Select(t => t.Pad(length, Padding))];
    }

    private int PaddedLength(int longest)
    {
        int length = Padding!.Length ?? longest;
        return Padding.PadToMultipleOf is { } multiple and > 0 && length % multiple > 0 ? length + multiple - length % multiple : length;
    }

    private TokenSequence RunDetailed(ReadOnlySpan<char> text, bool parseSpecialTokens, int sequenceId)
    {
        var sequence = new TokenSequence(text.ToString());
        Run(sequence.Text, parseSpecialTokens, null, sequence, sequenceId);
        return sequence;
    }

    /// <summary>Fills one of the two, the ids or the detailed sequence.</summary>
    private void Run(
        ReadOnlySpan<char> text, bool parseSpecialTokens, List<int>? ids, TokenSequence? detailed, int sequenceId,
        Func<AddedToken, int, int, bool>? keeps = null)
    {
        text = WellFormed(text);
        var scratch = EncodingScratch.Rent(ids, detailed, sequenceId, parseSpecialTokens);
        scratch.Keeps = keeps;
        _added.Raw.Find(text, parseSpecialTokens, scratch.RawMatches);
        if (keeps is not null)
            KeepChosen(scratch.RawMatches, keeps, null);
        int at = 0;
        foreach (var match in scratch.RawMatches)
        {
            if (match.Start > at)
                RunSection(scratch, text[at..match.Start], at);
            scratch.Add(match.Token, text[match.Start..match.End], match.Start, match.End);
            at = match.End;
        }

        if (at < text.Length)
            RunSection(scratch, text[at..], at);
        scratch.Return();
    }

    /// <summary>Normalises what lies between two tokens found in the original text, and looks for tokens again.</summary>
    private void RunSection(EncodingScratch scratch, ReadOnlySpan<char> section, int originalStart)
    {
        var buffer = scratch.Section;
        buffer.Load(section, originalStart, _needsOrigins || scratch.Detailed is not null || scratch.Keeps is not null);
        _normalizer?.Normalize(buffer);
        _added.Normalized.Find(buffer.Text, scratch.ParseSpecialTokens, scratch.NormalizedMatches);
        if (scratch.Keeps is not null)
            KeepChosen(scratch.NormalizedMatches, scratch.Keeps, buffer);
        if (scratch.NormalizedMatches.Count == 0)
        {
            RunPieces(scratch, buffer);
            return;
        }

        int at = 0;
        foreach (var match in scratch.NormalizedMatches)
        {
            if (match.Start > at)
                RunPart(scratch, at, match.Start);
            var (start, end) = buffer.TracksOffsets ? buffer.Origin(match.Start, match.End) : default;
            scratch.Add(match.Token, buffer.Text[match.Start..match.End], start, end);
            at = match.End;
        }

        if (at < buffer.Text.Length)
            RunPart(scratch, at, buffer.Text.Length);
    }

    private void RunPart(EncodingScratch scratch, int start, int end)
    {
        scratch.Part.LoadPart(scratch.Section, start, end);
        RunPieces(scratch, scratch.Part);
    }

    private void RunPieces(EncodingScratch scratch, PieceBuffer buffer)
    {
        _preTokenizer?.PreTokenize(buffer);
        var (sink, detailed) = (scratch.Sink, scratch.Detailed);
        sink.Clear(detailed is not null);
        for (int piece = 0; piece < buffer.PieceCount; piece++)
        {
            int first = sink.Count;
            _model.Tokenize(buffer.Piece(piece), sink);
            if (detailed is null)
                continue;
            int pieceStart = buffer.Bounds(piece).Start;
            for (int i = first; i < sink.Count; i++)
            {
                int id = sink.Ids[i], from = pieceStart + sink.Starts[i], to = pieceStart + sink.Ends[i];
                var (start, end) = buffer.Origin(from, to);
                var token = id == _model.SurfaceId ? buffer.Text[from..to].ToString() : _model.Vocabulary.TokenOf(id)!;
                detailed.Add(id, token, new TokenOffset(start, end), scratch.SequenceId, false, scratch.SequenceId);
            }
        }

        scratch.Ids?.AddRange(sink.Ids);
    }

    /// <summary>Lone surrogates become U+FFFD; places stay as they are.</summary>
    internal static ReadOnlySpan<char> WellFormed(ReadOnlySpan<char> text)
    {
        char[]? copy = null;
        for (int at = 0; at < text.Length;)
        {
            int skip = text[at..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (skip < 0)
                break;
            at += skip;
            if (char.IsHighSurrogate(text[at]) && at + 1 < text.Length && char.IsLowSurrogate(text[at + 1]))
            {
                at += 2;
                continue;
            }

            copy ??= text.ToArray();
            copy[at++] = '\uFFFD';
        }

        return copy ?? text;
    }

    /// <summary>Encodes a text in which a caller decides about each added token that is found; nothing is added.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ids">Receives the token ids.</param>
    /// <param name="keeps">Whether a token found from a place up to another (UTF-16 units, swallowed white space included) is one;
    /// otherwise it is text.</param>
    internal void EncodeChosen(ReadOnlySpan<char> text, List<int> ids, Func<AddedToken, int, int, bool> keeps)
        => Run(text, parseSpecialTokens: true, ids, null, 0, keeps);

    /// <summary>The same with the place of every token.</summary>
    internal TokenizedText EncodeChosenWithOffsets(ReadOnlySpan<char> text, Func<AddedToken, int, int, bool> keeps)
    {
        var sequence = new TokenSequence(text.ToString());
        Run(text, parseSpecialTokens: true, null, sequence, 0, keeps);
        return new TokenizedText([sequence], null);
    }

    private static void KeepChosen(List<AddedTokenMatch> matches, Func<AddedToken, int, int, bool> keeps, PieceBuffer? buffer)
        => matches.RemoveAll(m => (buffer?.Origin(m.Start, m.End) ?? (m.Start, m.End)) is var (start, end) && !keeps(m.Token, start, end));
}
