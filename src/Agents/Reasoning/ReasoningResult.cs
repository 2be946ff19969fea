using Kotonoha.Foundation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>What a reasoning strategy came to.</summary>
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
}

/// <summary>One step of a reasoning trace, as data.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The thought, the observation, the answer, the note, or the action's input.</param>
public sealed record AgentStep(AgentStepKind Kind, string Text)
{
    /// <summary>The model call that it belongs to, from 1.</summary>
    public int Turn { get; init; }

    /// <summary>The tool, for an action and its observation; null otherwise.</summary>
    public string? Tool { get; init; }

    /// <summary>The arguments that the tool was called with, for an action whose input could be read; null otherwise.</summary>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

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

    /// <summary>The step as one line or more for a person to read, for example <c>Action: calculator 2 + 3</c>.</summary>
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

    /// <summary>Something the strategy noticed: a missing marker, a tool name read as another, a malformed step.</summary>
    Note,

    /// <summary>The answer.</summary>
    Answer,

    /// <summary>The strategy ended without an answer.</summary>
    Stopped,
}

/// <summary>Why a reasoning strategy ended.</summary>
public enum StopReason
{
    /// <summary>It gave its answer.</summary>
    Answered,

    /// <summary>The model's last reply holds no marked answer; the reply stands in the trace.</summary>
    AnswerMissing,

    /// <summary>The model's last reply was cut off at its length limit before an answer.</summary>
    ReplyCutOff,

    /// <summary>Too many replies in a row did not keep to the form of a step.</summary>
    InvalidSteps,

    /// <summary>The steps allowed are used up.</summary>
    StepLimit,

    /// <summary>The tokens allowed are used up.</summary>
    TokenLimit,

    /// <summary>The time allowed is used up.</summary>
    TimeLimit,

    /// <summary>The model asked for the same action with the same input too often.</summary>
    RepeatedAction,
}

/// <summary>
/// Keeps a time limit on work that is done with a cancellation token, and tells that limit apart from the caller's cancellation.
/// </summary>
internal sealed class RunLimit : IDisposable
{
    private readonly CancellationTokenSource? _timer;
    private readonly CancellationTokenSource? _linked;
    private readonly CancellationToken _caller;

    internal RunLimit(TimeSpan? limit, TimeProvider time, CancellationToken caller)
    {
        _caller = caller;
        if (limit is null)
            return;
        _timer = new CancellationTokenSource(limit.Value, time);
        _linked = CancellationTokenSource.CreateLinkedTokenSource(_timer.Token, caller);
    }

    /// <summary>Does work, even work that does not look at its token; null where the time was used up.</summary>
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
        catch (Exception e) when (e is not OperationCanceledException && _caller.IsCancellationRequested)
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

/// <summary>Measures a run: the time since its start, and the time since the last look.</summary>
internal sealed class RunClock(TimeProvider time)
{
    private readonly long _start = time.GetTimestamp();
    private long _last = time.GetTimestamp();

    internal TimeSpan Elapsed => time.GetElapsedTime(_start);

    internal TimeSpan Lap()
    {
        long now = time.GetTimestamp();
        var lap = time.GetElapsedTime(_last, now);
        _last = now;
        return lap;
    }

    internal AgentStep Stamp(AgentStep step) => step with { Elapsed = Elapsed };
}

/// <summary>
/// A reasoning strategy cannot keep what it was asked to keep, for example a token limit over a client that reports no tokens.
/// </summary>
/// <param name="message">What failed, on what input, and what to do next.</param>
public sealed class ReasoningException(string message) : KotonohaException(message);
