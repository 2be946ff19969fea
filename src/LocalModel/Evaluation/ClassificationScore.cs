using Kotonoha.LocalModel.Numerics;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>How much a disagreement of ordered classes counts in Cohen's kappa.</summary>
public enum KappaWeights
{
    /// <summary>All alike.</summary>
    None,

    /// <summary>The distance.</summary>
    Linear,

    /// <summary>The distance squared.</summary>
    Quadratic,
}

/// <summary>
/// Scores of predicted classes, from their confusion matrix; definitions as in scikit-learn. What is undefined (no prediction of a class)
/// is 0.
/// </summary>
/// <typeparam name="TLabel">The type of labels.</typeparam>
public sealed class ClassificationScore<TLabel>
    where TLabel : notnull
{
    private readonly double[] _predicted;
    private readonly double[] _true;
    private readonly double _all;

    /// <summary>Compares predictions with the truth.</summary>
    /// <param name="truth">The right labels.</param>
    /// <param name="predictions">As many predictions.</param>
    /// <param name="labels">The classes in their order; null for those that occur, sorted.</param>
    /// <exception cref="ArgumentException">The numbers differ, there is nothing to compare, or a label is no class.</exception>
    public ClassificationScore(IReadOnlyList<TLabel> truth, IReadOnlyList<TLabel> predictions, IReadOnlyList<TLabel>? labels = null)
    {
        ArgumentNullException.ThrowIfNull(truth);
        ArgumentNullException.ThrowIfNull(predictions);
        if (truth.Count != predictions.Count || truth.Count == 0)
            throw new ArgumentException($"There are {truth.Count} labels and {predictions.Count} predictions; as many are needed.");
        // Of strings the default order would be the culture's.
        var order = StringComparer.Ordinal as IComparer<TLabel> ?? Comparer<TLabel>.Default;
        Labels = labels ?? [.. truth.Concat(predictions).Distinct().Order(order)];
        var places = Labels.Select((label, i) => (label, i)).ToDictionary(pair => pair.label, pair => pair.i);
        int[][] confusion = [.. Labels.Select(_ => new int[Labels.Count])];
        for (int i = 0; i < truth.Count; i++)
            confusion[Place(truth[i])][Place(predictions[i])]++;
        Confusion = confusion;
        _all = truth.Count;
        _true = [.. confusion.Select(row => (double)row.Sum())];
        _predicted = [.. Labels.Select((_, j) => (double)confusion.Sum(row => row[j]))];

        int Place(TLabel label) => places.TryGetValue(label, out int place)
            ? place
            : throw new ArgumentException($"The label '{label}' is not one of the {places.Count} classes.");
    }

    /// <summary>The classes.</summary>
    public IReadOnlyList<TLabel> Labels { get; }

    /// <summary>How often each class (row) was predicted as each (column).</summary>
    public IReadOnlyList<IReadOnlyList<int>> Confusion { get; }

    /// <summary>The share of right predictions.</summary>
    public double Accuracy => Labels.Select((_, i) => Confusion[i][i]).Sum() / _all;

    /// <summary>The mean recall of the classes that occur.</summary>
    public double BalancedAccuracy => Labels.Select((_, i) => i).Where(i => _true[i] > 0).Average(i => Confusion[i][i] / _true[i]);

    /// <summary>Each class's precision, recall and F1.</summary>
    public IReadOnlyList<PrecisionRecall> PerClass
        => [.. Labels.Select((_, i) => PrecisionRecall.Of(Confusion[i][i], _predicted[i], _true[i]))];

    /// <summary>How often each class occurs.</summary>
    public IReadOnlyList<int> Support => [.. _true.Select(count => (int)count)];

    /// <summary>The mean over classes.</summary>
    public PrecisionRecall Macro => Mean([.. _true.Select(_ => 1.0)]);

    /// <summary>Over all predictions alike; each value is then the accuracy.</summary>
    public PrecisionRecall Micro => new(Accuracy, Accuracy, Accuracy);

    /// <summary>The mean over classes by how often they occur.</summary>
    public PrecisionRecall Weighted => Mean(_true);

    /// <summary>Matthews' correlation coefficient for any number of classes; 0 where one side has a single class.</summary>
    public double MatthewsCorrelation
    {
        get
        {
            double right = Accuracy * _all, together = _true.Zip(_predicted, (t, p) => t * p).Sum();
            double spread = (_all * _all - _predicted.Sum(p => p * p)) * (_all * _all - _true.Sum(t => t * t));
            return spread == 0 ? 0 : (right * _all - together) / Math.Sqrt(spread);
        }
    }

    /// <summary>Cohen's kappa: agreement beyond chance; null where both sides have the same single class.</summary>
    /// <param name="weights">How much a disagreement counts.</param>
    public double? Kappa(KappaWeights weights = KappaWeights.None)
    {
        double observed = 0, expected = 0;
        for (int i = 0; i < Labels.Count; i++)
            for (int j = 0; j < Labels.Count; j++)
            {
                double weight = weights switch
                {
                    KappaWeights.Linear => Math.Abs(i - j),
                    KappaWeights.Quadratic => (i - j) * (i - j),
                    _ => i == j ? 0 : 1,
                };
                observed += weight * Confusion[i][j];
                expected += weight * _true[i] * _predicted[j] / _all;
            }

        return expected == 0 ? null : 1 - observed / expected;
    }

    private PrecisionRecall Mean(double[] weights)
    {
        double all = weights.Sum();
        double Of(Func<PrecisionRecall, double> value) => PerClass.Zip(weights, (score, weight) => value(score) * weight).Sum() / all;
        return new PrecisionRecall(Of(s => s.Precision), Of(s => s.Recall), Of(s => s.F1));
    }
}

