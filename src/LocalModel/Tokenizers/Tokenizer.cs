using System.Runtime.InteropServices;
using System.Text;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Tokenizers.Decoders;
using Kotonoha.LocalModel.Tokenizers.Models;
using Kotonoha.LocalModel.Tokenizers.Normalizers;
using Kotonoha.LocalModel.Tokenizers.PostProcessors;
using Kotonoha.LocalModel.Tokenizers.PreTokenizers;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>
/// A tokenizer: one fixed pipeline of normalizer, pre-tokenizer, model, post-processor, decoder and added tokens, stored as Hugging Face's
/// tokenizer.json.
/// </summary>
/// <remarks>
/// Immutable and thread-safe. Any string can be encoded; a lone surrogate is read as U+FFFD, as every UTF-8 encoder does. A tokenizer made by
/// <see cref="TrainByteLevelBpe(IEnumerable{string}, int, int, IReadOnlyList{string}?, CancellationToken)"/> decodes every encoded
/// well-formed string to itself.
/// </remarks>
public sealed partial class Tokenizer
{
    private readonly INormalizer? normalizer;
    private readonly IPreTokenizer? preTokenizer;
    private readonly ITokenModel model;
    private readonly IPostProcessor? postProcessor;
    private readonly ITokenDecoder? decoder;
    private readonly AddedVocabulary added;

    internal Tokenizer(TokenizerParts parts)
    {
        (normalizer, preTokenizer, model) = (parts.Normalizer, parts.PreTokenizer, parts.Model);
        (postProcessor, decoder) = (parts.PostProcessor, parts.Decoder);
        foreach (var token in parts.AddedTokens)
            if (model.Vocabulary.TryGetId(token.Content, out int id) ? id != token.Id : model.Vocabulary.TokenOf(token.Id) is not null)
                throw new TokenizerException($"added_tokens: '{token.Content}' has id {token.Id}, but the model's vocabulary says otherwise. Give it the id of the vocabulary, or a free one.");
        added = new AddedVocabulary(parts.AddedTokens, NormalizeText);
        VocabularySize = Math.Max(model.Vocabulary.IdLimit, parts.AddedTokens.Count == 0 ? 0 : parts.AddedTokens.Max(t => t.Id) + 1);
        SpecialTokens = [.. parts.AddedTokens.Where(t => t.IsSpecial)];
    }

    /// <summary>One more than the highest id, added tokens included: the number of rows that an embedding needs.</summary>
    public int VocabularySize { get; }

    /// <summary>The control tokens, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> SpecialTokens { get; }

    /// <summary>All tokens that are searched in the text before the model sees it, in the order of the file.</summary>
    public IReadOnlyList<AddedToken> AddedTokens => added.Tokens;

    internal ITokenModel Model => model;

    /// <summary>The id of a token as the vocabulary spells it.</summary>
    /// <param name="token">The token, for example <c>Ġthe</c> or <c>&lt;|endoftext|&gt;</c>.</param>
    /// <returns>The id, or null.</returns>
    public int? TokenToId(ReadOnlySpan<char> token)
        => added.ByContent(token) is { } found ? found.Id : model.Vocabulary.TryGetId(token, out int id) ? id : null;

    /// <summary>The token of an id as the vocabulary spells it.</summary>
    /// <param name="id">The id.</param>
    /// <returns>The token, or null.</returns>
    public string? IdToToken(int id) => added.ById(id)?.Content ?? model.Vocabulary.TokenOf(id);

