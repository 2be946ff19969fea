namespace Kotonoha.Rag.Stores;

/// <summary>What a collection says about itself; kept in the store.</summary>
/// <param name="SchemaVersion">The layout of the stored data; see <see cref="CurrentSchemaVersion"/>.</param>
/// <param name="AnalyzerId">The text analyzer whose terms the sparse vectors hold.</param>
/// <param name="EmbedderVersion">The embedder whose vectors are stored, or null where there are none.</param>
/// <param name="DenseDimension">The dense vectors' width, or 0 where there are none.</param>
/// <param name="AverageLength">BM25's average length in terms; positive.</param>
/// <param name="FittedChunks">How many chunks the collection had when its embedder was fitted; 0 for an embedder that shall not be fitted anew as the collection grows: one that is not fitted, or that was fitted on as much text as fitting takes.</param>
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
