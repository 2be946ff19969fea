using System.Diagnostics;
using System.Globalization;
using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;
using Qdrant.Client;
using Qdrant.Client.Grpc;
using CollectionInfo = Kotonoha.Rag.Stores.CollectionInfo;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>vectors [--count 100000] [--dimension 384] [--clusters N] [--spread 0.8] [--queries 500] [--rounds 5] [--seed 1] [--peer qdrant|none]
/// [--qdrant-url URL] [--quantization int8|binary]</c>: dense search of the embedded store and of Qdrant over gRPC on the same clustered
/// vectors, by turns, with and without filters: recall@10 against an exact scan, queries a second, time to build, memory.
/// </summary>
internal static class VectorBenchmark
{
    private const int Top = 10;
    private const int WriteDocuments = 1000;
    private const int UploadPoints = 500;

    // Each vector has one tag of each kind with this probability.
    private static readonly (string Tag, double Share)[] Filters = [("one", 0.01), ("ten", 0.1), ("fifty", 0.5)];

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(
            args, "count", "dimension", "clusters", "spread", "queries", "rounds", "seed", "peer", "qdrant-url", "quantization");
        int count = Number("count", 100_000), dimension = Number("dimension", 384), queries = Number("queries", 500);
        int rounds = Number("rounds", 5), seed = Number("seed", 1), clusters = Number("clusters", (int)Math.Sqrt(count));
        float spread = float.Parse(options.GetValueOrDefault("spread", "0.8"), CultureInfo.InvariantCulture);
        bool withPeer = options.GetValueOrDefault("peer", "qdrant") != "none";
        var how = new EmbeddedStoreOptions
        {
            Quantization = Enum.Parse<EmbeddedQuantization>(options.GetValueOrDefault("quantization", "int8"), ignoreCase: true),
        };
        Console.WriteLine(Machine.Describe());
        Print($"{count} vectors of {dimension} dimensions in {clusters} clusters (length of the noise {spread} against 1), "
            + $"{queries} queries, seed {seed}");
        var data = new ClusteredVectors(seed, dimension, clusters, spread);
        var vectors = data.Next(count);
        var asked = data.Next(queries);
        var random = new Random(seed + 1);
        var tags = Enumerable.Range(0, count)
            .Select(_ => Filters.Where(filter => random.NextDouble() < filter.Share).Select(filter => filter.Tag).ToArray()).ToArray();
        string?[] cases = [null, .. Filters.Select(filter => filter.Tag)];
        var expected = cases.Select(tag => Exact(vectors, tags, asked, tag)).ToArray();

