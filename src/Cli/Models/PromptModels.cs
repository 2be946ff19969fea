using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Models;

/// <summary>
/// The model that a prompt runs on: named on the command line or in the prompt, and found in <c>models.yaml</c>, or a path.
/// </summary>
internal sealed class PromptModels : IDisposable
{
    public const string FileName = "models.yaml";

    private readonly int? _threads;
    private readonly ModelCatalog? _catalog;
    private readonly List<LocalGpt> _models = [];
    private readonly Dictionary<string, IChatClient> _clients = new(StringComparer.Ordinal);

    /// <param name="file">The catalogue; null for one beside the prompt or in the working folder, if there is one.</param>
    /// <param name="prompt">The prompt's path.</param>
    /// <param name="threads">Threads of a local model.</param>
    public PromptModels(string? file, string prompt, int? threads)
    {
        _threads = ThreadCount.Check(threads);
        var found = file
            ?? new[] { Path.Combine(Path.GetDirectoryName(Path.GetFullPath(prompt))!, FileName), FileName }.FirstOrDefault(File.Exists);
        _catalog = found is null ? null : ModelCatalog.Load(found, Open);
    }

    /// <summary>Opens the model of a prompt.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="model">A name of the catalogue, a path, or a model of the hub; null for the one that the prompt names.</param>
    public (IChatClient Client, ChatOptions? Defaults) Open(PromptFile prompt, string? model) => Open(prompt.Path, prompt.Model, model);

    /// <summary>Opens a model of an agent's file, which then has the catalogue's options for what the agent leaves open.</summary>
    /// <param name="path">The file.</param>
    /// <param name="named">The model that the agent names, or null.</param>
    /// <param name="model">A name of the catalogue, a path, or a model of the hub, for all agents; null for those that they name.</param>
    public IChatClient Client(string path, string? named, string? model)
    {
        var (client, defaults) = Open(path, named, model);
        return defaults is null ? client : _catalog!.GetConfiguredChatClient(model ?? named);
    }

    public void Dispose()
    {
        _catalog?.Dispose();
        foreach (var client in _clients.Values)
            client.Dispose();
        foreach (var model in _models)
            model.Dispose();
    }

    private (IChatClient Client, ChatOptions? Defaults) Open(string path, string? named, string? model)
    {
        if (_catalog is not null && (model is null || _catalog.Entries.Any(entry => entry.Name == model)))
            return (_catalog.GetChatClient(model ?? named), _catalog.Find(model ?? named).Options);
        if (model is null)
            throw new UsageException(named is not null
                ? $"'{path}' names the model '{named}', and no {FileName} says where it is; write one (see docs/prompt-files.md), or name "
                    + "a model with --model"
                : $"'{path}' names no model; name one with --model, or write a {FileName} with a default");
        if (!_clients.TryGetValue(model, out var client))
            _clients.Add(model, client = Local(model));
        return (client, null);
    }

    private IChatClient Open(ModelEntry entry)
    {
        if (entry.Location is { } location)
            return Local(location);
        string? key = null;
        if (entry.ApiKeyVariable is { } variable && (key = Environment.GetEnvironmentVariable(variable)) is null)
            throw new UsageException(
                $"the model '{entry.Name}' takes its key from the environment variable '{variable}', which is not set");
        return OpenAICompatibleChatClient.Create(entry.Endpoint!, entry.Model!, key);
    }

    private IChatClient Local(string location)
    {
        var gpt = ModelFiles.Gpt(location, _threads, exact: false);
        _models.Add(gpt);
        return gpt.AsChatClient();
    }
}
