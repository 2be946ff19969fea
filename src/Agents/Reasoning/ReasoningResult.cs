using System.Text;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>What a strategy came to: its answer and the whole trace.</summary>
public sealed class ReasoningResult
{
    /// <summary>Collects the steps of a finished run.</summary>
    /// <param name="steps">All steps; the last one says why the run ended.</param>
    /// <exception cref="ArgumentException">The last step does not say why the run ended.</exception>
    public ReasoningResult(IReadOnlyList<AgentStep> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        StopReason = steps.Count > 0 && steps[^1].StopReason is { } reason
            ? reason
            : throw new ArgumentException("The run is not finished: its last step gives no reason to stop.", nameof(steps));
        Steps = steps;
        Answer = steps[^1].Kind == AgentStepKind.Answer ? steps[^1].Text : null;
        Reasoning = string.Join('\n', steps.Where(step => step.Kind == AgentStepKind.Thought).Select(step => step.Text));
        Usage = new UsageDetails();
        foreach (var step in steps)
            if (step.Usage is not null)
                Usage.Add(step.Usage);
        Elapsed = steps[^1].Elapsed;
    }

    /// <summary>The answer, or null where there is none; <see cref="StopReason"/> then says why.</summary>
    public string? Answer { get; }

    /// <summary>The thoughts, one after the other.</summary>
    public string Reasoning { get; }

    /// <summary>The whole trace.</summary>
    public IReadOnlyList<AgentStep> Steps { get; }

    /// <summary>The tokens of all model calls, as far as the client reports them.</summary>
    public UsageDetails Usage { get; }

    /// <summary>Why the run ended.</summary>
    public StopReason StopReason { get; }

    /// <summary>How long the run took.</summary>
    public TimeSpan Elapsed { get; }

    /// <summary>The trace as lines for a person to read; what came out of another step (a tree's thought) is indented below it.</summary>
    /// <returns>One line or more per step.</returns>
    public override string ToString()
    {
        var depths = new Dictionary<int, int>();
        var text = new StringBuilder();
        foreach (var step in Steps)
        {
            int depth = depths[step.Id] = step.Parent is { } parent ? depths.GetValueOrDefault(parent) + 1 : 0;
            text.Append(' ', 2 * depth).Append(step).Append('\n');
        }

        return text.ToString();
    }
}

/// <summary>Reads the trace of a strategy from what the framework's calls return.</summary>
public static class ReasoningExtensions
{
    /// <summary>The trace behind a response.</summary>
    /// <param name="response">The response of a <see cref="StrategyAgent"/>, also through agents that pass it on.</param>
    /// <returns>The trace, or null where the response does not come from a strategy.</returns>
    public static ReasoningResult? GetReasoning(this AgentResponse response)
    {
        ArgumentNullException.ThrowIfNull(response);
        return response.RawRepresentation as ReasoningResult;
    }

    /// <summary>The step behind an update.</summary>
    /// <param name="update">The update of a <see cref="StrategyAgent"/>.</param>
    /// <returns>The step, or null where the update does not come from a strategy.</returns>
    public static AgentStep? GetStep(this AgentResponseUpdate update)
    {
        ArgumentNullException.ThrowIfNull(update);
        return update.RawRepresentation as AgentStep;
    }
}

/// <summary>One step of a reasoning trace, as data.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The thought, the observation, the answer, the note, or the action's input.</param>
public sealed record AgentStep(AgentStepKind Kind, string Text)
{
    /// <summary>The number of the step within its run, from 1.</summary>
    public int Id { get; init; }

    /// <summary>The step that this one continues or judges, for strategies that branch; null for a step of the trunk.</summary>
    public int? Parent { get; init; }

    /// <summary>The model call that it belongs to, from 1.</summary>
    public int Turn { get; init; }

    /// <summary>The tool, for an action and its observation; null otherwise.</summary>
    public string? Tool { get; init; }

    /// <summary>The id that an action and its observation share; null otherwise.</summary>
    public string? CallId { get; init; }

    /// <summary>The arguments that the tool was called with, for an action whose input could be read; null otherwise.</summary>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    /// <summary>The value of an evaluation (0 to 1), or the share of the votes of an answer; null otherwise.</summary>
    public double? Score { get; init; }

    /// <summary>When the step was finished, counted from the start of the run.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>How long the model call or the tool call took; zero for steps that came out of the same model call.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>
    /// The tokens of the model call, on the first step that came out of it; null otherwise, or where the client reports none.
    /// </summary>
    public UsageDetails? Usage { get; init; }

    /// <summary>Why the run ended, on its last step; null otherwise.</summary>
    public StopReason? StopReason { get; init; }

    /// <summary>Whether the call is the caller's to run or to approve, who is shown it as such.</summary>
    internal bool IsOfCaller { get; init; }

    /// <summary>The step as one line or more for a person to read, for example <c>Action: calculator {"expression": "2 + 3"}</c>.</summary>
    /// <returns>The kind, the tool if there is one, and the text.</returns>
    public override string ToString() => Tool is not null && Kind == AgentStepKind.Action ? $"{Kind}: {Tool} {Text}" : $"{Kind}: {Text}";
}

/// <summary>What a step of a trace is.</summary>
public enum AgentStepKind
{
    /// <summary>What the model thought.</summary>
    Thought,

    /// <summary>A tool that the model asked for.</summary>
    Action,

    /// <summary>What the tool gave back, or why it gave nothing.</summary>
    Observation,

    /// <summary>The plan, one step a line.</summary>
    Plan,

    /// <summary>A judgement of a thought or of an answer, with its <see cref="AgentStep.Score"/>.</summary>
    Evaluation,

    /// <summary>Something the strategy noticed: a missing marker, a tool name read as another, a malformed step.</summary>
    Note,

    /// <summary>The answer.</summary>
    Answer,

    /// <summary>The strategy ended without an answer.</summary>
    Stopped,
}

/// <summary>Why a strategy ended.</summary>
public enum StopReason
{
    /// <summary>It gave its answer.</summary>
    Answered,

    /// <summary>No model call held an answer; the replies stand in the trace.</summary>
    AnswerMissing,

    /// <summary>The model's last reply was cut off at its length limit before an answer.</summary>
    ReplyCutOff,

    /// <summary>Too many replies in a row did not keep to the form that was asked for.</summary>
    InvalidReplies,

    /// <summary>The steps allowed are used up.</summary>
    StepLimit,

    /// <summary>The model calls allowed are used up.</summary>
    ModelCallLimit,

    /// <summary>The tokens allowed are used up.</summary>
    TokenLimit,

    /// <summary>The time allowed is used up.</summary>
    TimeLimit,

    /// <summary>The tool calls allowed are used up.</summary>
    ToolCallLimit,

    /// <summary>The model asked for the same action with the same input too often.</summary>
    RepeatedAction,

    /// <summary>Every answer was found wrong by the evaluation that the options name.</summary>
    AnswerRejected,

    /// <summary>
    /// A tool wants approval: the response holds a <see cref="ToolApprovalRequestContent"/>, and the next run of the session with its
    /// answer goes on.
    /// </summary>
    ApprovalNeeded,

    /// <summary>
    /// The model called a function that the caller runs (a handoff, for example): the response holds the <see cref="FunctionCallContent"/>.
    /// </summary>
    CallerFunction,
}
