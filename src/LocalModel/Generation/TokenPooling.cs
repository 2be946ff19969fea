namespace Kotonoha.LocalModel.Generation;

/// <summary>How sentence-transformers makes one vector of the vectors of a text's tokens. Several together are put side by side in the order of this list.</summary>
public enum TokenPooling
{
    /// <summary>The first token's.</summary>
    Cls,

    /// <summary>The largest value of each component.</summary>
    Max,

    /// <summary>The mean.</summary>
    Mean,

    /// <summary>The sum divided by the square root of the number of tokens.</summary>
    MeanSqrtLength,

    /// <summary>The mean, token i (from 1) counting i times.</summary>
    WeightedMean,

    /// <summary>The last token's.</summary>
    LastToken,
}
