using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Threading.Channels;
using Kotonoha.Agents.Safety;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// A way to come from a question to an answer with a chat client, as an agent of Agent Framework: it has sessions, takes part in workflows,
/// and can be a tool of another agent.
/// </summary>
/// <remarks>
/// <para>
/// Each reply of the model is asked for in a form: a JSON schema as <see cref="ChatOptions.ResponseFormat"/>, or <c>regex</c> or
/// <c>choice</c> in <see cref="ChatOptions.AdditionalProperties"/>. A client that enforces it never leaves the form; from another one a
/// malformed reply is sent back, so often as <see cref="StrategyOptions.MaxRepairs"/> says.
/// </para>
/// <para>
/// Every update of <see cref="AIAgent.RunStreamingAsync(string, AgentSession?, AgentRunOptions?, CancellationToken)"/> is a step
/// (<see cref="ReasoningExtensions.GetStep"/>): thoughts are <see cref="TextReasoningContent"/>, tool calls and results their own contents,
/// the answer is text. The response has the whole trace (<see cref="ReasoningExtensions.GetReasoning"/>). A run that ends without an answer
/// says so in an <see cref="ErrorContent"/> whose code is the <see cref="StopReason"/>, and in its text.
/// </para>
/// <para>
/// A session keeps questions and answers. Thread-safe as far as client and tools are; one session serves one run at a time. Errors of the
/// chat client reach the caller.
/// </para>
/// </remarks>
public abstract class StrategyAgent : AIAgent
{
    private const string WaitingKey = "kotonoha.waiting";

    private readonly IChatClient _chat;
    private readonly ChatHistoryProvider _history;

    private protected StrategyAgent(IChatClient chat, StrategyOptions options)
    {
        ArgumentNullException.ThrowIfNull(chat);
        options.Check();
        _chat = chat;
        Options = options;
        _history = options.ChatHistoryProvider ?? new InMemoryChatHistoryProvider();
    }

    /// <inheritdoc/>
    public override string? Name => Options.Name;

    /// <inheritdoc/>
    public override string? Description => Options.Description;

    /// <inheritdoc/>
    protected override string? IdCore => Options.Id ?? Options.Name;

    private protected StrategyOptions Options { get; }

    /// <summary>Works on the question of a run and returns the answer.</summary>
    /// <exception cref="RunStoppedException">There is none.</exception>
    private protected abstract Task<string> ReasonAsync(ReasoningRun run);

