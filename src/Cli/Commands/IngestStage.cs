using System.Diagnostics;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Ingestion;

namespace Kotonoha.Cli.Commands;

/// <summary>Brings the folder into the store, with bars and counts on standard error.</summary>
internal static class IngestStage
{
    public static async Task<SyncReport> RunAsync(KnowledgeSession session, Workspace workspace, Action<string>? acknowledged, bool rebuild, CancellationToken cancellationToken)
    {
        var watch = Stopwatch.StartNew();
        var report = await ProgressDisplay.RunAsync(progress => session.Knowledge.SyncFolderAsync(
            workspace.Documents, progress, new SyncOptions { Acknowledged = acknowledged, Rebuild = rebuild }, cancellationToken));
        await Console.Error.WriteLineAsync(Summary(report, session, watch.Elapsed));
        foreach (var skipped in report.Skipped)
            await Console.Error.WriteLineAsync($"  skipped {skipped.Source}: {skipped.Reason}");
        foreach (var remark in report.Remarks)
            await Console.Error.WriteLineAsync($"  note on {remark.Source}: {remark.Text}");
        return report;
    }

    private static string Summary(SyncReport report, KnowledgeSession session, TimeSpan elapsed)
    {
        var stages = string.Join(", ", report.Timings.Where(t => t.Key != "total" && t.Value >= 0.001).Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Key} {t.Value:F2} s")));
        return string.Create(
            CultureInfo.InvariantCulture,
            $"Documents in {session.Knowledge.Store.Location}: {report.Added.Count} added, {report.Changed.Count} changed, {report.Removed.Count} removed, {report.Unchanged.Count} unchanged, {report.Skipped.Count} skipped; {report.Chunks} chunks written in {elapsed.TotalSeconds:F2} s{(stages.Length > 0 ? $" ({stages})" : "")}");
    }
}
