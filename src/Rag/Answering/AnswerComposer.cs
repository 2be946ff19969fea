using System.Globalization;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Answering;

/// <summary>Puts answers together: citations for candidates, texts with markers.</summary>
internal static class AnswerComposer
{
    // A further quotation must answer about as well as the first, in ranking score.
    private const double FurtherMargin = 1, MuchLess = 0.05;

    /// <summary>The best candidate's quotation, and further ones from other places that answer nearly as well.</summary>
    internal static List<Citation> Quote(List<Candidate> candidates, CandidateFeatures features, AskOptions options)
    {
        var citations = new List<Citation>();
        foreach (var candidate in candidates)
        {
            if (citations.Count >= options.MaxCitations || candidate.Score < candidates[0].Score - FurtherMargin)
                break;
            if (citations.Count > 0 && (candidate.Probability < options.Threshold || !SaysAsMuch(candidate, candidates[0])
                || features.IsStepBefore(candidate, candidates[0])))
                continue;
            var citation = Cite(candidate.Passage, QuoteBuilder.Build(candidate, features), citations.Count + 1, candidate.Probability);
            if (!citations.Exists(other => Repeats(other, citation)))
                citations.Add(citation);
        }

        return citations;
    }

    // A further sentence holds what the first one holds of the question, itself or in the headings above it, and has its kind and form.
    private static bool SaysAsMuch(Candidate candidate, Candidate first)
        => candidate.Share >= first.Share
            && candidate.Features[CandidateFeatures.Asked] >= first.Features[CandidateFeatures.Asked] - MuchLess
            && candidate.Features[CandidateFeatures.Sentence] >= first.Features[CandidateFeatures.Sentence] - MuchLess
            && candidate.Features[CandidateFeatures.Kind] >= first.Features[CandidateFeatures.Kind]
            && candidate.Features[CandidateFeatures.Type] >= first.Features[CandidateFeatures.Type];

    internal static Citation Cite(Passage passage, TextSpan span, int number, double score)
    {
        var chunk = passage.Chunk;
        return new Citation(
            number, chunk.Source, chunk.Text[span.Start..span.End], chunk.Start + span.Start, chunk.Start + span.End, chunk.Page,
            chunk.Heading, Math.Round(score, 4))
        {
            Text = passage.Readable(span),
        };
    }

    /// <summary>The quotations one below the other, each with its marker.</summary>
    internal static string Text(IReadOnlyList<Citation> citations) => string.Join('\n', citations.Select(Line));

    /// <summary>A quotation with its marker.</summary>
    internal static string Line(Citation citation) => citation.Text + Marks([citation.Number]);

    /// <summary>Markers of citations, each behind a space.</summary>
    internal static string Marks(IEnumerable<int> numbers)
        => string.Concat(numbers.Select(number => string.Create(CultureInfo.InvariantCulture, $" [{number}]")));

    /// <summary>The documents that the best candidates stand in.</summary>
    internal static List<NearestDocument> Nearest(List<Candidate> candidates, int limit)
        => [.. candidates
            .GroupBy(candidate => candidate.Passage.Chunk.Source, StringComparer.Ordinal)
            .Select(group => group.MaxBy(candidate => candidate.Probability)!)
            .OrderByDescending(candidate => candidate.Probability)
            .Take(limit)
            .Select(candidate => new NearestDocument(
                candidate.Passage.Chunk.Source, candidate.Passage.Chunk.Heading, candidate.Passage.Chunk.Page,
                Math.Round(candidate.Probability, 4)))];

    private static bool Repeats(Citation a, Citation b)
        => (a.Source == b.Source && a.Start < b.End && b.Start < a.End) || a.Quote == b.Quote;
}
