using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Json;
using Kotonoha.Server.Http;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Prompts;

/// <summary>What a part of a run is.</summary>
internal enum SpanKind
{
    Run,
    Agent,
    Model,
    Tool,
    Retrieval,
    Approval,
}

/// <summary>A part of a run: when it began, how long it took, what went in and came out.</summary>
internal sealed class RunSpan(SpanKind kind, string name, RunSpan? parent, TimeSpan start)
{
    public SpanKind Kind => kind;

    public string Name => name;

    public RunSpan? Parent => parent;

    /// <summary>Counted from the beginning of the run.</summary>
    public TimeSpan Start => start;

    /// <summary>When it ended, counted from the beginning of the run; null while it lasts.</summary>
    public TimeSpan? End { get; set; }

    public string Input { get; set; } = "";

    public string Output { get; set; } = "";

    public string? Problem { get; set; }

    public int Depth => parent is null ? 0 : parent.Depth + 1;
}

/// <summary>What happened in a run of a prompt or an agent.</summary>
internal sealed class RunTrace
{
    private const int MaxSpans = 1000, MaxContent = 20_000;

    private readonly List<RunSpan> _spans = [];
    private readonly Lock _lock = new();
    private readonly long _start = Stopwatch.GetTimestamp();

    public RunTrace(string name, string caller)
    {
        (Name, Caller) = (name, caller);
        Root = Begin(SpanKind.Run, name, null, "");
    }

    public string Id { get; } = Guid.NewGuid().ToString("N")[..12];

    public string Name { get; }

    public string Caller { get; }

    public DateTimeOffset Started { get; } = TimeProvider.System.GetUtcNow();

    /// <summary>The span of the whole run.</summary>
    public RunSpan Root { get; }

    public TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>The spans: each before those within it, and siblings by their beginning.</summary>
    public IReadOnlyList<RunSpan> Spans()
    {
        RunSpan[] all;
        lock (_lock)
            all = [.. _spans];
        var children = all.ToLookup(span => span.Parent);
        return [.. Below(Root).Prepend(Root)];

        IEnumerable<RunSpan> Below(RunSpan span)
            => children[span].OrderBy(child => child.Start).SelectMany(child => Below(child).Prepend(child));
    }

    public RunSpan Begin(SpanKind kind, string name, RunSpan? parent, string input)
    {
        var span = new RunSpan(kind, name, parent, Elapsed) { Input = Cut(input) };
        lock (_lock)
            if (_spans.Count < MaxSpans)
                _spans.Add(span);
        return span;
    }

    /// <summary>The span of an agent, from its first call to the end of its last.</summary>
    public RunSpan Agent(string name)
    {
        lock (_lock)
            if (_spans.Find(span => span.Kind == SpanKind.Agent && span.Name == name) is { } known)
                return known;
        return Begin(SpanKind.Agent, name, Root, "");
    }

    public void End(RunSpan span, string output, string? problem = null)
    {
        (span.Output, span.Problem) = (Cut(output), problem);
        span.End = Elapsed;
        if (span.Parent is { Kind: SpanKind.Agent } agent)
            agent.End = span.End;
    }

    private static string Cut(string text) => text.Length <= MaxContent ? text : text[..MaxContent] + " …";
}

/// <summary>The latest runs, in memory alone.</summary>
internal sealed class RunTraces
{
    private const int Kept = 100;

    private readonly ConcurrentQueue<RunTrace> _latest = new();

    public void Add(RunTrace trace)
    {
        _latest.Enqueue(trace);
        while (_latest.Count > Kept)
            _latest.TryDequeue(out _);
    }

    /// <summary>The runs that a caller may see, the latest first: the caller's own, or all for an administrator.</summary>
    public IEnumerable<RunTrace> Of(Caller caller)
        => _latest.Where(trace => caller.IsAdministrator || trace.Caller == caller.Id).Reverse();
}

/// <summary>Notes what a chat client is asked and answers.</summary>
internal sealed class TracedChatClient(IChatClient inner, string model, RunTrace trace, Func<RunSpan> parent) : DelegatingChatClient(inner)
{
    public override async Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> asked = [.. messages];
        var span = trace.Begin(SpanKind.Model, model, parent(), Shown(asked, options));
        try
        {
            var response = await base.GetResponseAsync(asked, options, cancellationToken).ConfigureAwait(false);
            trace.End(span, Shown(response));
            return response;
        }
        catch (Exception exception)
        {
            trace.End(span, "", exception.Message);
            throw;
        }
    }

    public override async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        IReadOnlyList<ChatMessage> asked = [.. messages];
        var span = trace.Begin(SpanKind.Model, model, parent(), Shown(asked, options));
        var updates = new List<ChatResponseUpdate>();
        string? problem = "The run ended before the answer did.";
        try
        {
            await foreach (var update in base.GetStreamingResponseAsync(asked, options, cancellationToken).ConfigureAwait(false))
            {
                updates.Add(update);
                yield return update;
            }

            problem = null;
        }
        finally
        {
            trace.End(span, Shown(updates.ToChatResponse()), problem);
        }
    }

    private static string Shown(IEnumerable<ChatMessage> messages, ChatOptions? options)
    {
        var text = new StringBuilder();
        if (!string.IsNullOrEmpty(options?.Instructions))
            text.Append("[instructions]\n").Append(options.Instructions).Append("\n\n");
        foreach (var message in messages)
            text.Append('[').Append(message.Role.Value).Append("]\n").Append(Shown(message)).Append("\n\n");
        if (options?.Tools is { Count: > 0 } tools)
            text.Append("[tools] ").AppendJoin(", ", tools.Select(tool => tool.Name));
        return text.ToString().TrimEnd();
    }

    private static string Shown(ChatResponse response)
        => string.Join("\n", response.Messages.Select(Shown))
            + (response.Usage is { } usage ? $"\n\n{usage.InputTokenCount} → {usage.OutputTokenCount} tokens" : "");

    private static string Shown(ChatMessage message) => string.Join("\n", message.Contents.Select(content => content switch
    {
        TextContent text => text.Text,
        TextReasoningContent reasoning => $"({reasoning.Text.Trim()})",
        FunctionCallContent call => $"→ {call.Name} {JsonSerializer.Serialize(call.Arguments, ShownJson.Options)}",
        FunctionResultContent result => $"← {ShownJson.Of(result.Result)}",
        ErrorContent error => error.Message,
        _ => "",
    }).Where(text => text.Length > 0));
}

/// <summary>Notes how a tool is called.</summary>
internal sealed class TracedFunction(AIFunction inner, SpanKind kind, RunTrace trace, Func<RunSpan> parent) : DelegatingAIFunction(inner)
{
    protected override async ValueTask<object?> InvokeCoreAsync(AIFunctionArguments arguments, CancellationToken cancellationToken)
    {
        var span = trace.Begin(
            kind, Name, parent(), JsonSerializer.Serialize(arguments.ToDictionary(), ShownJson.Options));
        try
        {
            var result = await base.InvokeCoreAsync(arguments, cancellationToken).ConfigureAwait(false);
            trace.End(span, ShownJson.Of(result));
            return result;
        }
        catch (Exception exception)
        {
            trace.End(span, "", exception.Message);
            throw;
        }
    }
}

/// <summary>Values as people read them: texts as they are, other things as JSON on one line.</summary>
internal static class ShownJson
{
    public static JsonSerializerOptions Options { get; } = new(AIJsonUtilities.DefaultOptions)
    {
        WriteIndented = false,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    public static string Of(object? value) => value switch
    {
        null => "",
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } json => json.GetString()!,
        _ => JsonSerializer.Serialize(value, Options),
    };
}
