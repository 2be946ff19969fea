namespace Kotonoha.Agents.Reasoning;

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
