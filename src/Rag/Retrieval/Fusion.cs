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
    /// How much a dense ranking counts beside a sparse one. The further the best sparse score stands above the hundredth, the less: words
    /// that single out a few chunks decide. The less the best dense score stands out of its list, the less. And the less where words single
    /// out chunks that the dense ranking hardly knows: it may not know their language, or a name. A shorter list says too little.
    /// </summary>
    /// <param name="dense">The dense ranking, best first.</param>
    /// <param name="sparse">The sparse ranking, best first.</param>
    /// <returns>The weight, from 0 to 1.</returns>
    public static double DenseWeight(IReadOnlyList<RankedItem> dense, IReadOnlyList<RankedItem> sparse)
    {
        const int Depth = 100;
        const double Even = 0.5, Greatest = 0.75, Least = 0.1, Flat = 0.75, Steep = 0.9;
        const double Outstanding = 4.5, LeastOutstanding = 0.7;
        const double Accord = 0.3, LeastAccord = 0.2, Lost = 0.55, Telling = 0.7;
        if (sparse.Count == 0 || dense.Count == 0)
            return dense.Count == 0 ? 0 : 1;
        RankedItem[] first = [.. dense.Take(Depth)], words = [.. sparse.Take(Depth)];
        double both = first.Select(item => item.Id).Intersect(words.Select(item => item.Id), StringComparer.Ordinal).Count();
        double accord = Math.Min(1, LeastAccord + both / Math.Min(first.Length, words.Length) / Accord);
        if (words.Length < Depth || first.Length < Depth || !(words[0].Score > 0))
            return Even * accord;
        double drop = 1 - words[^1].Score / words[0].Score;
        double mean = first.Average(item => item.Score);
        double deviation = Math.Sqrt(first.Average(item => (item.Score - mean) * (item.Score - mean)));
        double outstanding = deviation > 0 ? (first[0].Score - mean) / deviation / Outstanding : 0;
        return (Greatest - (Greatest - Least) * Between(drop, Flat, Steep))
            * Math.Clamp(outstanding, LeastOutstanding, 1)
            * (1 - (1 - accord) * Between(drop, Lost, Telling));

        static double Between(double x, double low, double high) => Math.Clamp((x - low) / (high - low), 0, 1);
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
