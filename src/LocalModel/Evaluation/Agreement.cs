namespace Kotonoha.LocalModel.Evaluation;

/// <summary>What the distance of two ratings is.</summary>
public enum RatingScale
{
    /// <summary>Names: the same or not.</summary>
    Nominal,

    /// <summary>An order: how many ratings lie between.</summary>
    Ordinal,

    /// <summary>Numbers: the difference squared.</summary>
    Interval,
}

/// <summary>How far raters agree.</summary>
public static class Agreement
{
    /// <summary>
    /// Krippendorff's alpha (https://repository.upenn.edu/asc_papers/43): 1 where all agree, 0 where they agree as by chance; raters may be
    /// missing. Null where all ratings are the same, or no unit has two.
    /// </summary>
    /// <param name="units">For each thing that was rated its ratings.</param>
    /// <param name="scale">What the distance of two ratings is.</param>
    public static double? KrippendorffAlpha(IEnumerable<IReadOnlyList<double>> units, RatingScale scale)
    {
        ArgumentNullException.ThrowIfNull(units);
        IReadOnlyList<double>[] counted = [.. units.Where(unit => unit.Count >= 2)];
        double[] all = [.. counted.SelectMany(unit => unit).Order()], values = [.. all.Distinct()];
        if (values.Length < 2)
            return null;
        double[] counts = [.. values.Select(value => (double)all.Count(v => v == value))];
        double n = all.Length, observed = 0, expected = 0;
        foreach (var unit in counted)
            observed += Pairs(unit) / (unit.Count - 1) / n;
        for (int i = 0; i < values.Length; i++)
            for (int j = 0; j < values.Length; j++)
                expected += counts[i] * counts[j] * Distance(i, j) / (n * (n - 1));
        return 1 - observed / expected;

        double Pairs(IReadOnlyList<double> unit)
            => unit.Sum(a => unit.Sum(b => Distance(Array.BinarySearch(values, a), Array.BinarySearch(values, b))));

        double Distance(int i, int j)
        {
            if (i == j)
                return 0;
            double distance = scale switch
            {
                RatingScale.Nominal => 1,
                RatingScale.Interval => values[i] - values[j],
                _ => counts[Math.Min(i, j)..(Math.Max(i, j) + 1)].Sum() - (counts[i] + counts[j]) / 2,
            };
            return distance * distance;
        }
    }
}
