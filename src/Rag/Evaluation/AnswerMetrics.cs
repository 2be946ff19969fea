namespace Kotonoha.Rag.Evaluation;

/// <summary>The names of what is measured of an answer; each is a number from 0 to 1, and more is better.</summary>
public static class AnswerMetrics
{
    /// <summary>1 where a question that the documents answer was answered; given for such questions.</summary>
    public const string Answered = "answered";

    /// <summary>1 where a question that the documents do not answer was left unanswered; given for such questions.</summary>
    public const string Abstained = "abstained";

    /// <summary>The share of the answer's sentences that the quotations it cites state; given where it was answered.</summary>
    public const string Faithfulness = "faithfulness";

    /// <summary>The share of the citations that stand at a place of the right answer; given where it was answered and places are
    /// known.</summary>
    public const string CitationPrecision = "citation precision";

    /// <summary>The share of the right answer's parts that were cited; given where places are known.</summary>
    public const string CitationRecall = "citation recall";

    /// <summary>Whether the answer holds a right answer; given where right answers are known.</summary>
    public const string Contains = "contains answer";

    /// <summary>Whether the answer is a right answer, but for case, punctuation and width; given where right answers are known.</summary>
    public const string ExactMatch = "exact match";

    /// <summary>The harmonic mean of precision and recall of the answer's terms against the best right answer's.</summary>
    public const string F1 = "F1";

    /// <summary>The share of the question's terms, by weight, that the answer or the headings of its quotations take up.</summary>
    public const string AnswerRelevance = "answer relevance";

    /// <summary>The cosine of the question's and the answer's vectors, at least 0; given where there is an embedder.</summary>
    public const string AnswerSimilarity = "answer similarity";

    /// <summary>The average precision of the passages that were found: how far up those stand that hold a place of the answer.</summary>
    public const string ContextPrecision = "context precision";

    /// <summary>The share of the right answer's parts that the passages hold.</summary>
    public const string ContextRecall = "context recall";

    /// <summary>The share of the question's terms, by weight, that the passages take up, averaged over them.</summary>
    public const string ContextRelevance = "context relevance";

    /// <summary>A judge's grade; given where there is one.</summary>
    public const string JudgeFaithfulness = "judged faithfulness";

    /// <summary>A judge's grade; given where there is one.</summary>
    public const string JudgeRelevance = "judged relevance";

    /// <summary>All of them, in the order in which they are shown.</summary>
    public static IReadOnlyList<string> All { get; } =
    [
        Answered, Abstained, CitationPrecision, CitationRecall, Faithfulness, Contains, ExactMatch, F1, AnswerRelevance, AnswerSimilarity,
        ContextPrecision, ContextRecall, ContextRelevance, JudgeFaithfulness, JudgeRelevance,
    ];
}
