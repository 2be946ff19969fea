using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Foundation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Optimization;

/// <summary>What an optimiser changes.</summary>
public enum PromptOptimizationMethod
{
    /// <summary>
    /// Worked examples: training examples that the model (or a teacher) answers well, with its answers, and given ones until there are
    /// enough. One version is tried.
    /// </summary>
    Bootstrap,

    /// <summary>Several random sets of such examples.</summary>
    RandomSearch,

    /// <summary>Instructions that are given, or that the model (or a teacher) proposes from those tried and their scores.</summary>
    InstructionSearch,
}

/// <summary>How a <see cref="PromptOptimizer"/> looks for a better prompt, and what it may spend.</summary>
public sealed record PromptOptimizerOptions
{
    /// <summary>What is changed; default <see cref="PromptOptimizationMethod.RandomSearch"/>.</summary>
    public PromptOptimizationMethod Method { get; init; } = PromptOptimizationMethod.RandomSearch;

    /// <summary>Decides the split and every random choice.</summary>
    public int Seed { get; init; }

    /// <summary>The part of the examples that is held out for validation, between 0 and 1; default a half.</summary>
    public double ValidationFraction { get; init; } = 0.5;

    /// <summary>The most requests, those to a teacher included; null for no limit.</summary>
    public int? MaxCalls { get; init; }

    /// <summary>
    /// The tokens, read and written, after which no further request starts; null for no limit. The client must tell how many it takes.
    /// </summary>
    public long? MaxTokens { get; init; }

    /// <summary>The most examples with answers of the model's own; default 4.</summary>
    public int MaxBootstrapped { get; init; } = 4;

    /// <summary>The most examples in all; default 8.</summary>
    public int MaxDemonstrations { get; init; } = 8;

    /// <summary>The score from which an answer of the model's own becomes an example; default 1.</summary>
    public double Threshold { get; init; } = 1;

    /// <summary>How many sets of examples <see cref="PromptOptimizationMethod.RandomSearch"/> tries; default 8.</summary>
    public int Candidates { get; init; } = 8;

    /// <summary>
    /// Instructions for <see cref="PromptOptimizationMethod.InstructionSearch"/>, spelt as in the file: what stands in double braces
    /// there must stand in each.
    /// </summary>
    public IReadOnlyList<string> Instructions { get; init; } = [];

    /// <summary>How many instructions the model proposes; null for four where none are given, and none otherwise.</summary>
    public int? Proposals { get; init; }

    /// <summary>Answers training examples and proposes instructions; null for the client of the prompt.</summary>
    public IChatClient? Teacher { get; init; }

    /// <summary>Options for what the file leaves open, for example those of the model.</summary>
    public ChatOptions? Defaults { get; init; }

    /// <summary>How many requests run at the same time; default 1.</summary>
    public int Concurrency { get; init; } = 1;

    internal PromptOptimizerOptions Checked()
    {
        if (ValidationFraction is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(ValidationFraction), ValidationFraction, "The fraction is between 0 and 1.");
        if (Threshold is not (> 0 and <= 1))
            throw new ArgumentOutOfRangeException(nameof(Threshold), Threshold, "The threshold is above 0 and at most 1.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxCalls ?? 1, nameof(MaxCalls));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxTokens ?? 1, nameof(MaxTokens));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxBootstrapped, nameof(MaxBootstrapped));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxDemonstrations, nameof(MaxDemonstrations));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Candidates, nameof(Candidates));
        ArgumentOutOfRangeException.ThrowIfNegative(Proposals ?? 0, nameof(Proposals));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Concurrency, nameof(Concurrency));
        ArgumentNullException.ThrowIfNull(Instructions);
        return this;
    }
}

/// <summary>A version of a prompt that was tried.</summary>
/// <param name="Name">What it is: <c>as it is</c>, <c>set 3</c>, <c>proposal 1</c>.</param>
/// <param name="Prompt">The version, or null where it is none.</param>
/// <param name="Evaluation">What it scored on the validation examples, or null where it was not scored.</param>
/// <param name="Problem">Why it was not scored, or null.</param>
public sealed record PromptCandidate(string Name, PromptFile? Prompt, PromptEvaluation? Evaluation, string? Problem);

/// <summary>What a <see cref="PromptOptimizer"/> found.</summary>
/// <param name="Prompt">The best version; <see cref="PromptFile.Save"/> writes it as a prompt file.</param>
/// <param name="Before">What the prompt scored on the validation examples as it was.</param>
/// <param name="After">What the best version scores on them.</param>
/// <param name="Candidates">Every version that was tried, the prompt as it was first.</param>
public sealed record PromptOptimizationResult(
    PromptFile Prompt, PromptEvaluation Before, PromptEvaluation After, IReadOnlyList<PromptCandidate> Candidates)
{
    /// <summary>The seed.</summary>
    public int Seed { get; init; }

    /// <summary>The examples that were learned from; the others validated.</summary>
    public int TrainingExamples { get; init; }

    /// <summary>The requests that were made.</summary>
    public int Calls { get; init; }

    /// <summary>The tokens that they took, where the client tells.</summary>
    public UsageDetails Usage { get; init; } = new();

    /// <summary>Whether the search ended because the budget did.</summary>
    public bool IsBudgetSpent { get; init; }

    /// <summary>What its user should know.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The result as one line of JSON: scores, candidates, seed and what was spent.</summary>
    /// <returns>An object without line ends.</returns>
    public string ToJson() => PromptJson.Line(json =>
    {
        json.WriteNumber("before", Before.Score);
        json.WriteNumber("after", After.Score);
        json.WriteNumber("seed", Seed);
        json.WriteNumber("training_examples", TrainingExamples);
        json.WriteNumber("validation_examples", Before.Answers.Count);
        json.WriteNumber("calls", Calls);
        // How many tokens came from a cache depends on timing.
        PromptJson.WriteUsage(
            json, new UsageDetails { InputTokenCount = Usage.InputTokenCount, OutputTokenCount = Usage.OutputTokenCount });
        json.WriteBoolean("budget_spent", IsBudgetSpent);
        json.WriteStartArray("candidates");
        foreach (var candidate in Candidates)
        {
            json.WriteStartObject();
            json.WriteString("name", candidate.Name);
            if (candidate.Evaluation is { } evaluation)
                json.WriteNumber("score", evaluation.Score);
            if (candidate.Problem is { } problem)
                json.WriteString("problem", problem);
            if (candidate.Prompt is { } version)
            {
                json.WriteString("instruction", version.Instruction);
                json.WriteStartArray("examples");
                foreach (var (input, output) in version.Examples)
                {
                    json.WriteStartObject();
                    json.WriteString("input", input);
                    json.WriteString("output", output);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    });
}

/// <summary>A search for a better prompt cannot be made as it is asked for; the message says what to change.</summary>
public sealed class PromptOptimizationException : KotonohaException
{
    internal PromptOptimizationException(string message)
        : base(message)
    {
    }
}
