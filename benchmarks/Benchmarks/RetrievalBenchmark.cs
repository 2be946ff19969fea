using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>retrieval [--cranfield DIR] [--jsquad FILE] [--wikitext DIR] [--gsm8k FILE] [--jsts FILE] [--half tuning|measured]
/// [--store embedded|qdrant] [--qdrant-url URL] [--embedding-model DIR] [--rerank-model DIR]</c>: BM25, dense and hybrid retrieval through
/// the store's own search, one chunk a document; without downloaded weights, or with those named.
/// </summary>
internal static class RetrievalBenchmark
{
    private const int Depth = 100;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "cranfield", "jsquad", "wikitext", "gsm8k", "jsts", "half", "store", "qdrant-url",
            "embedding-model", "rerank-model");
        var collections = new List<RetrievalCollection>();
        if (options.TryGetValue("cranfield", out var cranfield))
            collections.Add(await RetrievalCollection.CranfieldAsync(cranfield));
        if (options.TryGetValue("jsquad", out var jsquad))
            collections.Add(RetrievalCollection.Jsquad(jsquad));
        if (options.TryGetValue("wikitext", out var wikitext))
            collections.Add(RetrievalCollection.WikiText(wikitext));
        if (options.TryGetValue("gsm8k", out var gsm8k))
            collections.Add(RetrievalCollection.Gsm8k(gsm8k));
        if (options.TryGetValue("jsts", out var jsts))
            collections.Add(RetrievalCollection.Jsts(jsts));
        if (options.TryGetValue("half", out var half))
            collections = [.. collections.Select(collection => collection.Half(half == "tuning"))];
        using var encoder = options.TryGetValue("embedding-model", out var path) ? LocalEncoder.Load(path) : null;
        using var crossEncoder = options.TryGetValue("rerank-model", out var reranker) ? LocalEncoder.Load(reranker) : null;
        if (encoder is not null)
            Console.WriteLine(encoder.Description);
        await using var stores = await BenchmarkStores.StartAsync(options);
        foreach (var collection in collections)
            await MeasureAsync(collection, stores, encoder, crossEncoder);
        return 0;
    }

    private static async Task MeasureAsync(
        RetrievalCollection collection, BenchmarkStores stores, LocalEncoder? encoder, LocalEncoder? crossEncoder)
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-benchmark-").FullName;
        try
        {
            await using var store = stores.Open();
            await using var knowledge =
                new KnowledgeBase(store, encoder?.AsEmbeddingGenerator() ?? new SvdEmbedder(Path.Combine(folder, "embedders")));
            var watch = System.Diagnostics.Stopwatch.StartNew();
            await knowledge.AddChunksAsync(collection.Chunks);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{collection.Name}: {collection.Chunks.Count} chunks, "
                + $"{collection.Queries.Count} queries, {store.GetType().Name}; embedded and stored in {watch.Elapsed.TotalSeconds:F1} s"));
            Console.WriteLine("| retrieval | nDCG@10 | MRR@10 | R@10 | R@100 | MAP |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- |");
            var usual = new SearchOptions();
            var deep = usual with { Limit = Depth, Candidates = Depth };
            var lists = new List<(IReadOnlyList<SearchHit> Dense, IReadOnlyList<SearchHit> Sparse)>();
            foreach (var query in collection.Queries)
                lists.Add((
                    await knowledge.SearchAsync(query.Text, deep with { Fusion = FusionMethod.DenseOnly }),
                    await knowledge.SearchAsync(query.Text, deep with { Fusion = FusionMethod.SparseOnly })));
            double sparseScore = Row("BM25", [.. lists.Select(pair => Sources(pair.Sparse))]);
            double denseScore = Row($"dense ({encoder?.ModelId ?? "SVD"})", [.. lists.Select(pair => Sources(pair.Dense))]);
            Row("RRF, k = 60", [.. lists.Select(pair => Fused(pair, FusionMethod.ReciprocalRank, 0))]);
            foreach (double weight in (double[])[0.1, 0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7, 0.8])
                Row(string.Create(CultureInfo.InvariantCulture, $"min-max, dense weight {weight:0.00}"),
                    [.. lists.Select(pair => Fused(pair, FusionMethod.MinMax, weight))]);

            // The same once more as an application does it: one call a question, the default setting.
            var rankings = new List<string[]>();
            watch.Restart();
            foreach (var query in collection.Queries)
                rankings.Add(Sources(await knowledge.SearchAsync(query.Text, usual with { Limit = Depth })));
            double milliseconds = watch.Elapsed.TotalMilliseconds / collection.Queries.Count;
            double score = Row(string.Create(CultureInfo.InvariantCulture,
                $"the default: {usual.Fusion}, weighed by the question ({milliseconds:F1} ms a question)"), rankings);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"the better of the two alone leads the default by {Math.Max(sparseScore, denseScore) - score:+0.0000;-0.0000} nDCG@10"));
            if (crossEncoder is not null)
            {
                var reranked = usual with { Limit = Depth, Reranker = new CrossEncoderReranker(crossEncoder), RerankedCandidates = Depth };
                rankings = [];
                foreach (var query in collection.Queries)
                    rankings.Add(Sources(await knowledge.SearchAsync(query.Text, reranked)));
                Row($"the default, then {crossEncoder.ModelId}", rankings);
            }

            // Gives back nDCG@10.
            double Row(string name, List<string[]> found)
            {
                double Mean(Func<string[], IReadOnlyDictionary<string, int>, double> measure)
                    => found.Select((ranking, i) => measure(ranking, collection.Queries[i].Judgements)).Average();
                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {Mean((r, j) => RetrievalMetrics.Ndcg(r, j, 10)):F4} | "
                        + $"{Mean((r, j) => RetrievalMetrics.ReciprocalRank(r, j, 10)):F4} | "
                        + $"{Mean((r, j) => RetrievalMetrics.Recall(r, j, 10)):F4} | "
                        + $"{Mean((r, j) => RetrievalMetrics.Recall(r, j, 100)):F4} | "
                        + $"{Mean((r, j) => RetrievalMetrics.AveragePrecision(r, j)):F4} |"));
                return Mean((r, j) => RetrievalMetrics.Ndcg(r, j, 10));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static string[] Sources(IReadOnlyList<SearchHit> hits) => [.. hits.Select(hit => hit.Chunk.Source)];

    private static string[] Fused(
        (IReadOnlyList<SearchHit> Dense, IReadOnlyList<SearchHit> Sparse) lists, FusionMethod method, double weight)
    {
        var sources = lists.Dense.Concat(lists.Sparse).DistinctBy(hit => hit.Chunk.Id)
            .ToDictionary(hit => hit.Chunk.Id, hit => hit.Chunk.Source);
        var fused = Retriever.Fuse(
            [.. lists.Dense.Select(hit => new ScoredChunk(hit.Chunk.Id, hit.Chunk.Source, hit.Score))],
            [.. lists.Sparse.Select(hit => new ScoredChunk(hit.Chunk.Id, hit.Chunk.Source, hit.Score))],
            method,
            weight);
        return [.. fused.Select(item => sources[item.Id])];
    }
}
