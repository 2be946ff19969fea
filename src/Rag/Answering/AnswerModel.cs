namespace Kotonoha.Rag.Answering;

/// <summary>
/// The numbers by which sentences are ranked and answers are believed: two linear models, fitted by <c>benchmarks truth-fit</c> (softmax over the
/// candidates of a question; logistic regression over answerable and unanswerable questions).
/// </summary>
internal static class AnswerModel
{
    internal const double DefaultThreshold = 0.35;

    /// <summary>The number of features of an answer; see <see cref="AnswerFeatures"/>.</summary>
    internal const int AnswerFeatureCount = 13;

    private static readonly double[] RankingWeights = [9.35, 3.85, 5.97, 2.11, 1.15, -0.59, 3.17, -2.30, 0.46, 0.31, 0.51, 0.60, 5.81];

    private static readonly double[] AnswerWeights = [1.27, 1.94, 0.26, -0.04, 0.11, -1.68, 1.60, 0.28, -0.87, 1.01, 1.64, 0.34, 1.08];

    private const double AnswerBias = -4.34;

    internal static double Rank(double[] features) => Dot(RankingWeights, features);

    internal static double Probability(double[] features) => 1 / (1 + Math.Exp(-(AnswerBias + Dot(AnswerWeights, features))));

    internal static double Dot(double[] weights, double[] features)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
            sum += weights[i] * features[i];
        return sum;
    }
}
