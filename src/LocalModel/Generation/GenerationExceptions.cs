using System.Globalization;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Generation;

/// <summary>A prompt does not fit into the model's context.</summary>
public sealed class ContextOverflowException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="promptTokens">The tokens of the prompt.</param>
    /// <param name="contextLength">The tokens that the context holds.</param>
    /// <param name="what">What did not fit, for example <c>prompt</c>.</param>
    public ContextOverflowException(int promptTokens, int contextLength, string what = "prompt")
        : base(string.Create(CultureInfo.InvariantCulture,
            $"The {what} has {promptTokens} tokens, but the model's context holds {contextLength}, the output included. Shorten the "
                + $"{what} (fewer or shorter messages, less quoted text), or use a model with a longer context."))
    {
        PromptTokens = promptTokens;
        ContextLength = contextLength;
    }

    /// <summary>The tokens of the prompt.</summary>
    public int PromptTokens { get; }

    /// <summary>The tokens that the context holds, output included.</summary>
    public int ContextLength { get; }
}

/// <summary>The engine's queue is full; this request was not accepted.</summary>
public sealed class QueueFullException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="queueLength">The requests that may wait.</param>
    public QueueFullException(int queueLength)
        : base(string.Create(CultureInfo.InvariantCulture,
            $"The model already has {queueLength} requests waiting, as many as QueueLength among its options allows. Try again later, or "
                + $"raise the limit."))
        => QueueLength = queueLength;

    /// <summary>The requests that may wait.</summary>
    public int QueueLength { get; }
}
