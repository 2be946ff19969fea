using System.Diagnostics.CodeAnalysis;
using UglyToad.PdfPig.Content;

namespace Kotonoha.Readers.Pdf;

/// <summary>Takes the images out of pages without text, as files that an image program reads.</summary>
/// <remarks>A scanned page is one image, or a few stripes from top to bottom; no page has to be drawn for it.</remarks>
internal sealed class PdfPageImages
{
    // Smaller ones are rules, dots and logos, not writing.
    private const int LeastSide = 48;
    private const long MostPixels = 100_000_000;
    private const int MostImagesOfAPage = 64;
    private const long MostBytes = DocumentLimits.MaxProcessOutputBytes / 2;

    private long _bytes;

    /// <summary>The images in the order of pages, from top to bottom.</summary>
    internal List<PageImage> Images { get; } = [];

    /// <summary>Adds the images of a page.</summary>
    /// <returns>Whether there was one that can be looked at.</returns>
    internal bool Add(Page page)
    {
        int before = Images.Count;
        foreach (var image in page.GetImages().Where(image => image.WidthInSamples >= LeastSide && image.HeightInSamples >= LeastSide
            && (long)image.WidthInSamples * image.HeightInSamples <= MostPixels).OrderByDescending(image => image.BoundingBox.Top)
            .Take(MostImagesOfAPage))
        {
            if (!TryFile(image, out var file))
                continue;
            _bytes += file.Length;
            if (_bytes > MostBytes)
                throw new DocumentFormatException(
                    $"The images of its pages without text have more than {MostBytes >> 20} MB; split it into smaller files.");
            Images.Add(new PageImage(page.Number, file));
        }

        return Images.Count > before;
    }

    // JPEG and JPEG 2000 are files as they stand; what else there is, is unpacked and written as PNG.
    private static bool TryFile(IPdfImage image, [NotNullWhen(true)] out byte[]? file)
    {
        var raw = image.RawMemory.Span;
        if (raw.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xD8, 0xFF]) || raw.StartsWith("\0\0\0\x0CjP  "u8))
        {
            file = raw.ToArray();
            return true;
        }

        return image.TryGetPng(out file);
    }
}
