namespace Kotonoha.Rag.Ingestion;

/// <summary>A file that a folder's ingestion takes in.</summary>
/// <param name="Path">Its full path.</param>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
public sealed record DocumentFile(string Path, string Source);
