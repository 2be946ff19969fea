namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How a unigram vocabulary is learned.</summary>
public sealed record UnigramTrainingOptions
{
    /// <summary>The number of pieces to end with, special tokens included; every character of the texts is kept even if there are more.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<unk>", "<s>", "</s>"];

    /// <summary>The token that stands for what no piece covers; it is put before the others when it is not one of <see cref="SpecialTokens"/>.</summary>
    public string UnknownToken { get; init; } = "<unk>";

    /// <summary>The longest piece, in characters.</summary>
    public int MaxPieceLength { get; init; } = 16;

    /// <summary>Which part of the pieces is kept each time the vocabulary shrinks.</summary>
    public double ShrinkingFactor { get; init; } = 0.75;

    /// <summary>How many rounds of expectation and maximisation run between two shrinkings.</summary>
    public int SubIterations { get; init; } = 2;

    /// <summary>The most pieces to start with.</summary>
    public int SeedSize { get; init; } = 1_000_000;
}
