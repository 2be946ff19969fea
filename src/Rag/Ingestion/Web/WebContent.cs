using System.Net.Http.Headers;
using System.Text;
using Kotonoha.Readers;

namespace Kotonoha.Rag.Ingestion.Web;

/// <summary>Finds the reader for what a server sent, and takes the encoding that its header names.</summary>
internal static class WebContent
{
    private static readonly Dictionary<string, string> Extensions = new(StringComparer.OrdinalIgnoreCase)
    {
        ["text/html"] = ".html",
        ["application/xhtml+xml"] = ".xhtml",
        ["text/markdown"] = ".md",
        ["text/x-markdown"] = ".md",
        ["text/csv"] = ".csv",
        ["text/tab-separated-values"] = ".tsv",
        ["application/json"] = ".json",
        ["application/ld+json"] = ".json",
        ["application/x-ndjson"] = ".jsonl",
        ["application/xml"] = ".xml",
        ["text/xml"] = ".xml",
        ["application/pdf"] = ".pdf",
        ["application/x-pdf"] = ".pdf",
        ["application/epub+zip"] = ".epub",
        ["message/rfc822"] = ".eml",
        ["application/vnd.openxmlformats-officedocument.wordprocessingml.document"] = ".docx",
        ["application/vnd.openxmlformats-officedocument.presentationml.presentation"] = ".pptx",
        ["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"] = ".xlsx",
        ["application/vnd.oasis.opendocument.text"] = ".odt",
        ["image/png"] = ".png",
        ["image/jpeg"] = ".jpg",
        ["image/tiff"] = ".tiff",
        ["image/webp"] = ".webp",
        ["image/bmp"] = ".bmp",
    };

    // A server that does not know a format sends it as one of these, so the address and the content have to tell.
    private static readonly HashSet<string> Vague = new(StringComparer.OrdinalIgnoreCase)
    {
        "", "application/octet-stream", "binary/octet-stream", "application/zip", "application/x-zip-compressed", "application/x-download",
        "application/force-download", "application/download", "content/unknown",
    };

    /// <summary>The extension of the reader to use, or null where there is none.</summary>
    internal static string? Extension(MediaTypeHeaderValue? type, Uri address, byte[] content, DocumentReaders readers)
    {
        var media = type?.MediaType ?? "";
        var named = Path.GetExtension(Uri.UnescapeDataString(address.AbsolutePath)).ToLowerInvariant();
        bool isKnown = readers.TryGet("x" + named, out var byName);
        string? extension;
        if (Vague.Contains(media))
            extension = isKnown ? named : Sniff(content);
        else if (media.Equals("text/plain", StringComparison.OrdinalIgnoreCase))
            extension = isKnown && byName!.MediaType is not ("text/html" or "application/xhtml+xml")
                && (byName.MediaType.StartsWith("text/", StringComparison.Ordinal) || named is ".json" or ".jsonl") ? named : ".txt";
        else if (!Extensions.TryGetValue(media, out extension))
            extension = media.StartsWith("text/", StringComparison.OrdinalIgnoreCase) ? isKnown ? named : ".txt"
                : media.EndsWith("+json", StringComparison.OrdinalIgnoreCase) ? ".json"
                : media.EndsWith("+xml", StringComparison.OrdinalIgnoreCase) ? ".xml" : null;
        return extension is not null && readers.TryGet("x" + extension, out _) ? extension : null;
    }

    /// <summary>
    /// The content as the header's encoding has it, where that says something that the bytes do not: a byte order mark and valid UTF-8
    /// speak for themselves, and what is wrong about the header is left to the reader.
    /// </summary>
    internal static byte[] Decoded(MediaTypeHeaderValue? type, byte[] content)
    {
        if (type?.CharSet?.Trim('"', '\'', ' ') is not { Length: > 0 } label || type.MediaType?.Contains('/') != true
            || !(type.MediaType.StartsWith("text/", StringComparison.OrdinalIgnoreCase) || IsMarkup(type.MediaType)))
            return content;
        if (content is [0xEF, 0xBB, 0xBF, ..] or [0xFE, 0xFF, ..] or [0xFF, 0xFE, ..])
            return content;
        var encoding = label.ToLowerInvariant() switch
        {
            "utf-16" or "utf-16le" => TextDecoder.Utf16(bigEndian: false),
            "utf-16be" => TextDecoder.Utf16(bigEndian: true),
            _ => TextDecoder.Named(label),
        };
        if (encoding is null or UTF8Encoding || (encoding is not UnicodeEncoding && System.Text.Unicode.Utf8.IsValid(content)))
            return content;
        try
        {
            return [0xEF, 0xBB, 0xBF, .. Encoding.UTF8.GetBytes(encoding.GetString(content))];
        }
        catch (DecoderFallbackException)
        {
            return content;
        }
    }

    private static bool IsMarkup(string media)
        => media.EndsWith("/xml", StringComparison.OrdinalIgnoreCase) || media.EndsWith("+xml", StringComparison.OrdinalIgnoreCase)
            || media.EndsWith("json", StringComparison.OrdinalIgnoreCase);

    private static string? Sniff(byte[] content)
    {
        if (content.AsSpan().StartsWith("%PDF-"u8))
            return ".pdf";
        var head = Encoding.Latin1.GetString(content.AsSpan(0, Math.Min(content.Length, 512))).TrimStart('\u00EF', '\u00BB', '\u00BF', ' ',
            '\t', '\r', '\n');
        return head.StartsWith("<!doctype html", StringComparison.OrdinalIgnoreCase)
            || head.StartsWith("<html", StringComparison.OrdinalIgnoreCase) ? ".html" : null;
    }
}
