using System.Globalization;
using UglyToad.PdfPig;
using UglyToad.PdfPig.Content;
using UglyToad.PdfPig.Exceptions;

namespace Kotonoha.Readers.Pdf;

/// <summary>
/// Reads PDF: pages, headings by their size, paragraphs without their line breaks, columns one after the other, tables row by row. Running
/// headers and footers are left out; a page that has no text is noted in the document's remarks.
/// </summary>
/// <remarks>PdfPig parses the file. A hostile file can make it overflow its stack, fill the memory or never end: see <see
/// cref="DocumentReaders"/>.</remarks>
internal sealed class PdfReader : IDocumentReader
{
    /// <summary>Text at the foot of a page that is at most this share of the body's size is a footnote.</summary>
    private const double FootnoteScale = 0.92;

    /// <inheritdoc/>
    public string MediaType => "application/pdf";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".pdf"];

    /// <inheritdoc/>
    public ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        return ValueTask.FromResult(Read(content, name, wantsImages: false, cancellationToken));
    }

    /// <summary>Reads a document, and where asked for the images of its pages without text; with such images it may have no text.</summary>
    internal ExtractedDocument Read(byte[] content, string name, bool wantsImages, CancellationToken cancellationToken)
    {
        var filters = new MeasuredFilters();
        using var pdf = Open(content, name, filters);
        if (pdf.NumberOfPages > DocumentLimits.MaxPages)
            throw new DocumentFormatException(
                $"'{name}' has {pdf.NumberOfPages} pages; {DocumentLimits.MaxPages} is the limit. Split it into smaller files.");
        var remarks = new PageRemarks();
        var images = wantsImages ? new PdfPageImages() : null;
        var frames = ReadPages(pdf, name, filters, remarks, images, cancellationToken);
        if (frames.Count == 0 && images is { Images.Count: > 0 })
            return new ExtractedDocument("", [], Title(pdf), MediaType) { Remarks = remarks.ToList(), PageImages = images.Images };
        if (frames.Count == 0)
            throw new DocumentFormatException(remarks.WhyNoText(name, pdf.NumberOfPages));

        var style = BidiText.StyleOf([.. frames.SelectMany(page => page.SelectMany(PdfLines.RightToLeftRows))]);
        var lines = frames.ConvertAll(page => page.ConvertAll(frame => PageLines.Of(frame, style)));
        RemoveRunningLines(lines.ConvertAll(page => page[0]));
        var pages = new List<PageContent>();
        foreach (var page in lines)
        {
            cancellationToken.ThrowIfCancellationRequested();
            pages.Add(new PageContent(page[0].Frame.Page, PdfLayout.Arrange(page[0]), [.. page.Skip(1).SelectMany(PdfLayout.Arrange)]));
        }

        SetFootnotesAside(pages);
        var builder = new ExtractedTextBuilder(name);
        PdfParagraphs.Add(builder, pages, cancellationToken);
        return builder.Build(Title(pdf), MediaType) with { Remarks = remarks.ToList(), PageImages = images?.Images ?? [] };
    }

    private static PdfDocument Open(byte[] content, string name, MeasuredFilters filters)
    {
        try
        {
            var pdf = PdfDocument.Open(EndlessRanges.Without(content),
                new ParsingOptions { UseLenientParsing = true, SkipMissingFonts = true, UseActualText = true, FilterProvider = filters });
            if (pdf.NumberOfPages > 0)
                return pdf;
            pdf.Dispose();
            throw new DocumentFormatException($"'{name}' is a PDF file without pages; it is broken or empty.");
        }
        catch (PdfDocumentEncryptedException error)
        {
            throw new DocumentFormatException($"'{name}' is encrypted and opens with a password only; save it without one.", error);
        }
    }

    private static List<List<PageFrame>> ReadPages(PdfDocument pdf, string name, MeasuredFilters filters, PageRemarks remarks,
        PdfPageImages? images, CancellationToken cancellationToken)
    {
        var glyphs = new PdfGlyphs();
        var pages = new List<List<PageFrame>>();
        for (int number = 1; number <= pdf.NumberOfPages; number++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            List<PageFrame> frames;
            filters.IsDamaged = false;
            try
            {
                var page = pdf.GetPage(number);
                frames = glyphs.Read(page, name);
                remarks.AddUnreadable(number, glyphs.UnreadableFonts);
                if (filters.IsExceeded)
                    throw new DocumentFormatException(
                        $"'{name}' unpacks to more than {DocumentLimits.MaxUnpackedBytes >> 20} MB on page {number}.");
                if (filters.IsDamaged)
                    remarks.AddBroken(number, "is damaged; some of its text may be missing");
                if (frames.TrueForAll(frame => frame.Glyphs.TrueForAll(glyph => glyph.IsSpace)))
                {
                    // A page whose image can be looked at is told of when that has been done.
                    if (images?.Add(page) != true && glyphs.UnreadableFonts.Count == 0 && !filters.IsDamaged)
                        remarks.AddEmpty(number, HasImages(page));
                    continue;
                }
            }
            catch (Exception error) when (error is not (DocumentFormatException or OutOfMemoryException or OperationCanceledException))
            {
                remarks.AddBroken(number, $"cannot be read: {error.Message}");
                continue;
            }

            pages.Add(frames);
        }

        return pages;
    }

    private static bool HasImages(Page page) => page.NumberOfImages > 0 || page.Paths.Any(path => path.IsFilled || path.IsStroked);

    private static void RemoveRunningLines(List<PageLines> pages)
    {
        var running = RunningLines.Find(
            pages.ConvertAll(page => (page.Frame.Page, page.Frame.Height, page.Lines)),
            PdfParagraphs.BodySize(pages.SelectMany(page => page.Lines)));
        for (int i = 0; i < pages.Count; i++)
        {
            pages[i].Lines.RemoveAll(running[i].Contains);
            foreach (var line in running[i])
                pages[i].Maker.Remove(line);
        }
    }

    /// <summary>Footnotes do not come between the parts of a sentence that crosses a page border.</summary>
    private static void SetFootnotesAside(List<PageContent> pages)
    {
        double body = PdfParagraphs.BodySize(pages.SelectMany(page => page.Runs).SelectMany(run => run).OfType<PdfLine>());
        foreach (var page in pages)
        {
            foreach (var run in page.Runs)
            {
                int at = run.Count;
                while (at > 0 && run[at - 1] is PdfLine { Mono: false } line && line.Size <= FootnoteScale * body)
                    at--;
                if (at == 0 || at == run.Count)
                    continue;
                page.Asides.Add(run.GetRange(at, run.Count - at));
                run.RemoveRange(at, run.Count - at);
            }
        }
    }

    /// <summary>The title in the file's metadata, unless a program put a placeholder there.</summary>
    private static string? Title(PdfDocument pdf)
    {
        var title = pdf.Information.Title?.Trim();
        if (string.IsNullOrEmpty(title) || title.Equals("untitled", StringComparison.OrdinalIgnoreCase)
            || title.StartsWith("Microsoft Word", StringComparison.Ordinal))
            return null;
        return Path.GetExtension(title)
            .ToLowerInvariant() is ".doc" or ".docx" or ".html" or ".htm" or ".tex" or ".dvi" or ".odt" or ".indd" or ".pdf" or ".rtf"
            ? null : title;
    }

    /// <summary>Collects what could not be read.</summary>
    private sealed class PageRemarks
    {
        private const string Help = "read it with text recognition ('--ocr', DocumentReaders.WithTextRecognition).";

        private readonly List<int> _scanned = [];
        private readonly List<int> _blank = [];
        private readonly List<string> _others = [];
        private readonly SortedDictionary<string, List<int>> _fonts = new(StringComparer.Ordinal);

        internal void AddEmpty(int page, bool hasImages) => (hasImages ? _scanned : _blank).Add(page);

        internal void AddBroken(int page, string reason) => _others.Add($"page {page} {reason}");

        internal void AddUnreadable(int page, IEnumerable<string> fonts)
        {
            foreach (var font in fonts)
            {
                if (!_fonts.TryGetValue(font, out var pages))
                    _fonts[font] = pages = [];
                pages.Add(page);
            }
        }

        internal List<string> ToList()
        {
            var remarks = new List<string>(_others);
            if (_scanned.Count > 0)
                remarks.Add($"{Pages(_scanned)} no text ({(_scanned.Count == 1 ? "a scanned image?" : "scanned images?")})");
            if (_blank.Count > 0)
                remarks.Add($"{Pages(_blank)} no text (blank)");
            foreach (var (font, pages) in _fonts)
                remarks.Add(
                    $"{Pages(pages)} text in the font '{font}' that is left out: the file does not say which characters its glyphs are");
            return remarks;
        }

        internal string WhyNoText(string name, int pages)
        {
            if (_fonts.Count > 0)
                return $"'{name}' does not say which characters its glyphs are (font {string.Join(", ", _fonts.Keys)}); {Help}";
            if (_others.Count > 0)
                return $"'{name}' has no readable text: {_others[0]}.";
            return $"'{name}' has {(pages == 1 ? "1 page but no text in it" : $"{pages} pages but no text in them")} (scanned images?); "
                + $"{Help}";
        }

        private static string Pages(List<int> pages)
        {
            var ranges = new List<string>();
            for (int i = 0; i < pages.Count;)
            {
                int end = i;
                while (end + 1 < pages.Count && pages[end + 1] == pages[end] + 1)
                    end++;
                ranges.Add(end == i ? pages[i].ToString(CultureInfo.InvariantCulture) : $"{pages[i]}–{pages[end]}");
                i = end + 1;
            }

            return pages.Count == 1 ? $"page {ranges[0]} has" : $"pages {string.Join(", ", ranges)} have";
        }
    }
}
