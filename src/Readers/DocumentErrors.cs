using Kotonoha.Foundation;

namespace Kotonoha.Readers;

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

    /// <summary>Whether the same bytes will fail again: true for a broken, unknown or oversized document, so that there is no use in
    /// another try; false where reading took too long or its program ended, which may be the machine's doing.</summary>
    public bool IsDeterministic { get; init; } = true;
}

/// <summary>A document may be fine, but the program that reads its format cannot be started.</summary>
public sealed class DocumentReaderUnavailableException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is missing, and what to do.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public DocumentReaderUnavailableException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
