namespace Kotonoha.Cli.Commands;

/// <summary>What the folder options said.</summary>
/// <param name="Documents">The folder, or null for the sample documents.</param>
/// <param name="Home">The home option, or null.</param>
/// <param name="Qdrant">Whether the store is a Qdrant server.</param>
/// <param name="QdrantUrl">The server, or null to start one.</param>
/// <param name="QdrantApiKey">The server's key, or null.</param>
/// <param name="EmbeddingModel">The sentence embedding model, or null for vectors fitted on the documents.</param>
/// <param name="RerankModel">The cross-encoder that orders the best passages anew, or null.</param>
/// <param name="Threads">The model's threads, or null for the default.</param>
internal sealed record FolderSettings(string? Documents, string? Home, bool Qdrant, string? QdrantUrl, string? QdrantApiKey, string? EmbeddingModel, string? RerankModel, int? Threads);
