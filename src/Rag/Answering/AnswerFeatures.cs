using Kotonoha.Foundation.Text;

namespace Kotonoha.Rag.Answering;

/// <summary>Measures whether a candidate answers the question at all, beyond being the best there is.</summary>
internal sealed class AnswerFeatures
{
    private const double LargeMargin = 6;

    private readonly Question _question;
    private readonly CandidateFeatures _candidates;
    private readonly double _unseen;
    private readonly (string Run, double Idf)[] _runs;
    private readonly double _maxIdf;

    internal AnswerFeatures(Question question, TermStatistics statistics, CandidateFeatures candidates, IReadOnlyList<Passage> passages)
    {
        _question = question;
        _candidates = candidates;
        _maxIdf = statistics.UnseenIdf;
        // A form of the word that the index does not know may still be in the passages (trained, training).
        for (int i = 0; i < question.Terms.Count; i++)
            if (!statistics.IsSeen(question.Terms[i].Term) && !passages.Any(passage => passage.Keys.Contains(question.Terms[i].Key)))
                _unseen += candidates.TermShares[i];
        _runs = [.. question.Runs.Select(run => (run, RunIdf(run, statistics)))];
    }

    internal double[] Of(Candidate candidate, double margin)
    {
        var f = candidate.Features;
        var passage = candidate.Passage;
        double runs = 0, inPassage = 0, inSentence = 0, rarestMissing = 0;
        foreach (var (run, idf) in _runs)
        {
            runs += idf;
            if (Holds(run, passage.Keys, passage.Folded) || passage.Context.Contains(run, StringComparison.Ordinal))
                inPassage += idf;
            else
                rarestMissing = Math.Max(rarestMissing, idf);
            if (Holds(run, candidate.Sentence.Keys, candidate.Sentence.Folded))
                inSentence += idf;
        }

        bool numberMissing = !passage.Numbers.IsSupersetOf(_question.Numbers);
        return
        [
            f[CandidateFeatures.Sentence],
            f[CandidateFeatures.Passage],
            f[CandidateFeatures.Previous] + f[CandidateFeatures.Next],
            f[CandidateFeatures.Kind],
            f[CandidateFeatures.Phrase],
            _unseen,
            runs > 0 ? inPassage / runs : 0,
            _maxIdf > 0 ? rarestMissing / _maxIdf : 0,
            numberMissing ? 1 : 0,
            runs > 0 ? inSentence / runs : 0,
            Math.Min(margin, LargeMargin) / LargeMargin,
            1.0 / (1 + _question.Terms.Count),
            f[CandidateFeatures.Both],
        ];
    }

    private static bool Holds(string run, IReadOnlySet<string> keys, string folded)
        => TermKeys.IsLatin(run) ? keys.Contains(TermKeys.KeyOf(run)) : folded.Contains(run, StringComparison.Ordinal);

    private static double RunIdf(string run, TermStatistics statistics)
    {
        var tokens = TextAnalyzer.Analyze(run);
        return tokens.Count == 0 ? 0 : tokens.Average(token => statistics.Idf(token.Term));
    }
}
