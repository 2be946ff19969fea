using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha ingest</c>: makes the store hold exactly the folder's documents.</summary>
internal static class IngestCommand
{
    public static Command Create()
    {
        var options = new FolderOptions(searches: true);
        var plan = new Option<bool>("--plan") { Description = "Say what would be done, and change nothing." };
        var rebuild = new Option<bool>("--rebuild") { Description = "Read everything anew and fit the embedder again." };
        var holds = new Option<bool>("--quarantine-injections")
        {
            Description = "Hold back documents whose text holds instructions to a model; otherwise they are only reported.",
        };
        var json =
            new Option<bool>(
                "--json")
            { Description = "Print one JSON object a line: each document once it is durably stored, then the counts." };
        var command = new Command("ingest", "Bring a folder of documents into the store: adds, updates and deletes by content.");
        options.AddTo(command);
        command.Options.Add(plan);
        command.Options.Add(rebuild);
        command.Options.Add(holds);
        command.Options.Add(json);
        command.SetAction(
            (parsed, cancellationToken) =>
                RunAsync(
                    options.Read(parsed) with { HoldsInjections = parsed.GetValue(holds) },
                    parsed.GetValue(plan),
                    parsed.GetValue(rebuild),
                    parsed.GetValue(json),
                    cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, bool plan, bool rebuild, bool json, CancellationToken cancellationToken)
    {
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        if (plan)
        {
            var planned = await session.Knowledge.PlanSyncAsync(workspace.Documents, cancellationToken);
            Print(json, planned.Added, planned.Changed, planned.Removed, planned.Unchanged.Count, planned.Skipped, []);
            return 0;
        }

        var report = await IngestStage.RunAsync(session, workspace, json ? Acknowledge : null, rebuild, cancellationToken);
        Print(json, report.Added, report.Changed, report.Removed, report.Unchanged.Count, report.Skipped, report.Remarks, report.Chunks,
            report.Timings);
        return 0;
    }

    private static void Acknowledge(string source)
    {
        Console.Out.WriteLine(JsonLines.Line(writer => writer.WriteString("acknowledged", source)));
        Console.Out.Flush();
    }

    private static void Print(
        bool json,
        IReadOnlyList<string> added,
        IReadOnlyList<string> changed,
        IReadOnlyList<string> removed,
        int unchanged,
        IReadOnlyList<SkippedDocument> skipped,
        IReadOnlyList<DocumentRemark> remarks,
        int? chunks = null,
        IReadOnlyDictionary<string, double>? seconds = null)
    {
        if (!json)
        {
            foreach (var (verb, sources) in new[] { ("add", added), ("change", changed), ("remove", removed) })
                foreach (var source in sources)
                    Console.Out.WriteLine($"{verb,-7} {source}");
            return;
        }

        Console.Out.WriteLine(JsonLines.Line(writer =>
        {
            foreach (var (name, sources) in new[] { ("added", added), ("changed", changed), ("removed", removed) })
            {
                writer.WriteStartArray(name);
                foreach (var source in sources)
                    writer.WriteStringValue(source);
                writer.WriteEndArray();
            }

            writer.WriteNumber("unchanged", unchanged);
            writer.WriteStartArray("skipped");
            foreach (var skip in skipped)
            {
                writer.WriteStartObject();
                writer.WriteString("source", skip.Source);
                writer.WriteString("reason", skip.Reason);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            writer.WriteStartArray("remarks");
            foreach (var remark in remarks)
            {
                writer.WriteStartObject();
                writer.WriteString("source", remark.Source);
                writer.WriteString("text", remark.Text);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
            if (chunks is { } count)
                writer.WriteNumber("chunks", count);
            if (seconds is not null)
            {
                writer.WriteStartObject("seconds");
                foreach (var (stage, value) in seconds)
                    writer.WriteNumber(stage, Math.Round(value, 4));
                writer.WriteEndObject();
            }
        }));
    }
}

/// <summary>Brings the folder into the store, with bars and counts on standard error.</summary>
internal static class IngestStage
{
    public static async Task<SyncReport> RunAsync(
        KnowledgeSession session, Workspace workspace, Action<string>? acknowledged, bool rebuild, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var report = await ProgressDisplay.RunAsync(progress => session.Knowledge.SyncFolderAsync(
            workspace.Documents, progress, new SyncOptions { Acknowledged = acknowledged, Rebuild = rebuild }, cancellationToken));
        await Console.Error.WriteLineAsync(Summary(report, session, watch.Elapsed));
        foreach (var skipped in report.Skipped)
            await Console.Error.WriteLineAsync($"  skipped {skipped.Source}: {skipped.Reason}");
        foreach (var found in report.Findings.Where(found => found.Finding.Severity == InjectionSeverity.High))
            await Console.Error.WriteLineAsync($"  instructions to a model in {found.Source}: {found.Finding}");
        foreach (var remark in report.Remarks)
            await Console.Error.WriteLineAsync($"  note on {remark.Source}: {remark.Text}");
        return report;
    }

    private static string Summary(SyncReport report, KnowledgeSession session, TimeSpan elapsed)
    {
        var stages =
            string.Join(", ",
                report.Timings.Where(t => t.Key != "total" && t.Value >= 0.001)
                    .Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} {t.Value:F2} s")));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Documents in {session.Knowledge.Store.Location}: {report.Added.Count} added, {report.Changed.Count} changed, "
                + $"{report.Removed.Count} removed, {report.Unchanged.Count} unchanged, {report.Skipped.Count} skipped; "
                + $"{report.Chunks} chunks written in {elapsed.TotalSeconds:F2} s{(stages.Length > 0 ? $" ({stages})" : "")}");
    }
}
