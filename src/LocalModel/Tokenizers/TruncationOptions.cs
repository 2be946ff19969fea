namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>How a text that is too long is cut, as tokenizer.json stores it. What is cut off comes back as <see cref="TokenizedText.Overflowing"/>.</summary>
public sealed record TruncationOptions
{
    /// <summary>
    /// The number of tokens at most, those of the post-processor included. A length that is smaller than their number alone cuts nothing, as
    /// in Hugging Face tokenizers.
    /// </summary>
    public int MaxLength { get; init; } = 512;

    /// <summary>How many tokens two neighbouring parts have in common.</summary>
    public int Stride { get; init; }

    /// <summary>Which text of a pair gives way.</summary>
    public TruncationStrategy Strategy { get; init; }

    /// <summary>Where tokens are cut off.</summary>
    public TokenSide Direction { get; init; }
}
