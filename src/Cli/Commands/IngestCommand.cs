using System.CommandLine;
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
        var watch = new Option<bool>("--watch") { Description = "Go on and follow changes of the folder until Ctrl+C." };
        var labels = new Option<string[]>("--label")
        {
            Description = AccessLabels.Help,
            HelpName = "PATTERN=LABEL",
            DefaultValueFactory = _ => [],
        };
        var rules = new FolderRuleOptions();
        var web = new WebSourceOptions();
        var command = new Command("ingest", "Bring a folder of documents, or pages from the web, into the store: adds, updates and deletes "
            + "by content. With --url, --sitemap or --refresh-web the folder is read only where --docs names it.");
        options.AddTo(command);
        foreach (var option in new Option[] { plan, rebuild, watch, holds, labels, json })
            command.Options.Add(option);
        rules.AddTo(command);
        web.AddTo(command);
        command.SetAction((parsed, cancellationToken) =>
        {
            string[] labelled = parsed.GetValue(labels) ?? [];
            LabelRule[]? read = labelled.Length == 0 ? null : [.. labelled.Select(AccessLabels.Rule)];
            return RunAsync(
                options.Read(parsed) with { HoldsInjections = parsed.GetValue(holds), Rules = rules.Read(parsed) },
                new IngestSettings(parsed.GetValue(plan), parsed.GetValue(rebuild), parsed.GetValue(watch), parsed.GetValue(json), read,
                    web.Read(parsed, read)),
                cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, IngestSettings ingest, CancellationToken cancellationToken)
    {
        if (ingest.Plan && (ingest.Watch || ingest.Web is not null))
            throw new UsageException("--plan is about the folder alone; it does not go with --watch, --url, --sitemap or --refresh-web");
        var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
        using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        var options = session.Rules.Sync with
        {
            Acknowledged = ingest.Json ? Acknowledge : null,
            Rebuild = ingest.Rebuild,
            Labels = ingest.Labels,
        };
        if (ingest.Plan)
        {
            var planned = await session.Knowledge.PlanSyncAsync(workspace.Documents, options, cancellationToken);
            Print(ingest.Json, planned.Added, planned.Changed, planned.Removed, planned.Unchanged.Count, planned.Skipped, []);
            return 0;
        }

        if (settings.Rules is not null)
            session.Rules.Write(workspace);
        bool fine = ingest.Web is null || await WebStage.RunAsync(session, ingest.Web, ingest.Json, cancellationToken);
        if (ingest.Web is null || settings.Documents is not null || ingest.Watch)
        {
            if (ingest.Watch)
                await WatchAsync(session, workspace, options, ingest.Json, cancellationToken);
            else
            {
                var report = await IngestStage.RunAsync(session, workspace, options, cancellationToken);
                Print(ingest.Json, report);
                fine &= report.Refused.Count == 0;
            }
        }

        LastSync.Write(workspace);
        return fine ? 0 : 1;
    }

    private static async Task WatchAsync(
        KnowledgeSession session, Workspace workspace, SyncOptions options, bool json, CancellationToken cancellationToken)
    {
        var watch = new WatchOptions
        {
            Sync = options,
            Trouble = error => Console.Error.WriteLine($"kotonoha: {UserText.Of(error.Message)}"),
        };
        try
        {
            bool isFirst = true;
            await foreach (var report in session.Knowledge.WatchFolderAsync(workspace.Documents, watch, null, cancellationToken))
            {
                await IngestStage.TellAsync(report, session);
                Print(json, report);
                LastSync.Write(workspace);
                await Console.Out.FlushAsync(cancellationToken);
                if (isFirst)
                    await Console.Error.WriteLineAsync($"Watching '{workspace.Documents}'; Ctrl+C ends it.");
                isFirst = false;
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("Watching has ended; everything that was reported is stored.");
        }
    }

    private static void Print(bool json, SyncReport report)
        => Print(json, report.Added, report.Changed, report.Removed, report.Unchanged.Count, report.Skipped, report.Remarks, report.Chunks,
            report.Timings);

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
                writer.WriteString("reason", UserText.Of(skip.Reason));
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
        KnowledgeSession session, Workspace workspace, SyncOptions options, CancellationToken cancellationToken)
    {
        var report = await ProgressDisplay.RunAsync(
            progress => session.Knowledge.SyncFolderAsync(workspace.Documents, progress, options, cancellationToken));
        await TellAsync(report, session);
        return report;
    }

    public static async Task TellAsync(SyncReport report, KnowledgeSession session)
    {
        await Console.Error.WriteLineAsync(Summary(report, session));
        foreach (var skipped in report.Skipped)
            await Console.Error.WriteLineAsync($"  skipped {skipped.Source}: {UserText.Of(skipped.Reason)}");
        await TellAsync(report.Findings, report.Remarks);
    }

    public static async Task TellAsync(IEnumerable<DocumentFinding> findings, IEnumerable<DocumentRemark> remarks)
    {
        foreach (var found in findings.Where(found => found.Finding.Severity == InjectionSeverity.High))
            await Console.Error.WriteLineAsync($"  instructions to a model in {found.Source}: {found.Finding}");
        foreach (var remark in remarks)
            await Console.Error.WriteLineAsync($"  note on {remark.Source}: {remark.Text}");
    }

    private static string Summary(SyncReport report, KnowledgeSession session)
    {
        var stages =
            string.Join(", ",
                report.Timings.Where(t => t.Key != "total" && t.Value >= 0.001)
                    .Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} {t.Value:F2} s")));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Documents in {session.Knowledge.Store.Location}: {report.Added.Count} added, {report.Changed.Count} changed, "
                + $"{report.Removed.Count} removed, {report.Unchanged.Count} unchanged, {report.Skipped.Count} skipped; "
                + $"{report.Chunks} chunks written in {report.Timings["total"]:F2} s{(stages.Length > 0 ? $" ({stages})" : "")}");
    }
}

/// <summary>How the command is to work.</summary>
internal sealed record IngestSettings(
    bool Plan, bool Rebuild, bool Watch, bool Json, IReadOnlyList<LabelRule>? Labels, WebSettings? Web);
