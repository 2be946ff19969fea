using Kotonoha.LocalModel.Numerics;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>An interval.</summary>
/// <param name="Low">Its lower end.</param>
/// <param name="High">Its upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>The result of a test of significance.</summary>
/// <param name="Statistic">What was computed.</param>
/// <param name="PValue">How likely a statistic at least as extreme is where there is no difference, on both sides.</param>
public readonly record struct TestResult(double Statistic, double PValue);

/// <summary>Whether a difference between two models is more than chance.</summary>
public static class Statistics
{
    /// <summary>Wilson's interval of a proportion (https://doi.org/10.1080/01621459.1927.10502953); right for small numbers too.</summary>
    /// <param name="successes">From 0 to the trials.</param>
    /// <param name="trials">At least 1.</param>
    /// <param name="confidence">For example 0.95.</param>
    public static Interval Wilson(int successes, int trials, double confidence = 0.95)
    {
        RequireProportion(successes, trials, confidence);
        return WilsonOfShare((double)successes / trials, trials, confidence);
    }

    /// <summary>Wilson's interval of the mean of values from 0 to 1, of which halves are ties.</summary>
    internal static Interval WilsonOfShare(double p, int trials, double confidence = 0.95)
    {
        double z = SpecialFunctions.NormalQuantile((1 + confidence) / 2), n = trials;
        double center = (p + z * z / (2 * n)) / (1 + z * z / n);
        double half = z / (1 + z * z / n) * Math.Sqrt(p * (1 - p) / n + z * z / (4 * n * n));
        return new Interval(Math.Max(0, center - half), Math.Min(1, center + half));
    }

    /// <summary>The exact interval of a proportion after Clopper and Pearson: never too narrow, mostly too wide.</summary>
    /// <param name="successes">From 0 to the trials.</param>
    /// <param name="trials">At least 1.</param>
    /// <param name="confidence">For example 0.95.</param>
    public static Interval ClopperPearson(int successes, int trials, double confidence = 0.95)
    {
        RequireProportion(successes, trials, confidence);
        double tail = (1 - confidence) / 2;
        return new Interval(
            successes == 0 ? 0 : SpecialFunctions.BetaQuantile(tail, successes, trials - successes + 1),
            successes == trials ? 1 : SpecialFunctions.BetaQuantile(1 - tail, successes + 1, trials - successes));
    }

    /// <summary>
    /// The interval of the difference of two independent proportions, the first less the second, out of their Wilson intervals
    /// (Newcombe 1998, method 10: https://doi.org/10.1002/(SICI)1097-0258(19980430)17:8&lt;873::AID-SIM779&gt;3.0.CO;2-I).
    /// </summary>
    /// <param name="successes">Successes of the first, from 0 to its trials.</param>
    /// <param name="trials">At least 1.</param>
    /// <param name="otherSuccesses">Successes of the second.</param>
    /// <param name="otherTrials">At least 1.</param>
    /// <param name="confidence">For example 0.95.</param>
    public static Interval ProportionDifference(
        int successes, int trials, int otherSuccesses, int otherTrials, double confidence = 0.95)
    {
        Interval first = Wilson(successes, trials, confidence), second = Wilson(otherSuccesses, otherTrials, confidence);
        double p = (double)successes / trials, q = (double)otherSuccesses / otherTrials;
        return new Interval(
            p - q - double.Hypot(p - first.Low, second.High - q), p - q + double.Hypot(first.High - p, q - second.Low));
    }

    /// <summary>The standard error of a proportion: √(p (1 − p) / n).</summary>
    /// <param name="successes">From 0 to the trials.</param>
    /// <param name="trials">At least 1.</param>
    public static double StandardError(int successes, int trials)
    {
        RequireProportion(successes, trials, 0.5);
        double p = (double)successes / trials;
        return Math.Sqrt(p * (1 - p) / trials);
    }

