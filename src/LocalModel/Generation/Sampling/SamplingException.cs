using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>No token can be chosen: every one was banned, or the model gave a logit or a hidden state that is not a number.</summary>
public sealed class SamplingException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What failed and what to do next.</param>
    public SamplingException(string message)
        : base(message)
    {
    }
}
