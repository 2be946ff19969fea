using System.Data.Common;
using System.Text.Json;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Tools;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.AgentFiles;

/// <summary>
/// An agent or a workflow of agents that was read from a YAML file (<c>kind: Agent</c>, <c>kind: Workflow</c>): instructions, models by
/// name, tools, strategies, limits, and who works after whom. Any thread may use it.
/// </summary>
/// <remarks>
/// The names of fields are those of Agent Framework's declarative agents where it has them (<c>kind</c>, <c>name</c>, <c>description</c>,
/// <c>instructions</c>, <c>model</c> with <c>id</c> and <c>options</c>, <c>tools</c> with <c>kind</c> and <c>approvalMode</c>). A field
/// that is not known is an error, since a limit that nobody keeps would be worse than none. Where the file names servers of the Model
/// Context Protocol, <see cref="ConnectAsync"/> starts them, and disposing the file ends them; its agents call them as long.
/// </remarks>
public sealed class AgentFile : IAsyncDisposable
{
    private readonly Func<AgentOpening, AIAgent> _open;
    private readonly Func<AgentOpening, IEnumerable<AIFunction>> _openTools;
    private readonly AgentFileOptions _options;
    private readonly IReadOnlyList<McpToolDefinition> _servers;
    private readonly Dictionary<McpToolDefinition, McpTools> _connected = [];
    private readonly SemaphoreSlim _connecting = new(1);
    private bool _isDisposed;

