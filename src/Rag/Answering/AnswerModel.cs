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

    private static readonly double[] RankingWeights = [7.6, 6.52, 1.52, 0.18, 1.19, -1.3, 4.06, -0.97, 0.58, -2.24, 0.42, -0.64, 4.58];

    private static readonly double[] AnswerWeights = [1.55, 2.42, 0.58, -0.17, 0.8, -1.04, 1.82, -0.99, -0.53, 0.89, 1.29, -0.08, 1.56];

    private const double AnswerBias = -3.45;

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
