using Kotonoha.Foundation;

namespace Kotonoha.Rag.Embedding;

/// <summary>The collection's vectors were made by another embedder than the one at hand.</summary>
public sealed class EmbedderMismatchException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">Which embedders, and how to re-index.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public EmbedderMismatchException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
