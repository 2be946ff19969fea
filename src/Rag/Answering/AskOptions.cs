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
        4.35, 3.31, 5.95, 2.17, 1.28, -0.38, 1.25, -4.43, 0.63, 1.22, 1.64, 1.71,
        4.82, 4.64, 1.14, -1.21, -2.33, -1.44, -2.57, 3.31, 7.13, -0.83, -0.53, 1.32,
        -0.47, 0.94, -6.48, -0.56, -1.19, -0.04, 2.53, 1.28, 2.66, -2.81, -0.16, 3.68,
        0.15, -1.14,
    ];

    private static readonly double[] AnswerWeights =
    [
        1.27, 2.77, 1.65, -0.20, 0.28, -2.46, 1.73, 1.26, -1.68, 0.90, 1.59, -1.97,
        0.36, 2.20, 3.55, -0.92, 0.62, 0.67, 0.96, 0.87, 0.00, 1.81, 1.58, 1.00,
        0.18, 1.54, 0.44, -0.64, 0.76, 5.55, 0.96, 0.51, -1.77, 3.16, 1.10, -0.64,
        -5.42, 0.66, 0.73, 0.71, 0.12, 2.69, 3.20, -0.22, 2.25, -0.71, 0.28, -0.71,
        2.38, -1.89, -0.18, -1.29, 1.24, 0.26, -0.09, -2.92, -0.20, -1.02, -1.42, 0.30,
        0.05, 0.21, -0.23, -0.51, 1.96, 0.25, -0.66, 1.26, 1.44, 0.69, -2.88, 1.31,
        0.66, -0.89, 0.86, -0.25, -2.02, -0.80, -0.89, -1.12,
    ];

    private const double AnswerBias = -7.68;

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
