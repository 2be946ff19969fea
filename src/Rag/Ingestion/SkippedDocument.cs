namespace Kotonoha.Rag.Ingestion;

/// <summary>A file that was not taken in.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Reason">Why, and what helps.</param>
public sealed record SkippedDocument(string Source, string Reason);
