namespace Kotonoha.Rag.Chunking;

/// <summary>How a document is cut. Sizes are counted as <see cref="Chunker.Measure"/> does: a CJK character is 1, any other a quarter, which is about a token each way.</summary>
public sealed record ChunkingOptions
{
    /// <summary>No chunk is larger than this (default 400).</summary>
    public int MaxSize { get; init; } = 400;

    /// <summary>A chunk takes in following blocks of its section while it is smaller than this (default 200).</summary>
    public int TargetSize { get; init; } = 200;

    /// <summary>When a block is cut, how many sentences of the piece before are repeated at the start of the next (default 1).</summary>
    public int OverlapSentences { get; init; } = 1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxSize, 16, nameof(MaxSize));
        ArgumentOutOfRangeException.ThrowIfNegative(TargetSize, nameof(TargetSize));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(TargetSize, MaxSize, nameof(TargetSize));
        ArgumentOutOfRangeException.ThrowIfNegative(OverlapSentences, nameof(OverlapSentences));
    }
}
