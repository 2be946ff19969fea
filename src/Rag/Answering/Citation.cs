namespace Kotonoha.Rag.Answering;

/// <summary>A literal quotation from a document.</summary>
/// <param name="Number">The number of its marker in the answer, from 1.</param>
/// <param name="Source">The document, as a path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Quote">The quoted text; exactly the range <paramref name="Start"/>..<paramref name="End"/> of the document's extracted text.</param>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="Page">The page, from 1, or null.</param>
/// <param name="Heading">The headings above it, or null.</param>
/// <param name="Score">How well the sentence answers the question, from 0 to 1.</param>
public sealed record Citation(int Number, string Source, string Quote, int Start, int End, int? Page, string? Heading, double Score);
