using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Embedding;

/// <summary>An embedder that is fitted on the documents themselves. A fitted embedder never changes; fitting gives a new one.</summary>
public interface IFittedEmbedder : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>The content hash of what was fitted, or null where nothing has been.</summary>
    string? Version { get; }

    /// <summary>Fits an embedder and saves it.</summary>
    /// <param name="texts">The texts of the documents' chunks, as they will be embedded.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The fitted embedder, durably saved.</returns>
    Task<IFittedEmbedder> FitAsync(IReadOnlyList<string> texts, CancellationToken cancellationToken = default);

    /// <summary>Loads an embedder that was fitted before.</summary>
    /// <param name="version">Its version.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="EmbedderMismatchException">There is no such embedder, or its file is damaged.</exception>
    Task<IFittedEmbedder> LoadAsync(string version, CancellationToken cancellationToken = default);

    /// <summary>Deletes the saved form of an embedder that nothing uses any more; an unknown one is passed over.</summary>
    /// <param name="version">Its version.</param>
    void Delete(string version);
}
