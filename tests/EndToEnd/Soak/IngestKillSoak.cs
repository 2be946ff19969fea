using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using Kotonoha.EndToEnd.CommandLine;
using Kotonoha.Rag.Stores;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>
/// Changes every document of a folder and kills the ingestion of the changes at moments spread evenly over the duration of an undisturbed
/// one, again and again. After each kill: every acknowledged document answers in its new version, every other one in its old or new
/// version, none is half there or there twice; and the next run completes the folder.
/// </summary>
internal sealed class IngestKillSoak(string root, int documents, int seed, Action<string> say)
{
    private readonly string _folder = Path.Combine(root, "documents"), _home = Path.Combine(root, "home");
    private int _version;

    private const int PauseMs = 500;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    // Fewer trials than this say nothing about how they are spread.
    private const int EnoughForTheShare = 50;

    /// <summary>The arguments that name the store, besides --docs and --home.</summary>
    public required string[] StoreArguments { get; init; }

    /// <summary>Opens the store of a folder of documents as the command does.</summary>
    public required Func<string, string, IKnowledgeStore> OpenStore { get; init; }

    /// <summary>
    /// Fills the store, then measures an undisturbed ingestion of changes: when it acknowledges first and last, and how long it takes.
    /// </summary>
    public async Task<(TimeSpan First, TimeSpan Last, TimeSpan Duration)> MeasureAsync()
    {
        GeneratedDocuments.Write(_folder, documents, seed, _version);
        await IngestAsync();
        GeneratedDocuments.Write(_folder, documents, seed, ++_version);
        var run = await IngestAsync();
        if (run.Acknowledged.Count != documents)
            throw new InvalidOperationException(
                $"the undisturbed run acknowledged {run.Acknowledged.Count} of {documents} documents: {run.Error}");
        say(string.Create(
            CultureInfo.InvariantCulture,
            $"seed {seed}, {documents} documents; undisturbed: {run.Duration.TotalMilliseconds:F0} ms, first acknowledgement at "
                + $"{run.Moments[0].TotalMilliseconds:F0} ms, last at {run.Moments[^1].TotalMilliseconds:F0} ms"));
        return (run.Moments[0], run.Moments[^1], run.Duration);
    }

    /// <summary>Kills the ingesting process so often; returns what was wrong, in words.</summary>
    public async Task<List<string>> KillIngestionAsync(int kills)
    {
        var (first, last, duration) = await MeasureAsync();
        var problems = new List<string>();
        int killed = 0, between = 0, acknowledged = 0;
        int wanted = kills * 3 / 5, extra = 0;
        for (int i = 0; i < kills || (kills >= EnoughForTheShare && between < wanted && extra < kills); i++)
        {
            // Evenly over the whole run; runs differ in length, so where too few fell between first and last acknowledgement, more follow
            // there.
            var moment = i < kills ? duration * ((i + 0.5) / kills) : first + (last - first) * ((extra++ % wanted + 0.5) / wanted);
            var run =
                await TrialAsync(string.Create(CultureInfo.InvariantCulture, $"kill {i} at {moment.TotalMilliseconds:F0} ms"),
                    killAfter: moment, disturb: null, problems);
            killed += run.Killed ? 1 : 0;
            between += run.Killed && run.Acknowledged.Count > 0 && run.Acknowledged.Count < documents ? 1 : 0;
            acknowledged += run.Acknowledged.Count;
        }

        if (killed == 0)
            problems.Add("no ingestion was killed before its end");
        if (kills >= EnoughForTheShare && between < wanted)
            problems.Add($"only {between} of {kills} kills lay between first and last acknowledgement; use more documents");
        say(string.Create(CultureInfo.InvariantCulture, $"{kills + extra} trials, {killed} killed before their end, {between} of them "
            + $"between first and last acknowledgement; {acknowledged} acknowledged documents checked, {problems.Count} problems"));
        return problems;
    }

    /// <summary>Disturbs the ingestion between its first and last acknowledgement so often; returns what was wrong, in words.</summary>
    public async Task<List<string>> DisturbAsync(string what, int times, Func<Task> disturb)
    {
        var (first, last, _) = await MeasureAsync();
        var problems = new List<string>();
        int acknowledged = 0, failed = 0;
        for (int i = 0; i < times; i++)
        {
            var moment = first + (last - first) * ((i + 0.5) / times);
            var run = await TrialAsync(
                string.Create(CultureInfo.InvariantCulture, $"{what} {i} at {moment.TotalMilliseconds:F0} ms"),
                killAfter: null,
                async () =>
                {
                    await Task.Delay(moment);
                    await disturb();
                },
                problems);
            acknowledged += run.Acknowledged.Count;
            failed += run.ExitCode == 0 ? 0 : 1;
        }

        if (acknowledged == 0)
            problems.Add("nothing was acknowledged");
        say(string.Create(CultureInfo.InvariantCulture, $"{times} times {what} between first and last acknowledgement; {failed} "
            + $"ingestions ended with an error, the others went on; {acknowledged} acknowledged documents checked, "
            + $"{problems.Count} problems"));
        return problems;
    }

