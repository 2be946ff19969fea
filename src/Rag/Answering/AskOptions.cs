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
/// over the candidates of a question; logistic regression over answerable and unanswerable questions). <see cref="AnswerTrees"/> have the
/// last word.
/// </summary>
internal static class AnswerModel
{
    internal const double DefaultThreshold = 0.2;

    private static readonly double[] RankingWeights =
    [
        4.31, 3.21, 5.99, 2.19, 1.29, -0.41, 1.34, -4.45, 0.64, 1.23, 1.62, 1.74,
        4.84, 4.54, 1.03, -1.18, -2.39, -1.49, -2.66, 3.32, 7.07, -0.59, -0.12, 1.35,
        -0.60, 1.10, -6.35, -0.62, -1.17, -0.14, 2.37, 1.36, 2.70, -2.92, 0.09, 3.32,
        0.14, -0.92,
    ];

    private static readonly double[] AnswerWeights =
    [
        1.35, 2.80, 1.43, -0.19, 0.28, -2.38, 1.80, 1.20, -1.66, 0.77, 1.61, -1.78,
        0.28, 2.09, 3.75, -0.95, 0.98, 0.62, 0.95, 0.87, 0.00, 1.72, 1.27, 0.98,
        0.17, 1.61, 0.45, -0.65, 0.73, 5.88, 0.91, 0.43, -1.79, 2.44, 1.44, -0.35,
        -5.84, 0.54, 0.55, 1.39, -0.21, 3.30, 3.56, -0.13, 2.22, -0.77, 0.27, -0.49,
        2.26, -2.27, -0.34, -0.97, 1.16, -0.39, 0.12, -3.16, -0.36, -1.17, -1.38, 0.08,
        -0.15, 0.02, -0.14, -0.61, 1.75, -0.02, -0.69, 1.05, 1.69, 0.73, -3.02, 1.08,
        0.63, -0.84, 1.19, -0.30, -2.24, -0.04, -0.56, -1.25,
    ];

    private const double AnswerBias = -7.96;

    // Not fitted: what the threshold was lowered by for prose is kept from passages whose headings, names and cells say which thing is
    // meant, where a wrong answer looks surer.
    private const double StructuredBias = -0.23;

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

    internal static double Probability(double[] features, bool isStructured)
        => 1 / (1 + Math.Exp(-(AnswerBias + (isStructured ? StructuredBias : 0) + Dot(AnswerWeights, features))));

    internal static double LogOdds(double probability)
        => Math.Log((probability + LeastProbability) / (1 - probability + LeastProbability));

    private const double LeastProbability = 1e-4;

    internal static double Dot(double[] weights, double[] features)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] * features[i];
        return sum;
    }
}
