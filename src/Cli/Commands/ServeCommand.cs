using System.CommandLine;
using System.Globalization;
using System.Net.Sockets;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Workspaces;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.Page;
using Kotonoha.Rag.Answering;
using Kotonoha.Server;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha serve</c>: models and documents behind the interfaces that other programs know.</summary>
internal static class ServeCommand
{
    public const string Name = "serve";

    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var url = new Option<string?>("--url")
        {
            Description = $"Where to listen (default: {ServerOptions.DefaultUrl.GetLeftPart(UriPartial.Authority)}).",
            HelpName = "URL",
        };
        var models = new Option<string?>("--models")
        {
            Description = "Serve each model of this folder: its subfolders and its GGUF files.",
            HelpName = "DIR",
        };
        var model = new Option<string[]>("--model")
        {
            Description = "Serve a model: a checkpoint folder, a GGUF file, or OWNER/NAME. May be repeated.",
            HelpName = "[NAME=]PATH",
            DefaultValueFactory = _ => [],
        };
        var noDocs = new Option<bool>("--no-docs") { Description = "Serve no documents." };
        var noTraining = new Option<bool>("--no-model") { Description = "Train no GPT on the documents where there is none." };
        var config = new Option<string?>("--config") { Description = "A JSON file of settings.", HelpName = "FILE" };
        var set = new Option<string[]>("--set")
        {
            Description = $"A setting of the server; may be repeated. Known are {string.Join(", ", ServerSettings.Names.Keys)}.",
            HelpName = "NAME=VALUE",
            DefaultValueFactory = _ => [],
        };
        var command = new Command(Name, "Serve models and documents: OpenAI's and Ollama's interfaces, search and answers, MCP.");
        folder.AddTo(command);
        foreach (var option in new Option[] { url, models, model, noDocs, noTraining, config, set })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) => RunAsync(
            folder.Read(parsed),
            new ServeSettings(
                parsed.GetValue(url), parsed.GetValue(models), parsed.GetValue(model) ?? [], parsed.GetValue(noDocs),
                parsed.GetValue(noTraining), parsed.GetValue(config), parsed.GetValue(set) ?? []),
            cancellationToken));
        return command;
    }

    /// <summary><c>kotonoha mcp</c>: the documents over the Model Context Protocol, for programs that start this one.</summary>
    public static Command Mcp()
    {
        var folder = new FolderOptions(searches: true);
        var prompts = new Option<string?>("--prompts") { Description = "A folder of prompt files to offer.", HelpName = "DIR" };
        var command = new Command("mcp", "Serve documents over the Model Context Protocol on standard input and output.");
        folder.AddTo(command);
        command.Options.Add(prompts);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var settings = folder.Read(parsed);
            var workspace = Workspace.Open(settings.Home, settings.Documents ?? Samples.Documents);
            using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
            await using var session = await KnowledgeSession.OpenAsync(workspace, settings, cancellationToken);
            await IngestStage.RunAsync(session, workspace, session.Rules.Sync, cancellationToken);
            LastSync.Write(workspace);
            held.Dispose();
            await KotonohaServer.RunStdioAsync(
                new ServerOptions
                {
                    Home = Path.Combine(Workspace.HomeFolder(settings.Home), "server"),
                    Prompts = parsed.GetValue(prompts),
                    Collections =
                        [Served(settings, workspace, session, new AskOptions { Search = session.Search, Scorer = session.Scorer })],
                },
                cancellationToken);
            return 0;
        });
        return command;
    }

    private static KnowledgeCollection Served(
        FolderSettings settings, Workspace workspace, KnowledgeSession session, AskOptions answering)
        => new(settings.Documents is null ? "handbook" : CollectionName(workspace.Documents), session.Knowledge)
        {
            Answering = answering,
            Documents = workspace.Documents,
        };

    /// <summary>The options of the server that a file, the environment and the command line say together.</summary>
    public static ServerOptions Options(FolderSettings folder, ServeSettings settings)
    {
        var options = new ServerOptions
        {
            Home = Path.Combine(Workspace.HomeFolder(folder.Home), "server"),
            Device = ComputeDevice.Current,
            TrainingCommand = [.. ThisProgram(), .. ComputeDevice.Given, TrainCommand.Name],
        };
        if (settings.Config is { } config)
            options = ServerSettings.ReadFile(options, config);
        options = ServerSettings.ReadEnvironment(options, Environment.GetEnvironmentVariables().Keys.Cast<string>()
            .Select(name => KeyValuePair.Create(name, Environment.GetEnvironmentVariable(name) ?? "")));
        foreach (var entry in settings.Set)
            options = entry.Split('=', 2) is [{ Length: > 0 } name, var value]
                ? ServerSettings.Set(options, name, value)
                : throw new UsageException($"--set '{entry}': NAME=VALUE");
        if (settings.Url is { } url)
            options = ServerSettings.Set(options, "url", url);
        if (folder.Threads is { } threads)
            options = options with { Threads = threads };
        return options with { Models = Models(options.Models, settings) };
    }

    // How this process was started: as a program of its own, or as an assembly that dotnet runs.
    private static string[] ThisProgram()
        => Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) != "dotnet"
            ? [path]
            : [Environment.ProcessPath ?? "dotnet", Path.Combine(AppContext.BaseDirectory, "Kotonoha.Cli.dll")];

    private static async Task<int> RunAsync(FolderSettings folder, ServeSettings settings, CancellationToken cancellationToken)
    {
        if (folder.Scope is not null)
            throw new UsageException("--tenant and --group do not go with serve; the keys of its callers carry them ('kotonoha keys add')");
        var options = Options(folder, settings);

        // What is wrong with the settings is said before documents are read.
        options.Validate();
        if (options.Prompts is null)
            options = options with { Prompts = Samples.CopyPrompts(Path.Combine(options.Home, "prompts")) };
        if (settings.NoDocuments)
            return await ServeAsync(options, [], cancellationToken);
        var workspace = Workspace.Open(folder.Home, folder.Documents ?? Samples.Documents);
        var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        Task training = Task.CompletedTask;
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        try
        {
            await using var session = await KnowledgeSession.OpenAsync(workspace, folder, cancellationToken);
            await IngestStage.RunAsync(session, workspace, session.Rules.Sync, cancellationToken);
            LastSync.Write(workspace);
            bool isTrained = ModelBuilder.Exists(workspace);
            bool trains = !isTrained && !settings.NoTraining && options.Models.Count == 0;
            var questions = new QuestionSettings(
                [], new AskOptions(), Json: false, NoModel: !isTrained, ChatModel: null, ModelWeight: null);
            using var ranking = AnsweringModel.Open(workspace, folder, questions, session.Scorer, session.Search);
            var collection = Served(folder, workspace, session, ranking.Options with { Search = session.Search });
            options = options with { Collections = [.. options.Collections, collection] };
            if (isTrained || trains)
                options = options with
                {
                    Models = options.Models.Append(new($"{collection.Name}-gpt", workspace.Model)).ToDictionary(),
                };
            if (trains)
                training = TrainAsync(workspace, folder, held, stop.Token);
            else
                held.Dispose();
            return await ServeAsync(
                options, [$"documents: {workspace.Documents}, as the collection '{collection.Name}'"], cancellationToken);
        }
        finally
        {
            await stop.CancelAsync();
            await training.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            held.Dispose();
        }
    }

    // The server answers from the documents at once; the GPT is offered when it is there.
    private static async Task TrainAsync(
        Workspace workspace, FolderSettings folder, WorkspaceLock held, CancellationToken cancellationToken)
    {
        await Task.Yield();
        try
        {
            await ModelBuilder.BuildAsync(workspace, ModelBuilder.DefaultSteps, folder.Threads, cancellationToken);
        }
        catch (Exception exception) when (exception is not OperationCanceledException)
        {
            await Console.Error.WriteLineAsync($"kotonoha: no GPT of the documents is served: {exception.Message}");
        }
        finally
        {
            held.Dispose();
        }
    }

    private static async Task<int> ServeAsync(ServerOptions options, IReadOnlyList<string> lines, CancellationToken cancellationToken)
    {
        await using var app = KotonohaServer.Build(options, KotonohaPage.AddServices, KotonohaPage.Map);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception exception) when (WhyNotListening(options.Url, exception) is { } why)
        {
            throw new ServerSettingException("url", why);
        }

        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First().TrimEnd('/');
        await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"""

            Kotonoha serves at {address}
              {string.Join("\n  ", [.. lines, $"models: {(options.Models.Count == 0 ? "none" : string.Join(", ", options.Models.Keys))}"])}
              the page: {address}/
              OpenAI's interface: {address}/v1    Ollama's: {address}    MCP: {address}/mcp    what there is: {address}/openapi/v1.json
            Ctrl+C stops it; answers that are being written are finished first.
            """));
        await app.WaitForShutdownAsync(cancellationToken);
        return 0;
    }

    // Null where it is not the address that cannot be had.
    private static string? WhyNotListening(Uri url, Exception exception)
    {
        for (var inner = exception; inner is not null; inner = inner.InnerException)
            if (inner is SocketException { SocketErrorCode: var code })
                return code switch
                {
                    SocketError.AddressAlreadyInUse => $"port {url.Port} is in use by another program; stop that one, or choose another "
                        + $"port, such as --url {url.Scheme}://{url.Host}:{(url.Port < ushort.MaxValue ? url.Port + 1 : url.Port - 1)}",
                    SocketError.AccessDenied => $"this user may not listen on port {url.Port}; choose one from 1024 on",
                    SocketError.AddressNotAvailable => $"this machine has no address {url.Host}",
                    _ => $"{url} cannot be listened on: {inner.Message}",
                };
        return null;
    }

    private static Dictionary<string, string> Models(IReadOnlyDictionary<string, string> before, ServeSettings settings)
    {
        var models = new Dictionary<string, string>(before);
        if (settings.ModelsFolder is { } folder)
        {
            if (!Directory.Exists(folder))
                throw new UsageException($"--models: folder '{folder}' does not exist");
            int count = models.Count;
            foreach (var path in Directory.EnumerateFileSystemEntries(folder).Order(StringComparer.Ordinal))
                if (path.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase) || File.Exists(Path.Combine(path, "config.json"))
                    || File.Exists(Path.Combine(path, "latest"))
                    || (Directory.Exists(path) && Directory.EnumerateFiles(path, "*.gguf").Any()))
                    models[HubModels.NameOf(path)] = path;
            if (models.Count == count)
                throw new UsageException($"--models: there is no model in '{folder}'");
        }

        foreach (var entry in settings.Models)
        {
            var (name, path) = entry.Split('=', 2) is [{ Length: > 0 } given, { Length: > 0 } after] && !Path.Exists(entry)
                ? (given, after)
                : (HubModels.NameOf(entry), entry);
            if (!Path.Exists(HubModels.Resolve(path)))
                throw new UsageException($"--model '{entry}': there is nothing at '{path}'");
            models[name] = path;
        }

        return models;
    }

    private static string CollectionName(string folder)
    {
        var name = string.Concat(Path.GetFileName(folder).Where(letter => char.IsAsciiLetterOrDigit(letter) || letter is '-' or '_' or '.'))
            .TrimStart('-', '_', '.');
        return name.Length is 0 or > 64 ? "documents" : name;
    }
}

/// <summary>What the options of the server said.</summary>
internal sealed record ServeSettings(
    string? Url, string? ModelsFolder, string[] Models, bool NoDocuments, bool NoTraining, string? Config, string[] Set);
