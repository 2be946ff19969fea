using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers a local GPT with a service collection (ASP.NET Core, Semantic Kernel's builder, Agent Framework).</summary>
public static class ServiceCollectionExtensions
{
    /// <summary>
    /// Registers a model: <see cref="LocalGpt"/>, and as views of it <see cref="IChatClient"/> and an embedding generator. The model is loaded once, when one of
    /// them is first resolved, and belongs to the container.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddLocalGpt(this IServiceCollection services, string path, LocalGptOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        services.AddSingleton(_ => LocalGpt.Load(path, options));
        services.AddSingleton(provider => provider.GetRequiredService<LocalGpt>().AsChatClient());
        return services.AddSingleton(provider => provider.GetRequiredService<LocalGpt>().AsEmbeddingGenerator());
    }

    /// <summary>As <see cref="AddLocalGpt"/>, under a key, so that several models live side by side.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key (Semantic Kernel's service id).</param>
    /// <param name="path">The checkpoint's folder.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedLocalGpt(this IServiceCollection services, object? serviceKey, string path, LocalGptOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        services.AddKeyedSingleton(serviceKey, (_, _) => LocalGpt.Load(path, options));
        services.AddKeyedSingleton(serviceKey, (provider, key) => provider.GetRequiredKeyedService<LocalGpt>(key).AsChatClient());
        return services.AddKeyedSingleton(serviceKey, (provider, key) => provider.GetRequiredKeyedService<LocalGpt>(key).AsEmbeddingGenerator());
    }

    /// <summary>
    /// Registers an encoder: <see cref="LocalEncoder"/>, and as a view of it an embedding generator. The model is loaded once, when one of them is first
    /// resolved, and belongs to the container. Called after <see cref="AddLocalGpt"/>, it takes the place of that model's own embeddings.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The model's folder: of sentence-transformers, or an encoder in the Hugging Face layout.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddLocalEmbeddings(this IServiceCollection services, string path, LocalEncoderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        services.AddSingleton(_ => LocalEncoder.Load(path, options));
        return services.AddSingleton(provider => provider.GetRequiredService<LocalEncoder>().AsEmbeddingGenerator());
    }

    /// <summary>As <see cref="AddLocalEmbeddings"/>, under a key, so that several models live side by side.</summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceKey">The key (Semantic Kernel's service id).</param>
    /// <param name="path">The model's folder.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddKeyedLocalEmbeddings(this IServiceCollection services, object? serviceKey, string path, LocalEncoderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrEmpty(path);
        services.AddKeyedSingleton(serviceKey, (_, _) => LocalEncoder.Load(path, options));
        return services.AddKeyedSingleton(serviceKey, (provider, key) => provider.GetRequiredKeyedService<LocalEncoder>(key).AsEmbeddingGenerator());
    }
}
