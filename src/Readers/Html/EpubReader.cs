using System.IO.Compression;
using System.Xml;
using System.Xml.Linq;

namespace Kotonoha.Readers;

/// <summary>Reads EPUB: the chapters in the order of the book's spine, each as HTML.</summary>
internal sealed class EpubReader : IDocumentReader
{
    /// <inheritdoc/>
    public string MediaType => "application/epub+zip";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".epub"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        ZipGuard.Check(content, name, cancellationToken);
        using var archive = new ZipArchive(new MemoryStream(content, writable: false), ZipArchiveMode.Read);
        var packagePath = Xml("META-INF/container.xml").Named("rootfile").FirstOrDefault().Attr("full-path")
            ?? throw new DocumentFormatException($"'{name}' does not say where its package is; is it an EPUB file?");
        var package = Xml(packagePath)
            ?? throw new DocumentFormatException($"'{name}' has no package '{packagePath}'; the file is broken.");
        var locked = Xml("META-INF/encryption.xml").Named("CipherReference").Select(reference => reference.Attr("URI"))
            .ToHashSet(StringComparer.Ordinal);
        var items = new Dictionary<string, XElement>(StringComparer.Ordinal);
        foreach (var item in package.Child("manifest").Children("item"))
            if (item.Attr("id") is { } id)
                items[id] = item;
        var builder = new ExtractedTextBuilder(name);
        var remarks = new List<string>();
        foreach (var reference in package.Child("spine").Children("itemref"))
        {
            if (reference.Attr("idref") is not { } id || !items.TryGetValue(id, out var item)
                || item.Attr("media-type") is not ("application/xhtml+xml" or "text/html") || item.Attr("href") is not { } href)
                continue;
            var path = Resolve(packagePath, href);
            if (locked.Contains(path))
                throw new DocumentFormatException($"'{name}' is protected against copying and cannot be read.");
            if (Bytes(path) is { } chapter)
                HtmlTextExtractor.Extract(TextDecoder.Decode(chapter, name, HtmlReader.DeclaredCharset(chapter)), builder, name,
                    cancellationToken);
            else
                remarks.Add($"the chapter '{path}' is missing");
        }

        var title = package.Child("metadata").Named("title").FirstOrDefault()?.Value;
        return ValueTask.FromResult(builder.Build(title, MediaType) with { Remarks = remarks });

        byte[]? Bytes(string path)
        {
            if (archive.GetEntry(path) is not { } entry)
                return null;
            using var stream = entry.Open();
            using var copy = new MemoryStream();
            stream.CopyTo(copy);
            return copy.ToArray();
        }

        XElement? Xml(string path)
        {
            if (Bytes(path) is not { } bytes)
                return null;
            try
            {
                // Older books have document types; they are passed over, and nothing is fetched.
                SafeXml.CheckNesting(new MemoryStream(bytes), name, DtdProcessing.Ignore, cancellationToken);
                using var reader = SafeXml.Open(new MemoryStream(bytes), DtdProcessing.Ignore);
                return XDocument.Load(reader).Root;
            }
            catch (XmlException error)
            {
                throw new DocumentFormatException($"'{name}' holds broken XML in '{path}': {error.Message}", error);
            }
        }
    }

    private static string Resolve(string package, string href)
    {
        var parts = package.Split('/')[..^1].ToList();
        foreach (var part in Uri.UnescapeDataString(href.Split('#')[0]).Split('/'))
        {
            if (part == "..")
                parts.RemoveRange(Math.Max(0, parts.Count - 1), Math.Min(1, parts.Count));
            else if (part is not ("." or ""))
                parts.Add(part);
        }

        return string.Join('/', parts);
    }
}
