using Kotonoha.Rag;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers knowledge bases with a collection of services.</summary>
/// <remarks>
/// A knowledge base is a singleton: it is opened when it is first asked for and closed with the container. The container's
/// <see cref="IEmbeddingGenerator{TInput, TEmbedding}"/> makes the vectors (under the same key, or else the one without a key); where it
/// has none and the options name none, words alone are searched for (BM25).
/// </remarks>
public static class KnowledgeBaseServiceCollectionExtensions
{
    /// <summary>Registers a <see cref="KnowledgeBase"/> in a file.</summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The file; it is made where it is missing.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    public static IServiceCollection AddKnowledgeBase(
        this IServiceCollection services, string path, KnowledgeBaseServiceOptions? options = null)
        => AddKeyedKnowledgeBase(services, serviceKey: null, path, options);

    /// <summary>Registers a <see cref="KnowledgeBase"/> on a Qdrant server.</summary>
    /// <param name="services">The services.</param>
    /// <param name="store">Which server and collection.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    public static IServiceCollection AddKnowledgeBase(
        this IServiceCollection services, QdrantStoreOptions store, KnowledgeBaseServiceOptions? options = null)
        => AddKeyedKnowledgeBase(services, serviceKey: null, store, options);

    /// <summary>Registers a <see cref="KnowledgeBase"/> in a file, under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key, or null for the default service.</param>
    /// <param name="path">The file; it is made where it is missing.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    public static IServiceCollection AddKeyedKnowledgeBase(
        this IServiceCollection services, object? serviceKey, string path, KnowledgeBaseServiceOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return Add(services, serviceKey, _ => EmbeddedStore.Open(path), options);
    }

    /// <summary>Registers a <see cref="KnowledgeBase"/> on a Qdrant server, under a key.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key, or null for the default service.</param>
    /// <param name="store">Which server and collection.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    public static IServiceCollection AddKeyedKnowledgeBase(
        this IServiceCollection services, object? serviceKey, QdrantStoreOptions store, KnowledgeBaseServiceOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        return Add(services, serviceKey, provider => new QdrantStore(store, provider.GetService<ILogger<QdrantStore>>()), options);
    }

    private static IServiceCollection Add(
        IServiceCollection services, object? serviceKey, Func<IServiceProvider, IKnowledgeStore> open, KnowledgeBaseServiceOptions? options)
    {
        ArgumentNullException.ThrowIfNull(services);
        options ??= new KnowledgeBaseServiceOptions();
        services.Add(new ServiceDescriptor(
            typeof(KnowledgeBase),
            serviceKey,
            (provider, key) =>
            {
                // First, so that an embedder that cannot be made leaves no store open.
                var embedder = options.Embedder is { } make ? make(provider) : Registered(provider, key);
                return new KnowledgeBase(open(provider), embedder, options.KnowledgeBase);
            },
            ServiceLifetime.Singleton));
        return services;
    }

    private static IEmbeddingGenerator<string, Embedding<float>>? Registered(IServiceProvider provider, object? key)
        => (key is null ? null : provider.GetKeyedService<IEmbeddingGenerator<string, Embedding<float>>>(key))
            ?? provider.GetService<IEmbeddingGenerator<string, Embedding<float>>>();
}
