using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Foundation.IO;
using Kotonoha.Rag;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha documents</c>: what the store holds, what is in quarantine, and how it gets out.</summary>
internal static class DocumentsCommand
{
    public static Command Create() => new("documents", "Look after the documents that 'ingest' has brought in.")
    {
        Subcommand("list", "List the stored documents.", null, false, ListAsync),
        Subcommand("status", "Count what is stored: documents, chunks, sizes, the embedder, the quarantine, the last synchronisation.",
            null,
            false, StatusAsync),
        Subcommand("show", "Print what is stored of documents: their entries and chunks.", "Documents as 'documents list' names them.",
            false,
            ShowAsync),
        Export(),
        Import(),
        ImportCollection(),
        Backup("backup", "Write snapshots of a Qdrant collection to a folder.", false, (store, folder, cancellationToken)
            => store.BackUpAsync(folder, cancellationToken)),
        Backup("restore", "Put what 'documents backup' wrote in place of what is stored.", true, (store, folder, cancellationToken)
            => store.RestoreAsync(folder, cancellationToken)),
        Subcommand("delete", "Delete documents from the store. A file that stays in the folder comes back with the next 'ingest'.",
            "Documents as 'documents list' names them.", true, DeleteAsync),
        Subcommand("quarantine", "List the files that are not taken in until they change or are released, each with its reason.", null,
            false, QuarantineAsync),
        Subcommand("release", "Release files from quarantine, so that the next 'ingest' tries them again.",
            "Files as 'documents quarantine' names them; none for all.", true, ReleaseAsync),
    };

    private static Command Subcommand(
        string name, string description, string? sources, bool writes, Func<Call, CancellationToken, Task<int>> run)
    {
        var names = new Argument<string[]>("SOURCE") { Description = sources, Arity = ArgumentArity.ZeroOrMore };
        var command = new Command(name, description);
        if (sources is not null)
            command.Arguments.Add(names);
        return Complete(command, writes, parsed => sources is null ? [] : parsed.GetValue(names) ?? [], run);
    }

    private static Command Export()
    {
        var file = new Argument<string>("FILE") { Description = "The file to write (JSON lines; - for standard output)." };
        var vectors = new Option<bool>("--vectors") { Description = "Write the dense vectors too." };
        var command = new Command("export", "Write the stored chunks with text, place and labels, one JSON object a line.") { file,
            vectors };
        return Complete(command, false, parsed => [parsed.GetValue(file)!],
            (call, cancellationToken) => ExportAsync(call, call.Parsed.GetValue(vectors), cancellationToken));
    }

    private static Command Import()
    {
        var file = new Argument<string>("FILE") { Description = "A file that 'documents export' wrote (- for standard input)." };
        return Complete(new Command("import", "Take in what 'documents export' wrote.") { file }, true,
            parsed => [parsed.GetValue(file)!], ImportAsync);
    }

    private static Command ImportCollection()
    {
        var collection = new Argument<string>("COLLECTION") { Description = "A Qdrant collection that another program wrote." };
        var server = new Option<string>("--from")
        {
            Description = "The gRPC address of its server, such as http://localhost:6334.",
            HelpName = "URL",
            Required = true,
        };
        var key = new Option<string?>("--from-api-key-env")
        {
            Description = "The environment variable that holds that server's API key.",
            HelpName = "NAME",
        };
        var text = Field("--text-field", "the text; needed where the fields are not known, as those of Kernel Memory are");
        var source = Field("--source-field", "the document's name");
        var title = Field("--title-field", "the document's title");
        var ordinal = Field("--ordinal-field", "the number that orders the points of a document");
        var tags = Field("--tags-field", "a tag or a list of them");
        var command = new Command("import-collection", "Take in the texts of a Qdrant collection of Kernel Memory or another program.")
        {
            collection, server, key, text, source, title, ordinal, tags,
        };
        return Complete(command, true, parsed => [parsed.GetValue(collection)!], async (call, cancellationToken) =>
        {
            var parsed = call.Parsed;
            var uri = FolderOptions.GrpcAddress(server.Name, parsed.GetValue(server)!);
            var secret = FolderOptions.Secret(key.Name, parsed.GetValue(key));
            if (parsed.GetValue(text) is null
                && Array.Find([source, title, ordinal, tags], field => parsed.GetValue(field) is not null) is { } given)
                throw new UsageException($"{given.Name} goes with --text-field");
            var fields = parsed.GetValue(text) is { } field
                ? new QdrantPayloadFields(
                    field, parsed.GetValue(source), parsed.GetValue(title), parsed.GetValue(ordinal), parsed.GetValue(tags))
                : null;
            var report = await call.Knowledge.ImportCollectionAsync(
                new QdrantStoreOptions { Address = uri, ApiKey = secret, Collection = call.Sources[0] }, fields, cancellationToken);
            foreach (var skipped in report.Skipped)
                await Console.Error.WriteLineAsync($"kotonoha: '{skipped.Source}' is left out: {UserText.Of(skipped.Reason)}");
            foreach (var remark in report.Remarks)
                await Console.Error.WriteLineAsync($"'{remark.Source}': {remark.Text}");
            await Console.Error.WriteLineAsync(
                $"{report.Documents} documents stored, {report.Chunks} chunks written, {report.SkippedPoints} points without a text");
            return report.Skipped.Count == 0 ? 0 : 1;
        });

        static Option<string?> Field(string name, string holds)
            => new(name) { Description = $"The field with {holds}.", HelpName = "NAME" };
    }

