namespace Kotonoha.Readers;

/// <summary>The limits that readers set to a document; whatever goes beyond them is a <see
/// cref="DocumentFormatException"/>.</summary>
public static class DocumentLimits
{
    /// <summary>The greatest size of a file, in bytes.</summary>
    public const int MaxFileBytes = 64 * 1024 * 1024;

    /// <summary>The greatest length of an extracted text, in UTF-16 units.</summary>
    public const int MaxTextLength = 32 * 1024 * 1024;

    /// <summary>How deep elements may be nested (HTML, the XML inside DOCX).</summary>
    public const int MaxNestingDepth = 256;

    /// <summary>How many elements an HTML document may have.</summary>
    public const int MaxElements = 2_000_000;

    /// <summary>How long reading one document may take, in milliseconds.</summary>
    public const int MaxReadMs = 60_000;

    /// <summary>How many entries a zip-based document may have.</summary>
    public const int MaxZipEntries = 4096;

    /// <summary>How many bytes the entries of a zip-based document may unpack to, all together.</summary>
    public const long MaxUnpackedBytes = 256L * 1024 * 1024;

    /// <summary>How many times its packed size an entry may unpack to, once it is larger than <see cref="RatioFreeBytes"/>.</summary>
    public const int MaxPackingRatio = 200;

    /// <summary>Entries up to this many bytes may have any packing ratio (a short repetitive part packs well without being a
    /// bomb).</summary>
    public const long RatioFreeBytes = 4L * 1024 * 1024;

    /// <summary>How many pages a PDF may have.</summary>
    public const int MaxPages = 20_000;

    /// <summary>How many characters and lines one page of a PDF may draw.</summary>
    public const int MaxPageElements = 1_000_000;

    /// <summary>How far the managed heap of a reader program may grow, in bytes.</summary>
    public const long MaxReaderMemoryBytes = 1024L * 1024 * 1024;

    /// <summary>How much a reader program may answer about one document, in bytes.</summary>
    public const int MaxProcessOutputBytes = 256 * 1024 * 1024;

    /// <summary>How long a reader program may take to start, in milliseconds.</summary>
    public const int MaxReaderStartMs = 30_000;

    /// <summary>How long a reader program may take to end after its input has ended, in milliseconds; then it is killed.</summary>
    public const int ReaderEndMs = 5_000;

    /// <summary>How long an idle reader program is kept for the next document, in milliseconds.</summary>
    public const int ReaderIdleMs = 15_000;

    /// <summary>The stack of the thread that parses a document, in bytes; enough for <see cref="MaxNestingDepth"/> levels in every parser
    /// used.</summary>
    public const int ParserStackBytes = 16 * 1024 * 1024;
}
