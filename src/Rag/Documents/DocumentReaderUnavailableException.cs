using Kotonoha.Foundation;

namespace Kotonoha.Rag.Documents;

/// <summary>A document may be fine, but a program that is needed to read its format is not installed.</summary>
public sealed class DocumentReaderUnavailableException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What is missing.</param>
    /// <param name="command">The one command that installs it.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public DocumentReaderUnavailableException(string message, string command, Exception? innerException = null)
        : base(message, innerException)
        => Command = command;

    /// <summary>The one command that installs what is missing.</summary>
    public string Command { get; }
}
