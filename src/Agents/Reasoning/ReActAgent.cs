using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Safety;
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>
/// Answers a question by turns of thought, action and observation (ReAct: Yao et al., 2022). A step is a JSON object by a schema that is
/// made of the tools' own, so it works with any chat client, even one without tool calls.
/// </summary>
/// <remarks>
/// <para>
/// Tools are called with arguments that were checked against their schema. Whatever goes wrong with a tool (an unknown name, input that
/// does not fit, an error, no answer in time) is shown to the model as an observation. A tool's result is shown in a user message; it is
/// never read as a step.
/// </para>
/// <para>
/// A tool that wants approval (<see cref="ApprovalRequiredAIFunction"/>) is asked for through <see cref="ReActOptions.ApproveAsync"/>, or
/// else as the framework does: the run ends with a <see cref="ToolApprovalRequestContent"/>, and the next run of the session, given its
/// response, goes on where it was. A function without an implementation, such as a handoff that a workflow adds, ends the run with its
/// call.
/// </para>
/// </remarks>
public sealed class ReActAgent : StrategyAgent
{
    private const string StateKey = "kotonoha.react";

    private readonly IReadOnlyList<AITool> _tools;
    private readonly ReActOptions _options;

    /// <summary>Creates an agent.</summary>
    /// <param name="chat">The chat client.</param>
    /// <param name="tools">The tools that it may use.</param>
    /// <param name="options">Its limits and behaviour; null for the defaults.</param>
    /// <exception cref="ArgumentException">Two tools cannot be told apart, or one is named <c>answer</c> or <c>finish</c>.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A limit is not positive.</exception>
    public ReActAgent(IChatClient chat, IEnumerable<AITool> tools, ReActOptions? options = null)
        : base(chat, options ??= new ReActOptions())
    {
        ArgumentNullException.ThrowIfNull(tools);
        _options = options;
        _tools = [.. tools];
        _ = ReActLoop.Open(_tools);
    }

    private protected override async Task<string> ReasonAsync(ReasoningRun run)
    {
        var loop = new ReActLoop(run, ReActLoop.Open([.. _tools, .. run.Tools]), _options, asksCaller: !run.IsNested);
        if (run.IsNested)
            return await loop.RunAsync(await loop.PromptAsync().ConfigureAwait(false)).ConfigureAwait(false);
        var state = run.Session.StateBag.GetValue<ReActState>(StateKey, AIJsonUtilities.DefaultOptions);
        run.Session.StateBag.TryRemoveValue(StateKey);
        var answers = run.Responses.OfType<ToolApprovalResponseContent>().ToList();
        if (answers.Count > 0 && answers.All(answer => answer.RequestId != state?.RequestId))
            throw new ReasoningException($"The approval '{answers[0].RequestId}' belongs to no call that waits in this session: pass the "
                + "session of the run that asked for it, once.");
        try
        {
            return state is null || answers.Count == 0
                ? await loop.RunAsync(await loop.PromptAsync().ConfigureAwait(false)).ConfigureAwait(false)
                : await loop.GoOnAsync(state, answers.First(answer => answer.RequestId == state.RequestId)).ConfigureAwait(false);
        }
        catch (RunStoppedException e) when (e.Reason == StopReason.ApprovalNeeded)
        {
            run.Session.StateBag.SetValue(StateKey, loop.Waiting!, AIJsonUtilities.DefaultOptions);
            throw;
        }
    }
}

/// <summary>The limits and the behaviour of a <see cref="ReActAgent"/>.</summary>
public sealed record ReActOptions : StrategyOptions
{
    /// <summary>
    /// The most steps; 8 unless said otherwise. On the last one the model can only answer, and no tool is called any more.
    /// </summary>
    public int MaxSteps { get; init; } = 8;

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

    /// <summary>
    /// Rules for what comes from outside: a tool that is not read-only then needs an approval once the run has seen a tool's result. Put
    /// them around the client too, which they also protect against links and leaks. Null for none.
    /// </summary>
    public Guardrails? Guardrails { get; init; }

    /// <summary>
    /// Asked before a tool that wants approval is called, with its name and arguments; null leaves the approval to the caller of the run.
    /// </summary>
    public Func<string, IReadOnlyDictionary<string, object?>, CancellationToken, ValueTask<bool>>? ApproveAsync { get; init; }

    private protected override void CheckOwn()
    {
        Positive(MaxSteps, nameof(MaxSteps));
        Positive(MaxObservationLength, nameof(MaxObservationLength));
        Positive(MaxSameActions, nameof(MaxSameActions));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(ToolTimeout ?? TimeSpan.MaxValue, TimeSpan.Zero, nameof(ToolTimeout));
    }
}

/// <summary>A call that waits for an approval, and all that the run needs to go on.</summary>
internal sealed record ReActState(
    string RequestId, string CallId, string Tool, JsonElement Arguments, int Step, List<ChatMessage> Messages,
    Dictionary<string, int> Actions);

/// <summary>The turns of thought, action and observation, within one run.</summary>
internal sealed class ReActLoop(ReasoningRun run, ToolBox tools, ReActOptions options, bool asksCaller)
{
    private readonly ReActWords _words = ReActWords.For(run.Language);

