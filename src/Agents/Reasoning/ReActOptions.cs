using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>The limits and the manner of a <see cref="ReActAgent"/>.</summary>
public sealed record ReActOptions
{
    /// <summary>The most model calls; 8 unless said otherwise. On the last one the model is told to answer, and no tool is called any more.</summary>
    public int MaxSteps { get; init; } = 8;

    /// <summary>The most tokens of all model calls together, input and output; null for no limit. No model call starts once they are used up.</summary>
    public int? MaxTokens { get; init; }

    /// <summary>Counts the tokens of a text for <see cref="MaxTokens"/> where the client reports no usage; null makes that an error.</summary>
    public Func<string, int>? CountTokens { get; init; }

    /// <summary>The most time that a run takes; null for no limit. A model or tool call under way is cancelled.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>The most time that one tool call takes; 30 seconds unless said otherwise, null for no limit. The model is told when a tool does not answer.</summary>
    public TimeSpan? ToolTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The most UTF-16 units of a tool's result that the model is shown; 4,000 unless said otherwise. It is told how much is left out.</summary>
    public int MaxObservationLength { get; init; } = 4000;

    /// <summary>How often the same action with the same input is run; 2 unless said otherwise. From the second time on the model is told; one more ends the run.</summary>
    public int MaxSameActions { get; init; } = 2;

    /// <summary>How many malformed steps in a row are sent back to the model; 2 unless said otherwise. One more ends the run.</summary>
    public int MaxInvalidSteps { get; init; } = 2;

    /// <summary>Asked before a tool that wants approval (<see cref="ApprovalRequiredAIFunction"/>) is called, with its name and arguments; such a tool is refused without it.</summary>
    public Func<string, IReadOnlyDictionary<string, object?>, CancellationToken, ValueTask<bool>>? ApproveAsync { get; init; }

    /// <summary>The language of the prompt.</summary>
    public PromptLanguage Language { get; init; }

    /// <summary>Options passed on with each model call; null for the client's own. Stop sequences are added to them.</summary>
    public ChatOptions? ChatOptions { get; init; }

    /// <summary>The clock behind the limits of time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;
}