    /// <summary>Works on the question of another strategy's run.</summary>
    internal Task<string> ReasonWithinAsync(ReasoningRun run) => ReasonAsync(run with
    {
        Chat = _chat,
        ChatOptions = Options.ChatOptions?.Clone() ?? run.ChatOptions,
        Instructions = Join(Options.Instructions, run.Instructions) ?? "",
        IsNested = true,
    });

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return base.GetService(serviceType, serviceKey)
            ?? (serviceKey is null && serviceType == typeof(ChatHistoryProvider) ? _history : _chat.GetService(serviceType, serviceKey));
    }

    /// <inheritdoc/>
    protected override ValueTask<AgentSession> CreateSessionCoreAsync(CancellationToken cancellationToken = default)
        => new(new StrategySession());

    /// <inheritdoc/>
    protected override ValueTask<JsonElement> SerializeSessionCoreAsync(
        AgentSession session, JsonSerializerOptions? jsonSerializerOptions = null, CancellationToken cancellationToken = default)
        => new(Own(session).StateBag.Serialize());

    /// <inheritdoc/>
    protected override ValueTask<AgentSession> DeserializeSessionCoreAsync(
        JsonElement serializedState, JsonSerializerOptions? jsonSerializerOptions = null, CancellationToken cancellationToken = default)
        => serializedState.ValueKind == JsonValueKind.Object
            ? new(new StrategySession(AgentSessionStateBag.Deserialize(serializedState)))
            : throw new ArgumentException($"A session is a JSON object, but this is {serializedState.ValueKind}.", nameof(serializedState));

    /// <inheritdoc/>
    protected override async Task<AgentResponse> RunCoreAsync(
        IEnumerable<ChatMessage> messages, AgentSession? session = null, AgentRunOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        var updates = new List<AgentResponseUpdate>();
        await foreach (var update in RunCoreStreamingAsync(messages, session, options, cancellationToken).ConfigureAwait(false))
            updates.Add(update);
        var response = updates.ToAgentResponse();
        response.AgentId = Id;
        response.RawRepresentation = new ReasoningResult([.. updates.Select(update => update.GetStep()!)]);
        return response;
    }

    /// <inheritdoc/>
    /// <exception cref="ReasoningException">There is a budget of tokens, and neither the client nor the options count them.</exception>
    protected override async IAsyncEnumerable<AgentResponseUpdate> RunCoreStreamingAsync(
        IEnumerable<ChatMessage> messages, AgentSession? session = null, AgentRunOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var request = messages?.ToList() ?? throw new ArgumentNullException(nameof(messages));
        var own = session is null ? new StrategySession() : Own(session);
        using var cancel = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        using var limit = new RunLimit(Options.Budget.MaxDuration, Options.TimeProvider, cancel.Token);
        var steps = Channel.CreateUnbounded<AgentStep>(new UnboundedChannelOptions { SingleReader = true });
        var meter = new RunMeter(Options, steps.Writer, limit, cancel.Token);
        RunStoppedException? stop = null;
        var run = await PrepareAsync(request, own, options, meter, cancellationToken).ConfigureAwait(false);
        meter.OutsideSource = Guardrails.Standard.SourceOf(run.Conversation);
        var work = WorkAsync();
        var writer = new UpdateWriter(Id, Name);
        AgentResponseUpdate? last = null;
        try
        {
            await foreach (var step in steps.Reader.ReadAllAsync(CancellationToken.None).ConfigureAwait(false))
            {
                if (step.StopReason is null)
                    yield return writer.Write(step, null);
                else
                    last = writer.Write(step, stop?.Content);
            }

            await work.ConfigureAwait(false);
        }
        finally
        {
            // The reader may have left early; what it no longer wants is not gone on with.
            if (!work.IsCompleted)
            {
                await cancel.CancelAsync().ConfigureAwait(false);
                await work.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        await RememberAsync(request, own, last!, meter.OutsideSource, cancellationToken).ConfigureAwait(false);
        yield return last!;

        async Task WorkAsync()
        {
            try
            {
                var answer = await ReasonAsync(run).ConfigureAwait(false);
                if (options?.ResponseFormat is ChatResponseFormatJson { Schema: { } schema } format)
                    answer = await FormatAsync(run, answer, format, schema).ConfigureAwait(false);
                meter.Emit(new AgentStep(AgentStepKind.Answer, answer) { Turn = meter.Calls, StopReason = StopReason.Answered });
            }
            catch (RunStoppedException e)
            {
                stop = e;
                meter.Emit(new AgentStep(AgentStepKind.Stopped, e.Message) { Turn = meter.Calls, StopReason = e.Reason });
            }
            finally
            {
                steps.Writer.Complete();
            }
        }
    }

    private static StrategySession Own(AgentSession session) => session as StrategySession
        ?? throw new ArgumentException(
            $"A strategy needs a session of its own ({nameof(CreateSessionAsync)}), but this is a {session.GetType().Name}.",
            nameof(session));

    private async Task<ReasoningRun> PrepareAsync(
        List<ChatMessage> request, StrategySession session, AgentRunOptions? options, RunMeter meter, CancellationToken cancellationToken)
    {
        var context = new AIContext
        {
            Instructions = Options.Instructions,
            Messages = await _history.InvokingAsync(new ChatHistoryProvider.InvokingContext(this, session, request), cancellationToken)
                .ConfigureAwait(false),
        };
        var chat = Options.ChatOptions?.Clone() ?? new ChatOptions();
        if (options is ChatClientAgentRunOptions { ChatOptions: { } own })
        {
            chat.Temperature = own.Temperature ?? chat.Temperature;
            chat.TopP = own.TopP ?? chat.TopP;
            chat.TopK = own.TopK ?? chat.TopK;
            chat.Seed = own.Seed ?? chat.Seed;
            chat.ModelId = own.ModelId ?? chat.ModelId;
            chat.MaxOutputTokens = own.MaxOutputTokens ?? chat.MaxOutputTokens;
            context.Instructions = Join(context.Instructions, own.Instructions);
            context.Tools = own.Tools;
        }

        foreach (var provider in Options.AIContextProviders)
            context = await provider.InvokingAsync(new AIContextProvider.InvokingContext(this, session, context), cancellationToken)
                .ConfigureAwait(false);
        var conversation = (context.Messages ?? []).ToList();
        if (conversation.All(message => message.Contents.Count == 0))
            throw new ArgumentException("There is nothing to answer: the run has no message, and the session no history.");
        var run = new ReasoningRun
        {
            Chat = _chat,
            Options = Options,
            ChatOptions = chat,
            Conversation = [.. conversation.Where(message => message.Role != ChatRole.System).Select(Readable).OfType<ChatMessage>()],
            Responses = [.. request.SelectMany(message => message.Contents).OfType<InputResponseContent>()],
            Instructions = Join(context.Instructions,
                string.Join("\n\n", conversation.Where(message => message.Role == ChatRole.System).Select(message => message.Text))) ?? "",
            Language = PromptLanguage.English,
            Tools = [.. context.Tools ?? []],
            Meter = meter,
            Session = session,
        };
        return run with { Language = StrategyPrompts.Resolve(Options.Language, run.Question) };
    }

    private static string? Join(string? first, string? second)
        => string.IsNullOrEmpty(first) ? second : string.IsNullOrEmpty(second) ? first : $"{first}\n\n{second}";

    /// <summary>A message with what the model is shown of it: other agents' tool calls and thoughts stay theirs.</summary>
    private static ChatMessage? Readable(ChatMessage message)
    {
        var shown = message.Contents.Where(content => content is TextContent or DataContent or UriContent or HostedFileContent).ToList();
        if (shown.Count == message.Contents.Count)
            return message;
        if (shown.Count == 0)
            return null;
        var copy = message.Clone();
        copy.Contents = [.. shown];
        return copy;
    }

    private async Task RememberAsync(
        List<ChatMessage> request, StrategySession session, AgentResponseUpdate last, string? source, CancellationToken cancellationToken)
    {
        // A question that waits for an approval comes into the history together with its answer.
        request =
            [.. session.StateBag.GetValue<List<ChatMessage>>(WaitingKey) ?? [], .. request.Where(message => Readable(message) is not null)];
        session.StateBag.TryRemoveValue(WaitingKey);
        if (last.GetStep()!.StopReason == StopReason.ApprovalNeeded)
        {
            session.StateBag.SetValue(WaitingKey, request);
            return;
        }

        // What tools said is not kept, but their word may be in the answer: it stays from outside in later turns and in memories.
        List<AIContent> text = [.. last.Contents.OfType<TextContent>().Select(content => source is null
            ? content
            : Guardrails.FromOutside(new TextContent(content.Text), source))];
        ChatMessage[] response = text.Count == 0 ? [] : [new(ChatRole.Assistant, [.. text]) { AuthorName = Name }];
        await _history.InvokedAsync(new ChatHistoryProvider.InvokedContext(this, session, request, response), cancellationToken)
            .ConfigureAwait(false);
        foreach (var provider in Options.AIContextProviders)
            await provider.InvokedAsync(new AIContextProvider.InvokedContext(this, session, request, response), cancellationToken)
                .ConfigureAwait(false);
    }

    /// <summary>Writes a finished answer in the form that the run asks for (<c>RunAsync&lt;T&gt;</c>).</summary>
    private static async Task<string> FormatAsync(ReasoningRun run, string answer, ChatResponseFormatJson format, JsonElement schema)
    {
        var messages = await StrategyPrompts.RenderAsync("format-answer", run.Language, run.Meter.Cancellation,
            ("question", run.Question), ("answer", answer), ("schema", schema.GetRawText())).ConfigureAwait(false);
        var (json, reply) = await run.AskAsync([.. messages], new JsonReply(format)).ConfigureAwait(false);
        run.Emit(AgentStepKind.Note, $"The answer \"{answer}\" is written as JSON.", reply);
        return json.GetRawText();
    }

    /// <summary>Writes steps as the framework's updates.</summary>
    private sealed class UpdateWriter(string agent, string? name)
    {
        private readonly string _response = Guid.NewGuid().ToString("N");
        private int _message = 1;
        private ChatRole _role = ChatRole.Assistant;

        internal AgentResponseUpdate Write(AgentStep step, AIContent? asked)
        {
            var role = step.Kind == AgentStepKind.Observation ? ChatRole.Tool : ChatRole.Assistant;
            if (role != _role || step.StopReason is not null)
                _message++;
            _role = role;
            List<AIContent> contents = step.Kind switch
            {
                AgentStepKind.Action when step.IsOfCaller => [],
                AgentStepKind.Action => [new FunctionCallContent(step.CallId!, step.Tool!, step.Arguments?.ToDictionary())
                {
                    InformationalOnly = true,
                }],
                AgentStepKind.Observation => [new FunctionResultContent(step.CallId!, step.Text)],
                AgentStepKind.Answer => [new TextContent(step.Text)],
                AgentStepKind.Stopped when asked is not null => [asked],
                AgentStepKind.Stopped =>
                [
                    new TextContent($"No answer: {step.Text}"),
                    new ErrorContent(step.Text) { ErrorCode = step.StopReason.ToString() },
                ],
                _ => step.Text.Length > 0 ? [new TextReasoningContent(step.Text + "\n")] : [],
            };
            if (step.Usage is not null)
                contents.Add(new UsageContent(step.Usage));
            return new AgentResponseUpdate(role, contents)
            {
                AgentId = agent,
                AuthorName = name,
                ResponseId = _response,
                MessageId = $"{_response}-{_message}",
                CreatedAt = DateTimeOffset.UtcNow,
                FinishReason = step.StopReason switch
                {
                    null => null,
                    StopReason.CallerFunction or StopReason.ApprovalNeeded => ChatFinishReason.ToolCalls,
                    StopReason.TokenLimit or StopReason.ReplyCutOff => ChatFinishReason.Length,
                    _ => ChatFinishReason.Stop,
                },
                RawRepresentation = step,
            };
        }
    }
}

/// <summary>The session of a <see cref="StrategyAgent"/>: its history and what waits for an approval.</summary>
public sealed class StrategySession : AgentSession
{
    internal StrategySession()
    {
    }

    internal StrategySession(AgentSessionStateBag state)
        : base(state)
    {
    }
}
