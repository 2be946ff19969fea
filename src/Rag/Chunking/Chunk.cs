namespace Kotonoha.Rag.Chunking;

/// <summary>A piece of a document that is indexed and found as a whole.</summary>
/// <param name="Id">A UUID made from the source, the document's content hash and the ordinal (version 5, so the same input gives the same id).</param>
/// <param name="Source">The document: its path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Ordinal">The chunk's number in its document, from 0.</param>
/// <param name="Start">Where it starts in the document's extracted text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive); <see cref="Text"/> is exactly that range.</param>
/// <param name="Text">The text, literally as in the document.</param>
/// <param name="Heading">The path of headings above it, or null.</param>
/// <param name="Page">The page it lies on, from 1, or null.</param>
/// <param name="Title">The document's title, or null.</param>
/// <param name="TableHeader">The header row of the table whose rows the chunk starts with, when that row itself lies in an earlier chunk; else null.</param>
public sealed record Chunk(
    string Id, string Source, int Ordinal, int Start, int End, string Text, string? Heading, int? Page, string? Title, string? TableHeader = null);
