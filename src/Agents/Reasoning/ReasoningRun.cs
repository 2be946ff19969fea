using System.Globalization;
using System.Threading.Channels;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>One run of a strategy: asks the model, calls tools, counts what they cost, and writes the trace.</summary>
internal sealed record ReasoningRun
{
    internal required IChatClient Chat { get; init; }

    internal required StrategyOptions Options { get; init; }

    /// <summary>The options of this run's model calls, before a reply's form is set.</summary>
    internal required ChatOptions ChatOptions { get; init; }

    /// <summary>The messages before the model: history and request, without the strategy's own.</summary>
    internal required IReadOnlyList<ChatMessage> Conversation { get; init; }

    /// <summary>What the caller answers to an earlier run's requests.</summary>
    internal required IReadOnlyList<InputResponseContent> Responses { get; init; }

    /// <summary>What the model is told before the strategy's own instructions; empty for nothing.</summary>
    internal required string Instructions { get; init; }

    internal required PromptLanguage Language { get; init; }

    /// <summary>The tools that the caller adds to the strategy's own.</summary>
    internal required IReadOnlyList<AITool> Tools { get; init; }

    internal required RunMeter Meter { get; init; }

    /// <summary>The session's state, where a strategy leaves what it goes on with in the next run.</summary>
    internal required StrategySession Session { get; init; }

    /// <summary>Whether another strategy's run goes on around this one, so that it cannot be left and gone on with later.</summary>
    internal bool IsNested { get; init; }

    /// <summary>The step below which the run's steps hang; null for the trunk.</summary>
    internal int? Branch { get; init; }

    /// <summary>The text of the last thing that was asked.</summary>
    internal string Question => Conversation.LastOrDefault(message => message.Role == ChatRole.User && message.Text.Length > 0)?.Text
        ?? Conversation.LastOrDefault()?.Text ?? "";

    /// <summary>
    /// The messages of a model call: the instructions with the strategy's, worked examples, the conversation, and what the strategy adds to
    /// the last thing asked.
    /// </summary>
    internal List<ChatMessage> Prompt(string instructions, string? nudge = null, IEnumerable<ChatMessage>? examples = null)
    {
        var system = string.Join("\n\n", new[] { Instructions, instructions }.Where(text => text.Length > 0));
        List<ChatMessage> messages = [new(ChatRole.System, system), .. examples ?? [], .. Conversation];
        return nudge is null ? messages : Nudge(messages, nudge);
    }

    /// <summary>Adds a line to the last message where that is the user's, as chat templates want turns that alternate.</summary>
    internal static List<ChatMessage> Nudge(List<ChatMessage> messages, string nudge)
    {
        if (messages.Count > 0 && messages[^1] is { } last && last.Role == ChatRole.User)
        {
            var copy = last.Clone();
            copy.Contents = [.. last.Contents, new TextContent(last.Contents.Count > 0 ? "\n" + nudge : nudge)];
            messages[^1] = copy;
        }
        else
        {
            messages.Add(new ChatMessage(ChatRole.User, nudge));
        }

        return messages;
    }

    internal AgentStep Emit(AgentStep step) => Meter.Emit(step.Parent is null ? step with { Parent = Branch } : step);

    internal AgentStep Emit(AgentStepKind kind, string text, ModelReply? from = null)
        => Emit(new AgentStep(kind, text)
        {
            Turn = from?.Turn ?? Meter.Calls,
            Duration = from?.Duration ?? TimeSpan.Zero,
            Usage = from?.Response.Usage,
        });

    /// <summary>Asks the model once.</summary>
    /// <param name="messages">The prompt.</param>
    /// <param name="constrain">Sets the reply's form.</param>
    /// <param name="share">How many calls share the output tokens that are left.</param>
    /// <exception cref="RunStoppedException">A limit is reached.</exception>
    internal async Task<ModelReply> AskAsync(IReadOnlyList<ChatMessage> messages, Action<ChatOptions>? constrain, int share = 1)
    {
        var options = ChatOptions.Clone();
        options.Tools = null;
        options.ToolMode = null;
        constrain?.Invoke(options);
        var (turn, granted) = Meter.BeginCall(share, options);
        long start = Options.TimeProvider.GetTimestamp();
        ChatResponse? response = null;
        try
        {
            response = await Meter.Limit.RunAsync(token => Chat.GetResponseAsync([.. messages], options, token)).ConfigureAwait(false);
        }
        finally
        {
            Meter.EndCall(messages, response, granted);
        }

        return new ModelReply(response ?? throw Meter.TimeIsUp(), turn, Options.TimeProvider.GetElapsedTime(start));
    }

