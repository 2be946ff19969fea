using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Embedding;

/// <summary>Names an embedder, so that a collection can tell whether its vectors fit it.</summary>
internal static class EmbedderIdentity
{
    /// <summary>A fitted embedder's version; of any other the provider, model and width that its metadata names.</summary>
    public static string? Of(IEmbeddingGenerator<string, Embedding<float>> embedder)
    {
        if (embedder is IFittedEmbedder fitted)
            return fitted.Version;
        var metadata = embedder.GetService(typeof(EmbeddingGeneratorMetadata)) as EmbeddingGeneratorMetadata;
        return FormattableString.Invariant($"{metadata?.ProviderName ?? embedder.GetType().Name}/{metadata?.DefaultModelId}/{metadata?.DefaultModelDimensions}");
    }
}
