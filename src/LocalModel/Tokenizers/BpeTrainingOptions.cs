namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How a BPE vocabulary is learned.</summary>
public sealed record BpeTrainingOptions
{
    /// <summary>The number of tokens to end with, special tokens and alphabet included; the alphabet is kept whole even if it is larger.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>A pair that is rarer is not joined.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<|endoftext|>"];

    /// <summary>Whether a text that does not begin with a blank gets one (GPT-2's <c>add_prefix_space</c>). Decoding then gives that blank back.</summary>
    public bool AddPrefixSpace { get; init; }

    /// <summary>How text is cut into words before pairs are counted.</summary>
    public WordPattern Pattern { get; init; } = WordPattern.Gpt2;

    /// <summary>A token has fewer characters (bytes, for byte-level BPE) than this, a pair of single ones apart; null for no limit.</summary>
    public int? MaxTokenLength { get; init; }

    /// <summary>Keep only so many characters, the most frequent ones (the initial alphabet always); null for all.</summary>
    internal int? LimitAlphabet { get; init; }

    /// <summary>Characters that are in the vocabulary even if the texts lack them.</summary>
    internal string InitialAlphabet { get; init; } = "";

    /// <summary>What stands before a token that does not begin its word; null for nothing.</summary>
    internal string? ContinuingSubwordPrefix { get; init; }

    /// <summary>What stands behind a token that ends its word; null for nothing.</summary>
    internal string? EndOfWordSuffix { get; init; }
}