    // Whose results are from outside is known without guardrails too: the answer is remembered with it.
    private readonly Guardrails _rules = options.Guardrails ?? Guardrails.Standard;
    private Dictionary<string, int> _actions = new(StringComparer.Ordinal);

    /// <summary>The call that waits, where the run ended for an approval.</summary>
    internal ReActState? Waiting { get; private set; }

    /// <summary>The tools, told apart and none named like the end of a run.</summary>
    internal static ToolBox Open(IEnumerable<AITool> tools)
    {
        var functions = new List<AIFunctionDeclaration>();
        foreach (var tool in tools)
        {
            ArgumentNullException.ThrowIfNull(tool, nameof(tools));
            functions.Add(tool as AIFunctionDeclaration ?? throw new ArgumentException(
                $"The tool '{tool.Name}' is no function ({tool.GetType().Name}): a provider's hosted tools need its own tool calls.",
                nameof(tools)));
            if (ToolStepReply.IsAnswer(tool.Name))
                throw new ArgumentException($"A tool must not be named '{tool.Name}': it ends the run.", nameof(tools));
        }

        return new ToolBox(functions);
    }

    internal async Task<List<ChatMessage>> PromptAsync()
    {
        var prompt = await StrategyPrompts.RenderAsync("react", run.Language, run.Meter.Cancellation, ("tools", tools.Describe()))
            .ConfigureAwait(false);
        return run.Prompt(prompt[0].Text);
    }

    /// <summary>Goes on after an approval was given or refused.</summary>
    internal async Task<string> GoOnAsync(ReActState state, ToolApprovalResponseContent answer)
    {
        _actions = new Dictionary<string, int>(state.Actions, StringComparer.Ordinal);
        var messages = state.Messages.ToList();
        run.Meter.OutsideSource ??= _rules.SourceOf(messages);
        if (tools.Find(state.Tool) is not AIFunction tool)
            throw new ReasoningException($"The tool '{state.Tool}' waits for an approval, but the agent no longer has it.");
        var arguments = ToolArguments.Read(tool, state.Arguments.GetRawText());
        run.Emit(new AgentStep(AgentStepKind.Action, state.Arguments.GetRawText())
        {
            Turn = run.Meter.Calls,
            Tool = state.Tool,
            CallId = state.CallId,
            Arguments = arguments.ToDictionary(),
        });
        var result = answer.Approved
            ? await run.InvokeAsync(tool, arguments, options.ToolTimeout).ConfigureAwait(false)
            : Refused(answer.Reason);
        Observe(messages, state.Tool, state.CallId, result, null);
        return await RunAsync(messages, state.Step + 1).ConfigureAwait(false);
    }

    internal async Task<string> RunAsync(List<ChatMessage> messages, int first = 1)
    {
        var format = new ToolStepReply(tools.Tools);
        for (int turn = first; turn <= options.MaxSteps; turn++)
        {
            bool isLast = turn == options.MaxSteps;
            if (isLast && turn > 1)
            {
                ReasoningRun.Nudge(messages, _words.LastStep);
                format = new ToolStepReply([]);
            }

            var (step, reply) = await run.AskAsync(messages, format).ConfigureAwait(false);
            run.Emit(AgentStepKind.Thought, step.Thought, reply);
            if (step.IsAnswer)
                return step.Input;
            messages.Add(new ChatMessage(ChatRole.Assistant, step.Text));
            await ActAsync(messages, step, turn, isLast).ConfigureAwait(false);
        }

        throw new RunStoppedException(StopReason.StepLimit,
            string.Create(CultureInfo.InvariantCulture, $"All {options.MaxSteps} steps are used up."));
    }

    private static string Refused(string? reason)
        => string.IsNullOrWhiteSpace(reason) ? "Error: this call was not approved." : $"Error: this call was not approved: {reason}";

    private bool AsksCaller(AITool tool, List<ChatMessage> messages) => options.ApproveAsync is null && WantsApproval(tool, messages);

    private bool WantsApproval(AITool tool, List<ChatMessage> messages)
        => NeedsApproval(tool) || options.Guardrails?.NeedsApproval(tool, Seen(messages), tools.Tools) == true;

    // What an earlier step of the strategy was told by a tool is in its result, which bears no label.
    private IEnumerable<ChatMessage> Seen(List<ChatMessage> messages)
        => run.Meter.OutsideSource is { } source
            ? messages.Append(new ChatMessage(ChatRole.User, [Guardrails.FromOutside(new TextContent(""), source)]))
            : messages;

    internal static bool NeedsApproval(AITool tool) => tool.GetService<ApprovalRequiredAIFunction>() is not null;