    /// <summary>Encodes a text.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens (for example a begin-of-text token).</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from outside.</param>
    /// <returns>The token ids.</returns>
    public int[] Encode(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecialTokens);
        return [.. ids];
    }

    /// <summary>Encodes a text and appends the ids to a list; allocates nothing once the buffers are warm.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="ids">Gets the token ids.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from outside.</param>
    public void Encode(ReadOnlySpan<char> text, List<int> ids, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (postProcessor is null or ByteLevelPostProcessor)
        {
            Run(text, parseSpecialTokens, ids, null, 0);
            return;
        }

        var sequence = new TokenSequence();
        Run(text, parseSpecialTokens, sequence.Ids, null, 0);
        List<TokenSequence> sequences = [sequence];
        postProcessor.Process(sequences, addSpecialTokens);
        foreach (var part in sequences)
            ids.AddRange(part.Ids);
    }

    /// <summary>Encodes a text into a buffer.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="destination">Gets the token ids.</param>
    /// <param name="written">How many ids there are; when they do not fit, how many would.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from outside.</param>
    /// <returns>False when the buffer is too short; it is then left as it was.</returns>
    public bool TryEncode(ReadOnlySpan<char> text, Span<int> destination, out int written, bool addSpecialTokens = true, bool parseSpecialTokens = false)
    {
        var ids = new List<int>();
        Encode(text, ids, addSpecialTokens, parseSpecialTokens);
        written = ids.Count;
        return CollectionsMarshal.AsSpan(ids).TryCopyTo(destination);
    }

    /// <summary>Encodes a text with the place of every token.</summary>
    /// <param name="text">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the text spells out are recognised. Leave it off for text from outside.</param>
    /// <returns>The tokens with offsets in UTF-16 units.</returns>
    public TokenizedText EncodeWithOffsets(ReadOnlySpan<char> text, bool addSpecialTokens = true, bool parseSpecialTokens = false)
        => Finish([RunDetailed(text, parseSpecialTokens, 0)], addSpecialTokens);

    /// <summary>Encodes a pair of texts (question and passage, say) with the place of every token.</summary>
    /// <param name="first">Any text.</param>
    /// <param name="second">Any text.</param>
    /// <param name="addSpecialTokens">Whether the post-processor adds its tokens.</param>
    /// <param name="parseSpecialTokens">Whether control tokens that the texts spell out are recognised. Leave it off for text from outside.</param>
    /// <returns>The tokens; offsets count from the start of their own text.</returns>
    public TokenizedText EncodePair(ReadOnlySpan<char> first, ReadOnlySpan<char> second, bool addSpecialTokens = true, bool parseSpecialTokens = false)
        => Finish([RunDetailed(first, parseSpecialTokens, 0), RunDetailed(second, parseSpecialTokens, 1)], addSpecialTokens);

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
    /// <returns>The text; bytes that are no UTF-8 become U+FFFD, one for each maximal broken part.</returns>
    public string Decode(ReadOnlySpan<int> ids, bool skipSpecialTokens = false)
    {
        var output = new StringBuilder();
        var stream = StartDecoding();
        foreach (int id in ids)
            if (TokenForDecoding(id, skipSpecialTokens) is { } token)
                stream.Push(token, output);
        stream.Finish(output);
        return output.ToString();
    }

    /// <summary>Starts decoding a text whose tokens come one by one.</summary>
    /// <param name="skipSpecialTokens">Whether control tokens are left out.</param>
    /// <returns>A decoder for one text.</returns>
    public TokenStreamDecoder CreateStreamDecoder(bool skipSpecialTokens = false) => new(this, skipSpecialTokens);

    /// <summary>Reads a tokenizer.json.</summary>
    /// <param name="path">The file, or a folder that holds <c>tokenizer.json</c>.</param>
    /// <returns>The tokenizer.</returns>
    /// <exception cref="TokenizerException">The file is missing, malformed or names a component that is not supported.</exception>
    public static Tokenizer Load(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;
        byte[] content;
        try
        {
            content = File.ReadAllBytes(file);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"Tokenizer '{file}' cannot be read: {exception.Message}", exception);
        }

        return Parse(content, file);
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
    public void Save(string path) => AtomicFile.Write(path, Write);

    /// <summary>Writes the tokenizer as tokenizer.json.</summary>
    /// <param name="stream">Gets the JSON in UTF-8.</param>
    public void Write(Stream stream)
        => TokenizerWriter.Write(stream, new TokenizerParts
        {
            Normalizer = normalizer,
            PreTokenizer = preTokenizer,
            Model = model,
            PostProcessor = postProcessor,
            Decoder = decoder,
            AddedTokens = added.Tokens,
        });

    internal IDecoderStream StartDecoding() => decoder?.Start() ?? new BlankJoiningStream();

    internal string? TokenForDecoding(int id, bool skipSpecialTokens)
        => added.ById(id) is { } token
            ? skipSpecialTokens && token.IsSpecial ? null : token.Content
            : model.Vocabulary.TokenOf(id);

    private string NormalizeText(string text)
    {
        if (normalizer is null)
            return text;
        var buffer = new PieceBuffer();
        buffer.Load(text, 0, trackOffsets: false);
        normalizer.Normalize(buffer);
        return buffer.Text.ToString();
    }

    private TokenizedText Finish(List<TokenSequence> sequences, bool addSpecialTokens)
    {
        postProcessor?.Process(sequences, addSpecialTokens);
        return new TokenizedText(sequences);
    }

    private TokenSequence RunDetailed(ReadOnlySpan<char> text, bool parseSpecialTokens, int sequenceId)
    {
        var sequence = new TokenSequence(text.ToString());
        Run(sequence.Text, parseSpecialTokens, null, sequence, sequenceId);
        return sequence;
    }

    /// <summary>Fills one of the two, the ids or the detailed sequence.</summary>
    private void Run(ReadOnlySpan<char> text, bool parseSpecialTokens, List<int>? ids, TokenSequence? detailed, int sequenceId)
    {
        text = WellFormed(text);
        var scratch = EncodingScratch.Rent(ids, detailed, sequenceId, parseSpecialTokens);
        added.Raw.Find(text, parseSpecialTokens, scratch.RawMatches);
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
        buffer.Load(section, originalStart, scratch.Detailed is not null);
        normalizer?.Normalize(buffer);
        added.Normalized.Find(buffer.Text, scratch.ParseSpecialTokens, scratch.NormalizedMatches);
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
        preTokenizer?.PreTokenize(buffer);
        var (sink, detailed) = (scratch.Sink, scratch.Detailed);
        sink.Clear(detailed is not null);
        for (int piece = 0; piece < buffer.PieceCount; piece++)
        {
            int first = sink.Count;
            model.Tokenize(buffer.Piece(piece), sink);
            if (detailed is null)
                continue;
            int pieceStart = buffer.Bounds(piece).Start;
            for (int i = first; i < sink.Count; i++)
            {
                var (start, end) = buffer.Origin(pieceStart + sink.Starts[i], pieceStart + sink.Ends[i]);
                detailed.Add(sink.Ids[i], model.Vocabulary.TokenOf(sink.Ids[i])!, new TokenOffset(start, end), scratch.SequenceId, false, scratch.SequenceId);
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
}
