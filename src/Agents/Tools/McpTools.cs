using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Safety;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Microsoft.Extensions.AI;
using ModelContextProtocol;
using ModelContextProtocol.Client;
using ModelContextProtocol.Protocol;

namespace Kotonoha.Agents.Tools;

/// <summary>
/// The tools of one server of the Model Context Protocol, as functions that any agent can call. The server is a program that is started
/// here and speaks over its standard input and output, or one that is reached over Streamable HTTP.
/// </summary>
/// <remarks>
/// <para>
/// What a server says is from outside: its results taint a conversation, and since its descriptions do as well, an agent with
/// <see cref="Guardrails"/> asks before every call with a side effect. A tool is read-only where the server annotates it so and does not
/// say that it reaches an open world, where it could carry out what it is asked; name others in
/// <see cref="GuardrailOptions.ReadOnlyTools"/>. Requests of the server to the application (sampling, elicitation, roots) are refused.
/// </para>
/// <para>
/// A result is the structured content as JSON, or the text; one that the server marks as an error begins with <c>Error:</c>, so that the
/// model can mend its call. Everything else that goes wrong is a <see cref="McpServerException"/>. Thread-safe. Disposing ends the
/// connection, and the program with its children; it waits for a server that does not let go no longer than for one to start.
/// </para>
/// </remarks>
public sealed class McpTools : IAsyncDisposable
{
    // Results of tools with these names would count as the application's own.
    private static readonly IReadOnlySet<string> ReservedNames = new GuardrailOptions().TrustedTools;

    private readonly McpClient _client;
    private readonly HttpClient? _http;
    private readonly TimeSpan _patience;

    private McpTools(McpServerOptions options, McpClient client, HttpClient? http, IReadOnlyList<McpClientTool> tools)
    {
        (_client, _http, _patience, Name) = (client, http, options.StartTimeout, options.Name);
        Functions = [.. tools.Select(tool => new McpFunction(client, tool, options))];
    }

    /// <summary>The name of the server, as the options give it.</summary>
    public string Name { get; }

    /// <summary>The tools that are allowed, in the order in which the server lists them.</summary>
    public IReadOnlyList<AIFunction> Functions { get; }

