using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Kotonoha.Readers.Recognition;

/// <summary>A reader that sets limits of its own, because it only waits for another process.</summary>
internal interface ISelfLimited;

/// <summary>Reads images.</summary>
internal sealed class ImageReader(Tesseract tesseract) : IDocumentReader, ISelfLimited
{
    /// <inheritdoc/>
    public string MediaType => "image/*";

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions { get; } = [".png", ".jpg", ".jpeg", ".jp2", ".tif", ".tiff", ".webp", ".bmp"];

    /// <inheritdoc/>
    public async ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        var text = await tesseract.RecogniseAsync(content, name, cancellationToken).ConfigureAwait(false);
        if (text.Paragraphs.Count == 0)
            throw new DocumentFormatException($"'{name}' is an image without text that tesseract could recognise.");
        if (text.Confidence < tesseract.Options.MinConfidence)
            throw new DocumentFormatException($"'{name}': tesseract is not sure enough of what it reads "
                + $"({Recognised.Number(text.Confidence)} of 100; {Recognised.Number(tesseract.Options.MinConfidence)} is asked for).");
        var builder = new ExtractedTextBuilder(name);
        foreach (var paragraph in text.Paragraphs)
            builder.Add(BlockKind.Paragraph, paragraph, 1);
        return builder.Build(null, MediaType) with
        {
            Remarks = [$"the text was recognised in an image ({Recognised.How(tesseract, text.Confidence)})"],
        };
    }
}

/// <summary>Reads PDF files, and the images of their pages without text.</summary>
/// <param name="inner">The reader of PDF files.</param>
/// <param name="read">Has it read a file with the images of pages without text.</param>
/// <param name="tesseract">Reads the images.</param>
internal sealed class ScannedPdfReader(
    IDocumentReader inner, Func<byte[], string, CancellationToken, Task<ExtractedDocument>> read, Tesseract tesseract)
    : IDocumentReader, ISelfLimited
{
    public IDocumentReader Inner => inner;

    /// <inheritdoc/>
    public string MediaType => inner.MediaType;

    /// <inheritdoc/>
    public IReadOnlyList<string> Extensions => inner.Extensions;

    /// <inheritdoc/>
    public async ValueTask<ExtractedDocument> ReadAsync(byte[] content, string name, CancellationToken cancellationToken = default)
    {
        var document = await read(content, name, cancellationToken).ConfigureAwait(false);
        if (document.PageImages.Count == 0)
            return document;
        var remarks = new List<string>(document.Remarks);
        var pages = await RecogniseAsync(document, name, remarks, cancellationToken).ConfigureAwait(false);
        if (pages.Count == 0 && document.Blocks.Count == 0)
            throw new DocumentFormatException($"'{name}' has no text, and none was recognised in the images of its pages: {remarks[^1]}.");
        return Recognised.Merge(document, pages, name) with { Remarks = remarks };
    }

    private async Task<SortedDictionary<int, List<string>>> RecogniseAsync(
        ExtractedDocument document, string name, List<string> remarks, CancellationToken cancellationToken)
    {
        var pages = new SortedDictionary<int, List<string>>();
        var clock = Stopwatch.StartNew();
        foreach (var page in document.PageImages.GroupBy(image => image.Page))
        {
            if (clock.ElapsedMilliseconds > tesseract.Options.MaxDocumentMs)
            {
                remarks.Add($"page {page.Key} and those after it have no text: recognising it took longer than "
                    + $"{tesseract.Options.MaxDocumentMs / 1000} s");
                break;
            }

            try
            {
                var paragraphs = new List<string>();
                double sure = 0;
                long letters = 0;
                foreach (var image in page)
                {
                    var text = await tesseract.RecogniseAsync(image.Content, $"{name}, page {page.Key}", cancellationToken)
                        .ConfigureAwait(false);
                    paragraphs.AddRange(text.Paragraphs);
                    int length = text.Paragraphs.Sum(paragraph => paragraph.Length);
                    sure += text.Confidence * length;
                    letters += length;
                }

                sure /= Math.Max(1, letters);
                if (letters == 0)
                    remarks.Add($"page {page.Key} is an image without text that tesseract could recognise");
                else if (sure < tesseract.Options.MinConfidence)
                    remarks.Add($"page {page.Key} is left out: tesseract is not sure enough of what it reads "
                        + $"({Recognised.Number(sure)} of 100; {Recognised.Number(tesseract.Options.MinConfidence)} is asked for)");
                else
                {
                    pages.Add(page.Key, paragraphs);
                    remarks.Add($"the text of page {page.Key} was recognised in an image ({Recognised.How(tesseract, sure)})");
                }
            }
            catch (DocumentFormatException error)
            {
                remarks.Add($"page {page.Key} has no text: {error.Message.TrimEnd('.')}");
            }
            catch (DocumentReaderUnavailableException error) when (document.Blocks.Count > 0)
            {
                // What has text is worth having; a file without any is tried again once the program is there.
                remarks.Add($"page {page.Key} has no text (a scanned image). {error.Message.TrimEnd('.')}");
                break;
            }
        }

        return pages;
    }
}

/// <summary>Recognised text as part of a document.</summary>
internal static class Recognised
{
    internal static string How(Tesseract tesseract, double confidence)
        => $"tesseract, {tesseract.Options.Languages}, {Number(confidence)} of 100 sure";

    internal static string Number(double value) => value.ToString("0", CultureInfo.InvariantCulture);

    /// <summary>Puts the paragraphs of recognised pages between the blocks of the pages before and after.</summary>
    internal static ExtractedDocument Merge(ExtractedDocument document, SortedDictionary<int, List<string>> pages, string name)
    {
        var text = new StringBuilder();
        var blocks = new List<DocumentBlock>();
        string? path = null;
        int end = 0;
        bool isTogether = false;
        var waiting = new Queue<KeyValuePair<int, List<string>>>(pages);
        foreach (var block in document.Blocks)
        {
            while (waiting.TryPeek(out var page) && page.Key < (block.Page ?? 0))
                Add(waiting.Dequeue());
            // Blocks keep what stood between them, unless a page has come in between.
            text.Append(text.Length == 0 ? "" : isTogether ? document.Text[end..block.Start] : "\n\n");
            int start = text.Length;
            text.Append(document.Text, block.Start, block.End - block.Start);
            blocks.Add(block with { Start = start, End = text.Length });
            (path, end, isTogether) = (block.HeadingPath, block.End, true);
        }

        while (waiting.TryDequeue(out var page))
            Add(page);
        if (text.Length > DocumentLimits.MaxTextLength)
            throw new DocumentFormatException(
                $"'{name}' holds more than {DocumentLimits.MaxTextLength >> 20} million characters of text; split it into smaller files.");
        return document with { Text = text.ToString(), Blocks = blocks, PageImages = [] };

        void Add(KeyValuePair<int, List<string>> page)
        {
            foreach (var paragraph in page.Value.Select(paragraph => ExtractedTextBuilder.Clean(paragraph).Trim())
                .Where(paragraph => paragraph.Length > 0))
            {
                text.Append(text.Length == 0 ? "" : "\n\n");
                blocks.Add(new DocumentBlock(BlockKind.Paragraph, text.Length, text.Length + paragraph.Length, path, page.Key));
                text.Append(paragraph);
                isTogether = false;
            }
        }
    }
}
