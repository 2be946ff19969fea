using Kotonoha.Rag.Answering;

namespace Kotonoha.Rag.Evaluation;

/// <summary>How the citations of answers agree with the places that state the right ones; counts that add up over questions.</summary>
public sealed record CitationScore
{
    /// <summary>How many questions the documents answer.</summary>
    public int Answerable { get; init; }

    /// <summary>How many questions the documents do not answer.</summary>
    public int Unanswerable { get; init; }

    /// <summary>How many of all questions were answered.</summary>
    public int Answered { get; init; }

    /// <summary>How many questions that the documents do not answer were answered all the same.</summary>
    public int FalseAnswers { get; init; }

    /// <summary>How many citations were given for answerable questions whose places are known.</summary>
    public int Cited { get; init; }

    /// <summary>How many of them stand at a place that states the answer or a part of it.</summary>
    public int Right { get; init; }

    /// <summary>How many parts the right answers have.</summary>
    public int Gold { get; init; }

    /// <summary>How many parts were cited.</summary>
    public int Covered { get; init; }

    /// <summary>The share of the citations that are right; 1 where there are none.</summary>
    public double Precision => Cited == 0 ? 1 : Right / (double)Cited;

    /// <summary>The share of the right answers' parts that were cited; 1 where there are none.</summary>
    public double Recall => Gold == 0 ? 1 : Covered / (double)Gold;

    /// <summary>The share of the unanswerable questions that were answered; 0 where there are none.</summary>
    public double FalseAnswerRate => Unanswerable == 0 ? 0 : FalseAnswers / (double)Unanswerable;

    /// <summary>Whether every citation is right, every part is cited and nothing was made up.</summary>
    public bool IsPerfect => Right == Cited && Covered == Gold && FalseAnswers == 0;

    /// <summary>Scores one answer.</summary>
    /// <param name="question">The question with its places.</param>
    /// <param name="answer">The answer.</param>
    public static CitationScore Of(EvaluationQuestion question, Answer answer)
    {
        ArgumentNullException.ThrowIfNull(question);
        ArgumentNullException.ThrowIfNull(answer);
        var parts = question.Gold.GroupBy(span => span.Part).ToArray();
        bool known = parts.Length > 0;
        return new CitationScore
        {
            Answerable = question.IsAnswerable ? 1 : 0,
            Unanswerable = question.IsAnswerable ? 0 : 1,
            Answered = answer.Found ? 1 : 0,
            FalseAnswers = answer.Found && !question.IsAnswerable ? 1 : 0,
            Cited = known ? answer.Citations.Count : 0,
            Right = answer.Citations.Count(citation => question.Gold.Any(span => span.IsCitedBy(citation))),
            Gold = parts.Length,
            Covered = parts.Count(part => part.Any(span => answer.Citations.Any(span.IsCitedBy))),
        };
    }

    /// <summary>The counts of both together.</summary>
    /// <param name="other">The other.</param>
    public CitationScore Plus(CitationScore other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new CitationScore
        {
            Answerable = Answerable + other.Answerable,
            Unanswerable = Unanswerable + other.Unanswerable,
            Answered = Answered + other.Answered,
            FalseAnswers = FalseAnswers + other.FalseAnswers,
            Cited = Cited + other.Cited,
            Right = Right + other.Right,
            Gold = Gold + other.Gold,
            Covered = Covered + other.Covered,
        };
    }
}
