using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Workspaces;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.EndToEnd.Support;
using Kotonoha.Rag.Stores;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>
/// Ingests into a cluster while one of its nodes is killed and comes back, and searches all the time. Every document that was acknowledged
/// must be there with all of its chunks, and searches must go on.
/// </summary>
internal sealed class QdrantClusterSoak(string root, int documents, int seed, Action<string> say)
{
    public const int Nodes = 3, Shards = 6, Replicas = 2;

    private const int Parts = 4;

    private readonly string _folder = Path.Combine(root, "documents"), _home = Path.Combine(root, "home");
    private readonly Random _random = new(seed);

    /// <summary>The cluster.</summary>
    public required QdrantCluster Cluster { get; init; }

    /// <summary>Kills nodes one after another, so often, during as many ingestions; returns what was wrong, in words.</summary>
    public async Task<List<string>> RunAsync(int kills)
    {
        var problems = new List<string>();
        // The collection is there, with documents to search for.
        GeneratedDocuments.Write(_folder, Math.Max(1, documents / Parts), seed, version: 0);
        var (code, _, error) = await IngestAsync(_ => { });
        if (code != 0)
            return [$"the first ingestion ended with exit code {code}: {error}"];
        var collection = Workspace.Open(_home, _folder).Collection;
        var layout = JsonDocument.Parse(await Cluster.GetAsync(0, $"collections/{collection}")).RootElement
            .GetProperty("result").GetProperty("config").GetProperty("params");
        if (layout.GetProperty("shard_number").GetInt32() != Shards || layout.GetProperty("replication_factor").GetInt32() != Replicas)
            problems.Add($"the collection is laid out as {layout}");

        using var stop = new CancellationTokenSource();
        var searching = SearchAsync(stop.Token);
        int acknowledged = 0;
        for (int round = 1; round <= kills; round++)
        {
            GeneratedDocuments.Write(_folder, documents, seed, version: round);
            int victim = _random.Next(Nodes);
            var seen = new ConcurrentQueue<string>();
            var begun = new TaskCompletionSource();
            var ingesting = IngestAsync(source =>
            {
                seen.Enqueue(source);
                begun.TrySetResult();
            });
            await Task.WhenAny(begun.Task, ingesting);
            bool isUnderWay = !ingesting.IsCompleted;
            await Cluster.KillAsync(victim);
            await Task.Delay(_random.Next(1_000, 3_000));
            await Cluster.StartAsync(victim);
            (code, _, error) = await ingesting;
            if (code != 0)
                problems.Add($"round {round}: the ingestion ended with exit code {code}: {error}");
            if (!isUnderWay)
                problems.Add($"round {round}: the ingestion was over before the node was killed; use more documents");
            acknowledged += seen.Count;
            problems.AddRange((await CheckAsync([.. seen], round)).Select(problem => $"round {round}, node {victim} killed: {problem}"));
        }

        await stop.CancelAsync();
        var (searches, failed, slowest, found) = await searching;
        if (failed > 0)
            problems.Add($"{failed} of {searches} searches failed");
        if (searches == 0 || found == 0)
            problems.Add($"{searches} searches found {found} chunks");
        say(string.Create(CultureInfo.InvariantCulture,
            $"seed {seed}: {Nodes} nodes, {Shards} shards x {Replicas}; {kills} nodes killed during ingestion of {documents} documents; "
                + $"{acknowledged} acknowledged documents checked; {searches} searches, {failed} failed, slowest {slowest:F2} s; "
                + $"{problems.Count} problems"));
        return problems;
    }

    private QdrantStore Open() => new(new QdrantStoreOptions
    {
        Address = Cluster.Addresses[0],
        FurtherAddresses = Cluster.Addresses[1..],
        Collection = Workspace.Open(_home, _folder).Collection,
    });

    private async Task<(int ExitCode, int Acknowledged, string Error)> IngestAsync(Action<string> acknowledged)
    {
        int count = 0;
        string[] nodes = [.. Cluster.Addresses.SelectMany(address => new[] { "--qdrant-url", address.ToString() })];
        using var cli = CliProcess.Start(
            ["ingest", "--docs", _folder, "--home", _home, "--json", "--qdrant-shards", $"{Shards}", "--qdrant-replicas", $"{Replicas}",
                .. nodes],
            line =>
            {
                if (!line.StartsWith("{\"acknowledged\":", StringComparison.Ordinal))
                    return;
                count++;
                acknowledged(JsonDocument.Parse(line).RootElement.GetProperty("acknowledged").GetString()!);
            });
        await Task.Run(cli.WaitForExit);
        return (cli.ExitCode, count, cli.Error);
    }

    private async Task<(int Searches, int Failed, double Slowest, long Found)> SearchAsync(CancellationToken stop)
    {
        await using var store = Open();
        int searches = 0, failed = 0;
        double slowest = 0;
        long found = 0;
        var query = TermVector.FromText("token model gradient attention");
        while (!stop.IsCancellationRequested)
        {
            var watch = Stopwatch.StartNew();
            try
            {
                searches++;
                found += (await store.SearchSparseAsync(query, 10, cancellationToken: CancellationToken.None)).Count;
            }
            catch (StoreException exception)
            {
                failed++;
                say($"  a search failed after {watch.Elapsed.TotalSeconds:F1} s: {exception.Message}");
            }

            slowest = Math.Max(slowest, watch.Elapsed.TotalSeconds);
            await Task.Delay(20, CancellationToken.None);
        }

        return (searches, failed, slowest, found);
    }

    private async Task<List<string>> CheckAsync(IReadOnlyList<string> acknowledged, int version)
    {
        var problems = new List<string>();
        await using var store = Open();
        var records = (await store.ListDocumentsAsync()).ToDictionary(record => record.Source, StringComparer.Ordinal);
        var numbers = Enumerable.Range(0, documents).ToDictionary(GeneratedDocuments.Name, StringComparer.Ordinal);
        foreach (var source in acknowledged)
        {
            if (!records.TryGetValue(source, out var record))
            {
                problems.Add($"{source} was acknowledged and is not in the ledger");
                continue;
            }

            var chunks = await store.ReadDocumentAsync(source);
            var word = GeneratedDocuments.UniqueWord(numbers[source], version);
            if (chunks.Count != record.ChunkCount || !chunks.All(chunk => chunk.Text.Contains(word, StringComparison.Ordinal)))
                problems.Add($"{source} was acknowledged with {record.ChunkCount} chunks and has {chunks.Count}, or another version's");
        }

        return problems;
    }
}
