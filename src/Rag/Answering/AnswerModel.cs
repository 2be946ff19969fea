namespace Kotonoha.Rag.Answering;

/// <summary>
/// The numbers by which sentences are ranked and answers are believed: two linear models, fitted by <c>benchmarks truth-fit</c> (softmax over the
/// candidates of a question; logistic regression over answerable and unanswerable questions).
/// </summary>
internal static class AnswerModel
{
    internal const double DefaultThreshold = 0.4;

    /// <summary>The number of features of an answer; see <see cref="AnswerFeatures"/>.</summary>
    internal const int AnswerFeatureCount = 13;

    private static readonly double[] RankingWeights = [9.25, 7.71, 4.56, 1.05, 0.98, -1.63, 1.58, -0.64, 0.54, -1.63, -0.07, -0.03, 4.72];

    private static readonly double[] AnswerWeights = [1.14, 1.69, 0.58, 0.11, 1.11, -0.62, 1.32, -0.12, -0.71, 1.00, 1.93, -0.22, 1.02];

    private const double AnswerBias = -4.63;

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
