namespace Kotonoha.Rag.Answering;

/// <summary>
/// The numbers by which sentences are ranked and answers are believed: two linear models, fitted by <c>benchmarks truth-fit</c> (softmax over the
/// candidates of a question; logistic regression over answerable and unanswerable questions).
/// </summary>
internal static class AnswerModel
{
    internal const double DefaultThreshold = 0.6;

    /// <summary>The number of features of an answer; see <see cref="AnswerFeatures"/>.</summary>
    internal const int AnswerFeatureCount = 13;

    private static readonly double[] RankingWeights = [9.22, 6.83, 4.12, 2.75, 0.98, -1.40, 1.24, -0.04, 0.70, -1.07, 0.05, -0.98, 4.48];

    private static readonly double[] AnswerWeights = [1.40, 2.08, 0.49, 0.15, 0.88, -1.21, 1.69, -0.65, -0.40, 1.01, 1.82, -0.34, 1.27];

    private const double AnswerBias = -3.68;

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
