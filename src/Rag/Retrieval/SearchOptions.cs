using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Retrieval;

/// <summary>How a question is searched for.</summary>
public sealed record SearchOptions
{
    /// <summary>How many hits at most.</summary>
    public int Limit { get; init; } = 8;

    /// <summary>How many candidates each of the two searches gives; at least <see cref="Limit"/> are taken.</summary>
    public int Candidates { get; init; } = 100;

    /// <summary>How the two rankings become one. Without an embedder the sparse ranking stands alone.</summary>
    public FusionMethod Fusion { get; init; } = FusionMethod.MinMax;

    /// <summary>The dense ranking's weight in <see cref="FusionMethod.MinMax"/>; the sparse one's is 1 less it. From 0 to 1.</summary>
    public double DenseWeight { get; init; } = 0.5;

    /// <summary>Which documents are searched, or null for all.</summary>
    public StoreFilter? Filter { get; init; }

    /// <summary>Leaves out hits with a smaller fused score, or null.</summary>
    public double? MinScore { get; init; }

    /// <summary>Leaves out hits whose cosine similarity is smaller or unknown, or null.</summary>
    public double? MinDenseScore { get; init; }

    /// <summary>Leaves out hits whose BM25 score is smaller or unknown, or null.</summary>
    public double? MinSparseScore { get; init; }

    /// <summary>λ of maximal marginal relevance over the fused candidates (1 is relevance alone), or null for none. Needs dense vectors.</summary>
    public double? MmrLambda { get; init; }

    /// <summary>Orders the best candidates anew by reading them together with the question, or null for none. It comes after fusion, thresholds and diversity.</summary>
    public IReranker? Reranker { get; init; }

    /// <summary>How many candidates the reranker reads; at least <see cref="Limit"/> are taken.</summary>
    public int RerankedCandidates { get; init; } = 50;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Limit);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Candidates);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(RerankedCandidates);
        ArgumentOutOfRangeException.ThrowIfLessThan(DenseWeight, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(DenseWeight, 1);
        if (MmrLambda is { } lambda && lambda is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(MmrLambda), lambda, "λ lies between 0 and 1.");
    }
}
