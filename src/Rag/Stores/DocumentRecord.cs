namespace Kotonoha.Rag.Stores;

/// <summary>The ledger's entry for a document; once it is written, the document is acknowledged.</summary>
/// <param name="Source">The document: its path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Hash">The SHA-256 of its bytes, as lower-case hexadecimal digits.</param>
/// <param name="Version">Names this version of its chunks, unlike any other document's or version's; a search gives back chunks of this version alone.</param>
/// <param name="ChunkCount">The number of its chunks.</param>
/// <param name="TermCount">The number of terms in its chunks, with repetitions.</param>
/// <param name="Title">Its title, or null.</param>
/// <param name="Bytes">Its size in bytes.</param>
/// <param name="Tags">Free tags to filter by.</param>
public sealed record DocumentRecord(
    string Source,
    string Hash,
    string Version,
    int ChunkCount,
    long TermCount,
    string? Title,
    long Bytes,
    IReadOnlyList<string> Tags);
