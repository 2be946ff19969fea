namespace Kotonoha.LocalModel.Evaluation;

/// <summary>How well a model predicts a text.</summary>
/// <param name="Loss">The mean of −log p over the predicted tokens, in nats.</param>
/// <param name="Tokens">The number of predicted tokens.</param>
public readonly record struct PerplexityResult(double Loss, long Tokens)
{
    /// <summary>The exponential of the loss: the number of equally likely tokens that the model hesitates between.</summary>
    public double Perplexity => Math.Exp(Loss);
}
