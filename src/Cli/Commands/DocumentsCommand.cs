using System.CommandLine;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha documents</c>: what the store holds, what is in quarantine, and how it gets out.</summary>
internal static class DocumentsCommand
{
    public static Command Create() => new("documents", "Look after the documents that 'ingest' has brought in.")
    {
        Subcommand("list", "List the stored documents.", null, ListAsync),
        Subcommand("quarantine", "List the files that are not taken in until they change or are released, each with its reason.", null,
            QuarantineAsync),
        Subcommand("release", "Release files from quarantine, so that the next 'ingest' tries them again.",
            "Files as 'documents quarantine' names them; none for all.", ReleaseAsync),
    };

    private static Command Subcommand(
        string name, string description, string? sources, Func<KnowledgeBase, string[], bool, CancellationToken, Task> run)
    {
        var folder = new FolderOptions(searches: true);
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        var names = new Argument<string[]>("SOURCE") { Description = sources, Arity = ArgumentArity.ZeroOrMore };
        var command = new Command(name, description);
        if (sources is not null)
            command.Arguments.Add(names);
        folder.AddTo(command);
        command.Options.Add(json);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = folder.Read(parsed);
            var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
            using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
            await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
            await run(session.Knowledge, sources is null ? [] : parsed.GetValue(names) ?? [], parsed.GetValue(json), cancellationToken);
            return 0;
        });
        return command;
    }

    private static async Task ListAsync(KnowledgeBase knowledge, string[] sources, bool json, CancellationToken cancellationToken)
    {
        foreach (var record in await knowledge.ListDocumentsAsync(cancellationToken))
            Print(json ? JsonLines.Line(writer =>
            {
                writer.WriteString("source", record.Source);
                writer.WriteString("title", record.Title);
                writer.WriteNumber("chunks", record.ChunkCount);
                writer.WriteNumber("bytes", record.Bytes);
                writer.WriteString("hash", record.Hash);
                writer.WriteString("access", record.Access?.ToString());
            }) : $"{record.Source}\t{record.ChunkCount} chunks\t{record.Bytes} bytes");
    }

    private static async Task QuarantineAsync(KnowledgeBase knowledge, string[] sources, bool json, CancellationToken cancellationToken)
    {
        foreach (var record in await knowledge.ListQuarantineAsync(cancellationToken))
            Print(json ? JsonLines.Line(writer =>
            {
                writer.WriteString("source", record.Source);
                writer.WriteString("cause", record.Cause == QuarantineCause.Injection ? "injection" : "unreadable");
                writer.WriteString("reason", record.Reason);
                writer.WriteString("hash", record.Hash);
            }) : $"{record.Source}\t{record.Reason}");
    }

    private static async Task ReleaseAsync(KnowledgeBase knowledge, string[] sources, bool json, CancellationToken cancellationToken)
    {
        var released = await knowledge.ReleaseAsync(sources.Length == 0 ? null : sources, cancellationToken);
        foreach (var source in released)
            Print(json ? JsonLines.Line(writer => writer.WriteString("released", source)) : $"released {source}");
        foreach (var source in sources.Except(released, StringComparer.Ordinal))
            await Console.Error.WriteLineAsync($"kotonoha: '{source}' is not in quarantine");
    }

    private static void Print(string line) => Console.Out.WriteLine(line);
}
