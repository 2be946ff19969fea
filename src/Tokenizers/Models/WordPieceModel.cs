using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// WordPiece as BERT has it: from the left, always the longest known piece; pieces inside a word have a prefix; a word that cannot be
/// covered, or that is too long, is unknown as a whole. Source of the details: Hugging Face tokenizers. Thread-safe.
/// </summary>
internal sealed class WordPieceModel : ITokenModel, IWordTokenizer
{
    private readonly TokenTrie _trie = new();
    private readonly int _insideWord;
    private readonly int _unknownId;
    private readonly WordCache _cache = new();

    public WordPieceModel(Vocabulary vocabulary, string unknownToken, string continuingSubwordPrefix, int maxInputCharsPerWord)
    {
        (Vocabulary, UnknownToken, ContinuingSubwordPrefix, MaxInputCharsPerWord) =
            (vocabulary, unknownToken, continuingSubwordPrefix, maxInputCharsPerWord);
        for (int id = 0; id < vocabulary.IdLimit; id++)
            if (vocabulary.TokenOf(id) is { } token)
                _trie.Add(token, id);
        _insideWord = _trie.Walk(continuingSubwordPrefix);
        _unknownId = vocabulary.TryGetId(unknownToken, out int unknown) ? unknown : -1;
    }

    /// <inheritdoc/>
    public Vocabulary Vocabulary { get; }

    public string UnknownToken { get; }

    /// <summary>What precedes a piece that does not begin its word, for example <c>##</c>.</summary>
    public string ContinuingSubwordPrefix { get; }

    /// <summary>A word of more code points is unknown.</summary>
    public int MaxInputCharsPerWord { get; }

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink) => _cache.Tokenize(piece, sink, this);

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("type"u8, "WordPiece"u8);
        writer.WriteString("unk_token"u8, UnknownToken);
        writer.WriteString("continuing_subword_prefix"u8, ContinuingSubwordPrefix);
        writer.WriteNumber("max_input_chars_per_word"u8, MaxInputCharsPerWord);
        Vocabulary.Write(writer);
        writer.WriteEndObject();
    }

    /// <inheritdoc/>
    public void Run(ReadOnlySpan<char> piece, TokenSink sink)
    {
        int first = sink.Count;
        bool known = piece.Length <= MaxInputCharsPerWord || CountCodePoints(piece) <= MaxInputCharsPerWord;
        for (int start = 0; known && start < piece.Length;)
        {
            int node = start == 0 ? 0 : _insideWord, found = -1, foundEnd = start;
            for (int at = start; at < piece.Length && node >= 0; at++)
            {
                node = _trie.Step(node, piece[at]);
                if (node >= 0 && _trie.IdAt(node) is int id and >= 0)
                    (found, foundEnd) = (id, at + 1);
            }

            known = found >= 0;
            if (known)
                sink.Add(found, start, foundEnd);
            start = foundEnd;
        }

        if (known)
            return;
        if (_unknownId < 0)
            throw new TokenizerException(
                $"The word '{(piece.Length <= 40 ? piece.ToString() : piece[..40].ToString() + "…")}' is unknown, and the vocabulary "
                    + $"lacks unk_token '{UnknownToken}'. Add it to the vocabulary.");
        sink.Rewind(first);
        sink.Add(_unknownId, 0, piece.Length);
    }

    private static int CountCodePoints(ReadOnlySpan<char> text)
    {
        int count = 0;
        foreach (char c in text)
            count += char.IsLowSurrogate(c) ? 0 : 1;
        return count;
    }
}

/// <summary>How a WordPiece vocabulary is learned.</summary>
public sealed record WordPieceTrainingOptions
{
    /// <summary>
    /// The number of tokens to end with, special tokens and alphabet included; the alphabet is kept whole even if it is larger.
    /// </summary>
    public required int VocabularySize { get; init; }

    /// <summary>A pair that is rarer is not joined.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>The control tokens; they get the first ids, in this order. BERT's five must be among them.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

    /// <summary>Whether texts become lower case and lose their accents.</summary>
    public bool Lowercase { get; init; } = true;

    /// <summary>What precedes a piece that does not begin its word.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "##";

    /// <summary>Keep only this many characters, the most frequent ones; null for all.</summary>
    public int? LimitAlphabet { get; init; }
}
