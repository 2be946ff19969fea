namespace Kotonoha.LocalModel.Numerics;

/// <summary>How two lists of numbers go together; what is undefined (a list without variation) is null.</summary>
public static class Correlation
{
    /// <summary>Pearson's coefficient.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many.</param>
    public static double? Pearson(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        RequirePairs(x, y);

        // Two passes: the means are taken away first, so that large offsets cost no digits.
        double meanX = x.Average(), meanY = y.Average(), xx = 0, yy = 0, xy = 0;
        for (int i = 0; i < x.Count; i++)
        {
            double a = x[i] - meanX, b = y[i] - meanY;
            xx += a * a;
            yy += b * b;
            xy += a * b;
        }

        return xx == 0 || yy == 0 ? null : Math.Clamp(xy / (Math.Sqrt(xx) * Math.Sqrt(yy)), -1, 1);
    }

    /// <summary>Spearman's coefficient: Pearson's of ranks.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many.</param>
    public static double? Spearman(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        RequirePairs(x, y);
        return Pearson(Ranks(x), Ranks(y));
    }

    /// <summary>Kendall's τ-b: pairs in the same order less pairs in the other order, corrected for ties.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many.</param>
    public static double? KendallTauB(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        RequirePairs(x, y);
        long balance = 0, untiedX = 0, untiedY = 0;
        for (int i = 0; i < x.Count; i++)
            for (int j = 0; j < i; j++)
            {
                int a = x[i].CompareTo(x[j]), b = y[i].CompareTo(y[j]);
                balance += a * b;
                untiedX += Math.Abs(a);
                untiedY += Math.Abs(b);
            }

        return untiedX == 0 || untiedY == 0 ? null : balance / (Math.Sqrt(untiedX) * Math.Sqrt(untiedY));
    }

    /// <summary>The mean of squared differences.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many.</param>
    public static double MeanSquaredError(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        RequirePairs(x, y);
        return x.Zip(y, (a, b) => (a - b) * (a - b)).Average();
    }

    /// <summary>The mean of absolute differences.</summary>
    /// <param name="x">Numbers.</param>
    /// <param name="y">As many.</param>
    public static double MeanAbsoluteError(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        RequirePairs(x, y);
        return x.Zip(y, (a, b) => Math.Abs(a - b)).Average();
    }

    /// <summary>Ranks from 1; equal numbers share the mean of theirs.</summary>
    internal static double[] Ranks(IReadOnlyList<double> values)
    {
        var order = Enumerable.Range(0, values.Count).OrderBy(i => values[i]).ToArray();
        var ranks = new double[values.Count];
        for (int start = 0, end; start < order.Length; start = end)
        {
            end = start + 1;
            while (end < order.Length && values[order[end]].Equals(values[order[start]]))
                end++;
            for (int i = start; i < end; i++)
                ranks[order[i]] = (start + end + 1) / 2.0;
        }

        return ranks;
    }

    private static void RequirePairs(IReadOnlyList<double> x, IReadOnlyList<double> y)
    {
        ArgumentNullException.ThrowIfNull(x);
        ArgumentNullException.ThrowIfNull(y);
        if (x.Count != y.Count || x.Count == 0)
            throw new ArgumentException($"There are {x.Count} and {y.Count} numbers; as many are needed, and at least one.");
    }
}