    private async Task<IngestRun> TrialAsync(string name, TimeSpan? killAfter, Func<Task>? disturb, List<string> problems)
    {
        GeneratedDocuments.Write(_folder, documents, seed, ++_version);
        var run = await IngestAsync(killAfter, disturb);
        problems.AddRange((await CheckAsync(run.Acknowledged)).Select(p => $"{name} ({run.Acknowledged.Count} acknowledged): {p}"));
        var again = await IngestAsync();
        if (again.ExitCode != 0)
            problems.Add($"{name}: the next run ended with exit code {again.ExitCode}: {again.Error}");
        problems.AddRange(
            (await CheckAsync([.. Enumerable.Range(0, documents).Select(GeneratedDocuments.Name)])).Select(
                p => $"{name}, after the next run: {p}"));
        return run;
    }

    // A Qdrant server that is rebuilding a segment counts terms that are not indexed yet as absent for a moment and finds less; what does
    // not answer at once is asked again for a while, and how often that was needed is told.
    private async Task<List<string>> CheckAsync(IReadOnlyCollection<string> acknowledged)
    {
        var watch = Stopwatch.StartNew();
        var problems = await CheckOnceAsync(acknowledged);
        if (problems.Count == 0)
            return problems;
        int first = problems.Count;
        while (problems.Count > 0 && watch.Elapsed < Patience)
        {
            await Task.Delay(PauseMs);
            problems = await CheckOnceAsync(acknowledged);
        }

        say(string.Create(CultureInfo.InvariantCulture,
            $"  {first} documents did not answer at once; {problems.Count} after {watch.Elapsed.TotalSeconds:F1} s"));
        return problems;
    }

    // The documents named must be there in the newest version; all others whole in it or in the one before.
    private async Task<List<string>> CheckOnceAsync(IReadOnlyCollection<string> acknowledged)
    {
        var problems = new List<string>();
        await using var store = OpenStore(_folder, _home);
        var records = (await store.ListDocumentsAsync()).ToDictionary(r => r.Source, StringComparer.Ordinal);
        var promised = acknowledged.ToHashSet(StringComparer.Ordinal);
        for (int number = 0; number < documents; number++)
        {
            var source = GeneratedDocuments.Name(number);
            if (!records.TryGetValue(source, out var record))
            {
                problems.Add($"{source} is not in the ledger");
                continue;
            }

            bool isNew = record.Hash
                == Convert.ToHexStringLower(SHA256.HashData(await File.ReadAllBytesAsync(Path.Combine(_folder, source))));
            if (promised.Contains(source) && !isNew)
                problems.Add($"{source} was acknowledged, but the ledger names another version");
            int stored = (await store.ReadDocumentAsync(source)).Count;
            int current = await HitsAsync(store, source, number, _version), before = await HitsAsync(store, source, number, _version - 1);
            if (stored != record.ChunkCount || (isNew ? current : before) != record.ChunkCount || (isNew ? before : current) != 0)
                problems.Add($"{source} ({(isNew ? "new" : "old")} version, {record.ChunkCount} chunks) has {stored} chunks; a search "
                    + $"finds {current} of the new and {before} of the old version");
        }

        return problems;
    }

    private static async Task<int> HitsAsync(IKnowledgeStore store, string source, int number, int version)
        => (await store.SearchSparseAsync(TermVector.FromTerms([GeneratedDocuments.UniqueWord(number, version)]), 100)).Count(
            hit => hit.Source == source);

    private async Task<IngestRun> IngestAsync(TimeSpan? killAfter = null, Func<Task>? disturb = null)
    {
        var acknowledged = new ConcurrentQueue<(string Source, TimeSpan At)>();
        var watch = Stopwatch.StartNew();
        using var cli = CliProcess.Start(["ingest", "--docs", _folder, "--home", _home, "--json", .. StoreArguments], line =>
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
            await disturb();
        }

        cli.WaitForExit();
        return new IngestRun([.. acknowledged.Select(a => a.Source)], [.. acknowledged.Select(a => a.At)], watch.Elapsed, killed,
            cli.ExitCode, cli.Error);
    }

    private sealed record IngestRun(
        IReadOnlyList<string> Acknowledged, IReadOnlyList<TimeSpan> Moments, TimeSpan Duration, bool Killed, int ExitCode, string Error);
}
