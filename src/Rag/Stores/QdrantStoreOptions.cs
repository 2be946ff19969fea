namespace Kotonoha.Rag.Stores;

/// <summary>Which Qdrant server and collection, and how it is used.</summary>
public sealed record QdrantStoreOptions
{
    /// <summary>The server's REST address.</summary>
    public Uri Address { get; init; } = new("http://localhost:6333");

    /// <summary>The API key, or null for none.</summary>
    public string? ApiKey { get; init; }

    /// <summary>The collection's name; <c>NAME--documents</c> is the ledger's.</summary>
    public string Collection { get; init; } = "kotonoha";

    /// <summary>The client to use (proxies, certificates), or null for a new one; a given one is not disposed.</summary>
    public HttpClient? HttpClient { get; init; }

    /// <summary>How many points an upload has, from 64 to 256 (fewer where a document is small).</summary>
    public int BatchSize { get; init; } = 128;

    /// <summary>Whether dense searches look at every vector, or null to do so while the collection is small (<see cref="QdrantStore.MaxExactChunks"/>).</summary>
    public bool? ExactSearch { get; init; }

    /// <summary>How long a request is repeated while the server does not answer or is overloaded, in seconds, for reading.</summary>
    public int ReadRetrySeconds { get; init; } = 5;

    /// <summary>The same for writing: a server that is restarted in this time costs an ingestion nothing.</summary>
    public int WriteRetrySeconds { get; init; } = 60;

    /// <summary>How long one request may take, in seconds.</summary>
    public int RequestTimeoutSeconds { get; init; } = 60;
}
