namespace Kotonoha.Rag.Answering;

/// <summary>A document that comes near a question that the documents do not answer.</summary>
/// <param name="Source">The document, as a path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Heading">The headings above the nearest place, or null.</param>
/// <param name="Page">Its page, from 1, or null.</param>
/// <param name="Score">The score of the nearest place, from 0 to 1.</param>
public sealed record NearestDocument(string Source, string? Heading, int? Page, double Score);
