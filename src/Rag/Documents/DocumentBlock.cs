namespace Kotonoha.Rag.Documents;

/// <summary>One part of a document: a heading, a paragraph, a table, …</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Start">Where it starts in the document's text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="HeadingPath">The headings above it, outermost first, joined by <c> › </c>; null above the first heading. A heading's own path includes itself.</param>
/// <param name="Page">The page, from 1, where the format has pages; else null.</param>
/// <param name="HeadingLevel">1 to 6 for a heading, else 0.</param>
public sealed record DocumentBlock(BlockKind Kind, int Start, int End, string? HeadingPath = null, int? Page = null, int HeadingLevel = 0);
