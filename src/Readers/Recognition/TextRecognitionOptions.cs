namespace Kotonoha.Readers;

/// <summary>How <see cref="DocumentReaders.WithTextRecognition"/> reads images and scanned pages with the program
/// <c>tesseract</c>.</summary>
public sealed record TextRecognitionOptions
{
    /// <summary>The languages as tesseract names them, joined by <c>+</c>, the most frequent one first: <c>eng</c>, <c>jpn</c>,
    /// <c>eng+jpn</c>.</summary>
    public string Languages { get; init; } = "eng";

    /// <summary>The program: a path, or a name that is looked for on the PATH.</summary>
    public string Program { get; init; } = "tesseract";

    /// <summary>How sure tesseract must be of a page's words on the average, from 0 to 100; less sure pages are left out with a
    /// remark.</summary>
    public double MinConfidence { get; init; } = 50;

    /// <summary>The most time for one image, in milliseconds.</summary>
    public int MaxImageMs { get; init; } = 120_000;

    /// <summary>The most time for all images of a document, in milliseconds; what comes after is left out with a remark.</summary>
    public int MaxDocumentMs { get; init; } = 1_800_000;

    /// <summary>The most memory of the program, in bytes.</summary>
    public long MaxMemoryBytes { get; init; } = 1L << 30;

    /// <summary>How many images are read at a time.</summary>
    public int MaxProcesses { get; init; } = Math.Max(1, Environment.ProcessorCount / 2);
}
