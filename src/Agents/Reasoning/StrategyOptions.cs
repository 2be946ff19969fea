using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Reasoning;

/// <summary>What all strategies have in common: who they are, how they speak to the model, and what a run may cost.</summary>
public record StrategyOptions
{
    /// <summary>
    /// The agent's id; where it is null the name, or else a random one. A checkpoint is resumed only by agents whose ids are the same.
    /// </summary>
    public string? Id { get; init; }

    /// <summary>The agent's name.</summary>
    public string? Name { get; init; }

    /// <summary>What the agent is for, as other agents and people read it.</summary>
    public string? Description { get; init; }

    /// <summary>What the model is told before the strategy's own instructions.</summary>
    public string? Instructions { get; init; }

    /// <summary>The language of the prompts.</summary>
    public PromptLanguage Language { get; init; }

    /// <summary>Options passed on with each model call; null for the client's own. A reply's form and length are set in a copy.</summary>
    public ChatOptions? ChatOptions { get; init; }

    /// <summary>What a run may cost.</summary>
    public RunBudget Budget { get; init; } = new();

    /// <summary>How often a malformed reply is sent back to the model; 2 unless said otherwise. One more ends the run.</summary>
    public int MaxRepairs { get; init; } = 2;

    /// <summary>Counts the tokens of a text for the budget where the client reports no usage; null makes that an error.</summary>
    public Func<string, int>? CountTokens { get; init; }

    /// <summary>
    /// Keeps the history of a session: questions and answers, not the thoughts between; null for one in the session's memory.
    /// </summary>
    public ChatHistoryProvider? ChatHistoryProvider { get; init; }

    /// <summary>What else is put before the model on each run: passages from documents, memories, skills.</summary>
    public IReadOnlyList<AIContextProvider> AIContextProviders { get; init; } = [];

    /// <summary>The clock behind the limits of time.</summary>
    public TimeProvider TimeProvider { get; init; } = TimeProvider.System;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(MaxRepairs);
        ArgumentNullException.ThrowIfNull(Budget);
        Positive(Budget.MaxModelCalls, nameof(RunBudget.MaxModelCalls));
        Positive(Budget.MaxTokens, nameof(RunBudget.MaxTokens));
        Positive(Budget.MaxOutputTokens, nameof(RunBudget.MaxOutputTokens));
        ArgumentOutOfRangeException.ThrowIfNegative(Budget.MaxToolCalls ?? 0, nameof(RunBudget.MaxToolCalls));
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(
            Budget.MaxDuration ?? TimeSpan.MaxValue, TimeSpan.Zero, nameof(RunBudget.MaxDuration));
        CheckOwn();
    }

    private protected virtual void CheckOwn()
    {
    }

    private protected static void Positive(long? value, string name) => ArgumentOutOfRangeException.ThrowIfLessThan(value ?? 1, 1, name);
}

/// <summary>What a run may cost; the run stops, and says so, before it costs more.</summary>
public sealed record RunBudget
{
    /// <summary>The most model calls; 64 unless said otherwise, null for no limit.</summary>
    public int? MaxModelCalls { get; init; } = 64;

    /// <summary>
    /// The most tokens of all model calls together, input and output; null for no limit. No model call starts once they are used up.
    /// </summary>
    public long? MaxTokens { get; init; }

    /// <summary>
    /// The most tokens that the model writes in all calls together; null for no limit. Each call is given what is left as its own limit, so
    /// a client that writes under a constraint finishes its reply within it.
    /// </summary>
    public int? MaxOutputTokens { get; init; }

    /// <summary>The most time that a run takes; null for no limit. A model or tool call under way is cancelled.</summary>
    public TimeSpan? MaxDuration { get; init; }

    /// <summary>The most tool calls; null for no limit.</summary>
    public int? MaxToolCalls { get; init; }
}

/// <summary>A strategy cannot keep what it was asked to keep, for example a token limit over a client that reports no tokens.</summary>
/// <param name="message">What failed, on what input, and what to do next.</param>
public sealed class ReasoningException(string message) : Foundation.KotonohaException(message);
