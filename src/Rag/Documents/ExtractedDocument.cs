namespace Kotonoha.Rag.Documents;

/// <summary>What a reader got out of a file: the text that citations point into, and where its parts lie.</summary>
/// <param name="Text">The whole text; every offset in Kotonoha's RAG counts UTF-16 units of this string.</param>
/// <param name="Blocks">The parts in order; they do not overlap, and text between them is white space.</param>
/// <param name="Title">The document's title, or null.</param>
/// <param name="MediaType">The media type that it was read as, for example <c>text/markdown</c>.</param>
public sealed record ExtractedDocument(string Text, IReadOnlyList<DocumentBlock> Blocks, string? Title, string MediaType);
