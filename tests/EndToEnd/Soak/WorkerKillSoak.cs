using System.Diagnostics;
using System.Globalization;
using Kotonoha.Cli.Workspaces;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.Rag.Stores;
using Kotonoha.Workers;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>
/// Publishes folders of documents and lets several workers take them in, each of which is killed at random moments, again and again. Then
/// every document must be there exactly once, in its last version, with all of its chunks, as an undisturbed ingestion by one process
/// makes them.
/// </summary>
internal sealed class WorkerKillSoak(string root, int documents, int seed, Action<string> say)
{
    private const string Unreadable = "broken.pdf";
    private const int MostRounds = 400, PollMs = 50, MostDelayMs = 800;

    private readonly string _folder = Path.Combine(root, "documents"), _home = Path.Combine(root, "home");
    private readonly Random _random = new(seed);

    /// <summary>The RabbitMQ server.</summary>
    public required Uri Queue { get; init; }

    /// <summary>The Qdrant server.</summary>
    public required Uri Store { get; init; }

    private string[] Place => ["--docs", _folder, "--home", _home, "--queue", Queue.ToString()];

    /// <summary>Kills each of the workers so often; returns what was wrong, in words.</summary>
    public async Task<List<string>> RunAsync(int workers, int kills)
    {
        var problems = new List<string>();
        int version = 0, published = 0;
        GeneratedDocuments.Write(_folder, documents, seed, version);
        File.WriteAllText(Path.Combine(_folder, Unreadable), "%PDF-1.4 and nothing more");
        published += Enqueue(problems);

        int[] killed = new int[workers], stored = new int[workers];
        int done = 0;
        var running = new CliProcess[workers];
        var watch = Stopwatch.StartNew();
        await using var queue = await IngestionQueue.OpenAsync(
            new IngestionQueueOptions { Address = Queue, Queue = Workspace.Open(_home, _folder).Collection });
        try
        {
            for (int i = 0; i < workers; i++)
                running[i] = Start(i);
            while (killed.Min() < kills)
            {
                // A worker that has stored a document since it started is in the middle of others while any wait.
                int[] left = [.. Enumerable.Range(0, workers).Where(i => killed[i] < kills && Volatile.Read(ref stored[i]) > 0)];
                if ((await queue.GetStatusAsync()).Waiting < 2 * workers && version < MostRounds)
                {
                    GeneratedDocuments.Write(_folder, documents, seed, ++version);
                    published += Enqueue(problems);
                    continue;
                }

                if (left.Length == 0)
                {
                    await Task.Delay(PollMs);
                    continue;
                }

                await Task.Delay(_random.Next(MostDelayMs));
                int victim = left[_random.Next(left.Length)];
                running[victim].Kill();
                running[victim].Dispose();
                killed[victim]++;
                done += Interlocked.Exchange(ref stored[victim], 0);
                running[victim] = Start(victim);
            }

            while (await queue.GetStatusAsync() is { Waiting: > 0 })
                await Task.Delay(500);
        }
        finally
        {
            // The last documents are in hand: a worker that is asked to end finishes them first.
            foreach (var worker in running.Where(worker => worker is not null))
                worker.Interrupt();
            foreach (var worker in running.Where(worker => worker is not null))
            {
                worker.WaitForExit();
                if (worker.ExitCode != 0)
                    problems.Add($"a worker that was asked to end did so with exit code {worker.ExitCode}: {worker.Error}");
                worker.Dispose();
            }
        }

        var duration = watch.Elapsed;
        done += stored.Sum();
        problems.AddRange(await CheckAsync(queue));
        say(string.Create(CultureInfo.InvariantCulture,
            $"seed {seed}: {workers} workers, each killed {kills} times ({killed.Sum()} in all) in {duration.TotalSeconds:F0} s; "
                + $"{documents} documents in {version + 1} versions, {published} messages, {done} documents reported as stored; "
                + $"{problems.Count} problems"));
        return problems;

        CliProcess Start(int worker) => CliProcess.Start(
            ["worker", "--qdrant-url", Store.ToString(), .. Place],
            line =>
            {
                if (line.StartsWith("stored", StringComparison.Ordinal))
                    Interlocked.Increment(ref stored[worker]);
            });
    }

    private int Enqueue(List<string> problems)
    {
        var (code, output, error) = CliProcess.Run(
            ["worker", "enqueue", "--sample", "10", "--qdrant-url", Store.ToString(), .. Place]);
        if (code != 0)
            problems.Add($"publishing ended with exit code {code}: {error}");
        return code == 0 ? int.Parse(output.Split(' ')[0], CultureInfo.InvariantCulture) : 0;
    }

    // Against the same folder, taken in by one process into a store of its own.
    private async Task<List<string>> CheckAsync(IngestionQueue queue)
    {
        var problems = new List<string>();
        var status = await queue.GetStatusAsync();
        var letters = await queue.PeekDeadLettersAsync();
        if (status.Waiting != 0 || letters.Count == 0 || letters.Any(letter => letter.Source != Unreadable))
            problems.Add($"the queue holds {status.Waiting} messages, and the dead letters are {string.Join(" | ", letters)}");

        var other = Path.Combine(root, "single");
        var (code, _, error) = CliProcess.Run(["ingest", "--docs", _folder, "--home", other]);
        if (code != 0)
            problems.Add($"the ingestion by one process ended with exit code {code}: {error}");
        await using var expected = EmbeddedStore.Open(Workspace.Open(other, _folder).Store(""));
        await using var actual = new QdrantStore(
            new QdrantStoreOptions { Address = Store, Collection = Workspace.Open(_home, _folder).Collection });
        var records = (await actual.ListDocumentsAsync()).ToDictionary(record => record.Source, StringComparer.Ordinal);
        int chunks = 0;
        foreach (var record in await expected.ListDocumentsAsync())
        {
            if (!records.Remove(record.Source, out var stored))
            {
                problems.Add($"{record.Source} is missing");
                continue;
            }

            string[] should = [.. (await expected.ReadDocumentAsync(record.Source)).Select(chunk => chunk.Text)];
            string[] present = [.. (await actual.ReadDocumentAsync(record.Source)).Select(chunk => chunk.Text)];
            chunks += should.Length;
            if (stored.Hash != record.Hash || !present.SequenceEqual(should))
                problems.Add($"{record.Source} has {present.Length} of {should.Length} chunks, or another version's");
        }

        problems.AddRange(records.Keys.Select(source => $"{source} is there and should not be"));
        // Nothing of any older version is left, seen or unseen: counted by the server before anything cleans up.
        ulong points = await CountAsync();
        if (points != (ulong)chunks)
            problems.Add($"the server holds {points} chunks; there should be {chunks}");
        say(string.Create(CultureInfo.InvariantCulture, $"checked {documents} documents: {chunks} chunks, {points} on the server"));
        return problems;
    }

    private async Task<ulong> CountAsync()
    {
        using var client = new Qdrant.Client.QdrantClient(Store);
        return await client.CountAsync(Workspace.Open(_home, _folder).Collection);
    }
}