    /// <summary>The mean and the sample's standard deviation (n − 1).</summary>
    /// <param name="values">At least two.</param>
    public static (double Mean, double Deviation) MeanAndDeviation(IReadOnlyList<double> values)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Count, 2, nameof(values));
        double mean = values.Average();
        return (mean, Math.Sqrt(values.Sum(v => (v - mean) * (v - mean)) / (values.Count - 1)));
    }

    /// <summary>Means of resamples with replacement; the same seed draws the same.</summary>
    /// <param name="values">The values: differences of pairs, to compare two models on the same items.</param>
    /// <param name="resamples">How many means.</param>
    /// <param name="seed">What the draws depend on.</param>
    public static double[] BootstrapMeans(IReadOnlyList<double> values, int resamples = 10_000, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Count, 1, nameof(values));
        var random = new Random(seed);
        var indices = new int[values.Count];
        var means = new double[resamples];
        for (int r = 0; r < resamples; r++)
        {
            for (int i = 0; i < indices.Length; i++)
                indices[i] = random.Next(values.Count);
            means[r] = ResampledMean(values, indices);
        }

        return means;
    }

    /// <summary>
    /// The range in which the middle share of values lies, with linear interpolation: of bootstrap means a confidence interval.
    /// </summary>
    /// <param name="values">At least one.</param>
    /// <param name="confidence">For example 0.95.</param>
    public static Interval PercentileInterval(IReadOnlyList<double> values, double confidence = 0.95)
    {
        ArgumentNullException.ThrowIfNull(values);
        ArgumentOutOfRangeException.ThrowIfLessThan(values.Count, 1, nameof(values));
        double[] sorted = [.. values.Order()];
        return new Interval(Quantile((1 - confidence) / 2), Quantile((1 + confidence) / 2));

        double Quantile(double q)
        {
            double place = q * (sorted.Length - 1);
            int below = (int)Math.Floor(place), above = Math.Min(below + 1, sorted.Length - 1);
            return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
        }
    }

    /// <summary>Student's t test of paired values, on both sides.</summary>
    /// <param name="a">Values of one model, item by item; at least two.</param>
    /// <param name="b">Values of the other.</param>
    public static TestResult PairedTTest(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        var (mean, deviation) = MeanAndDeviation(Differences(a, b));
        double degrees = a.Count - 1, t = mean / (deviation / Math.Sqrt(a.Count));
        return new TestResult(t, SpecialFunctions.IncompleteBeta(degrees / 2, 0.5, degrees / (degrees + t * t)));
    }

    /// <summary>Wilcoxon's signed-rank test of paired values, exact, on both sides; pairs without a difference are left out.</summary>
    /// <param name="a">Values of one model, item by item.</param>
    /// <param name="b">Values of the other.</param>
    public static TestResult WilcoxonSignedRank(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        double[] differences = [.. Differences(a, b).Where(d => d != 0)];
        var ranks = Correlation.Ranks([.. differences.Select(Math.Abs)]);
        double positive = ranks.Where((_, i) => differences[i] > 0).Sum(), statistic = Math.Min(positive, ranks.Sum() - positive);

        // How many of the 2ⁿ ways to give signs to the ranks have a sum of s. Shared ranks are halves, so all are doubled.
        var ways = new double[(int)Math.Round(2 * ranks.Sum()) + 1];
        ways[0] = 1;
        foreach (double rank in ranks)
            for (int s = ways.Length - 1, twice = (int)Math.Round(2 * rank); s >= twice; s--)
                ways[s] += ways[s - twice];
        double all = Math.Pow(2, ranks.Length), extreme = ways.Take((int)Math.Round(2 * statistic) + 1).Sum();
        return new TestResult(statistic, Math.Min(1, 2 * extreme / all));
    }

    /// <summary>McNemar's test of two models on the same items: χ² with one degree of freedom.</summary>
    /// <param name="onlyFirst">Items that only the first got right.</param>
    /// <param name="onlySecond">Items that only the second got right.</param>
    /// <param name="continuity">Whether |b − c| is made smaller by 1.</param>
    public static TestResult McNemar(int onlyFirst, int onlySecond, bool continuity = false)
    {
        double both = (double)onlyFirst + onlySecond;
        if (both == 0)
            return new TestResult(0, 1);
        double distance = Math.Max(Math.Abs((double)onlyFirst - onlySecond) - (continuity ? 1 : 0), 0);
        double statistic = distance * distance / both;
        return new TestResult(statistic, SpecialFunctions.ComplementaryError(Math.Sqrt(statistic / 2)));
    }

    /// <summary>McNemar's test, exact: both sides of a binomial distribution.</summary>
    /// <param name="onlyFirst">Items that only the first got right.</param>
    /// <param name="onlySecond">Items that only the second got right.</param>
    public static double McNemarExact(int onlyFirst, int onlySecond)
    {
        int n = onlyFirst + onlySecond, less = Math.Min(onlyFirst, onlySecond);
        double tail = 0;
        for (int i = 0; i <= less; i++)
            tail += Math.Exp(SpecialFunctions.LogGamma(n + 1) - SpecialFunctions.LogGamma(i + 1) - SpecialFunctions.LogGamma(n - i + 1)
                - n * Math.Log(2));
        return Math.Min(1, 2 * tail);
    }

    /// <summary>p values of several tests, so that one false alarm in all of them is as unlikely as in one (Bonferroni).</summary>
    /// <param name="p">p values.</param>
    public static double[] Bonferroni(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        return [.. p.Select(value => Math.Min(1, value * p.Count))];
    }

    /// <summary>As <see cref="Bonferroni"/>, stepwise and never weaker (Holm 1979).</summary>
    /// <param name="p">p values.</param>
    public static double[] Holm(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        var adjusted = new double[p.Count];
        double most = 0;
        foreach (var (place, rank) in Enumerable.Range(0, p.Count).OrderBy(i => p[i]).Select((place, rank) => (place, rank)))
            adjusted[place] = most = Math.Max(most, Math.Min(1, p[place] * (p.Count - rank)));
        return adjusted;
    }

    /// <summary>
    /// p values of several tests, so that the expected share of false alarms among alarms is bounded (Benjamini–Hochberg 1995).
    /// </summary>
    /// <param name="p">p values.</param>
    public static double[] BenjaminiHochberg(IReadOnlyList<double> p)
    {
        ArgumentNullException.ThrowIfNull(p);
        var adjusted = new double[p.Count];
        double least = 1;
        foreach (var (place, rank) in Enumerable.Range(0, p.Count).OrderByDescending(i => p[i]).Select((place, rank) => (place, rank)))
            adjusted[place] = least = Math.Min(least, p[place] * p.Count / (p.Count - rank));
        return adjusted;
    }

    internal static double ResampledMean(IReadOnlyList<double> values, int[] indices)
    {
        double sum = 0;
        foreach (int index in indices)
            sum += values[index];
        return sum / indices.Length;
    }

    private static double[] Differences(IReadOnlyList<double> a, IReadOnlyList<double> b)
    {
        ArgumentNullException.ThrowIfNull(a);
        ArgumentNullException.ThrowIfNull(b);
        if (a.Count != b.Count)
            throw new ArgumentException($"There are {a.Count} and {b.Count} values; each needs its pair.");
        return [.. a.Zip(b, (x, y) => x - y)];
    }

    private static void RequireProportion(int successes, int trials, double confidence)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(trials, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(successes);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(successes, trials);
        if (confidence is not (> 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(confidence), confidence, "A confidence lies between 0 and 1.");
    }
}

