using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>How a question is answered.</summary>
public sealed record AskOptions
{
    /// <summary>
    /// How passages are searched for, or null for the knowledge base's way; <see cref="Passages"/> takes the place of its limit.
    /// </summary>
    public SearchOptions? Search { get; init; }

    /// <summary>How many passages are looked through for the answer (default 10).</summary>
    public int Passages { get; init; } = 10;

    /// <summary>
    /// From 0 to 1: an answer whose probability lies below counts as not found. The default was chosen on questions apart from those of the
    /// published measurements, a little on the careful side.
    /// </summary>
    public double Threshold { get; init; } = AnswerModel.DefaultThreshold;

    /// <summary>
    /// How many quotations at most (default 3); the second and third are given only where they answer nearly as well as the first.
    /// </summary>
    public int MaxCitations { get; init; } = 3;

    /// <summary>How many near documents are named when nothing is found (default 3).</summary>
    public int NearestDocuments { get; init; } = 3;

    /// <summary>Takes part in ranking the candidate sentences, or null.</summary>
    public ISentenceScorer? Scorer { get; init; }

    /// <summary>How much the scorer counts: the ranking score that one standard deviation of its scores is worth (default 0.25).</summary>
    public double ScorerWeight { get; init; } = 0.25;

    /// <summary>How many of the best candidate sentences the scorer sees (default 12).</summary>
    public int ScorerCandidates { get; init; } = 12;

    /// <summary>How a chat model is asked (default: numbered passages).</summary>
    public WritingStyle Writing { get; init; }

    /// <summary>
    /// How large the passages of a chat model's prompt may be together, as <see cref="Chunking.Chunker.Measure"/> counts, which is about
    /// tokens (default 1,200).
    /// </summary>
    public int PromptBudget { get; init; } = 1200;

    /// <summary>How many tokens a chat model may write (default 200).</summary>
    public int MaxOutputTokens { get; init; } = 200;

    /// <summary>
    /// The conversation before the question, oldest message first, or null. A question that leans on it ("And for the other plan?") is
    /// completed before it is searched for: by the chat model where one writes the answer as <see cref="WritingStyle.NumberedPassages"/>,
    /// otherwise from the terms of the question before it (<see cref="Answer.CompletedQuestion"/>).
    /// </summary>
    public IReadOnlyList<ChatMessage>? History { get; init; }

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Passages);
        ArgumentOutOfRangeException.ThrowIfLessThan(Threshold, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(Threshold, 1);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxCitations);
        ArgumentOutOfRangeException.ThrowIfNegative(NearestDocuments);
        ArgumentOutOfRangeException.ThrowIfNegative(ScorerWeight);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ScorerCandidates);
        if (!Enum.IsDefined(Writing))
            throw new ArgumentOutOfRangeException(nameof(Writing), Writing, "This style of writing is not known.");
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(PromptBudget);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxOutputTokens);
    }
}

/// <summary>How a chat model is asked to write an answer.</summary>
public enum WritingStyle
{
    /// <summary>
    /// Numbered passages, an instruction to cite them by their numbers and to say when they hold no answer. For models that follow
    /// instructions.
    /// </summary>
    NumberedPassages,

    /// <summary>
    /// The best sentences as plain text and a request for one sentence, without numbers. For models of up to about a billion parameters,
    /// which lose themselves in longer prompts; what they write is checked in the same way.
    /// </summary>
    ShortText,
}

/// <summary>
/// The numbers by which sentences are ranked and answers are believed: two linear models, fitted by <c>benchmarks truth-fit</c> (softmax
/// over the candidates of a question; logistic regression over answerable and unanswerable questions).
/// </summary>
internal static class AnswerModel
{
    internal const double DefaultThreshold = 0.38;

    private static readonly double[] RankingWeights =
    [
        4.73, 5.59, 4.79, 1.94, 1.19, 0.39, -0.61, -6.28, 0.42, 0.88, 1.58, 1.12, 3.84, 4.60, 1.40, -1.00, 1.28, -0.89,
        0.33, 3.14, -2.64, -1.05, -0.43, -0.10, 2.53, -4.54, -0.95, -0.81, -1.07, -0.20, -1.74, -0.82, -3.06, 0.06, 6.88, 3.63,
    ];

    private static readonly double[] AnswerWeights =
    [
        1.55, 5.40, 1.46, 0.08, -0.36, -0.16, 0.96, 0.83, -1.31, 1.36, 1.72, 0.72, -0.82, 0.64, 2.12, 0.95, -0.67, -0.08, 1.21, 0.08, 1.85, -0.93, -0.83, -0.67, -1.12, 2.04, -0.40, 0.12, 0.09, 4.11, -0.39, -1.63, -3.36, -0.17, -0.91, -0.22, 0.36, 0.60, -3.13, 0.34, 2.54, -1.52,
        1.21, -2.58, -0.98, 0.23, -0.43, 0.16, -0.09, 0.69, -1.33, 0.49, -0.06, -0.60, 0.21, -0.02, 0.01, 0.12, 0.24, 0.03, -1.23, 0.26, 0.10, -0.06, 0.31, 0.29, -0.83, -0.22, 1.22, -0.35, -0.69, 0.27, 0.19, 0.98, -1.13, 0.76, 0.09, -0.65, 0.19, -0.21, -0.74, -1.05, -1.02, -1.35,
    ];

    private const double AnswerBias = -6.09;

    internal static double Rank(double[] features) => Dot(RankingWeights, features);

    internal static double Probability(double[] features) => 1 / (1 + Math.Exp(-(AnswerBias + Dot(AnswerWeights, features))));

    internal static double Dot(double[] weights, double[] features)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] * features[i];
        return sum;
    }
}
