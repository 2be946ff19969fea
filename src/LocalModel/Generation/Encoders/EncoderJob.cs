using Kotonoha.LocalModel.Generation.Engine;

namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>One text, or pair of texts, that an encoder reads: it ends as a vector, or as what the model's head says of it.</summary>
/// <param name="input">The tokens.</param>
/// <param name="embedding">How the tokens become a vector; null for the logits of the head.</param>
/// <param name="cancellation">Ends the job early.</param>
internal sealed class EncoderJob(EncoderInput input, SentenceEmbedding? embedding, CancellationToken cancellation) : IEngineJob
{
    private readonly TaskCompletionSource<float[]> completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The vector or the logits.</summary>
    public Task<float[]> Result => completion.Task;

    /// <summary>The tokens.</summary>
    public EncoderInput Input => input;

    /// <summary>Whether the model's head is asked, not the hidden states.</summary>
    public bool WantsLogits => embedding is null;

    /// <inheritdoc/>
    public CancellationToken Cancellation { get; } = cancellation;

    /// <summary>Takes the outcome.</summary>
    /// <param name="hidden">The hidden states of the text's tokens, row after row.</param>
    /// <param name="logits">The head's row of the text.</param>
    public void Accept(ReadOnlySpan<float> hidden, ReadOnlySpan<float> logits)
    {
        float[] result = embedding is null ? logits.ToArray() : embedding.Pool(hidden, input.Ids.Length, input.PromptTokens);
        foreach (float x in result)
            if (!float.IsFinite(x))
                throw new InvalidOperationException("The model gave a number that is not finite; its weights are damaged. Load another checkpoint.");
        completion.TrySetResult(result);
    }

    /// <inheritdoc/>
    public void Fail(Exception exception)
    {
        if (exception is OperationCanceledException)
            completion.TrySetCanceled(Cancellation);
        else
            completion.TrySetException(exception);
    }
}
