namespace Kotonoha.Rag.Ingestion;

/// <summary>How a folder is synchronised.</summary>
public sealed record SyncOptions
{
    /// <summary>Is called with a document's source once the document is durably stored; calls come one at a time.</summary>
    public Action<string>? Acknowledged { get; init; }

    /// <summary>Reads everything anew into a new generation of the collection, with a newly fitted embedder; the present one answers until that is complete. Stored documents that cannot be read at the moment are taken over from it.</summary>
    public bool Rebuild { get; init; }
}