/// <summary>Scores of two classes by a number that should be larger for the second.</summary>
public static class BinaryRanking
{
    /// <summary>The area under the ROC curve: how often a positive has the larger score than a negative; a tie counts half.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="positive">Which are positive; at least one is and one is not.</param>
    /// <exception cref="ArgumentException">The numbers differ, or one of the classes does not occur.</exception>
    public static double RocArea(IReadOnlyList<double> scores, IReadOnlyList<bool> positive)
    {
        RequirePositives(scores, positive);
        if (positive.All(p => p))
            throw new ArgumentException("There is no negative to compare with.", nameof(positive));
        var ranks = Correlation.Ranks(scores);
        double count = positive.Count(p => p), sum = ranks.Where((_, i) => positive[i]).Sum();
        return (sum - count * (count + 1) / 2) / (count * (positive.Count - count));
    }

    /// <summary>Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct thresholds, from the highest.</summary>
    /// <param name="scores">The scores.</param>
    /// <param name="positive">Which are positive; at least one.</param>
    /// <exception cref="ArgumentException">The numbers differ, or nothing is positive.</exception>
    public static double AveragePrecision(IReadOnlyList<double> scores, IReadOnlyList<bool> positive)
    {
        RequirePositives(scores, positive);
        double all = positive.Count(p => p), seen = 0, found = 0, sum = 0;
        foreach (var group in scores.Zip(positive).GroupBy(pair => pair.First).OrderByDescending(group => group.Key))
        {
            double here = group.Count(pair => pair.Second);
            seen += group.Count();
            found += here;
            sum += here / all * (found / seen);
        }

        return sum;
    }

    private static void RequirePositives(IReadOnlyList<double> scores, IReadOnlyList<bool> positive)
    {
        ArgumentNullException.ThrowIfNull(scores);
        ArgumentNullException.ThrowIfNull(positive);
        if (scores.Count != positive.Count || !positive.Any(p => p))
            throw new ArgumentException(
                $"There are {scores.Count} scores and {positive.Count} classes, {positive.Count(p => p)} of them positive; a class is "
                + "needed for each score, and a positive.", nameof(positive));
    }
}
