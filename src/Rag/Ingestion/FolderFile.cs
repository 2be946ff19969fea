namespace Kotonoha.Rag.Ingestion;

/// <summary>A file of a folder that is synchronised.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Path">Its path.</param>
/// <param name="Hash">The SHA-256 of its bytes when it was scanned.</param>
internal sealed record FolderFile(string Source, string Path, string Hash);
