namespace Kotonoha.Rag.Evaluation;

/// <summary>
/// The measures of a ranking against judgements, as trec_eval defines them. A judgement of 0 or less, or none at all, means not relevant;
/// a query without a relevant document gives 0.
/// </summary>
public static class RetrievalMetrics
{
    /// <summary>
    /// Puts a run in order as trec_eval does: score as 32-bit float descending, ties by document id descending (by code point).
    /// </summary>
    /// <param name="run">The scores by document id.</param>
    /// <returns>The document ids, best first.</returns>
    public static IReadOnlyList<string> Order(IReadOnlyDictionary<string, double> run)
    {
        ArgumentNullException.ThrowIfNull(run);
        var entries = run.Select(pair => (pair.Key, Score: (float)pair.Value)).ToList();
        entries.Sort((x, y) => y.Score.CompareTo(x.Score) is not 0 and var byScore ? byScore : CompareCodePoints(y.Key, x.Key));
        return [.. entries.Select(entry => entry.Key)];
    }

    /// <summary>
    /// Normalised discounted cumulative gain: gain = judgement, discount 1/log2(rank + 1), over the ideal order of all judged documents.
    /// </summary>
    /// <param name="ranking">The document ids, best first.</param>
    /// <param name="judgements">The judgements by document id.</param>
    /// <param name="depth">How many ranks count, or null for all.</param>
    public static double Ndcg(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth = null)
    {
        int limit = Limit(ranking, judgements, depth);
        double gain = 0;
        for (int i = 0; i < limit; i++)
            gain += Math.Max(0, judgements.GetValueOrDefault(ranking[i])) / Math.Log2(i + 2);
        double ideal = judgements.Values.Where(judgement => judgement > 0).OrderDescending().Take(depth ?? int.MaxValue)
            .Select((judgement, i) => judgement / Math.Log2(i + 2)).Sum();
        return ideal > 0 ? gain / ideal : 0;
    }

    /// <summary>1 over the rank of the first relevant document; 0 where there is none. Its mean over queries is the MRR.</summary>
    /// <inheritdoc cref="Ndcg"/>
    public static double ReciprocalRank(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth = null)
    {
        int limit = Limit(ranking, judgements, depth);
        for (int i = 0; i < limit; i++)
            if (Relevant(judgements, ranking[i]))
                return 1.0 / (i + 1);
        return 0;
    }

    /// <summary>
    /// The precisions at the ranks of relevant documents, added and divided by the number of relevant documents. Its mean over queries is
    /// the MAP.
    /// </summary>
    /// <inheritdoc cref="Ndcg"/>
    public static double AveragePrecision(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth = null)
    {
        int limit = Limit(ranking, judgements, depth), found = 0;
        double sum = 0;
        for (int i = 0; i < limit; i++)
            if (Relevant(judgements, ranking[i]))
                sum += ++found / (double)(i + 1);
        int relevant = CountRelevant(judgements);
        return relevant > 0 ? sum / relevant : 0;
    }

    /// <summary>The share of the relevant documents that was found.</summary>
    /// <inheritdoc cref="Ndcg"/>
    public static double Recall(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth = null)
    {
        int relevant = CountRelevant(judgements);
        return relevant > 0 ? CountFound(ranking, judgements, depth) / (double)relevant : 0;
    }

    /// <summary>The relevant documents among the first <paramref name="depth"/>, divided by that number.</summary>
    /// <inheritdoc cref="Ndcg"/>
    public static double Precision(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int depth)
        => CountFound(ranking, judgements, depth) / (double)depth;

    /// <summary>1 where a relevant document is among the first <paramref name="depth"/>, otherwise 0.</summary>
    /// <inheritdoc cref="Ndcg"/>
    public static double Success(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth = null)
        => CountFound(ranking, judgements, depth) > 0 ? 1 : 0;

    private static int CountFound(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth)
        => ranking.Take(Limit(ranking, judgements, depth)).Count(id => Relevant(judgements, id));

    private static int CountRelevant(IReadOnlyDictionary<string, int> judgements) => judgements.Values.Count(judgement => judgement > 0);

    private static bool Relevant(IReadOnlyDictionary<string, int> judgements, string id) => judgements.GetValueOrDefault(id) > 0;

    private static int Limit(IReadOnlyList<string> ranking, IReadOnlyDictionary<string, int> judgements, int? depth)
    {
        ArgumentNullException.ThrowIfNull(ranking);
        ArgumentNullException.ThrowIfNull(judgements);
        if (depth is { } given)
            ArgumentOutOfRangeException.ThrowIfNegativeOrZero(given, nameof(depth));
        return Math.Min(ranking.Count, depth ?? int.MaxValue);
    }

    // UTF-16 order differs from code point order where surrogates meet U+E000 and above.
    private static int CompareCodePoints(string x, string y)
    {
        var others = y.EnumerateRunes().GetEnumerator();
        foreach (var rune in x.EnumerateRunes())
        {
            if (!others.MoveNext())
                return 1;
            if (rune != others.Current)
                return rune.CompareTo(others.Current);
        }

        return others.MoveNext() ? -1 : 0;
    }
}
