namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How a vocabulary of whole words is made.</summary>
public sealed record WordLevelTrainingOptions
{
    /// <summary>The most tokens, special ones included.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>A word that is rarer is left out.</summary>
    public long MinFrequency { get; init; }

    /// <summary>The control tokens; they get the first ids, in this order.</summary>
    public IReadOnlyList<string> SpecialTokens { get; init; } = ["<unk>"];

    /// <summary>The token that stands for other words; it must be one of <see cref="SpecialTokens"/>.</summary>
    public string UnknownToken { get; init; } = "<unk>";
}
