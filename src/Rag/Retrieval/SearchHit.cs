using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Retrieval;

/// <summary>A chunk that a search found.</summary>
/// <param name="Chunk">The chunk.</param>
/// <param name="Score">The score by which hits are ordered (greater is better): the fused one, or the reranker's.</param>
/// <param name="DenseScore">The cosine similarity, or null where only the sparse search found it.</param>
/// <param name="SparseScore">The BM25 score, or null where only the dense search found it.</param>
/// <param name="RerankScore">The reranker's score, or null where none was asked.</param>
public sealed record SearchHit(Chunk Chunk, double Score, double? DenseScore, double? SparseScore, double? RerankScore = null);
