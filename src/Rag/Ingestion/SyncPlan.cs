namespace Kotonoha.Rag.Ingestion;

/// <summary>What a synchronisation would do.</summary>
/// <param name="Added">New documents.</param>
/// <param name="Changed">Documents whose content (or whose way of being cut) is not what is stored.</param>
/// <param name="Removed">Documents that are stored, but no longer in the folder.</param>
/// <param name="Unchanged">Documents that are stored as they are.</param>
/// <param name="Skipped">Files that cannot be taken in, as far as is known without reading them.</param>
public sealed record SyncPlan(
    IReadOnlyList<string> Added,
    IReadOnlyList<string> Changed,
    IReadOnlyList<string> Removed,
    IReadOnlyList<string> Unchanged,
    IReadOnlyList<SkippedDocument> Skipped);
