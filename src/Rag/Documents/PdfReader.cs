using System.ComponentModel;
using System.Text;

namespace Kotonoha.Rag.Documents;

/// <summary>Reads PDF with <c>pdftotext</c> of poppler-utils, run as a child process: pages, headings by their size, paragraphs without their line breaks, tables row by row.</summary>
public sealed class PdfReader : IDocumentReader
{
    private const string Program = "pdftotext";

    private readonly string _program;

    /// <summary>Creates a reader that takes the <c>pdftotext</c> on the path.</summary>
    public PdfReader()
        : this(Program)
    {
    }

    /// <summary>Creates a reader.</summary>
    /// <param name="program">The program's name or path.</param>
    public PdfReader(string program) => _program = program;

    /// <inheritdoc/>
    public string MediaType => "application/pdf";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".pdf"];

    /// <inheritdoc/>
    public async ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var path = Path.Combine(Path.GetTempPath(), $"kotonoha-{Guid.NewGuid():N}.pdf");
        try
        {
            var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
                options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            var file = new FileStream(path, options);
            await using (file.ConfigureAwait(false))
                await file.WriteAsync(content, cancellationToken).ConfigureAwait(false);

            var (exitCode, output, error) = await BoundedProcess.RunAsync(
                _program, ["-bbox-layout", "-enc", "UTF-8", path, "-"], name, cancellationToken).ConfigureAwait(false);
            if (exitCode != 0)
                throw new DocumentFormatException($"'{name}' cannot be read as PDF: {FirstLine(error, path)} (pdftotext, exit code {exitCode}).");
            return PdfLayout.Parse(Encoding.UTF8.GetString(output), name, cancellationToken);
        }
        catch (Win32Exception error)
        {
            throw new DocumentReaderUnavailableException(
                $"'{name}' cannot be read: the program {_program} is not installed. This helps: apt-get install -y poppler-utils",
                "apt-get install -y poppler-utils",
                error);
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static string FirstLine(string error, string path)
    {
        var line = error.Split('\n', 2)[0].Replace(path, "the file", StringComparison.Ordinal).Trim();
        return line.Length == 0 ? "broken or encrypted" : line;
    }
}
