using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

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

    /// <summary>
    /// The dense ranking's weight in <see cref="FusionMethod.MinMax"/>, from 0 to 1; the sparse one's is 1 minus this. Null (the default)
    /// weighs each question by itself: where its words single out a few chunks, words decide; where they stand everywhere, meaning does, as
    /// far as it singles out something itself.
    /// </summary>
    public double? DenseWeight { get; init; }

    /// <summary>
    /// How many hits one document has at most, so that others have their turn; null for no limit. They are its best ones, by the reranker
    /// where there is one: of the <see cref="RerankedCandidates"/> that it reads.
    /// </summary>
    public int? MaxPerDocument { get; init; }

    /// <summary>Which documents are searched, or null for all.</summary>
    public StoreFilter? Filter { get; init; }

    /// <summary>Leaves out hits with a smaller fused score, or null.</summary>
    public double? MinScore { get; init; }

    /// <summary>Leaves out hits whose cosine similarity is smaller or unknown, or null.</summary>
    public double? MinDenseScore { get; init; }

    /// <summary>Leaves out hits whose BM25 score is smaller or unknown, or null.</summary>
    public double? MinSparseScore { get; init; }

    /// <summary>
    /// λ of maximal marginal relevance over the fused candidates (1 is relevance alone), or null for none. Needs dense vectors.
    /// </summary>
    public double? MmrLambda { get; init; }

    /// <summary>
    /// Orders the best candidates anew by reading them together with the question, or null for none. It comes after fusion, thresholds and
    /// diversity.
    /// </summary>
    public IReranker? Reranker { get; init; }

    /// <summary>How many candidates the reranker reads; at least <see cref="Limit"/> are taken.</summary>
    public int RerankedCandidates { get; init; } = 50;

    /// <summary>Other queries that are searched for beside the question, or null for none. Each costs what the expansion costs.</summary>
    public IQueryExpansion? Expansion { get; init; }

    /// <summary>
    /// What a hit brings along of its document, in <see cref="SearchHit.Surroundings"/>: small chunks are found precisely, and read with
    /// what stands around them, by tools and text searches too. Answers go without: they cite from the chunks themselves.
    /// </summary>
    public SurroundingsKind Surroundings { get; init; }

    /// <summary>How many chunks before and after a hit <see cref="SurroundingsKind.Neighbours"/> brings along.</summary>
    public int Neighbours { get; init; } = 1;

    /// <summary>The largest surroundings of a hit, the hit included, as <see cref="Chunker.Measure"/> counts.</summary>
    public int MaxSurroundings { get; init; } = 1600;

    internal void Validate()
    {
        if (!Enum.IsDefined(Surroundings))
            throw new ArgumentOutOfRangeException(nameof(Surroundings), Surroundings, "These surroundings are not known.");
        ArgumentOutOfRangeException.ThrowIfNegative(Neighbours);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxSurroundings);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Limit);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxPerDocument ?? 1, nameof(MaxPerDocument));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Candidates);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(RerankedCandidates);
        if (DenseWeight is { } weight && weight is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(DenseWeight), weight, "A weight lies between 0 and 1.");
        if (MmrLambda is { } lambda && lambda is not (>= 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(MmrLambda), lambda, "λ lies between 0 and 1.");
    }
}

/// <summary>A chunk that a search found.</summary>
/// <param name="Chunk">The chunk.</param>
/// <param name="Score">The score by which hits are ordered (greater is better): the fused one, or the reranker's.</param>
/// <param name="DenseScore">The cosine similarity (of the query that is nearest), or null where only the sparse search found it.</param>
/// <param name="SparseScore">The BM25 score (of the query that fits best), or null where only the dense search found it.</param>
/// <param name="RerankScore">The reranker's score, or null where none was asked.</param>
public sealed record SearchHit(Chunk Chunk, double Score, double? DenseScore, double? SparseScore, double? RerankScore = null)
{
    /// <summary>
    /// The hit and what stands around it in its document, in the document's order; empty unless <see cref="SearchOptions.Surroundings"/>
    /// asks for it.
    /// </summary>
    public IReadOnlyList<Chunk> Surroundings { get; init; } = [];

    /// <summary>The text of the surroundings, what overlaps once; without them the chunk's text.</summary>
    public string SurroundingText => Retrieval.Surroundings.Text(Surroundings.Count == 0 ? [Chunk] : Surroundings);
}

/// <summary>What a hit brings along of its document.</summary>
public enum SurroundingsKind
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>The chunks next to it.</summary>
    Neighbours,

    /// <summary>Its section: the chunks next to it under the same heading, the nearest first, as far as the limit allows.</summary>
    Section,
}

/// <summary>How the dense and the sparse ranking become one.</summary>
public enum FusionMethod
{
    /// <summary>
    /// Each list's scores are scaled to 0..1 by its least and greatest score, weighted and added; the winner of the ablation.
    /// </summary>
    MinMax,

    /// <summary>Reciprocal rank fusion with k = 60 and ranks from 1 (Cormack, Clarke and Büttcher 2009).</summary>
    ReciprocalRank,

    /// <summary>The dense ranking alone.</summary>
    DenseOnly,

    /// <summary>The BM25 ranking alone.</summary>
    SparseOnly,
}

/// <summary>Tells an embedder whether it embeds a query or a document, as models trained with prompts must know.</summary>
public static class EmbeddingPurpose
{
    /// <summary>The name of the property: <c>prompt_name</c>, as in sentence-transformers.</summary>
    public const string PropertyName = "prompt_name";

    /// <summary>Options that say: these texts are queries.</summary>
    public static EmbeddingGenerationOptions Query => Options("query");

    /// <summary>Options that say: these texts are documents.</summary>
    public static EmbeddingGenerationOptions Document => Options("document");

    private static EmbeddingGenerationOptions Options(string name)
        => new() { AdditionalProperties = new AdditionalPropertiesDictionary { [PropertyName] = name } };
}

/// <summary>
/// Reads a question together with each passage and says how well they fit: slower and better than comparing vectors, so it is asked of the
/// best candidates only.
/// </summary>
/// <remarks>A cross-encoder is one; a chat model that grades passages could be another.</remarks>
public interface IReranker
{
    /// <summary>Scores passages.</summary>
    /// <param name="question">The question.</param>
    /// <param name="passages">The passages.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One score per passage, in their order; greater is better, none is negative.</returns>
    Task<IReadOnlyList<double>> ScoreAsync(string question, IReadOnlyList<string> passages, CancellationToken cancellationToken = default);
}
