using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Answering;

/// <summary>The answer to a question, with the places it rests on.</summary>
/// <param name="Question">The question as asked.</param>
/// <param name="Found">Whether the documents answer it.</param>
/// <param name="Text">The answer, with markers such as <c>[1]</c>; or the sentence that says that the documents do not answer.</param>
/// <param name="AnsweredBy">Who wrote the text.</param>
/// <param name="Citations">The quotations, verified literally against their sources; empty when nothing was found.</param>
/// <param name="Nearest">When nothing was found: the documents that come nearest, best first.</param>
/// <param name="Timings">Milliseconds by stage.</param>
public sealed record Answer(
    string Question,
    bool Found,
    string Text,
    AnsweredBy AnsweredBy,
    IReadOnlyList<Citation> Citations,
    IReadOnlyList<NearestDocument> Nearest,
    IReadOnlyDictionary<string, double> Timings)
{
    /// <summary>
    /// The question that was answered, where it was completed from the conversation before it (<see cref="AskOptions.History"/>); null
    /// where it stands by itself.
    /// </summary>
    public string? CompletedQuestion { get; init; }
}

/// <summary>A literal quotation from a document.</summary>
/// <param name="Number">The number of its marker in the answer, from 1.</param>
/// <param name="Source">The document, as a path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Quote">The quoted text; exactly the range <paramref name="Start"/>..<paramref name="End"/> of the document's extracted
/// text.</param>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="Page">The page, from 1, or null.</param>
/// <param name="Heading">The headings above it, or null.</param>
/// <param name="Score">How well the sentence answers the question, from 0 to 1.</param>
public sealed record Citation(int Number, string Source, string Quote, int Start, int End, int? Page, string? Heading, double Score)
{
    /// <summary>
    /// The quotation as a person reads it: a table's row as <c>header: value; …</c>, a list line by line, all else as quoted on one line.
    /// </summary>
    public string Text { get; init; } = Quote.ReplaceLineEndings(" ");
}

/// <summary>Who wrote the text of an answer.</summary>
public enum AnsweredBy
{
    /// <summary>Sentences quoted from the documents.</summary>
    Extraction,

    /// <summary>A chat model, whose sentences were found supported by the quotations.</summary>
    Model,
}

/// <summary>A document that comes near a question that the documents do not answer.</summary>
/// <param name="Source">The document, as a path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Heading">The headings above the nearest place, or null.</param>
/// <param name="Page">Its page, from 1, or null.</param>
/// <param name="Score">The score of the nearest place, from 0 to 1.</param>
public sealed record NearestDocument(string Source, string? Heading, int? Page, double Score);

/// <summary>How an answer came about before the threshold; what the models are fitted on.</summary>
/// <param name="Candidates">The candidates, best first.</param>
/// <param name="Features">What measured them.</param>
/// <param name="Answers">What measures whether they answer.</param>
internal sealed record AnswerTrace(List<Candidate> Candidates, CandidateFeatures Features, AnswerFeatures Answers)
{
    /// <summary>The passages that the candidates stand in, and those that have none.</summary>
    internal IReadOnlyList<SearchHit> Hits { get; init; } = [];

    /// <summary>The searches that found them.</summary>
    internal IReadOnlyList<SearchExplanation> Searches { get; init; } = [];

    /// <summary>
    /// The answer features of the candidate that other ranking weights would put first, and what stays of its probability; null where there
    /// is none.
    /// </summary>
    internal (double[] Features, double Share)? AnswerFeaturesUnder(double[] rankingWeights)
    {
        var scored = Candidates.Where(candidate => !candidate.IsOfAnother)
            .Select(candidate => (Candidate: candidate,
                Score: AnswerModel.Dot(rankingWeights, AnswerModel.Placed(candidate.Features, candidate.IsStructured)) - candidate.Penalty))
            .OrderByDescending(entry => entry.Score).ToList();
        if (scored.Count == 0)
            return null;
        var best = scored[0];
        var rival = scored.Find(entry => entry.Candidate.Passage != best.Candidate.Passage);
        return (Answers.Of(best.Candidate, best.Score - (rival.Candidate is null ? scored[^1].Score : rival.Score)), best.Candidate.Share);
    }
}
