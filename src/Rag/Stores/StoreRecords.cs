using System.Text.Json.Serialization;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Stores;

/// <summary>What a collection says about itself; kept in the store.</summary>
/// <param name="SchemaVersion">The layout of the stored data; see <see cref="CurrentSchemaVersion"/>.</param>
/// <param name="AnalyzerId">The text analyzer whose terms the sparse vectors hold.</param>
/// <param name="EmbedderVersion">The embedder whose vectors are stored, or null where there are none.</param>
/// <param name="DenseDimension">The dense vectors' width, or 0 where there are none.</param>
/// <param name="AverageLength">BM25's average length in terms; positive.</param>
/// <param name="FittedChunks">
/// How many chunks the collection had when its embedder was fitted; 0 for an embedder that must not be fitted anew as the collection
/// grows: one that is not fitted, or that was fitted on as much text as fitting takes.
/// </param>
public sealed record CollectionInfo(
    int SchemaVersion,
    string AnalyzerId,
    string? EmbedderVersion,
    int DenseDimension,
    double AverageLength,
    int FittedChunks = 0)
{
    /// <summary>The layout that this version reads and writes.</summary>
    public const int CurrentSchemaVersion = 1;
}

/// <summary>The ledger's entry for a document; once it is written, the document is acknowledged.</summary>
/// <param name="Source">The document: its path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Hash">The SHA-256 of its bytes, as lower-case hexadecimal digits.</param>
/// <param name="Version">
/// Names this version of its chunks, unlike any other document's or version's; a search gives back chunks of this version alone.
/// </param>
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
    IReadOnlyList<string> Tags)
{
    /// <summary>Who may see the document; null: no scope sees it.</summary>
    public DocumentAccess? Access { get; init; }

    /// <summary>What a web server named the content that was fetched (its <c>ETag</c> header), or null.</summary>
    public string? ETag { get; init; }

    /// <summary>When a web server said that the content was last changed (its <c>Last-Modified</c> header), or null.</summary>
    public string? LastModified { get; init; }
}

/// <summary>Why a file is in quarantine.</summary>
public enum QuarantineCause
{
    /// <summary>It cannot be read, and the same bytes will fail again.</summary>
    Unreadable,

    /// <summary>Its text holds instructions to a model.</summary>
    Injection,
}

/// <summary>A file that is not taken in, and not tried again until its content or the program that judged it changes.</summary>
/// <param name="Source">The file: its path relative to the folder that was read, with <c>/</c>.</param>
/// <param name="Hash">The SHA-256 of its bytes, as lower-case hexadecimal digits.</param>
/// <param name="JudgedBy">The version of the readers, or of the scanner, that found it bad.</param>
/// <param name="Cause">Why it is there.</param>
/// <param name="Reason">The same for a person, with what helps.</param>
public sealed record QuarantineRecord(string Source, string Hash, string JudgedBy, QuarantineCause Cause, string Reason)
{
    /// <summary>Whether a person has let these very bytes in; they are then no longer held.</summary>
    public bool IsReleased { get; init; }

    /// <summary>Who may see that the file is there; null: no scope does.</summary>
    public DocumentAccess? Access { get; init; }
}

/// <summary>A chunk with the vectors it is found by.</summary>
/// <param name="Chunk">The chunk; its id must be a UUID.</param>
/// <param name="Terms">Its terms, for BM25.</param>
/// <param name="Dense">Its dense vector (any length but zero; stores normalise it), or empty where the collection has none.</param>
public sealed record IndexedChunk(Chunk Chunk, TermVector Terms, ReadOnlyMemory<float> Dense);

/// <summary>A document as it is written: its ledger entry and all its chunks.</summary>
/// <param name="Record">The ledger entry.</param>
/// <param name="Chunks">The chunks; their source is the record's.</param>
public sealed record DocumentWrite(DocumentRecord Record, IReadOnlyList<IndexedChunk> Chunks)
{
    /// <summary>Refuses chunks of another document and vectors of another width than the collection's.</summary>
    internal void Check(CollectionInfo info)
    {
        foreach (var chunk in Chunks)
        {
            if (chunk.Chunk.Source != Record.Source)
                throw new ArgumentException($"Chunk {chunk.Chunk.Id} belongs to '{chunk.Chunk.Source}', not to '{Record.Source}'.");
            if (chunk.Dense.Length != info.DenseDimension)
                throw StoreException.WrongWidth(chunk.Dense.Length, info);
        }
    }
}

/// <summary>One entry of a store's answer.</summary>
/// <param name="Id">The chunk's id.</param>
/// <param name="Source">The chunk's document.</param>
/// <param name="Score">The cosine similarity of a dense search, the BM25 score of a sparse one.</param>
public readonly record struct ScoredChunk(string Id, string Source, double Score);

/// <summary>JSON of what the stores keep, without reflection.</summary>
[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(CollectionInfo))]
[JsonSerializable(typeof(string[]))]
[JsonSerializable(typeof(QdrantBackup))]
internal sealed partial class StoreJson : JsonSerializerContext;
