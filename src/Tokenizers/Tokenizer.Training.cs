namespace Kotonoha.Tokenizers;

/// <content>Making a tokenizer from texts.</content>
public sealed partial class Tokenizer
{
    private const int MaxWordPieceCharacters = 100;

    /// <summary>Learns a byte-level BPE tokenizer, as GPT-2 has it: any text can be encoded and decodes to itself.</summary>
    /// <param name="texts">The texts, for example <see cref="TextCorpus.From"/>; words do not reach across two of them.</param>
    /// <param name="vocabularySize">The number of tokens, the 256 bytes and the special tokens included.</param>
    /// <param name="minFrequency">A pair that is rarer is not joined.</param>
    /// <param name="specialTokens">The control tokens, which get the first ids; <c>&lt;|endoftext|&gt;</c> when null.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; the same texts in any order give the same one.</returns>
    public static Tokenizer TrainByteLevelBpe(
        IEnumerable<string> texts, int vocabularySize, int minFrequency = 2, IReadOnlyList<string>? specialTokens = null,
        CancellationToken cancellationToken = default)
    {
        var options = new BpeTrainingOptions { VocabularySize = vocabularySize, MinFrequency = minFrequency };
        return TrainByteLevelBpe(texts, specialTokens is null ? options : options with { SpecialTokens = specialTokens },
            cancellationToken);
    }