    private async Task ActAsync(List<ChatMessage> messages, ToolStep step, int turn, bool isLast)
    {
        var tool = tools.Find(step.Action);
        var (arguments, problem) = Read(tool, step);
        var name = tool?.Name ?? step.Action;
        var call = Guid.NewGuid().ToString("N")[..12];
        run.Emit(new AgentStep(AgentStepKind.Action, step.Input)
        {
            Turn = run.Meter.Calls,
            Tool = name,
            CallId = call,
            Arguments = arguments?.ToDictionary(),
            IsOfCaller = arguments is not null && !isLast && (tool is not AIFunction || (asksCaller && AsksCaller(tool, messages))),
        });
        if (tool is not null && name != step.Action)
            run.Emit(AgentStepKind.Note, $"Tool '{step.Action}' is read as '{name}'.");
        var key = arguments is null ? $"{name} {step.Input}" : $"{name} {ToolArguments.Canonical(arguments)}";
        int times = _actions[key] = _actions.GetValueOrDefault(key) + 1;
        if (isLast)
        {
            Observe(messages, name, call, "Error: no step is left, so no tool is called.", null);
            return;
        }

        if (times > options.MaxSameActions)
            throw new RunStoppedException(StopReason.RepeatedAction, $"The model asked {times} times for '{name}' with the same input.");
        long start = run.Options.TimeProvider.GetTimestamp();
        if (problem is null && tool is not AIFunction)
            throw new RunStoppedException(StopReason.CallerFunction, $"'{name}' is called by the caller of the run.",
                new FunctionCallContent(call, name, arguments!.ToDictionary()));
        if (problem is null && WantsApproval(tool!, messages))
            problem = await ApproveAsync(messages, tool!, arguments!, call, turn).ConfigureAwait(false);
        problem ??= await run.InvokeAsync((AIFunction)tool!, arguments!, options.ToolTimeout).ConfigureAwait(false);
        Observe(messages, name, call, problem, times > 1 ? _words.SameAction : null, run.Options.TimeProvider.GetElapsedTime(start));
    }

    private (AIFunctionArguments? Arguments, string? Problem) Read(AIFunctionDeclaration? tool, ToolStep step)
    {
        if (tool is null)
            return (null, $"Error: there is no tool '{step.Action}'. Tools: {string.Join(", ", tools.Tools.Select(known => known.Name))}.");
        try
        {
            return (ToolArguments.Read(tool, step.Input), null);
        }
        catch (FormatException e)
        {
            return (null, $"Error: {e.Message}");
        }
    }

    /// <summary>Null where the call is approved; else what the model is told.</summary>
    private async ValueTask<string?> ApproveAsync(
        List<ChatMessage> messages, AIFunctionDeclaration tool, AIFunctionArguments arguments, string call, int turn)
    {
        if (options.ApproveAsync is { } approve)
        {
            var given =
                await run.Meter.Limit.RunAsync(async token => (object)await approve(tool.Name, arguments, token).ConfigureAwait(false))
                .ConfigureAwait(false) ?? throw run.Meter.TimeIsUp();
            return (bool)given ? null : Refused(null);
        }

        if (!asksCaller)
            return Refused("nobody is there to approve it");
        var request = new ToolApprovalRequestContent(call, new FunctionCallContent(call, tool.Name, arguments.ToDictionary()));
        Waiting = new ReActState(request.RequestId, call, tool.Name, JsonSerializer.SerializeToElement(
            arguments.ToDictionary(), AIJsonUtilities.DefaultOptions), turn, messages, _actions);
        throw new RunStoppedException(StopReason.ApprovalNeeded, $"'{tool.Name}' waits for an approval.", request);
    }

    private void Observe(List<ChatMessage> messages, string tool, string call, string output, string? note, TimeSpan duration = default)
    {
        var text = Truncate(output);
        run.Emit(new AgentStep(AgentStepKind.Observation, text)
        {
            Turn = run.Meter.Calls,
            Tool = tool,
            CallId = call,
            Duration = duration,
        });
        var result = new TextContent(text);
        if (!_rules.IsTrusted(tool))
        {
            Guardrails.FromOutside(result, tool);
            run.Meter.OutsideSource ??= tool;
        }

        var message = new ChatMessage(ChatRole.User, [new TextContent($"{_words.Observation} "), result]);
        if (note is not null)
            message.Contents.Add(new TextContent($"\n\n{note}"));
        messages.Add(message);
    }

    private string Truncate(string result)
    {
        int length = ToolText.CutAt(result, options.MaxObservationLength);
        if (result.Length == length)
            return result;
        return string.Create(CultureInfo.InvariantCulture,
            $"{result[..length]}… {string.Format(CultureInfo.InvariantCulture, _words.Truncated, result.Length - length)}");
    }
}

/// <summary>What a ReAct agent says to the model between its steps.</summary>
internal sealed record ReActWords(string Observation, string LastStep, string SameAction, string Truncated)
{
    private static readonly ReActWords English = new(
        "Observation:",
        "This is the last step: no tool can be used any more. Give the best answer you can.",
        "This is the same action with the same input as before. Use its result, or try something else.",
        "({0} more characters are left out)");

    private static readonly ReActWords Japanese = new(
        "観察:",
        "これが最後の一歩です。もう道具は使えません。できるかぎりの答えを書いてください。",
        "これは前と同じ行動、同じ入力です。その結果を使うか、別のことを試してください。",
        "（あと {0} 文字は省略）");

    internal static ReActWords For(PromptLanguage language) => language == PromptLanguage.Japanese ? Japanese : English;
}
