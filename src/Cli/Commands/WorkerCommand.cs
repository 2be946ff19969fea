using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Workers;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha worker</c>: brings documents from a queue into a Qdrant collection, as one of several.</summary>
internal static class WorkerCommand
{
    public const string Name = "worker";

    private const int ShownLetters = 20;

    public static Command Create()
    {
        var options = new FolderOptions(searches: true);
        var queue = new QueueOptions();
        var parallel = new Option<int>("--parallel")
        {
            Description = "How many documents it works on at the same time.",
            HelpName = "N",
            DefaultValueFactory = _ => 2,
        };
        var attempts = new Option<int>("--attempts")
        {
            Description = "How often a message is tried while the trouble may pass; after that it is a dead letter.",
            HelpName = "N",
            DefaultValueFactory = _ => 8,
        };
        var holds = new Option<bool>("--quarantine-injections")
        {
            Description = "Refuse documents whose text holds instructions to a model.",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object a line, for each document that is stored." };
        var command = new Command(
            Name,
            "Work as one of several: take documents from a RabbitMQ queue, read them and write them to a Qdrant collection, until Ctrl+C.")
        {
            Enqueue(),
            Status(),
            Retry(),
        };
        options.AddTo(command);
        queue.AddTo(command);
        foreach (var option in new Option[] { parallel, attempts, holds, json })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            options.Read(parsed) with { HoldsInjections = parsed.GetValue(holds) },
            queue.Read(parsed),
            Positive(parsed.GetValue(parallel), "--parallel", max: 256),
            Positive(parsed.GetValue(attempts), "--attempts", max: 64),
            parsed.GetValue(json),
            cancellationToken));
        return command;
    }

    private static Command Enqueue()
    {
        var options = new FolderOptions(searches: true);
        var queue = new QueueOptions();
        var labels = new Option<string[]>("--label")
        {
            Description = AccessLabels.Help,
            HelpName = "PATTERN=LABEL",
            DefaultValueFactory = _ => [],
        };
        var sample = new Option<int>("--sample")
        {
            Description = "How many documents this command takes in itself where there is no collection yet: vectors are fitted on them.",
            HelpName = "N",
            DefaultValueFactory = _ => IngestionQueue.DefaultSample,
        };
        var command = new Command(
            "enqueue",
            "Put the documents of a folder that are new, changed or gone into the queue; begin the collection where there is none.");
        options.AddTo(command);
        queue.AddTo(command);
        command.Options.Add(labels);
        command.Options.Add(sample);
        command.SetAction((parsed, cancellationToken) =>
        {
            string[] rules = parsed.GetValue(labels) ?? [];
            return EnqueueAsync(
                options.Read(parsed), queue.Read(parsed), rules.Length == 0 ? null : [.. rules.Select(AccessLabels.Rule)],
                Positive(parsed.GetValue(sample), "--sample", max: int.MaxValue), cancellationToken);
        });
        return command;
    }

    private static Command Status()
    {
        var options = new FolderOptions(searches: false);
        var queue = new QueueOptions();
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command(
            "status", "Say how many documents wait, how many workers there are, and which messages are dead letters.");
        options.AddTo(command);
        queue.AddTo(command);
        command.Options.Add(json);
        command.SetAction((parsed, cancellationToken)
            => StatusAsync(options.Read(parsed), queue.Read(parsed), parsed.GetValue(json), cancellationToken));
        return command;
    }

    private static Command Retry()
    {
        var options = new FolderOptions(searches: false);
        var queue = new QueueOptions();
        var command = new Command("retry", "Put the dead letters back into the queue.");
        options.AddTo(command);
        queue.AddTo(command);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            await using var open = await IngestionQueue.OpenAsync(
                queue.Read(parsed).Of(WorkspaceOf(options.Read(parsed))), cancellationToken);
            int moved = await open.RetryDeadLettersAsync(cancellationToken);
            Console.Out.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{moved} dead letters put back"));
            return 0;
        });
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings settings, QueueSettings queue, int parallel, int attempts, bool json, CancellationToken cancellationToken)
    {
        var workspace = RequireServer(settings);
        if (settings.Scope is not null || settings.RequiresScope)
            throw new UsageException("a worker writes for whom each message says; --tenant goes with 'kotonoha worker enqueue'");
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        var options = new IngestionWorkerOptions
        {
            Queue = queue.Of(workspace),
            Collection = workspace.Collection,
            Folder = workspace.Documents,
            Parallel = parallel,
            Attempts = attempts,
            Done = result => Tell(result, json),
            Failed = (source, error, again) =>
                Console.Error.WriteLine($"  {(again ? "will be tried again" : "dead letter")}: {source}: {UserText.Of(error.Message)}"),
        };
        await using var worker = await IngestionWorker.StartAsync(session.Knowledge, options, cancellationToken);
        await Console.Error.WriteLineAsync(
            $"Working: queue '{options.Queue.Queue}' at {options.Queue.Location}, store {session.Knowledge.Store.Location}; "
                + "Ctrl+C ends it.");
        await Task.Delay(Timeout.Infinite, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Console.Error.WriteLineAsync("Ending: the documents in hand are finished first.");
        return 0;
    }

    private static async Task<int> EnqueueAsync(
        FolderSettings settings, QueueSettings queue, IReadOnlyList<LabelRule>? labels, int sample, CancellationToken cancellationToken)
    {
        var workspace = RequireServer(settings);
        using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
        await using var open = await IngestionQueue.OpenAsync(queue.Of(workspace), cancellationToken);
        var report = await open.PublishFolderAsync(
            session.Knowledge, workspace.Collection, workspace.Documents, session.Rules.Sync with { Labels = labels }, sample,
            cancellationToken);
        if (report.Began > 0)
            await Console.Error.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"The collection was begun with {report.Began} documents."));
        foreach (var skipped in report.Skipped)
            await Console.Error.WriteLineAsync($"  skipped {skipped.Source}: {UserText.Of(skipped.Reason)}");
        Console.Out.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{report.Published.Count} documents and {report.Removed.Count} removals published"));
        return 0;
    }

    private static async Task<int> StatusAsync(
        FolderSettings settings, QueueSettings queue, bool json, CancellationToken cancellationToken)
    {
        await using var open = await IngestionQueue.OpenAsync(queue.Of(WorkspaceOf(settings)), cancellationToken);
        var status = await open.GetStatusAsync(cancellationToken);
        var letters = await open.PeekDeadLettersAsync(ShownLetters, cancellationToken);
        if (!json)
        {
            Console.Out.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"{status.Waiting} waiting, {status.Workers} workers, {status.DeadLetters} dead letters"));
            foreach (var letter in letters)
                Console.Out.WriteLine($"  {letter.Source ?? "(unreadable message)"}: {letter.Reason}");
            return 0;
        }

        Console.Out.WriteLine(JsonLines.Line(writer =>
        {
            writer.WriteNumber("waiting", status.Waiting);
            writer.WriteNumber("workers", status.Workers);
            writer.WriteNumber("deadLetters", status.DeadLetters);
            writer.WriteStartArray("letters");
            foreach (var letter in letters)
            {
                writer.WriteStartObject();
                writer.WriteString("source", letter.Source);
                writer.WriteString("reason", letter.Reason);
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }));
        return 0;
    }

    private static void Tell(IngestionResult result, bool json)
    {
        var line = json
            ? JsonLines.Line(writer =>
            {
                writer.WriteString(result.IsRemoved ? "removed" : "acknowledged", result.Source);
                writer.WriteNumber("chunks", result.Chunks);
            })
            : result.IsRemoved ? $"removed {result.Source}"
            : string.Create(CultureInfo.InvariantCulture, $"stored  {result.Source} ({result.Chunks} chunks)");
        Console.Out.WriteLine(line);
        Console.Out.Flush();
    }

    private static Workspace RequireServer(FolderSettings settings)
        => settings.QdrantUrls.Count > 0
            ? WorkspaceOf(settings)
            : throw new UsageException(
                "workers share a Qdrant server; name it with --qdrant-url (the embedded store has one process that writes to it)");

    private static Workspace WorkspaceOf(FolderSettings settings) => Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);

    private static int Positive(int value, string option, int max)
        => value >= 1 && value <= max ? value : throw new UsageException($"{option} {value}: a number from 1 to {max}");
}

