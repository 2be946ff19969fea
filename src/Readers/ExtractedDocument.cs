namespace Kotonoha.Readers;

/// <summary>What a reader extracted from a file: the text that citations point into, and where its parts lie.</summary>
/// <param name="Text">The whole text; every offset in Kotonoha's RAG counts UTF-16 units of this string.</param>
/// <param name="Blocks">The parts in order; they do not overlap, and text between them is white space.</param>
/// <param name="Title">The document's title, or null.</param>
/// <param name="MediaType">The media type that it was read as, for example <c>text/markdown</c>.</param>
public sealed record ExtractedDocument(string Text, IReadOnlyList<DocumentBlock> Blocks, string? Title, string MediaType)
{
    /// <summary>What a person should know about the text: parts of the document that could not be read, each with its reason.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>The images of pages without text, where they were asked for.</summary>
    internal IReadOnlyList<PageImage> PageImages { get; init; } = [];
}

/// <summary>An image on a page without text, as a file that an image program reads.</summary>
internal sealed record PageImage(int Page, byte[] Content);

/// <summary>One part of a document: a heading, a paragraph, a table, …</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Where it starts in the document's text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="HeadingPath">The headings above it, outermost first, joined by <c> › </c>; null above the first heading. A heading's own
/// path includes itself.</param>
/// <param name="Page">The page on which it starts, from 1, where the format has pages; otherwise null.</param>
/// <param name="HeadingLevel">1 to 6 for a heading, otherwise 0.</param>
public sealed record DocumentBlock(BlockKind Kind, int Start, int End, string? HeadingPath = null, int? Page = null, int HeadingLevel = 0);

/// <summary>What a part of a document is.</summary>
public enum BlockKind
{
    /// <summary>A heading.</summary>
    Heading,

    /// <summary>Running text.</summary>
    Paragraph,

    /// <summary>One item of a list.</summary>
    ListItem,

    /// <summary>A table; one line per row, the first line its header.</summary>
    Table,

    /// <summary>Code or other preformatted text.</summary>
    Code,
}