    /// <summary>Asks the model for a reply in a form; a reply that is not in it is sent back, so often as the options allow.</summary>
    /// <exception cref="RunStoppedException">A limit is reached, or the reply never took the form.</exception>
    internal async Task<(T Value, ModelReply Reply)> AskAsync<T>(List<ChatMessage> messages, ReplyFormat<T> format, int share = 1)
    {
        messages = [.. messages];
        for (int attempt = 0; ; attempt++)
        {
            var reply = await AskAsync(messages, format.Constrain, share).ConfigureAwait(false);
            var read = format.Read(reply.Response, attempt);
            if (read.Problem is null)
                return (read.Value!, reply);
            bool isCut = reply.Response.FinishReason == ChatFinishReason.Length;
            var text = reply.Response.Text.Trim();
            Emit(AgentStepKind.Note, $"{(isCut ? "The reply was cut off at its length limit: " : "")}{read.Problem}{Quoted(text)}", reply);
            if (attempt >= Options.MaxRepairs)
                throw new RunStoppedException(isCut ? StopReason.ReplyCutOff : format.Missing,
                    $"{read.Problem} ({attempt + 1} {(attempt == 0 ? "reply" : "replies")})");
            if (text.Length > 0)
                messages.Add(new ChatMessage(ChatRole.Assistant, text));
            Nudge(messages, await format.RepairAsync(read.Problem, Language, Meter.Cancellation).ConfigureAwait(false));
        }
    }

    private static string Quoted(string text)
    {
        const int longest = 200;
        return text.Length == 0 ? " It is empty." : text.Length <= longest ? $" It reads: {text}" : $" It begins: {text[..longest]}…";
    }

    /// <summary>Calls a tool; whatever goes wrong with it is text for the model.</summary>
    /// <exception cref="RunStoppedException">The time or the tool calls are used up.</exception>
    internal async Task<string> InvokeAsync(AIFunction tool, AIFunctionArguments arguments, TimeSpan? timeout)
    {
        Meter.BeginToolCall();
        return await Meter.Limit.RunAsync(async token =>
        {
            using var limit = new RunLimit(timeout, Options.TimeProvider, token);
            try
            {
                // On a thread of the pool, since a tool may block before its first await.
                var result = await limit.RunAsync(inner => Task.Run(
                    async () => ToolText.Of(await tool.InvokeAsync(arguments, inner).ConfigureAwait(false) ?? ""), inner))
                        .ConfigureAwait(false);
                return result is null ? $"Error: the tool did not answer within {Written(timeout!.Value)}."
                    : result.Length == 0 ? "(the tool gave no result)" : result;
            }
            catch (Exception e) when (!token.IsCancellationRequested)
            {
                return $"Error: {e.Message}";
            }
        }).ConfigureAwait(false) ?? throw Meter.TimeIsUp();
    }

    internal static string Written(TimeSpan time) => time.ToString("c", CultureInfo.InvariantCulture);
}

/// <summary>One reply of the model.</summary>
internal sealed record ModelReply(ChatResponse Response, int Turn, TimeSpan Duration);

/// <summary>Ends a run from within a strategy.</summary>
internal sealed class RunStoppedException(StopReason reason, string message, AIContent? content = null) : Exception(message)
{
    internal StopReason Reason { get; } = reason;

    /// <summary>Whether only this attempt failed, so that another one may still be made within the run's limits.</summary>
    internal bool IsOfAttempt => Reason is StopReason.AnswerMissing or StopReason.ReplyCutOff or StopReason.InvalidReplies
        or StopReason.StepLimit or StopReason.RepeatedAction;

    /// <summary>What the caller is to answer or to run; null for nothing.</summary>
    internal AIContent? Content { get; } = content;
}

/// <summary>Counts what a run costs, stops it at its limits, and passes its steps on. Thread-safe.</summary>
internal sealed class RunMeter(StrategyOptions options, ChannelWriter<AgentStep> steps, RunLimit limit, CancellationToken cancellation)
{
    // A reply that says anything needs about so many tokens; a call with fewer left would be wasted.
    private const int LeastOutput = 24;

    private readonly Lock _lock = new();
    private readonly long _start = options.TimeProvider.GetTimestamp();
    private int _ids;
    private int _toolCalls;
    private long _tokens;
    private long _output;
    private long _granted;

    internal RunLimit Limit { get; } = limit;

    /// <summary>
    /// Where something from outside came from that the run has seen, in the conversation or from a tool; null for none so far. What one
    /// step of a strategy tells the next is plain text, so the run itself remembers, and the answer bears the label.
    /// </summary>
    internal string? OutsideSource { get; set; }

    internal CancellationToken Cancellation { get; } = cancellation;

    internal int Calls { get; private set; }