/// <summary>The options that name a queue.</summary>
internal sealed class QueueOptions
{
    private const string Variable = "KOTONOHA_QUEUE";

    private readonly Option<string?> _address = new("--queue")
    {
        Description = $"The RabbitMQ server, as amqp://USER:PASSWORD@HOST:PORT/VHOST (default: the environment variable {Variable}, "
            + "where a password is better kept).",
        HelpName = "URL",
    };

    private readonly Option<string?> _name = new("--queue-name")
    {
        Description = "The queue's name (default: the collection's).",
        HelpName = "NAME",
    };

    public void AddTo(Command command)
    {
        command.Options.Add(_address);
        command.Options.Add(_name);
    }

    public QueueSettings Read(ParseResult parsed)
    {
        var text = parsed.GetValue(_address) ?? Environment.GetEnvironmentVariable(Variable);
        if (string.IsNullOrEmpty(text))
            throw new UsageException($"there is no queue: give --queue amqp://USER:PASSWORD@HOST, or set {Variable}");
        if (!Uri.TryCreate(text, UriKind.Absolute, out var address) || address is not { Scheme: "amqp" or "amqps", Host.Length: > 0 })
            throw new UsageException("--queue is not a RabbitMQ address: amqp://USER:PASSWORD@HOST:PORT/VHOST, or amqps");
        return new QueueSettings(address, parsed.GetValue(_name));
    }
}

/// <summary>Which queue.</summary>
/// <param name="Address">The server.</param>
/// <param name="Name">The queue's name, or null for the collection's.</param>
internal sealed record QueueSettings(Uri Address, string? Name)
{
    public IngestionQueueOptions Of(Workspace workspace)
    {
        var options = new IngestionQueueOptions { Address = Address, Queue = Name ?? workspace.Collection };
        try
        {
            options.Check();
            return options;
        }
        catch (ArgumentException exception)
        {
            throw new UsageException($"--queue-name: {exception.Message}");
        }
    }
}
