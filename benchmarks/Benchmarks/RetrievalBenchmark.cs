using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Evaluation;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>retrieval [--cranfield DIR] [--jsquad FILE] [--store embedded|qdrant] [--qdrant-url URL]</c>: BM25, dense and hybrid retrieval through the
/// store's own search, one chunk an abstract or paragraph, without downloaded weights.
/// </summary>
internal static class RetrievalBenchmark
{
    private const int Depth = 100;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "cranfield", "jsquad", "store", "qdrant-url");
        var collections = new List<Collection>();
        if (options.TryGetValue("cranfield", out var cranfield))
            collections.Add(ReadCranfield(cranfield));
        if (options.TryGetValue("jsquad", out var jsquad))
            collections.Add(ReadJsquad(jsquad));
        foreach (var collection in collections)
            await MeasureAsync(collection, options);
        return 0;
    }

    private static async Task MeasureAsync(Collection collection, Dictionary<string, string> options)
    {
        var folder = Directory.CreateTempSubdirectory("kotonoha-benchmark-").FullName;
        try
        {
            await using var store = await BenchmarkStore.OpenAsync(options, folder);
            await using var knowledge = new KnowledgeBase(store, new SvdEmbedder(Path.Combine(folder, "embedders")));
            var watch = System.Diagnostics.Stopwatch.StartNew();
            await knowledge.AddChunksAsync(collection.Chunks);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{collection.Name}: {collection.Chunks.Count} chunks, {collection.Queries.Count} queries, {store.GetType().Name}; fitted, embedded and stored in {watch.Elapsed.TotalSeconds:F1} s"));
            Console.WriteLine("| retrieval | nDCG@10 | MRR@10 | R@10 | R@100 | MAP | ms/query |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
            var search = new SearchOptions { Limit = Depth, Candidates = Depth };
            await RowAsync("BM25", search with { Fusion = FusionMethod.SparseOnly });
            await RowAsync("dense (SVD)", search with { Fusion = FusionMethod.DenseOnly });
            await RowAsync("RRF, k = 60", search with { Fusion = FusionMethod.ReciprocalRank });
            foreach (double weight in (double[])[0.2, 0.3, 0.4, 0.5, 0.55, 0.6, 0.7])
                await RowAsync(
                    string.Create(CultureInfo.InvariantCulture, $"min-max, dense weight {weight:0.00}{(weight == new SearchOptions().DenseWeight ? " (default)" : "")}"),
                    search with { Fusion = FusionMethod.MinMax, DenseWeight = weight });

            async Task RowAsync(string name, SearchOptions how)
            {
                double[] sums = new double[5];
                var clock = System.Diagnostics.Stopwatch.StartNew();
                foreach (var query in collection.Queries)
                {
                    var hits = await knowledge.SearchAsync(query.Text, how);
                    string[] ranking = [.. hits.Select(hit => hit.Chunk.Source)];
                    sums[0] += RetrievalMetrics.Ndcg(ranking, query.Judgements, 10);
                    sums[1] += RetrievalMetrics.ReciprocalRank(ranking, query.Judgements, 10);
                    sums[2] += RetrievalMetrics.Recall(ranking, query.Judgements, 10);
                    sums[3] += RetrievalMetrics.Recall(ranking, query.Judgements, 100);
                    sums[4] += RetrievalMetrics.AveragePrecision(ranking, query.Judgements);
                }

                Console.WriteLine(string.Create(
                    CultureInfo.InvariantCulture,
                    $"| {name} | {string.Join(" | ", sums.Select(sum => (sum / collection.Queries.Count).ToString("F4", CultureInfo.InvariantCulture)))} | {clock.Elapsed.TotalMilliseconds / collection.Queries.Count:F2} |"));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static Collection ReadCranfield(string folder)
    {
        var chunks = Lines("corpus.jsonl").Select(line =>
        {
            var title = line.GetProperty("title").GetString()!;
            var text = line.GetProperty("text").GetString()!;
            return ToChunk(line.GetProperty("_id").GetString()!, title.Length == 0 ? text : title + " " + text);
        }).ToList();
        var judgements = File.ReadLines(Path.Combine(folder, "qrels.tsv")).Skip(1).Select(line => line.Split('\t'))
            .GroupBy(parts => parts[0])
            .ToDictionary(group => group.Key, group => group.ToDictionary(parts => parts[1], parts => int.Parse(parts[2], CultureInfo.InvariantCulture)));
        var queries = Lines("queries.jsonl").Where(line => judgements.ContainsKey(line.GetProperty("_id").GetString()!))
            .Select(line => new Query(line.GetProperty("text").GetString()!, judgements[line.GetProperty("_id").GetString()!])).ToList();
        return new Collection("Cranfield", chunks, queries);

        IEnumerable<JsonElement> Lines(string name) => File.ReadLines(Path.Combine(folder, name)).Where(line => line.Length > 0).Select(line => JsonDocument.Parse(line).RootElement);
    }

    private static Collection ReadJsquad(string path)
    {
        using var json = JsonDocument.Parse(File.ReadAllText(path));
        var ids = new Dictionary<string, string>(StringComparer.Ordinal);
        var chunks = new List<Chunk>();
        var queries = new List<Query>();
        foreach (var article in json.RootElement.GetProperty("data").EnumerateArray())
            foreach (var paragraph in article.GetProperty("paragraphs").EnumerateArray())
            {
                var context = paragraph.GetProperty("context").GetString()!;
                if (!ids.TryGetValue(context, out var id))
                {
                    ids.Add(context, id = $"p{ids.Count}");
                    chunks.Add(ToChunk(id, context));
                }

                foreach (var question in paragraph.GetProperty("qas").EnumerateArray())
                    queries.Add(new Query(question.GetProperty("question").GetString()!, new Dictionary<string, int> { [id] = 1 }));
            }

        return new Collection("JSQuAD valid", chunks, queries);
    }

    private static Chunk ToChunk(string source, string text)
        => new(NameBasedUuid.Create(NameBasedUuid.ChunkNamespace, source).ToString(), source, 0, 0, text.Length, text, null, null, null);

    private sealed record Query(string Text, IReadOnlyDictionary<string, int> Judgements);

    private sealed record Collection(string Name, IReadOnlyList<Chunk> Chunks, IReadOnlyList<Query> Queries);
}
