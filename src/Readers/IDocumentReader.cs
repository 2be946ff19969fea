namespace Kotonoha.Readers;

/// <summary>Reads one document format. Implementations are thread-safe and keep nothing between calls.</summary>
public interface IDocumentReader
{
    /// <summary>The media type of the format, for example <c>text/markdown</c>.</summary>
    string MediaType { get; }

    /// <summary>The file extensions of the format, lower case, with the dot.</summary>
    IReadOnlyList<string> Extensions { get; }

    /// <summary>Reads a document.</summary>
    /// <param name="content">The file's bytes, at most <see cref="DocumentLimits.MaxFileBytes"/>.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The readable text and its parts.</returns>
    /// <exception cref="DocumentFormatException">The document is broken or goes beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">A program that the reader needs cannot be started.</exception>
    ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default);
}
