using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
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
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line: each document once it is durably stored, then the counts." };
        var command = new Command("ingest", "Bring a folder of documents into the store: adds, updates and deletes by content.");
        options.AddTo(command);
        command.Options.Add(plan);
        command.Options.Add(rebuild);
        command.Options.Add(json);
        command.SetAction((parsed, cancellationToken) => RunAsync(options.Read(parsed), parsed.GetValue(plan), parsed.GetValue(rebuild), parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static async Task<int> RunAsync(FolderSettings settings, bool plan, bool rebuild, bool json, CancellationToken cancellationToken)
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
        Print(json, report.Added, report.Changed, report.Removed, report.Unchanged.Count, report.Skipped, report.Remarks, report.Chunks, report.Timings);
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
