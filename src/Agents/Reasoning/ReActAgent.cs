using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Answers a question by turns of thought, action and observation (ReAct: Yao et al., 2022) in plain text, so that it works with any chat
/// client, even one without tool calls of its own.
/// </summary>
/// <remarks>
/// <para>
/// Tools are called with arguments that were checked against their schema. Whatever goes wrong with a tool (an unknown name, input that
/// does not fit, an error, no answer in time) is shown to the model as an observation. A tool's result is shown in a user message; it is
/// never read as a step.
/// </para>
/// <para>
/// Thread-safe, as far as the client and the tools are: every run keeps its own state. Errors of the chat client reach the caller.
/// </para>
/// </remarks>
public sealed class ReActAgent : IReasoningStrategy
{
    private static readonly string[] FinishNames = ["finish", "final answer", "final_answer"];

    private readonly IChatClient _chat;
    private readonly ToolBox _tools;
    private readonly ReActOptions _options;

    /// <summary>Creates an agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="tools">The tools that it may use.</param>
    /// <param name="options">Its limits and behaviour; null for the defaults.</param>
    /// <exception cref="ArgumentException">
    /// Two tools cannot be told apart, one is named <c>finish</c>, or one wants approval and there is no callback to give it.
    /// </exception>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not positive.</exception>
    public ReActAgent(IChatClient chat, IEnumerable<AIFunction> tools, ReActOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(chat);
        ArgumentNullException.ThrowIfNull(tools);
        _chat = chat;
        _tools = new ToolBox(tools);
        _options = options ?? new ReActOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxSteps, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxTokens ?? 1, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxObservationLength, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.MaxSameActions, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(_options.MaxInvalidSteps, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(_options.MaxDuration ?? TimeSpan.MaxValue, TimeSpan.Zero, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(_options.ToolTimeout ?? TimeSpan.MaxValue, TimeSpan.Zero, nameof(options));
        foreach (var tool in _tools.Tools)
        {
            if (IsFinish(tool.Name))
                throw new ArgumentException($"A tool must not be named '{tool.Name}': it ends the run.", nameof(tools));
            if (_options.ApproveAsync is null && NeedsApproval(tool))
                throw new ArgumentException(
                    $"Tool '{tool.Name}' wants approval: set {nameof(ReActOptions)}.{nameof(ReActOptions.ApproveAsync)}.", nameof(tools));
        }
    }

    /// <inheritdoc/>
    /// <exception cref="ReasoningException">There is a limit of tokens, and neither the client nor <see cref="ReActOptions.CountTokens"/>
    /// counts them.</exception>
    public async IAsyncEnumerable<AgentStep> RunAsync(
        string question, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(question);
        var clock = new RunClock(_options.TimeProvider);
        using var limit = new RunLimit(_options.MaxDuration, _options.TimeProvider, cancellationToken);
        var words = ReActWords.For(StrategyPrompts.Resolve(_options.Language, question));
        var messages = new List<ChatMessage>(await StrategyPrompts.RenderAsync(
            "react", words.Language, cancellationToken, ("question", question), ("tools", _tools.Describe())).ConfigureAwait(false));
        var actions = new Dictionary<string, int>(StringComparer.Ordinal);
        long tokens = 0;
        int invalid = 0;

        for (int turn = 1; turn <= _options.MaxSteps; turn++)
        {
            bool isLast = turn == _options.MaxSteps;
            if (isLast)
                messages[^1] = new ChatMessage(ChatRole.User, $"{messages[^1].Text}\n\n{words.LastStep}");
            var (response, duration) = await AskAsync(messages, clock, limit).ConfigureAwait(false);
            if (response is null)
            {
                yield return Stop(StopReason.TimeLimit, $"The time allowed ({Written(_options.MaxDuration!.Value)}) is used up.");
                yield break;
            }

            var reply = ReActReply.Parse(response.Text);
            tokens += CountTokens(messages, response);
            yield return clock.Stamp(
                new AgentStep(AgentStepKind.Thought, reply.Thought) { Turn = turn, Duration = duration, Usage = response.Usage });
            if ((reply.Answer ?? FinishInput(reply)) is { } answer)
            {
                yield return clock.Stamp(new AgentStep(AgentStepKind.Answer, answer) { Turn = turn, StopReason = StopReason.Answered });
                yield break;
            }

            messages.Add(new ChatMessage(ChatRole.Assistant, reply.Text));
            string observation;
            if (reply.Tool is null)
            {
                bool isCut = response.FinishReason == ChatFinishReason.Length;
                yield return Step(AgentStepKind.Note,
                    isCut
                        ? "The reply was cut off at its length limit before an action or an answer."
                        : "The reply holds neither an action nor an answer.");
                if (++invalid > _options.MaxInvalidSteps)
                {
                    yield return Stop(isCut ? StopReason.ReplyCutOff : StopReason.InvalidSteps,
                        $"{invalid} steps in a row were malformed.");
                    yield break;
                }

                observation = words.Malformed;
            }
            else
            {
                invalid = 0;
                var call = Resolve(reply);
                yield return Step(AgentStepKind.Action, reply.Input) with
                {
                    Tool = call.Tool?.Name
                    ?? reply.Tool,
                    Arguments = call.Arguments
                };
                if (call.Note is not null)
                    yield return Step(AgentStepKind.Note, call.Note);
                if (isLast)
                    break;
                int times = actions[call.Key] = actions.GetValueOrDefault(call.Key) + 1;
                if (times > _options.MaxSameActions)
                {
                    yield return Stop(StopReason.RepeatedAction,
                        $"The model asked {times} times for '{call.Tool?.Name ?? reply.Tool}' with the same input.");
                    yield break;
                }

                clock.Lap();
                var result = call.Problem ?? await InvokeAsync(call, limit).ConfigureAwait(false);
                if (result is null)
                {
                    yield return Stop(StopReason.TimeLimit,
                        $"The time allowed ({Written(_options.MaxDuration!.Value)}) is used up; tool '{call.Tool!.Name}' was cancelled.");
                    yield break;
                }

                observation = Truncate(result, words);
                yield return Step(AgentStepKind.Observation, observation) with
                {
                    Tool = call.Tool?.Name
                    ?? reply.Tool,
                    Duration = clock.Lap()
                };
                observation = $"{words.Observation} {observation}";
                if (times > 1)
                    observation += $"\n\n{words.SameAction}";
            }

            messages.Add(new ChatMessage(ChatRole.User, observation));
            if (tokens >= _options.MaxTokens)
            {
                yield return Stop(StopReason.TokenLimit,
                    string.Create(CultureInfo.InvariantCulture, $"{tokens} tokens are used, {_options.MaxTokens} are allowed."));
                yield break;
            }

            AgentStep Step(AgentStepKind kind, string text) => clock.Stamp(new AgentStep(kind, text) { Turn = turn });
            AgentStep Stop(StopReason reason, string text) => Step(AgentStepKind.Stopped, text) with { StopReason = reason };
        }

        yield return clock.Stamp(
            new AgentStep(AgentStepKind.Stopped, string.Create(CultureInfo.InvariantCulture, $"All {_options.MaxSteps} steps are used up."))
            {
                Turn = _options.MaxSteps,
                StopReason = StopReason.StepLimit,
            });
    }

    private static bool IsFinish(string name) => FinishNames.Contains(name.Trim(), StringComparer.OrdinalIgnoreCase);

    private static bool NeedsApproval(AIFunction tool) => tool.GetService<ApprovalRequiredAIFunction>() is not null;

    private static string Written(TimeSpan time) => time.ToString("c", CultureInfo.InvariantCulture);

    /// <summary>The answer of <c>Action: finish</c>, which many models have learned from ReAct's paper.</summary>
    private static string? FinishInput(ReActReply reply)
    {
        if (reply.Tool is null || !IsFinish(reply.Tool) || reply.Input.Length == 0)
            return null;
        if (!reply.Input.StartsWith('{'))
            return LabeledText.Unwrap(reply.Input);
        try
        {
            using var json = System.Text.Json.JsonDocument.Parse(reply.Input);
            var members = json.RootElement.EnumerateObject().ToList();
            return members.Count == 1 ? ToolText.Of(members[0].Value.Clone()) : reply.Input;
        }
        catch (System.Text.Json.JsonException)
        {
            return reply.Input;
        }
    }

    /// <summary>Asks the model; the response is null where the time is used up.</summary>
    private async Task<(ChatResponse? Response, TimeSpan Duration)> AskAsync(List<ChatMessage> messages, RunClock clock, RunLimit limit)
    {
        var options = _options.ChatOptions?.Clone() ?? new ChatOptions();
        options.StopSequences = [.. options.StopSequences ?? [], .. ReActReply.StopSequences];
        clock.Lap();
        var response = await limit.RunAsync(token => _chat.GetResponseAsync([.. messages], options, token)).ConfigureAwait(false);
        return (response, clock.Lap());
    }

    private long CountTokens(List<ChatMessage> messages, ChatResponse response)
    {
        if (_options.MaxTokens is null)
            return 0;
        if (response.Usage is { } usage && (usage.TotalTokenCount ?? usage.InputTokenCount + usage.OutputTokenCount) is { } total)
            return total;
        if (_options.CountTokens is not { } count)
            throw new ReasoningException($"The chat client reports no token usage, so the limit of {_options.MaxTokens} tokens cannot be "
                + $"kept: set {nameof(ReActOptions)}.{nameof(ReActOptions.CountTokens)}, or leave {nameof(ReActOptions.MaxTokens)} out.");
        return messages.Sum(message => (long)count(message.Text)) + count(response.Text);
    }

    private ToolCall Resolve(ReActReply reply)
    {
        var tool = _tools.Find(reply.Tool!);
        if (tool is null)
        {
            var names = string.Join(", ", _tools.Tools.Select(known => known.Name));
            return new ToolCall(null, null, null, $"Error: there is no tool '{reply.Tool}'. Tools: {names}.",
                $"?{reply.Tool} {reply.Input}");
        }

        var note = tool.Name == reply.Tool ? null : $"Tool '{reply.Tool}' is read as '{tool.Name}'.";
        try
        {
            var arguments = ToolArguments.Read(tool, reply.Input);
            return new ToolCall(tool, arguments, note, null, $"{tool.Name} {ToolArguments.Canonical(arguments)}");
        }
        catch (FormatException e)
        {
            return new ToolCall(tool, null, note, $"Error: {e.Message}", $"{tool.Name} {reply.Input}");
        }
    }

    /// <summary>Calls the tool; the result is null where the time of the run is used up.</summary>
    private async Task<string?> InvokeAsync(ToolCall call, RunLimit limit)
    {
        var (tool, arguments) = (call.Tool!, call.Arguments!);
        return await limit.RunAsync(async token =>
        {
            using var timeout = new RunLimit(_options.ToolTimeout, _options.TimeProvider, token);
            try
            {
                if (NeedsApproval(tool) && !await _options.ApproveAsync!(tool.Name, arguments, token).ConfigureAwait(false))
                    return "Error: this call was not approved.";
                // On a thread of the pool, since a tool may block before its first await.
                var result = await timeout.RunAsync(inner => Task.Run(
                    async () => ToolText.Of(await tool.InvokeAsync(arguments, inner).ConfigureAwait(false) ?? ""), inner))
                        .ConfigureAwait(false);
                return result is null ? $"Error: the tool did not answer within {Written(_options.ToolTimeout!.Value)}."
                    : result.Length == 0 ? "(the tool gave no result)" : result;
            }
            catch (Exception e) when (!token.IsCancellationRequested)
            {
                return $"Error: {e.Message}";
            }
        }).ConfigureAwait(false);
    }

    private string Truncate(string result, ReActWords words)
    {
        int length = _options.MaxObservationLength;
        if (result.Length <= length)
            return result;
        if (char.IsHighSurrogate(result[length - 1]))
            length--;
        return string.Create(CultureInfo.InvariantCulture,
            $"{result[..length]}… {string.Format(CultureInfo.InvariantCulture, words.Truncated, result.Length - length)}");
    }

    private sealed record ToolCall(AIFunction? Tool, AIFunctionArguments? Arguments, string? Note, string? Problem, string Key);
}

/// <summary>The limits and the behaviour of a <see cref="ReActAgent"/>.</summary>
public sealed record ReActOptions
{
    /// <summary>
    /// The most model calls; 8 unless said otherwise. On the last one the model is told to answer, and no tool is called any more.
    /// </summary>
    public int MaxSteps { get; init; } = 8;

    /// <summary>
    /// The most tokens of all model calls together, input and output; null for no limit. No model call starts once they are used up.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// Counts the tokens of a text for <see cref="MaxTokens"/> where the client reports no usage; null makes that an error.
    /// </summary>
    public Func<string, int>? CountTokens { get; init; }

    /// <summary>The most time that a run takes; null for no limit. A model or tool call under way is cancelled.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>
    /// The most time that one tool call takes; 30 seconds unless said otherwise, null for no limit. The model is told when a tool does not
    /// answer.
    /// </summary>
    public TimeSpan? ToolTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The most UTF-16 units of a tool's result that the model is shown; 4,000 unless said otherwise. It is told how much is left out.
    /// </summary>
    public int MaxObservationLength { get; init; } = 4000;

    /// <summary>
    /// How often the same action with the same input is run; 2 unless said otherwise. From the second time on, the model is told; one more
    /// time ends the run.
    /// </summary>
    public int MaxSameActions { get; init; } = 2;

    /// <summary>How many malformed steps in a row are sent back to the model; 2 unless said otherwise. One more ends the run.</summary>
    public int MaxInvalidSteps { get; init; } = 2;

    /// <summary>
    /// Asked before a tool that wants approval (<see cref="ApprovalRequiredAIFunction"/>) is called, with its name and arguments; such a
    /// tool is refused without it.
    /// </summary>
    public Func<string, IReadOnlyDictionary<string, object?>, CancellationToken, ValueTask<bool>>? ApproveAsync { get; init; }

    /// <summary>The language of the prompt.</summary>
    public PromptLanguage Language { get; init; }

    /// <summary>Options passed on with each model call; null for the client's own. Stop sequences are added to them.</summary>
    public ChatOptions? ChatOptions { get; init; }

    /// <summary>The clock behind the limits of time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