    private static Command Backup(
        string name, string description, bool writes, Func<QdrantStore, string, CancellationToken, Task> run)
    {
        var folder = new Argument<string>("DIR") { Description = "The folder of the backup." };
        return Complete(new Command(name, description) { folder }, writes, parsed => [parsed.GetValue(folder)!],
            async (call, cancellationToken) =>
            {
                if (call.Knowledge.Store is not QdrantStore store)
                    throw new UsageException(
                        $"'documents {name}' is for Qdrant. The embedded store is one file: copy '{call.Knowledge.Store.Location}' while "
                        + "nothing writes");
                await run(store, call.Sources[0], cancellationToken);
                return 0;
            });
    }

    private static Command Complete(
        Command command, bool writes, Func<ParseResult, string[]> names, Func<Call, CancellationToken, Task<int>> run)
    {
        var folder = new FolderOptions(searches: true);
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line." };
        folder.AddTo(command);
        command.Options.Add(json);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = folder.Read(parsed);
            var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
            using var held = writes ? await WorkspaceLock.TakeAsync(workspace, cancellationToken) : null;
            await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
            return await run(new Call(session.Knowledge, workspace, parsed, names(parsed), parsed.GetValue(json)), cancellationToken);
        });
        return command;
    }

    private static async Task<int> StatusAsync(Call call, CancellationToken cancellationToken)
    {
        var status = await call.Knowledge.GetStatusAsync(cancellationToken);
        var last = LastSync.Read(call.Workspace)?.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
        if (call.Json)
        {
            Print(JsonLines.Line(writer =>
            {
                writer.WriteString("store", status.Location);
                writer.WriteNumber("documents", status.Documents);
                writer.WriteNumber("web_pages", status.WebPages);
                writer.WriteNumber("chunks", status.Chunks);
                writer.WriteNumber("bytes", status.Bytes);
                if (status.StoreBytes is { } size)
                    writer.WriteNumber("store_bytes", size);
                writer.WriteString("embedder", status.EmbedderVersion);
                writer.WriteNumber("dimension", status.Dimension);
                writer.WriteString("analyzer", status.AnalyzerId);
                writer.WriteString("last_sync", last);
                writer.WriteStartArray("quarantined");
                foreach (var record in status.Quarantined)
                {
                    writer.WriteStartObject();
                    writer.WriteString("source", record.Source);
                    writer.WriteString("reason", UserText.Of(record.Reason));
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            }));
            return 0;
        }

        foreach (var (name, value) in new[]
        {
            ("store", status.StoreBytes is { } bytes
                ? string.Create(CultureInfo.InvariantCulture, $"{status.Location} ({bytes / 1048576.0:F1} MiB)") : status.Location),
            ("documents", $"{status.Documents} ({status.WebPages} from the web), {status.Chunks} chunks, {status.Bytes} bytes"),
            ("embedder", status.EmbedderVersion is null ? "none" : $"{status.EmbedderVersion}, {status.Dimension} dimensions"),
            ("analyzer", status.AnalyzerId ?? "none: nothing has been brought in yet"),
            ("last sync", last ?? "never"),
            ("quarantine", $"{status.Quarantined.Count} files"),
        })
            Print($"{name,-10} {value}");
        foreach (var record in status.Quarantined)
            Print($"  {record.Source}: {UserText.Of(record.Reason)}");
        return 0;
    }

    private static async Task<int> ShowAsync(Call call, CancellationToken cancellationToken)
    {
        if (call.Sources.Length == 0)
            throw new UsageException("'documents show' takes the documents to show");
        int code = 0;
        foreach (var source in call.Sources)
        {
            if (await call.Knowledge.ReadDocumentAsync(source, cancellationToken) is not var (record, chunks))
            {
                await Console.Error.WriteLineAsync($"kotonoha: there is no document '{source}'");
                code = 1;
                continue;
            }

            if (call.Json)
            {
                await call.Knowledge.ExportAsync(Console.Out, new ExportOptions { Sources = [source] }, cancellationToken);
                continue;
            }

            Print($"{record.Source}: {record.Title ?? "(no title)"}, {record.Bytes} bytes, {chunks.Count} chunks, SHA-256 {record.Hash}");
            var tags = record.Tags.Count == 0 ? "none" : string.Join(", ", record.Tags);
            Print($"access {record.Access?.ToString() ?? "none"}; tags {tags}");
            foreach (var chunk in chunks)
                Print($"\n[{chunk.Start}–{chunk.End}{(chunk.Page is { } page ? $", page {page}" : "")}"
                    + $"{(chunk.Heading is null ? "" : ", " + chunk.Heading)}]\n{chunk.Text}");
        }

        return code;
    }

    private static async Task<int> ExportAsync(Call call, bool vectors, CancellationToken cancellationToken)
    {
        var path = call.Sources[0];
        var options = new ExportOptions { IncludesVectors = vectors };
        if (path == "-")
        {
            await call.Knowledge.ExportAsync(Console.Out, options, cancellationToken);
            return 0;
        }

        int count = 0;
        AtomicFile.Write(path, stream =>
        {
            using var writer = new StreamWriter(stream, leaveOpen: true);
            count = call.Knowledge.ExportAsync(writer, options, cancellationToken).GetAwaiter().GetResult();
        });
        await Console.Error.WriteLineAsync($"{count} chunks written to '{path}'");
        return 0;
    }

    private static async Task<int> ImportAsync(Call call, CancellationToken cancellationToken)
    {
        var path = call.Sources[0];
        if (path != "-" && !File.Exists(path))
            throw new UsageException($"file '{path}' does not exist");
        using var reader = path == "-" ? Console.In : File.OpenText(path);
        int count = await call.Knowledge.ImportAsync(reader, cancellationToken);
        await Console.Error.WriteLineAsync($"{count} chunks taken in");
        return 0;
    }

    private static async Task<int> DeleteAsync(Call call, CancellationToken cancellationToken)
    {
        if (call.Sources.Length == 0)
            throw new UsageException("'documents delete' takes the documents to delete");
        var known = (await call.Knowledge.ListDocumentsAsync(cancellationToken)).Select(record => record.Source)
            .ToHashSet(StringComparer.Ordinal);
        int code = 0;
        foreach (var source in call.Sources)
        {
            if (!known.Contains(source))
            {
                await Console.Error.WriteLineAsync($"kotonoha: there is no document '{source}'");
                code = 1;
                continue;
            }

            await call.Knowledge.DeleteDocumentAsync(source, cancellationToken);
            Print(call.Json ? JsonLines.Line(writer => writer.WriteString("deleted", source)) : $"deleted {source}");
        }

        return code;
    }

    private static async Task<int> ListAsync(Call call, CancellationToken cancellationToken)
    {
        foreach (var record in await call.Knowledge.ListDocumentsAsync(cancellationToken))
            Print(call.Json ? JsonLines.Line(writer =>
            {
                writer.WriteString("source", record.Source);
                writer.WriteString("title", record.Title);
                writer.WriteNumber("chunks", record.ChunkCount);
                writer.WriteNumber("bytes", record.Bytes);
                writer.WriteString("hash", record.Hash);
                writer.WriteString("access", record.Access?.ToString());
            }) : $"{record.Source}\t{record.ChunkCount} chunks\t{record.Bytes} bytes");
        return 0;
    }

    private static async Task<int> QuarantineAsync(Call call, CancellationToken cancellationToken)
    {
        foreach (var record in await call.Knowledge.ListQuarantineAsync(cancellationToken))
            Print(call.Json ? JsonLines.Line(writer =>
            {
                writer.WriteString("source", record.Source);
                writer.WriteString("cause", record.Cause == QuarantineCause.Injection ? "injection" : "unreadable");
                writer.WriteString("reason", UserText.Of(record.Reason));
                writer.WriteString("hash", record.Hash);
            }) : $"{record.Source}\t{UserText.Of(record.Reason)}");
        return 0;
    }

    private static async Task<int> ReleaseAsync(Call call, CancellationToken cancellationToken)
    {
        var released = await call.Knowledge.ReleaseAsync(call.Sources.Length == 0 ? null : call.Sources, cancellationToken);
        foreach (var source in released)
            Print(call.Json ? JsonLines.Line(writer => writer.WriteString("released", source)) : $"released {source}");
        foreach (var source in call.Sources.Except(released, StringComparer.Ordinal))
            await Console.Error.WriteLineAsync($"kotonoha: '{source}' is not in quarantine");
        return 0;
    }

    private static void Print(string line) => Console.Out.WriteLine(line);

    /// <summary>What a subcommand works on.</summary>
    private sealed record Call(KnowledgeBase Knowledge, Workspace Workspace, ParseResult Parsed, string[] Sources, bool Json);
}
