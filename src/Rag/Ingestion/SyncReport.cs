namespace Kotonoha.Rag.Ingestion;

/// <summary>What a synchronisation did.</summary>
/// <param name="Added">New documents, now stored.</param>
/// <param name="Changed">Documents whose new version is now stored.</param>
/// <param name="Removed">Documents that were deleted because the folder no longer has them.</param>
/// <param name="Unchanged">Documents that were stored already.</param>
/// <param name="Skipped">Files that were not taken in, each with its reason.</param>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Refitted">Whether the embedder was fitted anew and all vectors with it.</param>
/// <param name="Timings">Seconds by stage (<c>scan</c>, <c>read</c>, <c>chunk</c>, <c>analyse</c>, <c>fit</c>, <c>embed</c>, <c>store</c>, and <c>total</c>). Stages overlap, and parallel work counts once a thread, so they do not add up.</param>
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
    /// <summary>What the readers have to say about the documents that were read: parts that could not be, each with its reason.</summary>
    public IReadOnlyList<DocumentRemark> Remarks { get; init; } = [];
}
