using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation;

/// <summary>How texts become vectors.</summary>
public sealed record EmbeddingRequestOptions
{
    /// <summary>How the tokens' hidden states (after the final norm) become one vector. Default: their mean.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>The vector is brought to length one. Default true.</summary>
    public bool Normalize { get; init; } = true;

    /// <summary>The leading components to keep (then normalised again); null keeps all.</summary>
    public int? Dimensions { get; init; }

    /// <summary>A text longer than the context is cut at its end; by default it is refused.</summary>
    public bool TruncateLongTexts { get; init; }
}
