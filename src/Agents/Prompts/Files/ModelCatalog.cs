using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Prompts.Files;

/// <summary>Where a model is, as <c>models.yaml</c> says it. One of <see cref="Location"/> and <see cref="Endpoint"/> is set.</summary>
public sealed record ModelEntry
{
    internal ModelEntry(string name) => Name = name;

    /// <summary>The name by which prompts mean the model.</summary>
    public string Name { get; }

    /// <summary>A folder or file (a full path, where the entry gives a path or one of that name exists), or OWNER/NAME of a hub.</summary>
    public string? Location { get; internal init; }

    /// <summary>An endpoint that speaks OpenAI's protocol, up to and with <c>/v1</c>.</summary>
    public Uri? Endpoint { get; internal init; }

    /// <summary>The model that the endpoint is asked for.</summary>
    public string? Model { get; internal init; }

    /// <summary>The environment variable that holds the endpoint's key, or null for an endpoint without keys.</summary>
    public string? ApiKeyVariable { get; internal init; }

    /// <summary>The options that count where a prompt leaves them open.</summary>
    public ChatOptions Options { get; internal init; } = new();
}

/// <summary>
/// The models that prompts mean by name: <c>models.yaml</c>, and a function that opens them. An open model is kept until the catalogue is
/// disposed. Thread-safe.
/// </summary>
/// <remarks>
/// <code>
/// default: small
/// models:
///   small: models/my-gpt
///   hub:   { hub: HuggingFaceTB/SmolLM2-135M-Instruct, options: { temperature: 0 } }
///   cloud: { endpoint: "http://localhost:11434/v1", model: llama3.2, api_key_env: MY_KEY }
/// </code>
/// </remarks>
public sealed class ModelCatalog : IDisposable
{
    private readonly Func<ModelEntry, IChatClient> _open;
    private readonly Dictionary<string, IChatClient> _clients = new(StringComparer.Ordinal);
    private readonly Lock _lock = new();

    private ModelCatalog(string path, IReadOnlyList<ModelEntry> entries, string? standard, Func<ModelEntry, IChatClient> open)
        => (Path, Entries, Default, _open) = (path, entries, standard, open);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The models, in the file's order.</summary>
    public IReadOnlyList<ModelEntry> Entries { get; }

    /// <summary>The name of the model for prompts that name none, or null.</summary>
    public string? Default { get; }

