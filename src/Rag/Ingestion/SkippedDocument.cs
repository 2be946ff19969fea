namespace Kotonoha.Rag.Ingestion;

/// <summary>A file that was not taken in.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Reason">Why, and what helps.</param>
public sealed record SkippedDocument(string Source, string Reason);

/// <summary>What a reader has to say about a document that was taken in: a part of it that could not be read, and why.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Text">The remark, for example <c>page 3 has no text (a scanned image?)</c>.</param>
public sealed record DocumentRemark(string Source, string Text);
