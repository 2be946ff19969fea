namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How a WordPiece vocabulary is learned.</summary>
public sealed record WordPieceTrainingOptions
{
    /// <summary>The number of tokens to end with, special tokens and alphabet included; the alphabet is kept whole even if it is larger.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>A pair that is rarer is not joined.</summary>
    public long MinFrequency { get; init; } = 2;

    /// <summary>The control tokens; they get the first ids, in this order. BERT's five must be among them.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

    /// <summary>Whether texts become lower case and lose their accents.</summary>
    public bool Lowercase { get; init; } = true;

    /// <summary>What stands before a piece that does not begin its word.</summary>
    public string ContinuingSubwordPrefix { get; init; } = "##";

    /// <summary>Keep only so many characters, the most frequent ones; null for all.</summary>
    public int? LimitAlphabet { get; init; }
}
