namespace Kotonoha.LocalModel.Generation;

/// <summary>How likely a model finds a continuation.</summary>
/// <param name="LogProbability">The sum of the tokens' natural log-probabilities, each given the prefix and the tokens before it.</param>
/// <param name="TokenCount">The tokens of the continuation.</param>
public readonly record struct SequenceScore(double LogProbability, int TokenCount)
{
    /// <summary>The mean log-probability of a token; 0 for an empty continuation.</summary>
    public double PerToken => TokenCount == 0 ? 0 : LogProbability / TokenCount;
}
