namespace Kotonoha.LocalModel.Checkpoints.Hub;

/// <summary>Something failed that may succeed the next time; caught and turned into a <see cref="HubException"/> after enough attempts.</summary>
internal sealed class HubInterruption(string message, TimeSpan? retryAfter, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>How long the server asks to wait.</summary>
    public TimeSpan? RetryAfter => retryAfter;
}
