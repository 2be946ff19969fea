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
