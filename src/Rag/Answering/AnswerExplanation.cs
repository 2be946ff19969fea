using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Answering;

/// <summary>How an answer came about.</summary>
/// <param name="Answer">The answer.</param>
/// <param name="Language">The question's language, as a two-letter code.</param>
/// <param name="Kind">What the question asks for: a quantity, a time, a person, a place, a reason, or anything.</param>
/// <param name="Terms">The question's terms with their share of its weight; the shares add up to 1.</param>
/// <param name="References">The numbers, part numbers and names that the answer has to be about.</param>
/// <param name="Searches">The searches: the question as it stands, then its parts.</param>
/// <param name="Candidates">The sentences and rows that were ranked, best first.</param>
/// <param name="Threshold">How probable the best candidate had to be.</param>
public sealed record AnswerExplanation(
    Answer Answer,
    string Language,
    string Kind,
    IReadOnlyDictionary<string, double> Terms,
    IReadOnlyList<string> References,
    IReadOnlyList<SearchExplanation> Searches,
    IReadOnlyList<CandidateExplanation> Candidates,
    double Threshold)
{
    internal static AnswerExplanation Of(Answer answer, Question question, AnswerTrace? trace, AskOptions options)
    {
        var terms = new Dictionary<string, double>(StringComparer.Ordinal);
        for (int i = 0; trace is not null && i < question.Terms.Count; i++)
            terms[question.Terms[i].Term] = Math.Round(trace.Features.TermShares[i], 4);
        return new AnswerExplanation(
            answer,
            question.Language,
            question.Kind.ToString(),
            terms,
            [.. question.References.Select(reference => $"{reference.Slot} {reference.Value}"),
                .. question.Names.Select(name => string.Join(' ', name))],
            trace?.Searches ?? [],
            trace is null ? [] : [.. trace.Candidates.Select(CandidateExplanation.Of)],
            options.Threshold);
    }
}

/// <summary>A sentence or row that could have answered.</summary>
/// <param name="Source">Its document.</param>
/// <param name="Start">Where it starts in the document's extracted text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="Text">Its text, as a person reads it.</param>
/// <param name="Probability">How probably it answers, from 0 to 1.</param>
/// <param name="RankingScore">What it was ranked by; greater is better.</param>
/// <param name="IsOfAnother">Whether it speaks of a sibling of what the question names, so that it cannot answer.</param>
/// <param name="Features">
/// What was measured, by name; what begins with "but_" speaks against the candidate: the share of the probability that stays.
/// </param>
public sealed record CandidateExplanation(
    string Source, int Start, int End, string Text, double Probability, double RankingScore, bool IsOfAnother,
    IReadOnlyDictionary<string, double> Features)
{
    internal static CandidateExplanation Of(Candidate candidate)
    {
        var chunk = candidate.Passage.Chunk;
        var features = new Dictionary<string, double>(StringComparer.Ordinal);
        for (int i = 0; i < candidate.Features.Length; i++)
            features[CandidateFeatures.Names[i]] = Math.Round(candidate.Features[i], 4);
        foreach (var (name, share) in candidate.Objections)
            features[$"but_{name}"] = share;
        return new CandidateExplanation(
            chunk.Source, chunk.Start + candidate.Span.Start, chunk.Start + candidate.Span.End, candidate.Passage.Readable(candidate.Span),
            candidate.Probability, candidate.Score, candidate.IsOfAnother, features);
    }
}
