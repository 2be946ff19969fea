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
    internal const double DefaultThreshold = 0.24;

    private static readonly double[] RankingWeights =
    [
        4.21, 2.85, 5.38, 1.89, 1.13, -0.42, 2.20, -3.86, 0.33, 1.47, 1.24, 1.29,
        4.48, 6.85, 3.18, -1.78, -1.24, -0.83, -3.42, 0.11, 3.93, 6.04, -0.02, -0.62,
        1.15, 0.04, 1.00, -6.36, -0.42, -0.97, 0.25, 1.78, 1.04, 2.68, -3.16, 0.08,
        3.11, 0.76, -2.29, 2.76,
    ];

    private static readonly double[] AnswerWeights =
    [
        1.05, 2.76, 0.31, 0.65, 1.59, -0.59, 1.76, 0.42, -1.37, -0.11, 1.67, -2.05,
        -0.57, 3.24, 2.62, -0.45, 0.54, 0.76, -1.11, 0.75, 0.00, 1.56, 0.43, 3.51,
        0.92, 1.29, -0.10, -3.10, 0.00, 0.27, -0.01, 7.06, -2.10, 0.25, -0.88, 1.84,
        1.90, 0.27, -5.00, 0.91, 0.83, -0.87, -1.54, 3.66, 3.33, 0.23, 0.57, -0.89,
        -2.01, 1.03, 2.41, -1.89, 0.23, -1.25, 1.36, -0.64, -0.19, -3.34, 3.81, 0.51,
        -0.45, -0.39, -1.18, 0.19, 0.36, 0.11, 0.13, 0.01, 1.20, -0.54, -1.07, 1.02,
        1.91, 0.78, -2.72, 1.02, 1.08, -0.95, 0.49, 0.10, -2.86, -0.93, -0.38, -1.54,
    ];

    private const double AnswerBias = -8.12;

    internal static double Rank(Candidate candidate) => Dot(RankingWeights, Placed(candidate.Features, candidate.IsStructured));

    /// <summary>
    /// Features where their weights stand. In prose the words of the question stand in the sentence; under headings that name the thing,
    /// few of them do, so that all weigh otherwise there: the first half of the weights is for prose.
    /// </summary>
    internal static double[] Placed(double[] features, bool isStructured)
    {
        var placed = new double[2 * features.Length];
        features.CopyTo(placed, isStructured ? features.Length : 0);
        return placed;
    }

    internal static double Probability(double[] features) => 1 / (1 + Math.Exp(-(AnswerBias + Dot(AnswerWeights, features))));

    internal static double Dot(double[] weights, double[] features)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] * features[i];
        return sum;
    }
}
