using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>Measures how well a model predicts a sequence of tokens.</summary>
public static class Perplexity
{
    /// <summary>
    /// The mean loss over a whole sequence of tokens, cut into windows that do not overlap: every token but the first is predicted exactly
    /// once, from those before it in its window.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="tokens">The sequence; at least two tokens.</param>
    /// <param name="contextLength">Tokens in a window; null for the model's context length.</param>
    /// <param name="threads">The threads that compute; 0 for one per core.</param>
    /// <param name="device">Where the model computes; null for <see cref="Device.Cpu"/>.</param>
    /// <param name="cancellationToken">Checked between layers.</param>
    public static PerplexityResult Measure(
        CausalModel model, TokenSource tokens, int? contextLength = null, int threads = 0, Device? device = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(model);
        using var session = (device ?? Device.Cpu).CreateInferenceSession(threads);
        var (loss, count) = ValidationLoss.Measure(model, tokens, session, contextLength ?? model.ContextLength, cancellationToken);
        return new PerplexityResult(loss, count);
    }
}

/// <summary>How well a model predicts a text.</summary>
/// <param name="Loss">The mean of −log p over the predicted tokens, in nats.</param>
/// <param name="Tokens">The number of predicted tokens.</param>
public readonly record struct PerplexityResult(double Loss, long Tokens)
{
    /// <summary>The exponential of the loss: the number of equally likely tokens that the model hesitates between.</summary>
    public double Perplexity => Math.Exp(Loss);
}
