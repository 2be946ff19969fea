namespace Kotonoha.Rag.Ingestion;

/// <summary>How a folder is synchronised.</summary>
public sealed record SyncOptions
{
    /// <summary>Called with a document's source once the document is durably stored; calls come one at a time.</summary>
    public Action<string>? Acknowledged { get; init; }

    /// <summary>
    /// Reads everything anew into a new generation of the collection, with a newly fitted embedder; the present one answers until that is
    /// complete. Stored documents that cannot be read at the moment are taken over from it.
    /// </summary>
    public bool Rebuild { get; init; }
}

/// <summary>What a synchronisation did.</summary>
/// <param name="Added">New documents, now stored.</param>
/// <param name="Changed">Documents whose new version is now stored.</param>
/// <param name="Removed">Documents that were deleted because the folder no longer has them.</param>
/// <param name="Unchanged">Documents that were stored already.</param>
/// <param name="Skipped">Files that were not taken in, each with its reason.</param>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Refitted">Whether the embedder was fitted anew and all vectors with it.</param>
/// <param name="Timings">Seconds by stage (<c>scan</c>, <c>read</c>, <c>chunk</c>, <c>analyse</c>, <c>fit</c>, <c>embed</c>, <c>store</c>,
/// and <c>total</c>). Stages overlap, and parallel work counts once a thread, so they do not add up.</param>
public sealed record SyncReport(
    IReadOnlyList<string> Added,
    IReadOnlyList<string> Changed,
    IReadOnlyList<string> Removed,
    IReadOnlyList<string> Unchanged,
    IReadOnlyList<SkippedDocument> Skipped,
    int Chunks,
    bool Refitted,
    IReadOnlyDictionary<string, double> Timings)
{
    /// <summary>
    /// What the readers have to say about the documents that were read: parts that could not be read, each with its reason.
    /// </summary>
    public IReadOnlyList<DocumentRemark> Remarks { get; init; } = [];
}

/// <summary>What adding documents or chunks did.</summary>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Remarks">What there is to say about the documents: parts that could not be read, chunks that are longer than the embedder
/// reads.</param>
public sealed record AddReport(int Chunks, IReadOnlyList<DocumentRemark> Remarks);

/// <summary>A file that was not taken in.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Reason">Why, and what helps.</param>
public sealed record SkippedDocument(string Source, string Reason);

/// <summary>What a reader has to say about a document that was taken in: a part of it that could not be read, and why.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Text">The remark, for example <c>page 3 has no text (a scanned image?)</c>.</param>
public sealed record DocumentRemark(string Source, string Text);
