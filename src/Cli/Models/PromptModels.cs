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
    private readonly List<IChatClient> _clients = [];

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
    public (IChatClient Client, ChatOptions? Defaults) Open(PromptFile prompt, string? model)
    {
        if (_catalog is not null && (model is null || _catalog.Entries.Any(entry => entry.Name == model)))
            return (_catalog.GetChatClient(model ?? prompt.Model), _catalog.Find(model ?? prompt.Model).Options);
        if (model is null)
            throw new UsageException(prompt.Model is { } named
                ? $"'{prompt.Path}' names the model '{named}', and no {FileName} says where it is; write one (see docs/prompt-files.md), "
                    + $"or name a "
                    + "model with --model"
                : $"'{prompt.Path}' names no model; name one with --model, or write a {FileName} with a default");
        var client = Local(model);
        _clients.Add(client);
        return (client, null);
    }

    public void Dispose()
    {
        _catalog?.Dispose();
        foreach (var client in _clients)
            client.Dispose();
        foreach (var model in _models)
            model.Dispose();
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
