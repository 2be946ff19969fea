using Kotonoha.Foundation;
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

/// <summary>Names an embedder, so that a collection can tell whether its vectors fit it.</summary>
internal static class EmbedderIdentity
{
    /// <summary>The key of a service that names the version of an embedder's model, for example a hash of its files.</summary>
    public const string VersionKey = "version";

    /// <summary>
    /// A fitted embedder's version; for any other embedder, the provider, model and width that its metadata names, and the version where it
    /// has one.
    /// </summary>
    public static string? Of(IEmbeddingGenerator<string, Embedding<float>> embedder)
    {
        if (embedder is IFittedEmbedder fitted)
            return fitted.Version;
        var metadata = embedder.GetService(typeof(EmbeddingGeneratorMetadata)) as EmbeddingGeneratorMetadata;
        var name =
            FormattableString.Invariant(
                $"{metadata?.ProviderName ?? embedder.GetType().Name}/{metadata?.DefaultModelId}/{metadata?.DefaultModelDimensions}");
        return embedder.GetService(typeof(string), VersionKey) is string version ? $"{name}/{version}" : name;
    }
}

/// <summary>The collection's vectors were made by another embedder than the one at hand.</summary>
public sealed class EmbedderMismatchException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">Which embedders, and how to re-index.</param>
    /// <param name="innerException">The cause, if there is one.</param>
    public EmbedderMismatchException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }
}
