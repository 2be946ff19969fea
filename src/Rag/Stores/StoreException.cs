using Kotonoha.Foundation;

namespace Kotonoha.Rag.Stores;

/// <summary>A knowledge store cannot do what was asked.</summary>
public sealed class StoreException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="error">What kind of failure it is.</param>
    /// <param name="message">What failed, on what input, and what to do next.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public StoreException(StoreError error, string message, Exception? innerException = null)
        : base(message, innerException)
        => Error = error;

    /// <summary>What kind of failure it is.</summary>
    public StoreError Error { get; }
}