    /// <summary>Learns a byte-level BPE tokenizer, as GPT-2 has it: any text can be encoded and decodes to itself.</summary>
    /// <param name="texts">The texts; words do not reach across two of them.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; the same texts in any order give the same one.</returns>
    /// <exception cref="ArgumentException">A special token is empty or stands twice, or a number is out of range.</exception>
    public static Tokenizer TrainByteLevelBpe(
        IEnumerable<string> texts, BpeTrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        Check(options.VocabularySize, options.SpecialTokens, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.MinFrequency);
        var byteLevel = new ByteLevelPreTokenizer(options.AddPrefixSpace, UseRegex: options.Pattern == WordPattern.Gpt2, TrimOffsets: true);
        IPreTokenizer preTokenizer = byteLevel;
        if (options.Pattern == WordPattern.Cl100k)
        {
            preTokenizer = new SequencePreTokenizer([new SplitPreTokenizer(Cl100kWordCutter.Llama3Pattern), byteLevel]);
        }

        var words = WordCounter.Count(texts, null, preTokenizer, cancellationToken);
        var (vocabulary, merges) = BpeTrainer.Train(words, options with { InitialAlphabet = ByteAlphabet.Characters }, cancellationToken);
        return new Tokenizer(new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new BpeModel(vocabulary, merges, new BpeModelOptions()),
            PostProcessor = new ByteLevelPostProcessor(AddPrefixSpace: true, TrimOffsets: false, UseRegex: true),
            Decoder = new ByteLevelDecoder(AddPrefixSpace: true, TrimOffsets: true, UseRegex: true),
            AddedTokens = [.. options.SpecialTokens.Select((token, id) => new AddedToken(id, token) { IsSpecial = true })],
        });
    }

    /// <summary>Learns a WordPiece tokenizer, as BERT has it.</summary>
    /// <param name="texts">The texts, for example <see cref="TextCorpus.From"/>.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer, with BERT's preparation of text and <c>[CLS] … [SEP]</c> around it; the same texts in any order give the
    /// same one.</returns>
    /// <exception cref="ArgumentException">A special token is missing, empty or stands twice, or a number is out of range.</exception>
    public static Tokenizer TrainWordPiece(
        IEnumerable<string> texts, WordPieceTrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        Check(options.VocabularySize, options.SpecialTokens, nameof(options), "[UNK]", "[CLS]", "[SEP]");
        var normalizer = new BertNormalizer(CleanText: true, HandleChineseChars: true, StripAccents: null, options.Lowercase);
        var preTokenizer = new BertPreTokenizer();
        var words = WordCounter.Count(texts, normalizer, preTokenizer, cancellationToken);
        var (vocabulary, _) = BpeTrainer.Train(
            words,
            new BpeTrainingOptions
            {
                VocabularySize = options.VocabularySize,
                MinFrequency = options.MinFrequency,
                SpecialTokens = options.SpecialTokens,
                LimitAlphabet = options.LimitAlphabet,
                ContinuingSubwordPrefix = options.ContinuingSubwordPrefix,
            },
            cancellationToken);
        var special = Special(options.SpecialTokens);
        (string, int) Frame(string token) => (token, special.First(t => t.Content == token).Id);
        return new Tokenizer(new TokenizerParts
        {
            Normalizer = normalizer,
            PreTokenizer = preTokenizer,
            Model = new WordPieceModel(vocabulary, "[UNK]", options.ContinuingSubwordPrefix, MaxWordPieceCharacters),
            PostProcessor = new BertPostProcessor(Frame("[CLS]"), Frame("[SEP]")),
            Decoder = new WordPieceDecoder(options.ContinuingSubwordPrefix, Cleanup: true),
            AddedTokens = special,
        });
    }

    /// <summary>Learns a unigram tokenizer, as T5 has it: words keep the blank before them as U+2581.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="options">What to learn.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; the same texts in any order give the same one.</returns>
    /// <exception cref="ArgumentException">A special token is empty or stands twice, or a number is out of range.</exception>
    public static Tokenizer TrainUnigram(
        IEnumerable<string> texts, UnigramTrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        Check(options.VocabularySize, options.SpecialTokens, nameof(options));
        ArgumentException.ThrowIfNullOrEmpty(options.UnknownToken);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.MaxPieceLength);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.SubIterations);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.SeedSize);
        if (options.ShrinkingFactor is not (> 0 and < 1))
            throw new ArgumentException($"A shrinking factor of {options.ShrinkingFactor} is not between 0 and 1.", nameof(options));
        var preTokenizer = new MetaspacePreTokenizer('\u2581', PrependScheme.Always, Split: true);
        var words = WordCounter.Count(texts, null, preTokenizer, cancellationToken);
        var (pieces, unknownId) = UnigramTrainer.Train(words, options, cancellationToken);
        return new Tokenizer(new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new UnigramModel(pieces, unknownId, byteFallback: false),
            Decoder = new MetaspaceDecoder('\u2581', PrependScheme.Always, Split: true),
            AddedTokens =
                Special([.. pieces.Take(options.SpecialTokens.Contains(options.UnknownToken)
                    ? options.SpecialTokens.Count
                    : options.SpecialTokens.Count + 1).Select(p => p.Token)]),
        });
    }

    /// <summary>Makes a tokenizer of whole words.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="options">What to make.</param>
    /// <param name="cancellationToken">Stops the training.</param>
    /// <returns>The tokenizer; other words become the unknown token.</returns>
    /// <exception cref="ArgumentException">A special token is missing, empty or stands twice, or a number is out of range.</exception>
    public static Tokenizer TrainWordLevel(
        IEnumerable<string> texts, WordLevelTrainingOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(options);
        Check(options.VocabularySize, options.SpecialTokens, nameof(options), options.UnknownToken);
        var preTokenizer = new WhitespacePreTokenizer();
        var words = WordCounter.Count(texts, null, preTokenizer, cancellationToken);
        return new Tokenizer(new TokenizerParts
        {
            PreTokenizer = preTokenizer,
            Model = new WordLevelModel(WordLevelTrainer.Train(words, options), options.UnknownToken),
            AddedTokens = Special(options.SpecialTokens),
        });
    }

    private static AddedToken[] Special(IReadOnlyList<string> tokens)
        => [.. tokens.Select((token, id) => new AddedToken(id, token) { IsSpecial = true })];

    private static void Check(
        int vocabularySize, IReadOnlyList<string> specialTokens, string parameter, params ReadOnlySpan<string> required)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(vocabularySize);
        if (specialTokens.Any(string.IsNullOrEmpty) || specialTokens.Distinct(StringComparer.Ordinal).Count() != specialTokens.Count)
            throw new ArgumentException("A special token is empty or stands twice.", parameter);
        foreach (var token in required)
            if (!specialTokens.Contains(token))
                throw new ArgumentException($"The special tokens lack '{token}'.", parameter);
    }
}
