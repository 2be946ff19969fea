using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Stores;

/// <summary>A chunk with the vectors it is found by.</summary>
/// <param name="Chunk">The chunk; its id must be a UUID.</param>
/// <param name="Terms">Its terms, for BM25.</param>
/// <param name="Dense">Its dense vector (any length but zero; stores normalise it), or empty where the collection has none.</param>
public sealed record IndexedChunk(Chunk Chunk, TermVector Terms, ReadOnlyMemory<float> Dense);
