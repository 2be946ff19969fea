using Kotonoha.Foundation;

namespace Kotonoha.Rag.Documents;

/// <summary>A document cannot be read: it is broken, in another format than its name says, or beyond a limit.</summary>
public sealed class DocumentFormatException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is wrong with which document, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public DocumentFormatException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