/// <summary>Distributions that tests of significance need (Abramowitz and Stegun; Numerical Recipes, chapter 6).</summary>
internal static class SpecialFunctions
{
    private const int MostTerms = 10_000;
    private const double Tiny = 1e-300;

    // Lanczos's approximation with g = 7.
    private static readonly double[] Lanczos =
    [
        0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059, 12.507343278686905,
        -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
    ];

    /// <summary>log Γ(x) for x &gt; 0.</summary>
    public static double LogGamma(double x)
    {
        if (x < 0.5)
            return Math.Log(Math.PI / Math.Sin(Math.PI * x)) - LogGamma(1 - x);
        x--;
        double sum = Lanczos[0], t = x + 7.5;
        for (int i = 1; i < Lanczos.Length; i++)
            sum += Lanczos[i] / (x + i);
        return 0.5 * Math.Log(2 * Math.PI) + (x + 0.5) * Math.Log(t) - t + Math.Log(sum);
    }

    /// <summary>The regularised incomplete beta function I_x(a, b), by its continued fraction.</summary>
    public static double IncompleteBeta(double a, double b, double x)
    {
        if (x is <= 0 or >= 1)
            return x <= 0 ? 0 : 1;
        if (x > (a + 1) / (a + b + 2))
            return 1 - IncompleteBeta(b, a, 1 - x);
        double front = Math.Exp(LogGamma(a + b) - LogGamma(a) - LogGamma(b) + a * Math.Log(x) + b * Math.Log(1 - x)) / a;
        double c = 1, d = 1 / NotZero(1 - (a + b) * x / (a + 1)), fraction = d;
        for (int m = 1; m < MostTerms; m++)
        {
            Step(m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)));
            if (Math.Abs(Step(-(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))) - 1) < 1e-15)
                break;
        }

        return front * fraction;

        double Step(double term)
        {
            d = 1 / NotZero(1 + term * d);
            c = NotZero(1 + term / c);
            fraction *= c * d;
            return c * d;
        }
    }

    /// <summary>The x at which I_x(a, b) has a value, by bisection.</summary>
    public static double BetaQuantile(double probability, double a, double b)
        => Bisect(x => IncompleteBeta(a, b, x), probability, 0, 1);

    /// <summary>The quantile of the normal distribution, by bisection.</summary>
    public static double NormalQuantile(double probability)
        => Bisect(x => 1 - ComplementaryError(x / Math.Sqrt(2)) / 2, probability, -40, 40);

    /// <summary>erfc(x): its series below 2, its continued fraction above.</summary>
    public static double ComplementaryError(double x)
    {
        if (x < 0)
            return 2 - ComplementaryError(-x);
        if (x < 2)
        {
            double term = x, sum = x;
            for (int n = 1; Math.Abs(term) > 1e-17 * Math.Abs(sum) && n < MostTerms; n++)
            {
                term *= -x * x / n;
                sum += term / (2 * n + 1);
            }

            return 1 - 2 / Math.Sqrt(Math.PI) * sum;
        }

        double fraction = 0;
        for (int n = 200; n > 0; n--)
            fraction = n / 2.0 / (x + fraction);
        return Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (x + fraction);
    }

    private static double Bisect(Func<double, double> rising, double value, double low, double high)
    {
        for (int i = 0; i < 200 && low < high; i++)
        {
            double middle = (low + high) / 2;
            if (rising(middle) < value)
                low = middle;
            else
                high = middle;
        }

        return (low + high) / 2;
    }

    private static double NotZero(double x) => Math.Abs(x) < Tiny ? Tiny : x;
}
