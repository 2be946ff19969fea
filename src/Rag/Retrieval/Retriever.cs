using System.Numerics.Tensors;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Retrieval;

/// <summary>Both searches, fusion, thresholds and diversity: from a question to hits.</summary>
internal static class Retriever
{
    public static async Task<IReadOnlyList<SearchHit>> SearchAsync(
        IKnowledgeStore store,
        IEmbeddingGenerator<string, Embedding<float>>? embedder,
        string question,
        SearchOptions options,
        CancellationToken cancellationToken)
    {
        options.Validate();
        int depth = Math.Max(options.Limit, options.Candidates);
        bool dense = embedder is not null && options.Fusion != FusionMethod.SparseOnly;
        if (embedder is null && options.Fusion == FusionMethod.DenseOnly)
            throw new InvalidOperationException("A dense search needs an embedder; this knowledge base has none.");
        var query = dense ? await EmbedQueryAsync(embedder!, question, cancellationToken).ConfigureAwait(false) : default;
        var denseSearch = dense
            ? store.SearchDenseAsync(query, depth, options.Filter, cancellationToken)
            : Task.FromResult<IReadOnlyList<ScoredChunk>>([]);
        var sparseSearch = options.Fusion == FusionMethod.DenseOnly
            ? Task.FromResult<IReadOnlyList<ScoredChunk>>([])
            : store.SearchSparseAsync(TermVector.FromText(question), depth, options.Filter, cancellationToken);
        var lists = await Task.WhenAll(denseSearch, sparseSearch).ConfigureAwait(false);
        var (denseList, sparseList) = (lists[0], lists[1]);

        var denseScores = denseList.ToDictionary(entry => entry.Id, entry => entry.Score, StringComparer.Ordinal);
        var sparseScores = sparseList.ToDictionary(entry => entry.Id, entry => entry.Score, StringComparer.Ordinal);
        var ranking = Fuse(denseList, sparseList, dense ? options.Fusion : FusionMethod.SparseOnly, options.DenseWeight);
        ranking.RemoveAll(item => item.Score < options.MinScore
            || (options.MinDenseScore is { } minDense
                && !(denseScores.TryGetValue(item.Id, out double denseScore) && denseScore >= minDense))
            || (options.MinSparseScore is { } minSparse
                && !(sparseScores.TryGetValue(item.Id, out double sparseScore) && sparseScore >= minSparse)));
        int kept = options.Reranker is null ? options.Limit : Math.Max(options.Limit, options.RerankedCandidates);
        if (options.MmrLambda is { } lambda && dense)
            ranking = await DiversifyAsync(store, ranking, lambda, kept, cancellationToken).ConfigureAwait(false);
        if (ranking.Count > kept)
            ranking.RemoveRange(kept, ranking.Count - kept);

        var chunks = await store.ReadChunksAsync([.. ranking.Select(item => item.Id)], cancellationToken).ConfigureAwait(false);
        var hits = new List<SearchHit>(ranking.Count);
        for (int i = 0; i < ranking.Count; i++)
            // A chunk may have been deleted since it was found.
            if (chunks[i] is { } chunk)
                hits.Add(new SearchHit(
                    chunk,
                    ranking[i].Score,
                    denseScores.TryGetValue(chunk.Id, out double denseScore) ? denseScore : null,
                    sparseScores.TryGetValue(chunk.Id, out double sparseScore) ? sparseScore : null));
        return options.Reranker is null
            ? hits
            : await RerankAsync(options.Reranker, question, hits, options.Limit, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes one ranking of the two.</summary>
    internal static List<RankedItem> Fuse(
        IReadOnlyList<ScoredChunk> dense, IReadOnlyList<ScoredChunk> sparse, FusionMethod method, double? denseWeight)
    {
        RankedItem[] denseItems = [.. dense.Select(entry => new RankedItem(entry.Id, entry.Score))];
        RankedItem[] sparseItems = [.. sparse.Select(entry => new RankedItem(entry.Id, entry.Score))];
        return method switch
        {
            FusionMethod.MinMax when (denseWeight ?? Fusion.DenseWeight(sparseItems)) is var weight
                => Fusion.MinMax([denseItems, sparseItems], [weight, 1 - weight]),
            FusionMethod.ReciprocalRank => Fusion.ReciprocalRank([denseItems, sparseItems]),
            FusionMethod.DenseOnly => [.. denseItems],
            FusionMethod.SparseOnly => [.. sparseItems],
            _ => throw new ArgumentOutOfRangeException(nameof(method), method, "This fusion is not known."),
        };
    }

    private static async Task<ReadOnlyMemory<float>> EmbedQueryAsync(
        IEmbeddingGenerator<string, Embedding<float>> embedder, string question, CancellationToken cancellationToken)
    {
        var embeddings = await embedder.GenerateAsync([question], EmbeddingPurpose.Query, cancellationToken).ConfigureAwait(false);
        return embeddings[0].Vector;
    }

    // What is equally good stays in its order.
    private static async Task<IReadOnlyList<SearchHit>> RerankAsync(
        IReranker reranker, string question, List<SearchHit> hits, int limit, CancellationToken cancellationToken)
    {
        var scores = await reranker.ScoreAsync(question, [.. hits.Select(hit => IndexText.Of(hit.Chunk))], cancellationToken)
            .ConfigureAwait(false);
        if (scores.Count != hits.Count)
            throw new InvalidOperationException($"The reranker gave {scores.Count} scores for {hits.Count} passages.");
        if (scores.Any(score => !(score >= 0)))
            throw new InvalidOperationException("The reranker gave a score that is negative or no number.");
        return [.. hits.Select((hit, i) => hit with { Score = scores[i], RerankScore = scores[i] }).OrderByDescending(hit => hit.Score)
            .Take(limit)];
    }

    private static async Task<List<RankedItem>> DiversifyAsync(
        IKnowledgeStore store, List<RankedItem> ranking, double lambda, int limit, CancellationToken cancellationToken)
    {
        var vectors = await store.ReadVectorsAsync([.. ranking.Select(item => item.Id)], cancellationToken).ConfigureAwait(false);
        var known = Enumerable.Range(0, ranking.Count).Where(i => vectors[i] is not null).ToArray();
        var picked = MaximalMarginalRelevance.Select(
            [.. known.Select(i => ranking[i].Score)],
            (x, y) => TensorPrimitives.Dot(vectors[known[x]], vectors[known[y]]),
            lambda,
            limit);
        // The order is the picking order; the scores stay the fused ones.
        return [.. picked.Select(pick => ranking[known[pick.Index]])];
    }
}
