using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Retrieval;

/// <summary>What a search did, stage by stage.</summary>
/// <param name="Queries">What was searched for: the question first, then what an expansion added.</param>
/// <param name="Fused">The ranking that the lists of all queries gave, best first, before thresholds.</param>
/// <param name="BelowThreshold">How many of them a threshold left out.</param>
/// <param name="Diversified">The ids in the order of maximal marginal relevance, or null where it was not asked for.</param>
/// <param name="Reranked">How many passages the reranker read; 0 where there is none.</param>
/// <param name="Hits">The hits, best first.</param>
/// <param name="Milliseconds">How long each stage took.</param>
public sealed record SearchExplanation(
    IReadOnlyList<QueryExplanation> Queries,
    IReadOnlyList<ScoredChunk> Fused,
    int BelowThreshold,
    IReadOnlyList<string>? Diversified,
    int Reranked,
    IReadOnlyList<SearchHit> Hits,
    IReadOnlyDictionary<string, double> Milliseconds);

/// <summary>One query of a search.</summary>
/// <param name="Query">The query.</param>
/// <param name="Weight">How much its ranking counts beside those of the other queries; all add up to 1.</param>
/// <param name="Fusion">How the two lists became one.</param>
/// <param name="DenseWeight">How much the dense list counts, from 0 to 1; null where the fusion does not weigh.</param>
/// <param name="Dense">The dense list, best first.</param>
/// <param name="Sparse">The sparse list, best first.</param>
public sealed record QueryExplanation(
    ExpandedQuery Query,
    double Weight,
    FusionMethod Fusion,
    double? DenseWeight,
    IReadOnlyList<ScoredChunk> Dense,
    IReadOnlyList<ScoredChunk> Sparse)
{
    /// <summary>The terms that the sparse search looked up; none where it did not take place.</summary>
    public IReadOnlyList<string> Terms => Fusion == FusionMethod.DenseOnly
        ? [] : [.. TextAnalyzer.Analyze(Query.Text).Select(token => token.Term).Distinct(StringComparer.Ordinal)];
}