    /// <summary>Reads a catalogue.</summary>
    /// <param name="path">The file, most often <c>models.yaml</c>; paths in it count from its folder.</param>
    /// <param name="open">Opens a model when it is first asked for.</param>
    /// <returns>The catalogue, which owns what it opens.</returns>
    /// <exception cref="PromptFileException">The file cannot be used; the error says which line.</exception>
    public static ModelCatalog Load(string path, Func<ModelEntry, IChatClient> open)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(open);
        var reading = new PromptFileReading(path, new PromptFileOptions());
        var root = YamlNode.Parse(reading.Open(path), path);
        var fields = reading.Fields(root, "the list of models");
        var models = fields["models"]?.Members
            ?? throw root.Error(PromptFileError.Content, "there is no mapping 'models' with a name and a place for each model.");
        var entries = models.Select(member => Entry(member, reading)).ToList();
        var standard = fields.Text("default");
        if (standard is not null && !entries.Exists(entry => entry.Name == standard))
            throw fields["default"]!.Error(PromptFileError.Model,
                $"the default model '{standard}' is not among the models; {Known(entries)}");
        fields.Done();
        return reading.Remarks.Count == 0
            ? new ModelCatalog(path, entries, standard, open)
            : throw new PromptFileException(PromptFileError.Content, path, null,
                $"some keys are not known: {string.Join(" ", reading.Remarks)}");
    }

    /// <summary>Finds a model.</summary>
    /// <param name="name">Its name; null for the default.</param>
    /// <returns>The model.</returns>
    /// <exception cref="PromptFileException">There is no such model.</exception>
    public ModelEntry Find(string? name) => (name ?? Default) is { } wanted
        ? Entries.FirstOrDefault(entry => entry.Name == wanted) ?? throw new PromptFileException(PromptFileError.Model, Path, null,
            $"the model '{wanted}' is not in this file; {Known(Entries)} Add it, or name another.")
        : throw new PromptFileException(PromptFileError.Model, Path, null,
            $"the prompt names no model, and the file has no 'default'; {Known(Entries)}");

    /// <summary>The chat client of a model, which is opened when it is first asked for and disposed with the catalogue.</summary>
    /// <param name="name">The model's name; null for the default.</param>
    /// <returns>The client.</returns>
    /// <exception cref="PromptFileException">There is no such model.</exception>
    public IChatClient GetChatClient(string? name = null)
    {
        var entry = Find(name);
        lock (_lock)
        {
            if (!_clients.TryGetValue(entry.Name, out var client))
                _clients.Add(entry.Name, client = _open(entry));
            return client;
        }
    }

    /// <summary>The chat client of a model, with the model's options for what a request leaves open.</summary>
    /// <param name="name">The model's name; null for the default.</param>
    /// <returns>The client, which lives as long as the catalogue.</returns>
    /// <exception cref="PromptFileException">There is no such model.</exception>
    public IChatClient GetConfiguredChatClient(string? name = null)
    {
        var defaults = Find(name).Options;
        return GetChatClient(name).AsBuilder().ConfigureOptions(options => PromptChatOptions.Default(options, defaults)).Build();
    }

    /// <summary>Runs a prompt on the model that it names, with the model's options for what the prompt leaves open.</summary>
    /// <param name="prompt">The prompt.</param>
    /// <param name="inputs">The values by name; null for none.</param>
    /// <param name="options">How to run; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <returns>The answer.</returns>
    /// <exception cref="PromptFileException">There is no such model, or a value is missing, unknown or of the wrong type.</exception>
    /// <exception cref="PromptOutputException">No answer satisfies the output schema.</exception>
    public Task<PromptResult> RunAsync(
        PromptFile prompt, IReadOnlyDictionary<string, object?>? inputs = null, PromptRunOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        options ??= new PromptRunOptions();
        return prompt.RunAsync(GetChatClient(prompt.Model), inputs,
            options with { Defaults = options.Defaults ?? Find(prompt.Model).Options }, cancellationToken);
    }

    /// <summary>Disposes the clients that were opened.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            foreach (var client in _clients.Values)
                client.Dispose();
            _clients.Clear();
        }
    }

    private static string Known(IReadOnlyList<ModelEntry> entries)
        => entries.Count == 0 ? "it has none." : $"it has {string.Join(", ", entries.Select(entry => $"'{entry.Name}'"))}.";

    private static ModelEntry Entry(YamlMember member, PromptFileReading reading)
    {
        var folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(reading.Path))!;
        if (member.Value.Members is null)
            return new ModelEntry(member.Key) { Location = Place(reading.Text(member.Value), folder) };
        var fields = reading.Fields(member.Value, "a model");
        string? path = fields.Text("path"), hub = fields.Text("hub"), endpoint = fields.Text("endpoint", "url");
        if (new[] { path, hub, endpoint }.Count(place => place is not null) != 1)
            throw member.Value.Error(PromptFileError.Content, $"the model '{member.Key}' needs one of 'path', 'hub' and 'endpoint'.");
        Uri? address = null;
        if (endpoint is not null && (!Uri.TryCreate(endpoint, UriKind.Absolute, out address) || address.Scheme is not ("http" or "https")))
            throw fields["endpoint", "url"]!.Error(PromptFileError.Content, $"'{endpoint}' is no address; write http://… or https://….");
        var options = new ChatOptions();
        if (fields.Map("options") is { } settings && PromptChatOptions.Read(settings, reading, options) is { } schema)
            throw schema.Error(PromptFileError.Content, "a schema belongs to a prompt, not to a model.");
        var entry = new ModelEntry(member.Key)
        {
            Location = path is not null ? System.IO.Path.GetFullPath(path, folder) : hub,
            Endpoint = address,
            Model = endpoint is null ? null
                : fields.Text("model")
                ?? throw member.Value.Error(PromptFileError.Content, $"the endpoint of '{member.Key}' needs a 'model'."),
            ApiKeyVariable = endpoint is null ? null : fields.Text("api_key_env"),
            Options = options,
        };
        if (fields["api_key"] is { } key)
            throw key.Error(PromptFileError.Content,
                "a key does not belong into a file; name the environment variable that holds it: api_key_env.");
        fields.Done();
        return entry;
    }

    private static string Place(string text, string folder)
    {
        var path = System.IO.Path.GetFullPath(text, folder);
        return System.IO.Path.Exists(path) || text.Count(c => c == '/') != 1 || text.StartsWith('.') ? path : text;
    }
}
