using System.Numerics.Tensors;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Retrieval;

/// <summary>Both searches, fusion, thresholds and diversity: from a question to hits.</summary>
internal static class Retriever
{
    // The question counts twice as much as each query that an expansion adds.
    private const double ExpandedWeight = 0.5;

    public static async Task<SearchExplanation> SearchAsync(
        IKnowledgeStore store,
        IEmbeddingGenerator<string, Embedding<float>>? embedder,
        string question,
        SearchOptions options,
        CancellationToken cancellationToken)
    {
        options.Validate();
        if (embedder is null && options.Fusion == FusionMethod.DenseOnly)
            throw new InvalidOperationException("A dense search needs an embedder; this knowledge base has none.");
        embedder = options.Fusion == FusionMethod.SparseOnly ? null : embedder;
        var clock = new StageTimes();

        var queries = new List<ExpandedQuery> { new(question) };
        if (options.Expansion is { } expansion)
        {
            // What is made up has no words that would be worth looking up.
            queries.AddRange((await expansion.ExpandAsync(question, cancellationToken).ConfigureAwait(false))
                .Where(query => !string.IsNullOrWhiteSpace(query.Text) && (embedder is not null || !query.IsDocument)));
            clock.Mark("expand");
        }

        var vectors = embedder is null ? null : await EmbedAsync(embedder, queries, cancellationToken).ConfigureAwait(false);
        clock.Mark("embed");
        double whole = 1 + ExpandedWeight * (queries.Count - 1);
        var searched = await Task.WhenAll(queries.Select((query, i) =>
            SearchOneAsync(store, vectors?[i], query, (i == 0 ? 1 : ExpandedWeight) / whole, options, cancellationToken)))
                .ConfigureAwait(false);
        clock.Mark("search");

        var denseScores = Best(searched.SelectMany(query => query.Dense));
        var sparseScores = Best(searched.SelectMany(query => query.Sparse));
        var rankings = searched.Select(query => Fuse(query.Dense, query.Sparse, query.Fusion, query.DenseWeight)).ToList();
        var ranking = rankings.Count == 1 ? rankings[0] : Fusion.Weighted(rankings, [.. searched.Select(query => query.Weight)]);
        var sources = searched.SelectMany(query => query.Dense.Concat(query.Sparse)).DistinctBy(entry => entry.Id)
            .ToDictionary(entry => entry.Id, entry => entry.Source, StringComparer.Ordinal);
        ScoredChunk[] fused = [.. ranking.Select(item => new ScoredChunk(item.Id, sources[item.Id], item.Score))];
        int below = ranking.RemoveAll(item => item.Score < options.MinScore
            || (options.MinDenseScore is { } minDense
                && !(denseScores.TryGetValue(item.Id, out double denseScore) && denseScore >= minDense))
            || (options.MinSparseScore is { } minSparse
                && !(sparseScores.TryGetValue(item.Id, out double sparseScore) && sparseScore >= minSparse)));
        if (options is { Reranker: null, MaxPerDocument: not null })
            ranking = [.. Grouped(ranking, item => sources[item.Id], options.MaxPerDocument)];
        int kept = options.Reranker is null ? options.Limit : Math.Max(options.Limit, options.RerankedCandidates);
        bool diversifies = options.MmrLambda is not null && embedder is not null;
        if (diversifies)
            ranking = await DiversifyAsync(store, ranking, options.MmrLambda!.Value, kept, cancellationToken).ConfigureAwait(false);
        if (ranking.Count > kept)
            ranking.RemoveRange(kept, ranking.Count - kept);
        clock.Mark("fuse");

        var chunks = await store.ReadChunksAsync([.. ranking.Select(item => item.Id)], cancellationToken).ConfigureAwait(false);
        var found = new List<SearchHit>(ranking.Count);
        for (int i = 0; i < ranking.Count; i++)
            // A chunk may have been deleted since it was found.
            if (chunks[i] is { } chunk)
                found.Add(new SearchHit(
                    chunk,
                    ranking[i].Score,
                    denseScores.TryGetValue(chunk.Id, out double denseScore) ? denseScore : null,
                    sparseScores.TryGetValue(chunk.Id, out double sparseScore) ? sparseScore : null));
        clock.Mark("read");
        IReadOnlyList<SearchHit> hits = found;
        if (options.Reranker is not null)
        {
            hits = await RerankAsync(options.Reranker, question, found, options, cancellationToken).ConfigureAwait(false);
            clock.Mark("rerank");
        }

        hits = await Surroundings.AddAsync(store, hits, options, cancellationToken).ConfigureAwait(false);
        return new SearchExplanation(
            searched,
            fused,
            below,
            diversifies ? [.. ranking.Select(item => item.Id)] : null,
            options.Reranker is null ? 0 : found.Count,
            hits,
            clock.Milliseconds);
    }

