namespace Kotonoha.LocalModel.Generation.Engine;

/// <summary>What requests of every engine have in common: texts are encoded on the thread pool, and the end of a cancelled one says why.</summary>
internal static class EngineRequest
{
    /// <summary>Runs the encoding of a request's texts.</summary>
    /// <param name="encode">Encodes.</param>
    /// <param name="token">The caller's cancellation or the end of the model.</param>
    /// <param name="callers">The caller's cancellation alone.</param>
    public static async Task<T> EncodeAsync<T>(Func<T> encode, CancellationToken token, CancellationToken callers)
    {
        try
        {
            // A long text may still be being encoded when nobody waits for it any more.
            return await Task.Run(encode, token).WaitAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException exception)
        {
            throw Cancelled(exception, callers);
        }
    }

    /// <summary>The caller's own cancellation, or the end of the model.</summary>
    public static OperationCanceledException Cancelled(OperationCanceledException exception, CancellationToken callers)
        => callers.IsCancellationRequested
            ? new OperationCanceledException(exception.Message, exception, callers)
            : new OperationCanceledException("The model was disposed while the request was waiting or running.", exception);
}
