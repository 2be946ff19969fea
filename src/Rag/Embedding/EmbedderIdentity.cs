using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Embedding;

/// <summary>Names an embedder, so that a collection can tell whether its vectors fit it.</summary>
internal static class EmbedderIdentity
{
    /// <summary>The key of a service that names the version of an embedder's model, for example a hash of its files.</summary>
    public const string VersionKey = "version";

    /// <summary>A fitted embedder's version; of any other the provider, model and width that its metadata names, and the version where it has one.</summary>
    public static string? Of(IEmbeddingGenerator<string, Embedding<float>> embedder)
    {
        if (embedder is IFittedEmbedder fitted)
            return fitted.Version;
        var metadata = embedder.GetService(typeof(EmbeddingGeneratorMetadata)) as EmbeddingGeneratorMetadata;
        var name = FormattableString.Invariant($"{metadata?.ProviderName ?? embedder.GetType().Name}/{metadata?.DefaultModelId}/{metadata?.DefaultModelDimensions}");
        return embedder.GetService(typeof(string), VersionKey) is string version ? $"{name}/{version}" : name;
    }
}