    /// <summary>Starts or reaches a server, and lists its tools.</summary>
    /// <param name="options">The server: <see cref="McpProcessOptions"/> or <see cref="McpHttpOptions"/>.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <returns>The tools; dispose them to end the connection.</returns>
    /// <exception cref="McpServerException">The server does not start or answer, or does not have a tool that is allowed.</exception>
    public static async Task<McpTools> ConnectAsync(McpServerOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer.CancelAfter(options.StartTimeout);
        HttpClient? http = null;
        McpClient? client = null;
        try
        {
            http = options is McpHttpOptions web ? web.CreateClient() : null;
            client = await McpClient.CreateAsync(options.CreateTransport(http), new McpClientOptions
            {
                ClientInfo = new Implementation { Name = "Kotonoha", Version = typeof(McpTools).Assembly.GetName().Version!.ToString(3) },
                InitializationTimeout = options.StartTimeout,
            }, cancellationToken: timer.Token).ConfigureAwait(false);
            var tools = await client.ListToolsAsync(cancellationToken: timer.Token).ConfigureAwait(false);
            return new McpTools(options, client, http, Allowed(options, tools));
        }
        catch (Exception e)
        {
            await EndAsync(client, http, options.StartTimeout).ConfigureAwait(false);
            if (e is KotonohaException and not SsrfException || cancellationToken.IsCancellationRequested)
                throw;
            throw options.NotStarted(e);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync() => await EndAsync(_client, _http, _patience).ConfigureAwait(false);

    // The end of a session is a request, too, which a server may leave open.
    private static async Task EndAsync(McpClient? client, HttpClient? http, TimeSpan patience)
    {
        try
        {
            if (client is not null)
                await client.DisposeAsync().AsTask().WaitAsync(patience).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            // It is left to itself.
        }
        finally
        {
            http?.Dispose();
        }
    }

    private static List<McpClientTool> Allowed(McpServerOptions options, IList<McpClientTool> tools)
    {
        foreach (var name in options.AllowedTools ?? [])
            if (tools.All(tool => tool.Name != name))
                throw new McpServerException(options.Name, McpServerError.UnknownTool, $"has no tool '{name}'; it has "
                    + (tools.Count == 0
                        ? "none."
                        : $"{string.Join(", ", tools.Select(tool => $"'{tool.Name}'"))}. Mend the list of allowed "
                    + "tools."));
        var allowed = tools.Where(tool => options.AllowedTools?.Contains(tool.Name) != false).ToList();
        foreach (var tool in allowed)
        {
            if (allowed.Find(other => other != tool && other.Name == tool.Name) is not null)
                throw new McpServerException(options.Name, McpServerError.ToolName,
                    $"lists two tools '{tool.Name}'. Report it to its maker.");
            if (ReservedNames.Contains(options.Prefix + tool.Name) || ToolStepReply.IsAnswer(options.Prefix + tool.Name))
                throw new McpServerException(options.Name, McpServerError.ToolName,
                    $"has a tool '{tool.Name}', a name that means something "
                    + "else to agents. Give the tools of the server a prefix, or do not allow it.");
        }

        return allowed;
    }
}

/// <summary>A server of the Model Context Protocol, and what is used of it.</summary>
public abstract record McpServerOptions
{
    private protected McpServerOptions()
    {
    }

    /// <summary>What the server is called: in errors, and as the source of its results.</summary>
    public required string Name { get; init; }

    /// <summary>The tools that may be used, by the server's names for them; null for all of them.</summary>
    public IReadOnlyCollection<string>? AllowedTools { get; init; }

    /// <summary>
    /// What stands before the names of the tools, for example <c>files_</c>, so that those of two servers do not collide.
    /// </summary>
    public string Prefix { get; init; } = "";

    /// <summary>The most time that a call may take; one minute unless said otherwise.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>The most time until the server has listed its tools; 30 seconds unless said otherwise.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The longest result in characters; what is beyond is cut off, which the result says.</summary>
    public int MaxResultLength { get; init; } = 100_000;

    internal abstract IClientTransport CreateTransport(HttpClient? http);

    /// <summary>The error for a server that could not be used from the start.</summary>
    internal abstract McpServerException NotStarted(Exception cause);

    internal virtual void Check()
    {
        ArgumentException.ThrowIfNullOrEmpty(Name);
        ArgumentNullException.ThrowIfNull(Prefix);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(CallTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(StartTimeout, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxResultLength, 1);
    }
}

/// <summary>A server that is a program, started here and ended with its <see cref="McpTools"/>.</summary>
public sealed record McpProcessOptions : McpServerOptions
{
    /// <summary>The program: a path, or a name that is looked up in <c>PATH</c>.</summary>
    public required string Command { get; init; }

    /// <summary>Its arguments.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];

    /// <summary>
    /// The environment variables that it is given. Of those of this process it sees no others but the few that programs need to start at
    /// all (such as <c>PATH</c> and <c>HOME</c>).
    /// </summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// The names of variables of this process that are passed on to it with the values that they have when it starts; none unless said
    /// otherwise. One that is not set is left out, and <see cref="Environment"/> goes before.
    /// </summary>
    public IReadOnlyCollection<string> PassedEnvironment { get; init; } = [];

    /// <summary>The folder in which it is started; null for the current one.</summary>
    public string? WorkingDirectory { get; init; }

    internal override IClientTransport CreateTransport(HttpClient? http)
    {
        var environment = StdioClientTransportOptions.GetDefaultEnvironmentVariables()
            .ToDictionary(variable => variable.Key, variable => (string?)variable.Value);
        foreach (var name in PassedEnvironment)
            if (System.Environment.GetEnvironmentVariable(name) is { } value)
                environment[name] = value;
        foreach (var (name, value) in Environment)
            environment[name] = value;
        return new StdioClientTransport(new StdioClientTransportOptions
        {
            Name = Name,
            Command = Command,
            Arguments = [.. Arguments],
            InheritEnvironmentVariables = false,
            EnvironmentVariables = environment,
            WorkingDirectory = WorkingDirectory,
        });
    }

    internal override McpServerException NotStarted(Exception cause) => new(Name, McpServerError.DoesNotStart,
        $"does not start ('{string.Join(' ', [Command, .. Arguments])}'): {McpFunction.Reason(cause, StartTimeout)} Check the command and "
        + "what it needs.", cause);

    internal override void Check()
    {
        base.Check();
        ArgumentException.ThrowIfNullOrEmpty(Command);
    }
}

/// <summary>A server that is reached over Streamable HTTP.</summary>
public sealed record McpHttpOptions : McpServerOptions
{
    /// <summary>Its address.</summary>
    public required Uri Endpoint { get; init; }

    /// <summary>Headers that go with every request, such as <c>Authorization</c>.</summary>
    public IReadOnlyDictionary<string, string> Headers { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// The hosts that are reached whatever their address, exact names or <c>*.example.com</c> for all below one, with <c>:port</c> for one
    /// port only; any other must be one of the public internet (<see cref="SsrfGuard"/>). None unless said otherwise.
    /// </summary>
    public IReadOnlyCollection<string> AllowedHosts { get; init; } = [];

    /// <summary>Whether the endpoint is reached whatever its address.</summary>
    internal bool IsAllowed => AllowedHosts.Any(host => HostPattern.Matches(host, Endpoint));

    internal HttpClient CreateClient()
    {
        // Either way nothing leads to another host: the guard allows this one only, and without it no redirect is followed.
        HttpMessageHandler handler = IsAllowed
            ? new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false, UseProxy = false, ConnectTimeout = StartTimeout }
            : new SsrfGuard(new SsrfGuardOptions
            {
                AllowedHosts = [Endpoint.IdnHost],
                AllowedPorts = [Endpoint.Port],
                ConnectTimeout = StartTimeout,
            }).CreateHandler();
        return new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    }

    internal override IClientTransport CreateTransport(HttpClient? http) => new HttpClientTransport(new HttpClientTransportOptions
    {
        Name = Name,
        Endpoint = Endpoint,
        AdditionalHeaders = new Dictionary<string, string>(Headers),
        TransportMode = HttpTransportMode.StreamableHttp,
        ConnectionTimeout = StartTimeout,
    }, http!, ownsHttpClient: false);

    internal override McpServerException NotStarted(Exception cause) => SsrfOf(cause) is { } refused
        ? new McpServerException(Name, McpServerError.DoesNotStart, $"at {Endpoint} is not reached: its host is not one of the public "
            + "internet. Name it among the allowed hosts if it is meant to be reached.", refused)
        : new McpServerException(Name, McpServerError.DoesNotStart, $"at {Endpoint} does not answer as a server of the Model Context "
            + $"Protocol: {McpFunction.Reason(cause, StartTimeout)} Check the address and that the server runs.", cause);

    internal override void Check()
    {
        base.Check();
        if (!Endpoint.IsAbsoluteUri || Endpoint.Scheme is not ("http" or "https") || Endpoint.UserInfo.Length > 0)
            throw new ArgumentException(
                $"The endpoint of '{Name}' must be an http or https address without a user name.", nameof(Endpoint));
    }

    private static SsrfException? SsrfOf(Exception? cause)
        => cause is null ? null : cause as SsrfException ?? SsrfOf(cause.InnerException);
}

/// <summary>A server of the Model Context Protocol cannot be used, or a call of one of its tools did not come to an end.</summary>
public sealed class McpServerException : KotonohaException
{
    internal McpServerException(string server, McpServerError error, string problem, Exception? innerException = null)
        : base($"The MCP server '{server}' {problem}", innerException)
        => (Server, Error) = (server, error);

    /// <summary>The name of the server.</summary>
    public string Server { get; }

    /// <summary>What kind of problem it is.</summary>
    public McpServerError Error { get; }
}

/// <summary>What is wrong with a server of the Model Context Protocol.</summary>
public enum McpServerError
{
    /// <summary>It does not start, is not reached, or does not speak the protocol.</summary>
    DoesNotStart,

    /// <summary>It ended or hung up while it was needed.</summary>
    Closed,

    /// <summary>It does not have the tool.</summary>
    UnknownTool,

    /// <summary>A tool has a name that cannot be used.</summary>
    ToolName,

    /// <summary>A call took too long.</summary>
    Timeout,

    /// <summary>It refused a request.</summary>
    Refused,
}

/// <summary>A tool of a server, under the name that it has here.</summary>
internal sealed class McpFunction(McpClient client, McpClientTool tool, McpServerOptions options) : AIFunction
{
    public override string Name { get; } = options.Prefix + tool.Name;

    public override string Description => tool.Description;

    public override JsonElement JsonSchema => tool.JsonSchema;

    public override JsonSerializerOptions JsonSerializerOptions => tool.JsonSerializerOptions;

    public override IReadOnlyDictionary<string, object?> AdditionalProperties { get; } = Traits(tool, options);

    /// <summary>Why something failed, as a sentence, with the last words of a program that ended.</summary>
    internal static string Reason(Exception cause, TimeSpan limit)
    {
        if (cause is OperationCanceledException or TimeoutException)
            return string.Create(CultureInfo.InvariantCulture, $"it did not answer within {limit.TotalSeconds:0.###} s.");
        for (var at = cause; at is not null; at = at.InnerException)
            if (at is ClientTransportClosedException { Details: StdioClientCompletionDetails details })
                return (details.ExitCode is { } code
                    ? string.Create(CultureInfo.InvariantCulture, $"it ended with code {code}")
                    : "it ended")
                    + (details.StandardErrorTail is { Count: > 0 } lines
                        ? $" and wrote: {string.Join(" / ", lines.TakeLast(3)).TrimEnd('.')}." : ".");
        return string.Join(" / ", cause.Message.Split(['\r', '\n'], StringSplitOptions.RemoveEmptyEntries)).TrimEnd('.') + ".";
    }

    protected override async ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        using var timer = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        timer.CancelAfter(options.CallTimeout);
        try
        {
            return Text(await tool.CallAsync(arguments, cancellationToken: timer.Token).ConfigureAwait(false));
        }
        catch (Exception e) when (!cancellationToken.IsCancellationRequested && e is not OutOfMemoryException)
        {
            throw Failed(e);
        }
    }

    private static Dictionary<string, object?> Traits(McpClientTool tool, McpServerOptions options)
    {
        var traits = new Dictionary<string, object?> { [TrustLabels.Outside] = options.Name };
        if (tool.ProtocolTool.Annotations is { ReadOnlyHint: true, OpenWorldHint: not true })
            traits[TrustLabels.ReadOnly] = true;
        return traits;
    }

    private McpServerException Failed(Exception cause) => cause switch
    {
        OperationCanceledException => new(options.Name, McpServerError.Timeout, string.Create(CultureInfo.InvariantCulture,
            $"did not answer the call of '{tool.Name}' within {options.CallTimeout.TotalSeconds:0.###} s. Ask for less, or allow it more "
            + $"time."), cause),
        // An error of the protocol is an answer; any other is a connection that ended without one.
        _ when client.Completion.IsCompleted || cause is ClientTransportClosedException or IOException or HttpRequestException
            or McpException and not McpProtocolException
            => new(options.Name, McpServerError.Closed,
                $"ended during the call of '{tool.Name}': {Reason(cause, options.CallTimeout)} Connect to it anew.", cause),
        McpProtocolException { ErrorCode: McpErrorCode.MethodNotFound } => new(options.Name, McpServerError.UnknownTool,
            $"no longer has the tool '{tool.Name}'. Connect to it anew.", cause),
        _ => new(options.Name, McpServerError.Refused, $"refused the call of '{tool.Name}': {Reason(cause, options.CallTimeout)}", cause),
    };

    private string Text(CallToolResult result)
    {
        var text = result.StructuredContent is { } json && result.IsError != true
            ? json.GetRawText()
            : string.Join('\n', result.Content.Select(Text));
        if (result.IsError == true)
            text = "Error: " + (text.Length > 0 ? text : result.StructuredContent?.GetRawText() ?? "the tool does not say what is wrong.");
        if (text.Length <= options.MaxResultLength)
            return text;
        int length = ToolText.CutAt(text, options.MaxResultLength);
        return string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, length)}\n(cut off after {length} characters)");
    }

    private static string Text(ContentBlock block) => block switch
    {
        TextContentBlock text => text.Text,
        EmbeddedResourceBlock { Resource: TextResourceContents resource } => resource.Text,
        ResourceLinkBlock link => $"{link.Name}: {link.Uri}",
        ImageContentBlock image => $"(an image, {image.MimeType}, which is not shown)",
        AudioContentBlock audio => $"(a sound, {audio.MimeType}, which is not shown)",
        _ => $"(content of the type '{block.Type}', which is not shown)",
    };
}
