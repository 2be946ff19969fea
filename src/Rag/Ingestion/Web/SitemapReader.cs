using System.IO.Compression;
using System.Text;
using System.Xml;

namespace Kotonoha.Rag.Ingestion.Web;

/// <summary>Reads sitemaps (sitemaps.org): XML and text, packed with gzip or not.</summary>
internal static class SitemapReader
{
    /// <summary>The most bytes of a sitemap, unpacked; the protocol allows 50 MB.</summary>
    internal const int MaxBytes = 52_428_800;

    private const int MaxAddressLength = 2048;
    private const int MaxDepth = 32;

    /// <summary>Reads a sitemap.</summary>
    /// <param name="content">Its bytes.</param>
    /// <param name="address">Where it was fetched; relative addresses, which the protocol does not know but sites write, are below
    /// it.</param>
    /// <returns>The pages and the further sitemaps that it names, in order.</returns>
    /// <exception cref="WebFetchException">It is no sitemap, or goes beyond a limit.</exception>
    internal static (List<Uri> Pages, List<Uri> Sitemaps) Read(byte[] content, Uri address)
    {
        try
        {
            content = Unpack(content, address);
            int first = content.AsSpan().IndexOfAnyExcept(" \t\r\n\uFEFF"u8);
            return first >= 0 && content[first] == '<' || IsUtf16(content) ? ReadXml(content, address) : (ReadText(content, address), []);
        }
        catch (Exception error) when (error is XmlException or InvalidDataException or DecoderFallbackException or ArgumentException)
        {
            throw new WebFetchException(address.ToString(), $"it is no sitemap ({error.Message}).", error);
        }
    }

    private static bool IsUtf16(byte[] content) => content is [0xFE, 0xFF, ..] or [0xFF, 0xFE, ..];

    private static byte[] Unpack(byte[] content, Uri address)
    {
        // Some servers pack a packed file once more.
        for (int round = 0; content is [0x1F, 0x8B, ..]; round++)
        {
            if (round == 2)
                throw new InvalidDataException("packed more than twice");
            using var gzip = new GZipStream(new MemoryStream(content, writable: false), CompressionMode.Decompress);
            content = WebFetcher.ReadToLimit(gzip, MaxBytes)
                ?? throw new WebFetchException(address.ToString(), $"the sitemap unpacks to more than {MaxBytes >> 20} MiB.");
        }

        return content;
    }

    private static (List<Uri> Pages, List<Uri> Sitemaps) ReadXml(byte[] content, Uri address)
    {
        var settings = new XmlReaderSettings
        {
            DtdProcessing = DtdProcessing.Prohibit,
            XmlResolver = null,
            IgnoreComments = true,
            IgnoreProcessingInstructions = true,
            IgnoreWhitespace = true,
        };
        using var reader = XmlReader.Create(new MemoryStream(content, writable: false), settings);
        List<Uri> pages = [], sitemaps = [];
        string? root = null;
        while (reader.Read())
        {
            if (reader.Depth > MaxDepth)
                throw new InvalidDataException($"elements are nested more than {MaxDepth} deep");
            if (reader.NodeType != XmlNodeType.Element)
                continue;
            root ??= reader.LocalName is "urlset" or "sitemapindex"
                ? reader.LocalName : throw new InvalidDataException($"its root is '{reader.LocalName}', not 'urlset' or 'sitemapindex'");
            // Only the address of the page itself: extensions have addresses of pictures in elements of the same name.
            if (reader.LocalName == "loc" && reader.Depth == 2 && !reader.IsEmptyElement && reader.Read()
                && reader.NodeType is XmlNodeType.Text or XmlNodeType.CDATA && Address(reader.Value, address) is { } found)
                (root == "urlset" ? pages : sitemaps).Add(found);
        }

        return root is null ? throw new InvalidDataException("it is empty") : (pages, sitemaps);
    }

    private static List<Uri> ReadText(byte[] content, Uri address)
    {
        var text = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content).TrimStart('\uFEFF');
        var pages = new List<Uri>();
        foreach (var line in text.Split(['\n', '\r'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
            pages.Add(WebPages.IsAddress(line) && Address(line, address) is { } found
                ? found : throw new InvalidDataException("a line is not an address"));
        return pages;
    }

    private static Uri? Address(string text, Uri address)
        => text.Length <= MaxAddressLength && Uri.TryCreate(address, text.Trim(), out var found) ? found : null;
}
