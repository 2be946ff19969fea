using System.Diagnostics.CodeAnalysis;
using System.Security.Cryptography;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Readers.Pdf;
using Kotonoha.Readers.Processes;
using Kotonoha.Readers.Recognition;

namespace Kotonoha.Readers;

/// <summary>The readers by file extension, and the guard around them: whatever a document does, the caller sees an
/// <see cref="ExtractedDocument"/> or a typed error within <see cref="DocumentLimits.MaxReadMs"/>.</summary>
/// <remarks>
/// Thread-safe. All but plain text and source code is read in child processes by <see cref="Default"/>, since a
/// hostile file can make a parser overflow its stack, use all memory or never end, and none of these can be stopped inside a
/// process. The processes are started as needed, serve many documents, end when they have been idle for a while, and end with this process.
/// </remarks>
public sealed class DocumentReaders
{
    private readonly Dictionary<string, IDocumentReader> _byExtension = new(StringComparer.OrdinalIgnoreCase);
    private readonly ReaderPool? _pool;
    private readonly Lazy<string> _version;
    private Tesseract? _tesseract;

    /// <summary>Creates a registry of your own readers, which run in this process; where two readers claim an extension the later one
    /// has it.</summary>
    /// <param name="readers">The readers.</param>
    public DocumentReaders(params IEnumerable<IDocumentReader> readers)
        : this(null, readers)
    {
    }

    private DocumentReaders(ReaderPool? pool, IEnumerable<IDocumentReader> readers)
    {
        ArgumentNullException.ThrowIfNull(readers);
        _pool = pool;
        _version = new Lazy<string>(Identify);
        foreach (var reader in readers)
            foreach (var extension in reader.Extensions)
                _byExtension[extension] = reader;
    }

    /// <summary>The readers that Kotonoha brings: plain text and source code in this process, all other formats in child
    /// processes.</summary>
    public static DocumentReaders Default { get; } = InChildProcesses(new ReaderProcessOptions());

    /// <summary>The same readers without child processes: for documents that you trust, and for apps that cannot start any. A hostile file
    /// can end the process or take all its memory.</summary>
    public static DocumentReaders InProcess { get; } = new(Own());

    /// <summary>The readers that Kotonoha brings, as <see cref="Default"/>, with your own limits.</summary>
    /// <param name="options">How many child processes there may be, and what each may take.</param>
    public static DocumentReaders InChildProcesses(ReaderProcessOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return InChildProcesses(new ReaderPool(options));
    }

    internal static DocumentReaders InChildProcesses(ReaderPool pool)
        => new(pool, Own().Select(reader => reader is PlainTextReader or SourceCodeReader ? reader : new IsolatedReader(pool, reader)));

    /// <summary>These readers and your own, which run in this process.</summary>
    /// <param name="readers">More readers; where one claims an extension that is read already, it takes its place.</param>
    public DocumentReaders With(params IEnumerable<IDocumentReader> readers)
        => new(_pool, _byExtension.Values.Distinct().Concat(readers)) { _tesseract = _tesseract };

    /// <summary>
    /// These readers, and text recognition for images and for the pages of PDF files that are scanned, by the program <c>tesseract</c>
    /// where
    /// it is installed; it runs as a child process of its own for each image.
    /// </summary>
    /// <param name="options">Languages and limits; null for English.</param>
    /// <returns>Readers that say in <see cref="ExtractedDocument.Remarks"/> which text was recognised. Where the program is missing, images
    /// and wholly scanned files are a <see cref="DocumentReaderUnavailableException"/>.</returns>
    public DocumentReaders WithTextRecognition(TextRecognitionOptions? options = null)
    {
        var tesseract = new Tesseract(options ?? new TextRecognitionOptions());
        var readers = new List<IDocumentReader> { new ImageReader(tesseract) };
        if (TryGet(".pdf", out var found))
        {
            var pdf = found is ScannedPdfReader scanned ? scanned.Inner : found;
            if (pdf is IsolatedReader)
                readers.Add(new ScannedPdfReader(pdf,
                    (content, name, token) => _pool!.ReadAsync(content, name, token, wantsImages: true), tesseract));
            else if (pdf is PdfReader own)
                readers.Add(new ScannedPdfReader(pdf, (content, name, token) => ParserThread.RunAsync(
                    name, limit => ValueTask.FromResult(own.Read(content, name, wantsImages: true, limit)), token), tesseract));
        }

        return new DocumentReaders(_pool, _byExtension.Values.Distinct().Concat(readers)) { _tesseract = tesseract };
    }

