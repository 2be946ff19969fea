using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.Rag.Stores;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>
/// Kills the ingesting process with SIGKILL at moments spread evenly over the duration of an undisturbed run, and looks at what is left:
/// every acknowledged document answers and is whole, none is half there, and the next run completes the folder.
/// </summary>
internal sealed class IngestKillSoak(string root, int documents, int seed, Action<string> say)
{
    /// <summary>The arguments that name the store, besides --docs and --home.</summary>
    public required string[] StoreArguments { get; init; }

    /// <summary>Opens the store of a folder of documents as the command does.</summary>
    public required Func<string, string, IKnowledgeStore> OpenStore { get; init; }

    /// <summary>Runs the kills; returns what was wrong, in words.</summary>
    public async Task<List<string>> RunAsync(int kills)
    {
        var problems = new List<string>();
        var (folder, home) = Folder("reference");
        var reference = await IngestAsync(folder, home, killAfter: null);
        if (reference.Acknowledged.Count != documents)
            problems.Add($"the undisturbed run acknowledged {reference.Acknowledged.Count} of {documents} documents");
        var expected = await ChunkCountsAsync(folder, home);
        var (first, last) = (reference.Moments.First(), reference.Moments.Last());
        say(string.Create(CultureInfo.InvariantCulture, $"seed {seed}, {documents} documents; undisturbed: {reference.Duration.TotalMilliseconds:F0} ms, first acknowledgement at {first.TotalMilliseconds:F0} ms, last at {last.TotalMilliseconds:F0} ms"));

        // Evenly over the whole run; where that puts fewer than three fifths between first and last acknowledgement, the rest goes evenly there.
        var moments = Enumerable.Range(0, kills).Select(i => reference.Duration * ((i + 0.5) / kills)).ToList();
        int inside = moments.Count(m => m > first && m < last), wanted = (3 * kills + 4) / 5;
        for (int i = 0; inside + i < wanted; i++)
            moments.Add(first + (last - first) * ((i + 0.5) / (wanted - inside)));
        int killed = 0, between = 0, survivedAcknowledged = 0;
        for (int i = 0; i < moments.Count; i++)
        {
            (folder, home) = Folder(string.Create(CultureInfo.InvariantCulture, $"kill-{i}"));
            var run = await IngestAsync(folder, home, moments[i]);
            killed += run.Killed ? 1 : 0;
            between += run.Killed && run.Acknowledged.Count > 0 && run.Acknowledged.Count < documents ? 1 : 0;
            survivedAcknowledged += run.Acknowledged.Count;
            var name = string.Create(CultureInfo.InvariantCulture, $"kill {i} at {moments[i].TotalMilliseconds:F0} ms ({run.Acknowledged.Count} acknowledged)");
            problems.AddRange((await CheckAsync(folder, home, run.Acknowledged, expected)).Select(p => $"{name}: {p}"));
            var again = await IngestAsync(folder, home, killAfter: null);
            if (again.ExitCode != 0)
                problems.Add($"{name}: the next run ended with exit code {again.ExitCode}: {again.Error}");
            var complete = await ChunkCountsAsync(folder, home);
            if (!complete.OrderBy(p => p.Key, StringComparer.Ordinal).SequenceEqual(expected.OrderBy(p => p.Key, StringComparer.Ordinal)))
                problems.Add($"{name}: the next run did not complete the folder ({complete.Count} of {expected.Count} documents)");
            Directory.Delete(home, recursive: true);
        }

        say(string.Create(CultureInfo.InvariantCulture, $"{killed} kills ({between} after the first and before the last acknowledgement), {survivedAcknowledged} acknowledged documents checked, {problems.Count} problems"));
        return problems;
    }

    /// <summary>Runs an ingestion while something disturbs it, then checks what was acknowledged and that a further run completes it.</summary>
    public async Task<List<string>> DisturbAsync(string name, TimeSpan after, Func<Task> disturb, IReadOnlyDictionary<string, int> expected)
    {
        var (folder, home) = Folder(name);
        var run = await IngestAsync(folder, home, killAfter: null, after, disturb);
        var problems = (await CheckAsync(folder, home, run.Acknowledged, expected)).Select(p => $"{name}: {p}").ToList();
        if (run.ExitCode != 0)
            await IngestAsync(folder, home, killAfter: null);
        var complete = await ChunkCountsAsync(folder, home);
        if (complete.Count != expected.Count)
            problems.Add($"{name}: {complete.Count} of {expected.Count} documents after the next run");
        say(string.Create(CultureInfo.InvariantCulture, $"{name}: {run.Acknowledged.Count} acknowledged, exit code {run.ExitCode}, {problems.Count} problems"));
        Directory.Delete(home, recursive: true);
        return problems;
    }

