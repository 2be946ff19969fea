namespace Kotonoha.Rag.Retrieval;

/// <summary>Merges several rankings into one. Results are sorted by score descending, then by id in ordinal order.</summary>
internal static class Fusion
{
    /// <summary>Reciprocal rank fusion: Σ weight / (k + rank), ranks from 1 (Cormack, Clarke and Büttcher 2009).</summary>
    /// <param name="lists">The rankings, best first.</param>
    /// <param name="weights">One weight per list, or null for 1 each.</param>
    /// <param name="k">Damps the difference between the first ranks. Qdrant's default of 2 with positions from 0 is 1 here.</param>
    public static List<RankedItem> ReciprocalRank(
        IReadOnlyList<IReadOnlyList<RankedItem>> lists, IReadOnlyList<double>? weights = null, double k = 60)
        => Sum(lists, (list, position) => (weights?[list] ?? 1) / (k + position + 1));

    /// <summary>
    /// Min-max fusion: each list's scores scaled to 0..1 by its least and greatest, weighted and added; a list whose scores are all equal
    /// gives 1.
    /// </summary>
    /// <param name="lists">The rankings, best first.</param>
    /// <param name="weights">One weight per list.</param>
    public static List<RankedItem> MinMax(IReadOnlyList<IReadOnlyList<RankedItem>> lists, IReadOnlyList<double> weights)
    {
        ArgumentNullException.ThrowIfNull(lists);
        ArgumentNullException.ThrowIfNull(weights);
        var ranges =
            lists.Select(list => list.Count == 0 ? (0, 0) : (Least: list.Min(item => item.Score), Greatest: list.Max(item => item.Score)))
                .ToArray();
        return Sum(lists, (list, position) =>
        {
            var (least, greatest) = ranges[list];
            return weights[list] * (greatest > least ? (lists[list][position].Score - least) / (greatest - least) : 1);
        });
    }

    /// <summary>Adds the scores of rankings that are scaled alike, each times its weight (CombSUM; Fox and Shaw 1994).</summary>
    /// <param name="lists">The rankings.</param>
    /// <param name="weights">One weight per ranking.</param>
    public static List<RankedItem> Weighted(IReadOnlyList<IReadOnlyList<RankedItem>> lists, IReadOnlyList<double> weights)
        => Sum(lists, (list, position) => weights[list] * lists[list][position].Score);

    /// <summary>
    /// How much a dense ranking counts beside a sparse one: the further the best sparse score stands above the hundredth, the less. Chosen
    /// on JSQuAD (whose questions use their paragraphs' words) and Cranfield (whose do not); a shorter list says too little.
    /// </summary>
    /// <param name="sparse">The sparse ranking, best first.</param>
    /// <returns>The weight, from 0 to 1.</returns>
    public static double DenseWeight(IReadOnlyList<RankedItem> sparse)
    {
        const int Depth = 100;
        const double Even = 0.5, Greatest = 0.75, Range = 0.6, Flat = 0.7, Steep = 0.8;
        if (sparse.Count < Depth || !(sparse[0].Score > 0))
            return sparse.Count == 0 ? 1 : Even;
        double drop = 1 - sparse[Depth - 1].Score / sparse[0].Score;
        return Greatest - Range * Math.Clamp((drop - Flat) / (Steep - Flat), 0, 1);
    }

    /// <summary>
    /// Distribution-based score fusion: each score's place between the list's mean ± 3 sample standard deviations, added; .5 where nothing
    /// varies.
    /// </summary>
    /// <param name="lists">The rankings, best first.</param>
    public static List<RankedItem> DistributionBased(IReadOnlyList<IReadOnlyList<RankedItem>> lists)
    {
        ArgumentNullException.ThrowIfNull(lists);
        var moments = lists.Select(list =>
        {
            double mean = list.Count == 0 ? 0 : list.Average(item => item.Score);
            double squares = list.Sum(item => (item.Score - mean) * (item.Score - mean));
            return (Mean: mean, Deviation: list.Count < 2 ? 0 : Math.Sqrt(squares / (list.Count - 1)));
        }).ToArray();
        return Sum(lists, (list, position) =>
        {
            var (mean, deviation) = moments[list];
            return deviation == 0 ? 0.5 : (lists[list][position].Score - (mean - 3 * deviation)) / (6 * deviation);
        });
    }

    /// <summary>Sorts a ranking as every ranking here is sorted: score descending, then id in ordinal order.</summary>
    /// <param name="items">The ranking.</param>
    public static void Sort(List<RankedItem> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        items.Sort((x, y) => y.Score.CompareTo(x.Score) is not 0 and var byScore ? byScore : string.CompareOrdinal(x.Id, y.Id));
    }

    private static List<RankedItem> Sum(IReadOnlyList<IReadOnlyList<RankedItem>> lists, Func<int, int, double> part)
    {
        ArgumentNullException.ThrowIfNull(lists);
        var sums = new Dictionary<string, double>(StringComparer.Ordinal);
        for (int list = 0; list < lists.Count; list++)
            for (int position = 0; position < lists[list].Count; position++)
                sums[lists[list][position].Id] = sums.GetValueOrDefault(lists[list][position].Id) + part(list, position);
        var fused = sums.Select(pair => new RankedItem(pair.Key, pair.Value)).ToList();
        Sort(fused);
        return fused;
    }
}

/// <summary>One entry of a ranking.</summary>
/// <param name="Id">What is ranked.</param>
/// <param name="Score">Its score; greater is better.</param>
internal readonly record struct RankedItem(string Id, double Score);