    /// <summary>Finds out whether text recognition can work, where it was asked for.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="DocumentReaderUnavailableException">The program or one of its languages is missing.</exception>
    public Task CheckTextRecognitionAsync(CancellationToken cancellationToken = default)
        => _tesseract?.CheckAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>
    /// Names this set of readers: it changes when a reader is added, removed or built anew, so that a document which could not be read is
    /// worth another try.
    /// </summary>
    public string Version => _version.Value;

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

    /// <summary>Starts a child process if these readers use any, so that the first document need not wait for it; a way to find out
    /// whether it starts.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="DocumentReaderUnavailableException">The program cannot be started.</exception>
    public Task StartAsync(CancellationToken cancellationToken = default) => _pool?.StartAsync(cancellationToken) ?? Task.CompletedTask;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The readable text and its parts.</returns>
    /// <exception cref="DocumentFormatException">The document is broken, of an unknown format or beyond a limit.</exception>
    /// <exception cref="DocumentReaderUnavailableException">The program that reads the format cannot be started.</exception>
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
    /// <exception cref="DocumentReaderUnavailableException">The program that reads the format cannot be started.</exception>
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
    /// <exception cref="DocumentReaderUnavailableException">The program that reads the format cannot be started.</exception>
    public async Task<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(name);
        cancellationToken.ThrowIfCancellationRequested();
        if (!TryGet(name, out var reader))
            throw new DocumentFormatException($"'{name}': {NoReaderFor(name)} Known are {string.Join(" ", Extensions)}.");
        if (content.Length > DocumentLimits.MaxFileBytes)
            throw TooLarge(name);
        try
        {
            var document = reader is ISelfLimited
                ? await reader.ReadAsync(content, name, cancellationToken).ConfigureAwait(false)
                : await ParserThread.RunAsync(name, token => reader.ReadAsync(content, name, token), cancellationToken)
                    .ConfigureAwait(false);
            return content.Length == 0 && document.Text.Length == 0
                ? document with { Remarks = [.. document.Remarks, "the file is empty"] } : document;
        }
        catch (DocumentFormatException error) when (content.Length == 0)
        {
            throw new DocumentFormatException($"'{name}': the file is empty.", error);
        }
        catch (Exception error) when (error is not (KotonohaException or OperationCanceledException or OutOfMemoryException))
        {
            throw Broken(name, reader.MediaType, error);
        }
    }

    /// <summary>Why a file cannot be read that no reader is for.</summary>
    internal static string NoReaderFor(string fileName) => Path.GetExtension(fileName) is { Length: > 0 } extension
        ? $"There is no reader for '{extension}' files."
        : "There is no reader for files without an extension.";

    /// <summary>The parsers underneath throw whatever they like on broken input; their callers should not have to know.</summary>
    internal static DocumentFormatException Broken(string name, string mediaType, Exception error)
        => new($"'{name}' cannot be read as {mediaType}: {error.Message}", error);

    // A module's version id follows from its content.
    private string Identify()
    {
        var parts =
            _byExtension.Select(pair => (Extension: pair.Key, Reader: pair.Value is IsolatedReader isolated ? isolated.Inner : pair.Value))
            .Select(entry => $"{entry.Extension}/{entry.Reader.GetType().FullName}/{entry.Reader.GetType().Module.ModuleVersionId}")
            .Append(_tesseract is null ? "" : $"{_tesseract.Options.Languages}/{_tesseract.Options.MinConfidence}")
            .Append(typeof(DocumentReaders).Module.ModuleVersionId.ToString()).Order(StringComparer.Ordinal);
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', parts))))[..16];
    }

    private static IEnumerable<IDocumentReader> Own()
        =>
        [
            new MarkdownReader(), new PlainTextReader(), new SourceCodeReader(), new HtmlReader(), new PdfReader(), new DocxReader(),
            new PptxReader(), new XlsxReader(), new OdtReader(), new EpubReader(), new MailReader(), new DelimitedTextReader(),
            new JsonTextReader(), new YamlReader(),
        ];

    private static async Task<byte[]> ReadBytesAsync(Stream stream, string name, CancellationToken cancellationToken)
    {
        using var buffer = new MemoryStream(stream.CanSeek
            ? (int)Math.Clamp(stream.Length - stream.Position, 0, DocumentLimits.MaxFileBytes) : 0);
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

    /// <summary>Has the documents of another reader read in a child process.</summary>
    private sealed class IsolatedReader(ReaderPool pool, IDocumentReader inner) : IDocumentReader, ISelfLimited
    {
        public IDocumentReader Inner => inner;

        public string MediaType => inner.MediaType;

        public IReadOnlyList<string> Extensions => inner.Extensions;

        public async ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
            => await pool.ReadAsync(content, name, cancellationToken).ConfigureAwait(false);
    }
}
