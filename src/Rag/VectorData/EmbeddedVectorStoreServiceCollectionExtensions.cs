using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers embedded vector stores and collections with a collection of services.</summary>
/// <remarks>
/// An <see cref="IEmbeddingGenerator"/> of the container is used where options name none. Stores and collections are disposed with the
/// container.
/// </remarks>
public static class EmbeddedVectorStoreServiceCollectionExtensions
{
    /// <summary>Registers an <see cref="EmbeddedVectorStore"/>, also as <see cref="VectorStore"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The file, or null for a store in memory.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <param name="lifetime">How long it lives.</param>
    public static IServiceCollection AddEmbeddedVectorStore(
        this IServiceCollection services,
        string? path = null,
        EmbeddedVectorStoreOptions? options = null,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
        => AddKeyedEmbeddedVectorStore(services, serviceKey: null, path, options, lifetime);

    /// <summary>Registers an <see cref="EmbeddedVectorStore"/> under a key, also as <see cref="VectorStore"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key, or null for the default service.</param>
    /// <param name="path">The file, or null for a store in memory.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <param name="lifetime">How long it lives.</param>
    public static IServiceCollection AddKeyedEmbeddedVectorStore(
        this IServiceCollection services,
        object? serviceKey,
        string? path = null,
        EmbeddedVectorStoreOptions? options = null,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.Add(new ServiceDescriptor(
            typeof(EmbeddedVectorStore),
            serviceKey,
            (provider, _) =>
            {
                var chosen = options ?? new EmbeddedVectorStoreOptions();
                return new EmbeddedVectorStore(
                    path, chosen with { EmbeddingGenerator = chosen.EmbeddingGenerator ?? provider.GetService<IEmbeddingGenerator>() });
            },
            lifetime));
        Forward<VectorStore, EmbeddedVectorStore>(services, serviceKey, lifetime);
        return services;
    }

    /// <summary>
    /// Registers an <see cref="EmbeddedVectorStoreCollection{TKey, TRecord}"/>, also as <see cref="VectorStoreCollection{TKey, TRecord}"/>,
    /// <see cref="IVectorSearchable{TRecord}"/> and <see cref="IKeywordHybridSearchable{TRecord}"/>.
    /// </summary>
    /// <typeparam name="TKey">The type of the keys.</typeparam>
    /// <typeparam name="TRecord">The type of the records.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="name">The collection's name.</param>
    /// <param name="path">The file, or null for a collection in memory.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <param name="lifetime">How long it lives.</param>
    public static IServiceCollection AddEmbeddedCollection<TKey, TRecord>(
        this IServiceCollection services,
        string name,
        string? path = null,
        EmbeddedVectorStoreCollectionOptions? options = null,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TKey : notnull
        where TRecord : class
        => AddKeyedEmbeddedCollection<TKey, TRecord>(services, serviceKey: null, name, path, options, lifetime);

    /// <summary>
    /// Registers an <see cref="EmbeddedVectorStoreCollection{TKey, TRecord}"/> under a key, also as
    /// <see cref="VectorStoreCollection{TKey, TRecord}"/>, <see cref="IVectorSearchable{TRecord}"/> and
    /// <see cref="IKeywordHybridSearchable{TRecord}"/>.
    /// </summary>
    /// <typeparam name="TKey">The type of the keys.</typeparam>
    /// <typeparam name="TRecord">The type of the records.</typeparam>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key, or null for the default service.</param>
    /// <param name="name">The collection's name.</param>
    /// <param name="path">The file, or null for a collection in memory.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <param name="lifetime">How long it lives.</param>
    public static IServiceCollection AddKeyedEmbeddedCollection<TKey, TRecord>(
        this IServiceCollection services,
        object? serviceKey,
        string name,
        string? path = null,
        EmbeddedVectorStoreCollectionOptions? options = null,
        ServiceLifetime lifetime = ServiceLifetime.Singleton)
        where TKey : notnull
        where TRecord : class
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        services.Add(new ServiceDescriptor(
            typeof(EmbeddedVectorStoreCollection<TKey, TRecord>),
            serviceKey,
            (provider, _) => new EmbeddedVectorStoreCollection<TKey, TRecord>(path, name, new EmbeddedVectorStoreCollectionOptions
            {
                Definition = options?.Definition,
                EmbeddingGenerator = options?.EmbeddingGenerator ?? provider.GetService<IEmbeddingGenerator>(),
                BusyTimeoutSeconds = (options ?? new()).BusyTimeoutSeconds,
            }),
            lifetime));
        Forward<VectorStoreCollection<TKey, TRecord>, EmbeddedVectorStoreCollection<TKey, TRecord>>(services, serviceKey, lifetime);
        Forward<IVectorSearchable<TRecord>, EmbeddedVectorStoreCollection<TKey, TRecord>>(services, serviceKey, lifetime);
        Forward<IKeywordHybridSearchable<TRecord>, EmbeddedVectorStoreCollection<TKey, TRecord>>(services, serviceKey, lifetime);
        return services;
    }

    private static void Forward<TService, TImplementation>(IServiceCollection services, object? serviceKey, ServiceLifetime lifetime)
        where TImplementation : notnull, TService
        => services.Add(new ServiceDescriptor(
            typeof(TService),
            serviceKey,
            (provider, key) => key is null
                ? provider.GetRequiredService<TImplementation>()
                : provider.GetRequiredKeyedService<TImplementation>(key),
            lifetime));
}
