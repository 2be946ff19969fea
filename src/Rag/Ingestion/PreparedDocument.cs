using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>A document that has been read, cut and analysed, or the reason why it could not be.</summary>
internal sealed record PreparedDocument(string Source, DocumentRecord? Record, IReadOnlyList<Chunk> Chunks, TermVector[] Terms, string[] Texts, string? SkipReason)
{
    /// <summary>What the reader has to say about the document.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    public static PreparedDocument Skipped(string source, string reason) => new(source, null, [], [], [], reason);
}