    internal AgentFile(
        AgentFileKind kind, string name, string? description, AgentFileOptions options, PromptFileReading reading,
        IReadOnlyList<McpToolDefinition> servers, Func<AgentOpening, AIAgent> open, Func<AgentOpening, IEnumerable<AIFunction>> openTools)
    {
        _open = open;
        _openTools = openTools;
        _servers = servers;
        _options = options;
        Path = reading.Path;
        Kind = kind;
        Name = name;
        Description = description;
        Files = [.. reading.Files.Keys];
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>Whether it is one agent or a workflow.</summary>
    public AgentFileKind Kind { get; }

    /// <summary>The name of the agent or the workflow; the file's own where it gives none.</summary>
    public string Name { get; }

    /// <summary>What it is for, or null.</summary>
    public string? Description { get; }

    /// <summary>The files that were read, as full paths.</summary>
    public IReadOnlyList<string> Files { get; }

    /// <summary>Whether a YAML file is one of an agent or a workflow, and no prompt.</summary>
    /// <param name="path">The file.</param>
    /// <param name="text">The text to judge in place of the file's, which then need not be there; null for the file's.</param>
    /// <returns>True where its <c>kind</c> is <c>Agent</c> or <c>Workflow</c>; false for any other or no file.</returns>
    /// <exception cref="PromptFileException">The file is no valid YAML.</exception>
    public static bool IsAgentFile(string path, string? text = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return (text is not null || File.Exists(path)) && System.IO.Path.GetExtension(path).ToLowerInvariant() is ".yaml" or ".yml"
            && AgentFileReader.KindOf(
                YamlNode.Parse(text ?? new PromptFileReading(path, new PromptFileOptions()).Open(path), path)) is not null;
    }

    /// <summary>Reads an agent or a workflow.</summary>
    /// <param name="path">The <c>.yaml</c> file; paths in it count from its folder.</param>
    /// <param name="options">What the file may use from outside; null for nothing.</param>
    /// <returns>The agent or workflow.</returns>
    /// <exception cref="PromptFileException">The file cannot be used; the error says which line, which field and what to do.</exception>
    public static AgentFile Load(string path, AgentFileOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        return AgentFileReader.Read(path, options ?? new AgentFileOptions());
    }

    /// <summary>
    /// Starts or reaches the servers of the Model Context Protocol that the file names, those that are connected already excepted.
    /// </summary>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>A task that ends when all are connected.</returns>
    /// <exception cref="PromptFileException">
    /// A server cannot be used; the error says which line, and its cause is a <see cref="McpServerException"/>.
    /// </exception>
    public async Task ConnectAsync(CancellationToken cancellationToken = default)
    {
        await _connecting.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            foreach (var server in _servers)
            {
                if (_connected.ContainsKey(server))
                    continue;
                var tools = await server.ConnectAsync(cancellationToken).ConfigureAwait(false);
                lock (_connected)
                    _connected.Add(server, tools);
            }
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <summary>Makes the agent; a workflow becomes an agent too.</summary>
    /// <param name="chat">Gives the chat client of a model by its name; null is the model of an agent that names none.</param>
    /// <returns>The agent, with sessions of its own.</returns>
    /// <exception cref="InvalidOperationException">
    /// The file names servers of the Model Context Protocol, and <see cref="ConnectAsync"/> was not called.
    /// </exception>
    /// <exception cref="PromptFileException">Two tools of an agent have the same name.</exception>
    public AIAgent CreateAgent(Func<string?, IChatClient> chat)
    {
        ArgumentNullException.ThrowIfNull(chat);
        return _open(Opening(chat));
    }

    /// <summary>Makes the tools of its agents for callers of other kinds. None of them asks for approval by itself.</summary>
    /// <returns>The tools, the first of each name.</returns>
    /// <exception cref="InvalidOperationException">
    /// The file names servers of the Model Context Protocol, and <see cref="ConnectAsync"/> was not called.
    /// </exception>
    public IReadOnlyList<AIFunction> CreateTools()
        => [.. _openTools(Opening(_ => throw new InvalidOperationException("Tools ask no model."))).DistinctBy(tool => tool.Name)];

    /// <summary>Makes the agent on one model, whatever models the file names.</summary>
    /// <param name="chat">The chat client.</param>
    /// <returns>The agent, with sessions of its own.</returns>
    public AIAgent CreateAgent(IChatClient chat)
    {
        ArgumentNullException.ThrowIfNull(chat);
        return CreateAgent(_ => chat);
    }

    /// <summary>Makes the agent on the models of a catalogue, with their options for what the file leaves open.</summary>
    /// <param name="models">The models; they are opened when the agent is made.</param>
    /// <returns>The agent, with sessions of its own; the catalogue must live as long.</returns>
    /// <exception cref="PromptFileException">A model is not in the catalogue.</exception>
    public AIAgent CreateAgent(ModelCatalog models)
    {
        ArgumentNullException.ThrowIfNull(models);
        return CreateAgent(models.GetConfiguredChatClient);
    }

    /// <summary>Ends the servers of the Model Context Protocol that were started for the file.</summary>
    /// <returns>A task that ends when they have ended.</returns>
    public async ValueTask DisposeAsync()
    {
        await _connecting.WaitAsync().ConfigureAwait(false);
        try
        {
            List<McpTools> servers;
            lock (_connected)
            {
                _isDisposed = true;
                servers = [.. _connected.Values];
                _connected.Clear();
            }

            foreach (var server in servers)
                await server.DisposeAsync().ConfigureAwait(false);
        }
        finally
        {
            _connecting.Release();
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name} ({Path})";

    private AgentOpening Opening(Func<string?, IChatClient> chat)
    {
        Dictionary<McpToolDefinition, McpTools> servers;
        lock (_connected)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            servers = new Dictionary<McpToolDefinition, McpTools>(_connected);
        }

        return _servers.FirstOrDefault(server => !servers.ContainsKey(server)) is { } missing
            ? throw new InvalidOperationException(
                $"'{Path}' names the MCP server '{missing.Server.Name}', which is not connected: call {nameof(ConnectAsync)} first.")
            : new AgentOpening(chat, _options, servers);
    }
}

/// <summary>What a file of an agent or a workflow describes.</summary>
public enum AgentFileKind
{
    /// <summary>One agent.</summary>
    Agent,

    /// <summary>Several agents and who works after whom.</summary>
    Workflow,
}

/// <summary>What the file of an agent may use from outside.</summary>
public sealed record AgentFileOptions
{
    /// <summary>The environment variables that files may read (<c>${env:NAME}</c>, <c>=Env.NAME</c>); default none.</summary>
    public IReadOnlyCollection<string> AllowedEnvironment { get; init; } = [];

    /// <summary>The tools that files may name as <c>kind: function</c>.</summary>
    public IReadOnlyList<AIFunction> Tools { get; init; } = [];

    /// <summary>
    /// The servers of the Model Context Protocol that files may use (<c>kind: mcp</c>): programs, by the command as the file writes it, and
    /// hosts that are not of the public internet. Default none; servers at public addresses need no permission.
    /// </summary>
    public IReadOnlyCollection<string> AllowedMcpServers { get; init; } = [];

    /// <summary>
    /// Texts that stand for those of files, by full path: what somebody is about to save, or an earlier version. Null for none.
    /// </summary>
    public IReadOnlyDictionary<string, string>? Texts { get; init; }

    /// <summary>
    /// The folder that must hold what tools read (<c>root</c>, <c>database</c>) and the agents of workflows; null for any.
    /// </summary>
    public string? Folder { get; init; }

    /// <summary>Puts something around the chat client of an agent, given its name, to watch what it is asked; null for nothing.</summary>
    public Func<string, IChatClient, IChatClient>? WrapClient { get; init; }

    /// <summary>Puts something around a tool of an agent, given its name, to watch how it is called; null for nothing.</summary>
    public Func<string, AIFunction, AIFunction>? WrapTool { get; init; }

    /// <summary>
    /// Opens the database of a tool <c>query</c>, given the full path of its file, for reading only; null where files may name none.
    /// </summary>
    public Func<string, DbConnection>? OpenDatabase { get; init; }

    /// <summary>
    /// Asked before a tool with <c>approvalMode: always</c> is called. A call that is denied is told to the model, which goes on without.
    /// Null asks in the framework's way: the run ends with a <see cref="ToolApprovalRequestContent"/>.
    /// </summary>
    public Func<ApprovalQuestion, CancellationToken, ValueTask<bool>>? ApproveAsync { get; init; }
}

/// <summary>A call that waits for somebody's yes or no.</summary>
/// <param name="Agent">The agent that wants to call.</param>
/// <param name="Tool">The tool.</param>
/// <param name="Arguments">Its arguments.</param>
public sealed record ApprovalQuestion(string Agent, string Tool, IReadOnlyDictionary<string, object?> Arguments)
{
    private static readonly JsonSerializerOptions OneLine = new(AIJsonUtilities.DefaultOptions) { WriteIndented = false };

    /// <summary>The call as one line, for example <c>fetch {"url":"https://example.com"}</c>.</summary>
    /// <returns>The tool and its arguments as JSON.</returns>
    public override string ToString() => $"{Tool} {JsonSerializer.Serialize(Arguments, OneLine)}";
}

/// <summary>What agents are made with.</summary>
/// <param name="Chat">The chat client of a model.</param>
/// <param name="Options">What the file may use from outside.</param>
/// <param name="Servers">The servers of the Model Context Protocol that are connected.</param>
internal sealed record AgentOpening(
    Func<string?, IChatClient> Chat, AgentFileOptions Options, IReadOnlyDictionary<McpToolDefinition, McpTools> Servers);

/// <summary>A function that asks before it is called. A call that is denied is told to the model, which goes on without.</summary>
/// <param name="inner">The function.</param>
/// <param name="agent">Who wants to call it.</param>
/// <param name="approve">Answers whether it may be called.</param>
public sealed class ApprovedFunction(
    AIFunction inner, string agent, Func<ApprovalQuestion, CancellationToken, ValueTask<bool>> approve) : DelegatingAIFunction(inner)
{
    private readonly Func<ApprovalQuestion, CancellationToken, ValueTask<bool>> _approve =
        approve ?? throw new ArgumentNullException(nameof(approve));

    /// <inheritdoc/>
    protected override async ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
        => await _approve(new ApprovalQuestion(agent, Name, new Dictionary<string, object?>(arguments)), cancellationToken)
            .ConfigureAwait(false)
            ? await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false)
            : "Error: this call was not approved. Do not ask for it again.";
}
