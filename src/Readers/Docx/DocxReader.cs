using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers;

/// <summary>Reads DOCX: headings by their style, numbers as Word shows them, tables row by row, text boxes, notes and equations; deleted
/// and hidden text is left out. Pages are unknown to the format.</summary>
internal sealed class DocxReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "application/vnd.openxmlformats-officedocument.wordprocessingml.document";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".docx"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ZipGuard.Check(content, name, cancellationToken);
        using var package = WordprocessingDocument.Open(new MemoryStream(content, writable: false), isEditable: false);
        var body = package.MainDocumentPart.Root().Child("body")
            ?? throw new DocumentFormatException($"'{name}' has no document body; is it a Word document?");
        var builder = new ExtractedTextBuilder(name);
        new DocxTextExtractor(package.MainDocumentPart!, builder, cancellationToken).Extract(body);
        return ValueTask.FromResult(builder.Build(package.PackageProperties.Title, MediaType));
    }
}
