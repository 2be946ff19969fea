namespace Kotonoha.Rag.Stores;

/// <summary>One entry of a store's answer.</summary>
/// <param name="Id">The chunk's id.</param>
/// <param name="Source">The chunk's document.</param>
/// <param name="Score">The cosine similarity of a dense search, the BM25 score of a sparse one.</param>
public readonly record struct ScoredChunk(string Id, string Source, double Score);
