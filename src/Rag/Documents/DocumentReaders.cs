using System.Diagnostics.CodeAnalysis;
using Kotonoha.Foundation;

namespace Kotonoha.Rag.Documents;

/// <summary>The readers by file extension, and the guard around them: whatever a document does, the caller sees an
/// <see cref="ExtractedDocument"/> or a typed error within <see cref="DocumentLimits.MaxReadMs"/>.</summary>
/// <remarks>Thread-safe.</remarks>
public sealed class DocumentReaders
{
    private readonly Dictionary<string, IDocumentReader> _byExtension = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Creates a registry; where two readers claim an extension the later one has it.</summary>
    /// <param name="readers">The readers.</param>
    public DocumentReaders(params IEnumerable<IDocumentReader> readers)
    {
        ArgumentNullException.ThrowIfNull(readers);
        foreach (var reader in readers)
            foreach (var extension in reader.Extensions)
                _byExtension[extension] = reader;
    }

    /// <summary>The readers that Kotonoha brings: Markdown, plain text, HTML, PDF, DOCX.</summary>
    public static DocumentReaders Default { get; } =
        new([new MarkdownReader(), new PlainTextReader(), new HtmlReader(), new PdfReader(), new DocxReader()]);

    /// <summary>The file extensions that can be read, lower case, with the dot.</summary>
    public IReadOnlyCollection<string> Extensions => _byExtension.Keys;

    /// <summary>Finds the reader for a file.</summary>
    /// <param name="fileName">A file name or path.</param>
    /// <param name="reader">The reader, or null.</param>
    /// <returns>Whether there is one.</returns>
    public bool TryGet(string fileName, [NotNullWhen(true)] out IDocumentReader? reader)
    {
        ArgumentNullException.ThrowIfNull(fileName);
        return _byExtension.TryGetValue(Path.GetExtension(fileName), out reader);
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The readable text and its parts.</returns>
    /// <exception cref="DocumentFormatException">The document is broken, of an unknown format or beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">A program that the reader needs is not installed.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public async Task<ExtractedDocument> ReadFileAsync(string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 1 << 16, useAsync: true);
        await using (stream.ConfigureAwait(false))
            return await ReadAsync(stream, Path.GetFileName(path), cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a document.</summary>
    /// <param name="stream">The file's bytes, read from the current position to the end.</param>
    /// <param name="name">The file's name: its extension decides the format, messages show it.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The readable text and its parts.</returns>
    /// <exception cref="DocumentFormatException">The document is broken, of an unknown format or beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">A program that the reader needs is not installed.</exception>
    public async Task<ExtractedDocument> ReadAsync(Stream stream, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        var content = await ReadBytesAsync(stream, name, cancellationToken).ConfigureAwait(false);
        return await ReadAsync(content, name, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads a document.</summary>
    /// <param name="content">The file's bytes.</param>
    /// <param name="name">The file's name: its extension decides the format, messages show it.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The readable text and its parts.</returns>
    /// <exception cref="DocumentFormatException">The document is broken, of an unknown format or beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">A program that the reader needs is not installed.</exception>
    public async Task<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (!TryGet(name, out var reader))
            throw new DocumentFormatException($"'{name}' has no known document format; known are {string.Join(" ", Extensions)}.");
        if (content.Length > DocumentLimits.MaxFileBytes)
            throw TooLarge(name);
        try
        {
            return await ParserThread.RunAsync(name, token => reader.ReadAsync(content, name, token), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not (KotonohaException or OperationCanceledException or OutOfMemoryException))
        {
            // The parsers underneath throw whatever they like on broken input; their callers shall not have to know.
            throw new DocumentFormatException($"'{name}' cannot be read as {reader.MediaType}: {error.Message}", error);
        }
    }

    private static async Task<byte[]> ReadBytesAsync(Stream stream, string name, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream(stream.CanSeek ? (int)Math.Clamp(stream.Length - stream.Position, 0, DocumentLimits.MaxFileBytes) : 0);
        var block = new byte[1 << 16];
        int count;
        while ((count = await stream.ReadAsync(block, cancellationToken).ConfigureAwait(false)) > 0)
        {
            if (buffer.Length + count > DocumentLimits.MaxFileBytes)
                throw TooLarge(name);
            buffer.Write(block, 0, count);
        }

        return buffer.ToArray();
    }

    private static DocumentFormatException TooLarge(string name)
        => new($"'{name}' is larger than {DocumentLimits.MaxFileBytes >> 20} MB; split it into smaller files.");
}