    private static async Task<QueryExplanation> SearchOneAsync(
        IKnowledgeStore store, ReadOnlyMemory<float>? vector, ExpandedQuery query, double weight, SearchOptions options,
        CancellationToken cancellationToken)
    {
        int depth = Math.Max(options.Limit, options.Candidates);
        bool looksUp = options.Fusion != FusionMethod.DenseOnly && !query.IsDocument;
        var dense = vector is { } known
            ? store.SearchDenseAsync(known, depth, options.Filter, cancellationToken)
            : Task.FromResult<IReadOnlyList<ScoredChunk>>([]);
        var sparse = looksUp
            ? store.SearchSparseAsync(TermVector.FromText(query.Text), depth, options.Filter, cancellationToken)
            : Task.FromResult<IReadOnlyList<ScoredChunk>>([]);
        var lists = await Task.WhenAll(dense, sparse).ConfigureAwait(false);
        var method = vector is null ? FusionMethod.SparseOnly : looksUp ? options.Fusion : FusionMethod.DenseOnly;
        return new QueryExplanation(
            query,
            weight,
            method,
            method == FusionMethod.MinMax ? options.DenseWeight ?? Fusion.DenseWeight(Items(lists[0]), Items(lists[1])) : null,
            lists[0],
            lists[1]);
    }

    /// <summary>Makes one ranking of the two.</summary>
    internal static List<RankedItem> Fuse(
        IReadOnlyList<ScoredChunk> dense, IReadOnlyList<ScoredChunk> sparse, FusionMethod method, double? denseWeight) => method switch
        {
            FusionMethod.MinMax when denseWeight is { } weight => Fusion.MinMax([Items(dense), Items(sparse)], [weight, 1 - weight]),
            FusionMethod.ReciprocalRank => Fusion.ReciprocalRank([Items(dense), Items(sparse)]),
            FusionMethod.DenseOnly => [.. Items(dense)],
            FusionMethod.SparseOnly => [.. Items(sparse)],
            _ => throw new ArgumentOutOfRangeException(nameof(method), method, "This fusion is not known."),
        };

    private static RankedItem[] Items(IReadOnlyList<ScoredChunk> list) => [.. list.Select(entry => new RankedItem(entry.Id, entry.Score))];

    private static Dictionary<string, double> Best(IEnumerable<ScoredChunk> entries)
    {
        var best = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var entry in entries)
            best[entry.Id] = best.TryGetValue(entry.Id, out double score) ? Math.Max(score, entry.Score) : entry.Score;
        return best;
    }

    private static async Task<ReadOnlyMemory<float>[]> EmbedAsync(
        IEmbeddingGenerator<string, Embedding<float>> embedder, List<ExpandedQuery> queries, CancellationToken cancellationToken)
    {
        var vectors = new ReadOnlyMemory<float>[queries.Count];
        foreach (var group in Enumerable.Range(0, queries.Count).GroupBy(i => queries[i].IsDocument))
        {
            int[] places = [.. group];
            var embeddings = await embedder.GenerateAsync(
                places.Select(i => queries[i].Text), group.Key ? EmbeddingPurpose.Document : EmbeddingPurpose.Query, cancellationToken)
                .ConfigureAwait(false);
            for (int i = 0; i < places.Length; i++)
                vectors[places[i]] = embeddings[i].Vector;
        }

        return vectors;
    }

    // What is equally good stays in its order.
    private static async Task<IReadOnlyList<SearchHit>> RerankAsync(
        IReranker reranker, string question, List<SearchHit> hits, SearchOptions options, CancellationToken cancellationToken)
    {
        var scores = await reranker.ScoreAsync(question, [.. hits.Select(hit => IndexText.Of(hit.Chunk))], cancellationToken)
            .ConfigureAwait(false);
        if (scores.Count != hits.Count)
            throw new InvalidOperationException($"The reranker gave {scores.Count} scores for {hits.Count} passages.");
        if (scores.Any(score => !(score >= 0)))
            throw new InvalidOperationException("The reranker gave a score that is negative or no number.");
        var ordered = hits.Select((hit, i) => hit with { Score = scores[i], RerankScore = scores[i] }).OrderByDescending(hit => hit.Score);
        return [.. Grouped(ordered, hit => hit.Chunk.Source, options.MaxPerDocument).Take(options.Limit)];
    }

    // The first ones of each document.
    private static IEnumerable<T> Grouped<T>(IEnumerable<T> ordered, Func<T, string> sourceOf, int? maxPerDocument)
    {
        if (maxPerDocument is not { } max)
            return ordered;
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        return ordered.Where(item => (counts[sourceOf(item)] = counts.GetValueOrDefault(sourceOf(item)) + 1) <= max);
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
