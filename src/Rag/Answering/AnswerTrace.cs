namespace Kotonoha.Rag.Answering;

/// <summary>How an answer came about before the threshold; what the models are fitted on.</summary>
/// <param name="Candidates">The candidates, best first.</param>
/// <param name="Features">What measured them.</param>
/// <param name="Answers">What measures whether they answer.</param>
internal sealed record AnswerTrace(List<Candidate> Candidates, CandidateFeatures Features, AnswerFeatures Answers)
{
    /// <summary>The answer features of the candidate that other ranking weights would put first; null where there is none.</summary>
    internal double[]? AnswerFeaturesUnder(double[] rankingWeights)
    {
        if (Candidates.Count == 0)
            return null;
        var scored = Candidates.Select(candidate => (Candidate: candidate, Score: AnswerModel.Dot(rankingWeights, candidate.Features))).OrderByDescending(entry => entry.Score).ToList();
        var best = scored[0];
        var rival = scored.Find(entry => entry.Candidate.Passage != best.Candidate.Passage);
        return Answers.Of(best.Candidate, best.Score - (rival.Candidate is null ? scored[^1].Score : rival.Score));
    }
}