    /// <summary>What an undisturbed run stores: the number of chunks of every document, and how long it takes.</summary>
    public async Task<(Dictionary<string, int> Chunks, TimeSpan First, TimeSpan Last)> ReferenceAsync()
    {
        var (folder, home) = Folder("reference");
        var run = await IngestAsync(folder, home, killAfter: null);
        return (await ChunkCountsAsync(folder, home), run.Moments.First(), run.Moments.Last());
    }

    // Every trial has a folder of its own (moved, not copied), so that on a server it has a collection of its own.
    private string? current;

    private (string Folder, string Home) Folder(string name)
    {
        var folder = Path.Combine(root, "docs-" + name);
        if (current is null)
            GeneratedDocuments.Write(folder, documents, seed);
        else if (current != folder)
            Directory.Move(current, folder);
        current = folder;
        return (folder, Path.Combine(root, "home-" + name));
    }

    private async Task<Dictionary<string, int>> ChunkCountsAsync(string folder, string home)
    {
        await using var store = OpenStore(folder, home);
        var counts = new Dictionary<string, int>(StringComparer.Ordinal);
        foreach (var record in await store.ListDocumentsAsync())
            counts[record.Source] = (await store.ReadDocumentAsync(record.Source)).Count;
        return counts;
    }

    private async Task<List<string>> CheckAsync(string folder, string home, IReadOnlyCollection<string> acknowledged, IReadOnlyDictionary<string, int> expected)
    {
        var problems = new List<string>();
        if (acknowledged.Count == 0 && !Directory.Exists(home))
            return problems;
        await using var store = OpenStore(folder, home);
        var records = (await store.ListDocumentsAsync()).ToDictionary(r => r.Source, StringComparer.Ordinal);
        problems.AddRange(acknowledged.Where(source => !records.ContainsKey(source)).Select(source => $"acknowledged, but not in the ledger: {source}"));
        if (await store.GetInfoAsync() is null)
            return problems;
        for (int number = 0; number < documents; number++)
        {
            var source = GeneratedDocuments.Name(number);
            var hits = await store.SearchSparseAsync(TermVector.FromTerms([GeneratedDocuments.UniqueWord(number)]), 100);
            var stored = await store.ReadDocumentAsync(source);
            if (records.ContainsKey(source))
            {
                if (stored.Count != expected[source])
                    problems.Add($"{source} has {stored.Count} chunks instead of {expected[source]}");
                if (hits.Count != expected[source] || hits.Any(h => h.Source != source))
                    problems.Add($"{source} is in the ledger, but a search finds {hits.Count} of its {expected[source]} chunks");
            }
            else if (hits.Count > 0)
            {
                problems.Add($"{source} is not in the ledger, but a search finds {hits.Count} chunks of it");
            }
        }

        return problems;
    }

    private async Task<IngestRun> IngestAsync(string folder, string home, TimeSpan? killAfter, TimeSpan? disturbAfter = null, Func<Task>? disturb = null)
    {
        var acknowledged = new ConcurrentQueue<(string Source, TimeSpan At)>();
        var watch = Stopwatch.StartNew();
        using var cli = CliProcess.Start(["ingest", "--docs", folder, "--home", home, "--json", .. StoreArguments], line =>
        {
            if (line.StartsWith("{\"acknowledged\":", StringComparison.Ordinal))
                acknowledged.Enqueue((JsonDocument.Parse(line).RootElement.GetProperty("acknowledged").GetString()!, watch.Elapsed));
        });
        bool killed = false;
        if (killAfter is { } moment)
        {
            killed = !await cli.WaitForExitAsync(moment - watch.Elapsed);
            if (killed)
                cli.Kill();
        }
        else if (disturb is not null)
        {
            await Task.Delay(disturbAfter!.Value);
            await disturb();
        }

        cli.WaitForExit();
        return new IngestRun([.. acknowledged.Select(a => a.Source)], [.. acknowledged.Select(a => a.At)], watch.Elapsed, killed, cli.ExitCode, cli.Error);
    }

    private sealed record IngestRun(IReadOnlyList<string> Acknowledged, IReadOnlyList<TimeSpan> Moments, TimeSpan Duration, bool Killed, int ExitCode, string Error);
}
