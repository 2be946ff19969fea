using Qdrant.Client;

namespace Kotonoha.Rag.Stores;

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
