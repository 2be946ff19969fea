using System.Text;

namespace Kotonoha.Readers;

/// <summary>Reads HTML as a person sees it: no scripts, styles, navigation, comments or hidden elements; headings, lists, tables and
/// preformatted text keep their form.</summary>
internal sealed class HtmlReader : IDocumentReader
{
    private const int CharsetSearchBytes = 4096;

    /// <inheritdoc/>
    public string MediaType => "text/html";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".html", ".htm", ".xhtml"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var html = TextDecoder.Decode(content, name, DeclaredCharset(content));
        var builder = new ExtractedTextBuilder(name);
        var title = HtmlTextExtractor.Extract(html, builder, name, cancellationToken);
        return ValueTask.FromResult(builder.Build(title, MediaType));
    }

    private static string? DeclaredCharset(byte[] content)
    {
        var head = Encoding.Latin1.GetString(content, 0, Math.Min(content.Length, CharsetSearchBytes));
        int at = head.IndexOf("charset=", StringComparison.OrdinalIgnoreCase);
        if (at < 0)
            return null;
        var rest = head.AsSpan(at + "charset=".Length).TrimStart("\"' ");
        int end = rest.IndexOfAny("\"' />;");
        return end > 0 ? rest[..end].ToString() : null;
    }
}
