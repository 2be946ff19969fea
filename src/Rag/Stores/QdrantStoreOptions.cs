using Qdrant.Client;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// How a Qdrant collection also keeps its dense vectors in fewer bits. Searches through the index look at these first; the whole vectors
/// then order what was found (<see cref="QdrantStoreOptions.Oversampling"/>), so that scores stay exact.
/// </summary>
public enum QdrantQuantization
{
    /// <summary>Only the whole vectors.</summary>
    None,

    /// <summary>One byte a dimension, a quarter of the size; loses little on any vectors.</summary>
    Int8,

    /// <summary>One bit a dimension, 1/32 of the size; for vectors of many dimensions (about 1,000 or more).</summary>
    Binary,

    /// <summary>Product quantisation, 1/16 of the size; slower and less exact than <see cref="Int8"/>.</summary>
    Product,
}

/// <summary>How many copies of a shard have to agree on what is read.</summary>
public enum QdrantReadConsistency
{
    /// <summary>What most of all copies say.</summary>
    Majority,

    /// <summary>More than half of all copies have to answer, and what they agree on is given.</summary>
    Quorum,

    /// <summary>All copies have to answer, and only what is on all of them is given.</summary>
    All,
}

/// <summary>Which Qdrant server and collection, and how it is used.</summary>
public sealed record QdrantStoreOptions
{
    /// <summary>The server's gRPC address, by default of port 6334; <c>https</c> for TLS. It has no path.</summary>
    public Uri Address { get; init; } = new("http://localhost:6334");

    /// <summary>
    /// Further nodes of the same cluster, as <see cref="Address"/> is one. A request that a node does not answer is repeated at the next.
    /// </summary>
    public IReadOnlyList<Uri> FurtherAddresses { get; init; } = [];

    /// <summary>How many shards a new collection is divided into, or null for the server's choice (one for each node).</summary>
    public int? ShardNumber { get; init; }

    /// <summary>On how many nodes each shard of a new collection lies, or null for the server's choice (one).</summary>
    public int? ReplicationFactor { get; init; }

    /// <summary>
    /// How many copies of a shard must have taken a write before it is acknowledged, or null for the server's choice (one). A write is
    /// refused while fewer nodes are there, and repeated for <see cref="WriteRetrySeconds"/>.
    /// </summary>
    public int? WriteConsistencyFactor { get; init; }

    /// <summary>How many copies have to agree on what is read, or null for the server's choice (one copy's word).</summary>
    public QdrantReadConsistency? ReadConsistency { get; init; }

    /// <summary>
    /// How dense vectors are also kept in fewer bits, in memory; null for what a collection has, none in a new one. A collection that has
    /// another is changed by the next ingestion; the server then works on in the background.
    /// </summary>
    public QdrantQuantization? Quantization { get; init; }

    /// <summary>
    /// Of quantised vectors, how many times the wanted number of hits are taken as candidates, which the whole vectors order; 1 or more.
    /// </summary>
    public double Oversampling { get; init; } = 2;

    /// <summary>
    /// Whether dense vectors, their graph, the sparse index and payloads are read from disk as they are needed, instead of kept in memory;
    /// null for what a collection has, and the server's choice for a new one (in memory, payloads on disk). A collection that is otherwise
    /// is changed by the next ingestion, but for its sparse index.
    /// </summary>
    public bool? OnDisk { get; init; }

    /// <summary>
    /// The server's REST address, which backups go over; null for the port below the one of <see cref="Address"/> (6333 beside 6334).
    /// </summary>
    public Uri? RestAddress { get; init; }

    /// <summary>The API key, or null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The collection's name; <c>NAME--documents</c> is the ledger's.</summary>
    public string Collection { get; init; } = "kotonoha";

    /// <summary>
    /// The client to use (from a service container, or with certificates, a proxy or headers of its own), or null for a new one that
    /// connects to <see cref="Address"/> with <see cref="ApiKey"/>. A given one is not disposed; the address then appears only in
    /// messages.
    /// </summary>
    public IQdrantClient? Client { get; init; }

    /// <summary>
    /// The most points in an upload, best from 64 to 256; it has fewer where they would make a message of more than 4 MiB.
    /// </summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>
    /// Whether dense searches look at every vector, or null to do so while the collection is small
    /// (<see cref="QdrantStore.MaxExactChunks"/>).
    /// </summary>
    public bool? ExactSearch { get; init; }

    /// <summary>How long a request is repeated while the server does not answer or is overloaded, in seconds, for reading.</summary>
    public int ReadRetrySeconds { get; init; } = 5;

    /// <summary>The same for writing: a server that is restarted in this time costs an ingestion nothing.</summary>
    public int WriteRetrySeconds { get; init; } = 60;

    /// <summary>The deadline of one request, in seconds.</summary>
    public int RequestTimeoutSeconds { get; init; } = 60;
}