        var folder = Directory.CreateTempSubdirectory("kotonoha-vectors-").FullName;
        try
        {
            await using var stores = withPeer
                ? await BenchmarkStores.StartAsync(new(options.Where(pair => pair.Key == "qdrant-url")) { ["store"] = "qdrant" })
                : null;
            using var client = stores is null ? null : new QdrantClient(stores.Address!);
            if (client is not null)
                await UploadAsync(client, stores!, vectors, tags);
            var path = Path.Combine(folder, "vectors.db");
            await BuildAsync(path, how, vectors, tags, dimension);
            vectors = [];
            long before = GC.GetTotalMemory(forceFullCollection: true);
            var watch = Stopwatch.StartNew();
            using var store = EmbeddedStore.Open(path, how);
            double opening = watch.Elapsed.TotalSeconds;
            Print($"embedded: opened in {opening:F2} s, {(GC.GetTotalMemory(forceFullCollection: true) - before) / 1e6:F0} MB of memory, "
                + $"{new FileInfo(path).Length / 1e6:F0} MB on disk");
            for (int i = 0; i < cases.Length; i++)
                await CompareAsync(store, client, asked, expected[i], cases[i], rounds);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        return 0;

        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var value) ? int.Parse(value, CultureInfo.InvariantCulture) : otherwise;
    }

    private static async Task CompareAsync(
        EmbeddedStore store, QdrantClient? client, float[][] asked, int[][] expected, string? tag, int rounds)
    {
        var filter = tag is null ? null : new StoreFilter(Tags: [tag]);
        Print($"{(tag is null ? "no filter" : $"filter that leaves {Filters.First(pair => pair.Tag == tag).Share:P0}")}:");
        List<double> own = [], theirs = [], ownBoth = [], theirsBoth = [];
        double ownRecall = 0, theirRecall = 0;
        for (int round = 0; round <= rounds; round++)
        {
            // The first round is for warming up.
            var (seconds, recall) = await RunAsync(Embedded, asked, expected, 1);
            var (both, _) = await RunAsync(Embedded, asked, expected, Environment.ProcessorCount);
            ownRecall = recall;
            if (round > 0)
                (own, ownBoth) = ([.. own, asked.Length / seconds], [.. ownBoth, asked.Length / both]);
            if (client is null)
                continue;
            (seconds, recall) = await RunAsync(Peer, asked, expected, 1);
            (both, _) = await RunAsync(Peer, asked, expected, Environment.ProcessorCount);
            theirRecall = recall;
            if (round > 0)
                (theirs, theirsBoth) = ([.. theirs, asked.Length / seconds], [.. theirsBoth, asked.Length / both]);
        }

        Print($"  embedded: recall@{Top} {ownRecall:F4}, {Median(own):F0} queries/s one by one, "
            + $"{Median(ownBoth):F0} from {Environment.ProcessorCount} threads");
        if (client is not null)
            Print($"  Qdrant:   recall@{Top} {theirRecall:F4}, {Median(theirs):F0} queries/s one by one, {Median(theirsBoth):F0} from "
                + $"{Environment.ProcessorCount} threads; the embedded store answers {Median(own) / Median(theirs):F2}× and "
                + $"{Median(ownBoth) / Median(theirsBoth):F2}× as many");

        async Task<IEnumerable<int>> Embedded(float[] query)
            => (await store.SearchDenseAsync(query, Top, filter)).Select(hit => int.Parse(hit.Source, CultureInfo.InvariantCulture));

        async Task<IEnumerable<int>> Peer(float[] query)
        {
            var condition = tag is null ? null : new Filter { Must = { Conditions.MatchKeyword("tags", tag) } };
            var points = await client!.QueryAsync("vectors", query, filter: condition, limit: Top, payloadSelector: false);
            return points.Select(point => (int)point.Id.Num);
        }
    }

    private static async Task<(double Seconds, double Recall)> RunAsync(
        Func<float[], Task<IEnumerable<int>>> search, float[][] asked, int[][] expected, int threads)
    {
        var found = new int[asked.Length][];
        var watch = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, threads).Select(thread => Task.Run(async () =>
        {
            for (int i = thread; i < asked.Length; i += threads)
                found[i] = [.. await search(asked[i])];
        })));
        double seconds = watch.Elapsed.TotalSeconds;
        return (seconds, found.Select((hits, i) => (double)hits.Intersect(expected[i]).Count() / expected[i].Length).Average());
    }

    private static async Task BuildAsync(string path, EmbeddedStoreOptions how, float[][] vectors, string[][] tags, int dimension)
    {
        var watch = Stopwatch.StartNew();
        using (var store = EmbeddedStore.Open(path, how))
        {
            await store.CreateAsync(new CollectionInfo(CollectionInfo.CurrentSchemaVersion, "none", "generated", dimension, 1));
            var terms = TermVector.FromText("");
            for (int first = 0; first < vectors.Length; first += WriteDocuments)
                await store.WriteAsync([.. Enumerable.Range(first, Math.Min(WriteDocuments, vectors.Length - first)).Select(i =>
                {
                    var name = i.ToString(CultureInfo.InvariantCulture);
                    var id = new Guid(i, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0).ToString();
                    var chunk = new Chunk(id, name, 0, 0, 0, "", null, null, null);
                    return new DocumentWrite(
                        new DocumentRecord(name, "", name, 1, 0, null, 0, tags[i]), [new IndexedChunk(chunk, terms, vectors[i])]);
                })]);
        }

        Print($"embedded: written, synced and linked in {watch.Elapsed.TotalSeconds:F1} s");
    }

    private static async Task UploadAsync(QdrantClient client, BenchmarkStores stores, float[][] vectors, string[][] tags)
    {
        var watch = Stopwatch.StartNew();
        await client.CreateCollectionAsync(
            "vectors", new VectorParams { Size = (ulong)vectors[0].Length, Distance = Distance.Cosine });
        await client.CreatePayloadIndexAsync("vectors", "tags", PayloadSchemaType.Keyword);
        for (int first = 0; first < vectors.Length; first += UploadPoints)
            await client.UpsertAsync(
                "vectors",
                [.. Enumerable.Range(first, Math.Min(UploadPoints, vectors.Length - first)).Select(i => new PointStruct
                {
                    Id = (ulong)i,
                    Vectors = vectors[i],
                    Payload = { ["tags"] = tags[i] },
                })]);
        // Green: nothing is left to be indexed; it is green, too, before the optimizers have begun.
        for (int quiet = 0; quiet < 5; await Task.Delay(500))
            quiet = (await client.GetCollectionInfoAsync("vectors")).Status == CollectionStatus.Green ? quiet + 1 : 0;
        var info = await client.GetCollectionInfoAsync("vectors");
        string memory = stores.ServerProcessId is { } id ? $", {Machine.Megabytes("VmRSS", id):F0} MB resident" : "";
        Print($"Qdrant: uploaded and indexed in {watch.Elapsed.TotalSeconds:F1} s ({info.IndexedVectorsCount} vectors indexed, "
            + $"{info.SegmentsCount} segments){memory}");
    }

    private static int[][] Exact(float[][] vectors, string[][] tags, float[][] asked, string? tag)
    {
        var result = new int[asked.Length][];
        Parallel.For(0, asked.Length, i => result[i] = [.. Enumerable.Range(0, vectors.Length)
            .Where(j => tag is null || tags[j].Contains(tag))
            .Select(j => (Index: j, Score: TensorPrimitives.Dot<float>(asked[i], vectors[j])))
            .OrderByDescending(pair => pair.Score).Take(Top).Select(pair => pair.Index)]);
        return result;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    private static void Print(DefaultInterpolatedStringHandler text) => Console.WriteLine(text.ToStringAndClear());

    /// <summary>Vectors of length 1 around random centres.</summary>
    private sealed class ClusteredVectors
    {
        private readonly Random _random;
        private readonly int _dimension;
        private readonly float _spread;
        private readonly float[][] _centres;

        public ClusteredVectors(int seed, int dimension, int clusters, float spread)
        {
            _random = new Random(seed);
            (_dimension, _spread) = (dimension, spread);
            _centres = [.. Enumerable.Range(0, clusters).Select(_ => Normal(1))];
        }

        public float[][] Next(int count)
        {
            var vectors = new float[count][];
            for (int i = 0; i < count; i++)
            {
                var noise = Normal(_spread);
                TensorPrimitives.Add(noise, _centres[_random.Next(_centres.Length)], noise);
                TensorPrimitives.Divide(noise, TensorPrimitives.Norm<float>(noise), noise);
                vectors[i] = noise;
            }

            return vectors;
        }

        // In a random direction, of a given length.
        private float[] Normal(float length)
        {
            var vector = new float[_dimension];
            for (int i = 0; i < vector.Length; i++)
                vector[i] = (float)(Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble()));
            TensorPrimitives.Multiply(vector, length / TensorPrimitives.Norm<float>(vector), vector);
            return vector;
        }
    }
}
