namespace Kotonoha.Rag.Evaluation;

/// <summary>A question whose right answer is known.</summary>
/// <param name="Question">The question.</param>
public sealed record EvaluationQuestion(string Question)
{
    /// <summary>Its name in reports, or null: then its line number.</summary>
    public string? Id { get; init; }

    /// <summary>The questions of the conversation before it, oldest first, on which it may lean; null or empty for none.</summary>
    public IReadOnlyList<string>? Before { get; init; }

    /// <summary>Right answers, any of which counts; empty where the documents do not answer, or where only places are known.</summary>
    public IReadOnlyList<string> Answers { get; init; } = [];

    /// <summary>The places that state the answer; empty where the documents do not answer, or where only answers are known.</summary>
    public IReadOnlyList<GoldSpan> Gold { get; init; } = [];

    /// <summary>What sort of question it is, for sums by sort; or null.</summary>
    public string? Kind { get; init; }

    /// <summary>Whether the documents answer it: whether there is an answer or a place.</summary>
    [System.Text.Json.Serialization.JsonIgnore]
    public bool IsAnswerable => Answers.Count + Gold.Count > 0;
}

/// <summary>A place that states an answer or a part of it.</summary>
/// <param name="Source">The document, as a path relative to the folder, with <c>/</c>.</param>
/// <param name="Quote">What stands there, literally.</param>
public sealed record GoldSpan(string Source, string Quote)
{
    /// <summary>Where it starts in the document's extracted text, in UTF-16 units; null where only the text is known.</summary>
    public int? Start { get; init; }

    /// <summary>
    /// The part of the answer that it states: an answer of several parts (the items of a list) has several numbers, and places with the
    /// same number state the same part.
    /// </summary>
    public int Part { get; init; }

    /// <summary>Whether a quotation stands at this place: the two have at least half of the shorter one in common.</summary>
    /// <param name="citation">The quotation.</param>
    public bool IsCitedBy(Answering.Citation citation)
    {
        ArgumentNullException.ThrowIfNull(citation);
        if (!string.Equals(citation.Source, Source, StringComparison.Ordinal))
            return false;
        if (Start is { } start)
        {
            int common = Math.Min(citation.End, start + Quote.Length) - Math.Max(citation.Start, start);
            return common > 0 && 2 * common >= Math.Min(citation.Quote.Length, Quote.Length);
        }

        string gold = Squeeze(Quote), cited = Squeeze(citation.Quote);
        return gold.Length > 0 && cited.Length > 0
            && (cited.Contains(gold, StringComparison.Ordinal) || gold.Contains(cited, StringComparison.Ordinal));
    }

    // Without white space: a line break of the document is a space to people.
    private static string Squeeze(string text) => string.Concat(text.Where(c => !char.IsWhiteSpace(c)));
}
