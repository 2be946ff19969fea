using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Readers;

/// <summary>Reads HTML as a person sees it: no scripts, styles, navigation, comments or hidden elements; headings, lists, tables and
/// preformatted text keep their form.</summary>
internal sealed partial class HtmlReader : IDocumentReader
{
    /// <summary>Where a declaration is looked for; a browser reads again when it comes upon one after the first 1024 bytes.</summary>
    private const int CharsetSearchBytes = 16 * 1024;

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

    /// <summary>The encoding that a page names: in a <c>meta</c> element or an XML declaration, not in comments, scripts or running
    /// text.</summary>
    internal static string? DeclaredCharset(byte[] content)
    {
        var head = Encoding.Latin1.GetString(content, 0, Math.Min(content.Length, CharsetSearchBytes));
        if (XmlDeclaration().Match(head) is { Success: true } declaration)
            return declaration.Groups["label"].Value;
        foreach (Match part in CommentScriptOrMeta().Matches(head))
        {
            if (part.Groups["meta"] is not { Success: true } meta)
                continue;
            string? charset = null, pragmaContent = null, pragma = null;
            foreach (Match attribute in MetaAttribute().Matches(meta.Value))
            {
                var value = attribute.Groups["value"].Value;
                switch (attribute.Groups["name"].Value.ToLowerInvariant())
                {
                    case "charset":
                        charset ??= value;
                        break;
                    case "content":
                        pragmaContent ??= value;
                        break;
                    case "http-equiv":
                        pragma ??= value;
                        break;
                }
            }

            if (charset is null && pragmaContent is not null
                && string.Equals(pragma?.Trim(), "content-type", StringComparison.OrdinalIgnoreCase)
                && CharsetOfContent().Match(pragmaContent) is { Success: true } found)
                charset = found.Groups["label"].Value;
            if (charset is not null && TextDecoder.Named(charset) is not null)
                return charset;
        }

        return null;
    }

    [GeneratedRegex(@"^\s*<\?xml\s[^>]*?encoding\s*=\s*[""'](?<label>[^""']+)[""']")]
    private static partial Regex XmlDeclaration();

    [GeneratedRegex(
        @"<!--.*?(?:-->|\z)|<(?<raw>script|style|title|textarea|noscript|template)\b.*?(?:</\k<raw>|\z)"
        + @"|<meta(?<meta>[\s/](?:""[^""]*""|'[^']*'|[^>""'])*)>",
        RegexOptions.IgnoreCase | RegexOptions.Singleline | RegexOptions.CultureInvariant)]
    private static partial Regex CommentScriptOrMeta();

    [GeneratedRegex(@"(?<name>[^\s=""'/>]+)(?:\s*=\s*(?:""(?<value>[^""]*)""|'(?<value>[^']*)'|(?<value>[^\s""'>]+)))?")]
    private static partial Regex MetaAttribute();

    [GeneratedRegex(@"charset\s*=\s*[""']?\s*(?<label>[^\s""';,]+)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex CharsetOfContent();
}
