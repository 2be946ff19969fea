namespace Kotonoha.Rag.Stores;

/// <summary>A document as it is written: its ledger entry and all its chunks.</summary>
/// <param name="Record">The ledger entry.</param>
/// <param name="Chunks">The chunks; their source is the record's.</param>
public sealed record DocumentWrite(DocumentRecord Record, IReadOnlyList<IndexedChunk> Chunks);