    internal AgentStep Emit(AgentStep step)
    {
        lock (_lock)
        {
            step = step with { Id = ++_ids, Elapsed = options.TimeProvider.GetElapsedTime(_start) };
            steps.TryWrite(step);
            return step;
        }
    }

    /// <summary>
    /// Counts a model call and gives it its share of the output tokens that are left and that no other call may still write.
    /// </summary>
    internal (int Turn, long Granted) BeginCall(int share, ChatOptions call)
    {
        lock (_lock)
        {
            var budget = options.Budget;
            if (Calls >= budget.MaxModelCalls)
                throw new RunStoppedException(StopReason.ModelCallLimit, $"All {budget.MaxModelCalls} model calls are used up.");
            if (_tokens >= budget.MaxTokens)
                throw new RunStoppedException(StopReason.TokenLimit,
                    Invariant($"{_tokens} tokens are used, {budget.MaxTokens} are allowed."));
            if (budget.MaxOutputTokens is { } most)
            {
                long left = Math.Min((most - _output) / share, most - _output - _granted);
                if (left < Math.Min(LeastOutput, most))
                    throw new RunStoppedException(StopReason.TokenLimit, Invariant($"{_output} tokens are written, {most} are allowed."));
                call.MaxOutputTokens = (int)Math.Min(left, call.MaxOutputTokens ?? int.MaxValue);
                _granted += call.MaxOutputTokens.Value;
                return (++Calls, call.MaxOutputTokens.Value);
            }

            return (++Calls, 0);
        }
    }

    internal void EndCall(IReadOnlyList<ChatMessage> messages, ChatResponse? response, long granted)
    {
        lock (_lock)
            _granted -= granted;
        if (response is null || options.Budget is { MaxTokens: null, MaxOutputTokens: null })
            return;
        long input, output;
        if (response.Usage is { OutputTokenCount: { } written } usage)
        {
            (input, output) = ((usage.InputTokenCount ?? usage.TotalTokenCount - written) ?? 0, written);
        }
        else if (response.Usage?.TotalTokenCount is { } total && options.Budget.MaxOutputTokens is null)
        {
            (input, output) = (total, 0);
        }
        else if (options.CountTokens is { } count)
        {
            (input, output) = (messages.Sum(message => (long)count(message.Text)), count(response.Text));
        }
        else
        {
            throw new ReasoningException("The chat client reports no token usage, so the budget of tokens cannot be kept: set "
                + $"{nameof(StrategyOptions)}.{nameof(StrategyOptions.CountTokens)}, or leave the budget's tokens out.");
        }

        lock (_lock)
        {
            _tokens += input + output;
            _output += output;
        }
    }

    internal void BeginToolCall()
    {
        lock (_lock)
        {
            if (_toolCalls >= options.Budget.MaxToolCalls)
                throw new RunStoppedException(StopReason.ToolCallLimit, $"All {options.Budget.MaxToolCalls} tool calls are used up.");
            _toolCalls++;
        }
    }

    internal RunStoppedException TimeIsUp() => new(StopReason.TimeLimit,
        $"The time allowed ({ReasoningRun.Written(options.Budget.MaxDuration!.Value)}) is used up.");

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>A limit of time on asynchronous work, told apart from the caller's cancellation.</summary>
internal sealed class RunLimit : IDisposable
{
    private readonly CancellationToken _caller;
    private readonly CancellationTokenSource? _timer;
    private readonly CancellationTokenSource? _linked;

    internal RunLimit(TimeSpan? time, TimeProvider clock, CancellationToken caller)
    {
        _caller = caller;
        if (time is null)
            return;
        _timer = new CancellationTokenSource(time.Value, clock);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timer.Token, caller);
    }

    /// <summary>The result of the work, or null where the time is used up.</summary>
    /// <exception cref="OperationCanceledException">The caller cancelled.</exception>
    internal async Task<T?> RunAsync<T>(Func<CancellationToken, Task<T>> work)
        where T : class
    {
        _caller.ThrowIfCancellationRequested();
        if (_timer?.IsCancellationRequested == true)
            return null;
        var token = _linked?.Token ?? _caller;
        try
        {
            return await work(token).WaitAsync(token).ConfigureAwait(false);
        }
        catch (Exception) when (_timer?.IsCancellationRequested == true && !_caller.IsCancellationRequested)
        {
            // Work that is cancelled may end with any error of its own.
            return null;
        }
        catch (Exception e) when (e is not (OperationCanceledException or RunStoppedException) && _caller.IsCancellationRequested)
        {
            throw new OperationCanceledException(e.Message, e, _caller);
        }
    }

    public void Dispose()
    {
        _linked?.Dispose();
        _timer?.Dispose();
    }
}
