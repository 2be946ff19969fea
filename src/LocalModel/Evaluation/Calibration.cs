namespace Kotonoha.LocalModel.Evaluation;

/// <summary>One bin of confidences.</summary>
/// <param name="Count">The predictions in it.</param>
/// <param name="Confidence">Their mean confidence, 0 of an empty bin.</param>
/// <param name="Accuracy">Their share of right ones, 0 of an empty bin.</param>
public readonly record struct CalibrationBin(int Count, double Confidence, double Accuracy);

/// <summary>Whether confidences mean what they say.</summary>
/// <param name="Bins">Bins of equal width.</param>
/// <param name="ExpectedError">ECE: the mean distance of confidence and accuracy over bins by size (arXiv:1706.04599).</param>
/// <param name="MaximumError">The largest distance.</param>
/// <param name="Brier">The mean of (confidence − outcome)².</param>
/// <param name="LogLoss">The mean of −log p(outcome) in nats; probabilities are at least 1e-12.</param>
public sealed record Calibration(
    IReadOnlyList<CalibrationBin> Bins, double ExpectedError, double MaximumError, double Brier, double LogLoss)
{
    private const double LeastProbability = 1e-12;

    /// <summary>Measures predictions.</summary>
    /// <param name="confidences">The probability given to each prediction, from 0 to 1.</param>
    /// <param name="correct">Whether it was right.</param>
    /// <param name="bins">How many bins; each holds its upper bound.</param>
    /// <exception cref="ArgumentException">The numbers differ, or there are none.</exception>
    public static Calibration Of(IReadOnlyList<double> confidences, IReadOnlyList<bool> correct, int bins = 10)
    {
        ArgumentNullException.ThrowIfNull(confidences);
        ArgumentNullException.ThrowIfNull(correct);
        ArgumentOutOfRangeException.ThrowIfLessThan(bins, 1);
        if (confidences.Count != correct.Count || correct.Count == 0)
            throw new ArgumentException($"There are {confidences.Count} confidences of {correct.Count} predictions; as many are needed.");
        var counts = new int[bins];
        double[] sums = new double[bins], right = new double[bins];
        double brier = 0, loss = 0;
        for (int i = 0; i < confidences.Count; i++)
        {
            double p = confidences[i], outcome = correct[i] ? 1 : 0;
            int bin = Enumerable.Range(0, bins).First(b => b == bins - 1 || p <= (b + 1) / (double)bins);
            counts[bin]++;
            sums[bin] += p;
            right[bin] += outcome;
            brier += (p - outcome) * (p - outcome);
            loss -= Math.Log(Math.Clamp(correct[i] ? p : 1 - p, LeastProbability, 1 - LeastProbability));
        }

        var table = counts.Select((n, b) => n == 0 ? default : new CalibrationBin(n, sums[b] / n, right[b] / n)).ToArray();
        double all = correct.Count;
        return new Calibration(
            table, table.Sum(b => b.Count / all * Math.Abs(b.Confidence - b.Accuracy)),
            table.Max(b => Math.Abs(b.Confidence - b.Accuracy)), brier / all, loss / all);
    }
}
