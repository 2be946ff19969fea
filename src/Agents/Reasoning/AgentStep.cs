using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>One step of a reasoning trace, as data.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The thought, the observation, the answer, the note, or the action's input.</param>
public sealed record AgentStep(AgentStepKind Kind, string Text)
{
    /// <summary>The model call that it belongs to, from 1.</summary>
    public int Turn { get; init; }

    /// <summary>The tool, for an action and its observation; null else.</summary>
    public string? Tool { get; init; }

    /// <summary>The arguments that the tool was called with, for an action whose input could be read; null else.</summary>
    public IReadOnlyDictionary<string, object?>? Arguments { get; init; }

    /// <summary>When the step was finished, counted from the start of the run.</summary>
    public TimeSpan Elapsed { get; init; }

    /// <summary>How long the model call or the tool call took; zero for steps that came out of the same model call.</summary>
    public TimeSpan Duration { get; init; }

    /// <summary>The tokens of the model call, on the first step that came out of it; null else, or where the client reports none.</summary>
    public UsageDetails? Usage { get; init; }

    /// <summary>Why the run ended, on its last step; null else.</summary>
    public StopReason? StopReason { get; init; }

    /// <summary>The step as one line or more for a person to read, for example <c>Action: calculator 2 + 3</c>.</summary>
    /// <returns>The kind, the tool if there is one, and the text.</returns>
    public override string ToString() => Tool is not null && Kind == AgentStepKind.Action ? $"{Kind}: {Tool} {Text}" : $"{Kind}: {Text}";
}
