using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// Keeps chunks with their vectors, and the ledger of documents. Answers two questions: the n best by dense and the n best by sparse
/// vector.
/// </summary>
/// <remarks>
/// Implementations are thread-safe. A document is written in this order: new chunks, its ledger record (the acknowledgement), then the old
/// chunks go. Searches give back chunks of the versions that the ledger names, and no others. Every method throws
/// <see cref="StoreException"/> when the store cannot do its work.
/// </remarks>
public interface IKnowledgeStore : IAsyncDisposable, IDisposable
{
    /// <summary>Where the store is, for messages: a file's path or a server's address with the collection's name.</summary>
    string Location { get; }

    /// <summary>Reads what the collection says about itself.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>
    /// The metadata, or null where there is no collection: none has been created yet, or a part of it is gone and it has to be created
    /// anew.
    /// </returns>
    /// <exception cref="StoreException">There is something else in its place, or the store cannot do its work.</exception>
    Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default);

    /// <summary>Creates the collection.</summary>
    /// <param name="info">Its metadata.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="StoreException">There is one already.</exception>
    Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default);

    /// <summary>Writes documents, new ones or new versions; when it returns, all of them are durable.</summary>
    /// <param name="documents">The documents, each source once.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default);

    /// <summary>Deletes documents with all their chunks; unknown ones are passed over.</summary>
    /// <param name="sources">The documents.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default);

    /// <summary>Lists the ledger.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>All records by source, in ordinal order.</returns>
    Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default);

    /// <summary>Reads entries of the ledger.</summary>
    /// <param name="sources">The documents.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One entry per source, in the given order; null where there is no such document.</returns>
    Task<IReadOnlyList<DocumentRecord?>> ReadRecordsAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default);

    /// <summary>Finds the chunks whose dense vectors have the greatest cosine similarity.</summary>
    /// <param name="query">The query's vector, as wide as the collection's.</param>
    /// <param name="limit">How many chunks at most.</param>
    /// <param name="filter">Which documents, or null for all.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Chunks by score descending, then by id.</returns>
    Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default);

    /// <summary>Finds the chunks with the greatest BM25 scores; chunks without any of the terms are not found.</summary>
    /// <param name="query">The query's terms.</param>
    /// <param name="limit">How many chunks at most.</param>
    /// <param name="filter">Which documents, or null for all.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Chunks by score descending, then by id.</returns>
    Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default);

    /// <summary>Reads chunks.</summary>
    /// <param name="ids">Their ids.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One entry per id, in the given order; null where there is no such chunk.</returns>
    Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default);

    /// <summary>Reads dense vectors.</summary>
    /// <param name="ids">The chunks' ids.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One entry per id, in the given order: the vector (of length 1), or null where there is none.</returns>
    Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default);

    /// <summary>Reads a document's chunks.</summary>
    /// <param name="source">The document.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The chunks in their order; none where there is no such document.</returns>
    Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default);

    /// <summary>Changes BM25's average length and with it every sparse vector.</summary>
    /// <param name="averageLength">The new average, in terms; positive.</param>
    /// <param name="termsOf">Gives a chunk's terms again.</param>
    /// <param name="cancellationToken">Stops the work; the next call takes it up again.</param>
    Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default);

    /// <summary>Removes what interrupted writes left behind: chunks that the ledger does not name.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many chunks were removed.</returns>
    Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default);

    /// <summary>
    /// Begins a new generation of the collection beside the present one, which goes on answering; used to re-index. What is written to the
    /// result becomes visible as a whole by <see cref="CommitRebuildAsync"/>. A rebuild that was begun earlier and never committed is
    /// thrown away.
    /// </summary>
    /// <param name="info">The new generation's metadata.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The new generation; disposing it without commit throws it away at the next rebuild.</returns>
    Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default);

    /// <summary>Puts a new generation in place of the present one, at once, and removes the old one.</summary>
    /// <param name="rebuilt">What <see cref="BeginRebuildAsync"/> gave.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default);

    /// <summary>Lists the quarantine: files that are not taken in, kept with the ledger of this generation.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>All entries by source, in ordinal order; none where there is no collection.</returns>
    Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default);

    /// <summary>Writes entries of the quarantine, in place of what it says of their sources.</summary>
    /// <param name="records">The entries, each source once.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    Task WriteQuarantineAsync(IReadOnlyList<QuarantineRecord> records, CancellationToken cancellationToken = default);

    /// <summary>Deletes entries of the quarantine; unknown ones are passed over.</summary>
    /// <param name="sources">The files.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    Task DeleteQuarantineAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default);
}
