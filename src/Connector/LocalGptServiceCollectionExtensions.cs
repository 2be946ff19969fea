using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers local models with a collection of services (ASP.NET Core, Agent Framework, the services of a kernel).</summary>
/// <remarks>
/// <para>
/// A model is loaded when it is first used, once for all its views, and disposed with the container; what is loaded, where it runs and how
/// long that took is logged. Without a <c>serviceId</c> the services are the default ones, with one they are keyed by it.
/// </para>
/// <para>
/// A second local model as the same service under the same id is an <see cref="InvalidOperationException"/> at registration. The embeddings
/// that <c>AddLocalGpt</c> brings are the one exception: they give way to any embedding generator that is registered before, and to
/// <c>AddLocalEmbeddings</c> before or after.
/// </para>
/// </remarks>
public static class LocalGptServiceCollectionExtensions
{
    /// <summary>
    /// Registers everything that a model can do: <see cref="LocalGpt"/>, a bare <see cref="IChatClient"/>, Semantic Kernel's chat
    /// completion and text generation, an embedding generator.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default services.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalGpt(
        this IServiceCollection services, string path, LocalGptOptions? options = null, string? serviceId = null)
        => AddAll(services, Origin(services, path, options), serviceId);

    /// <summary>
    /// Like <see cref="AddLocalGpt(IServiceCollection, string, LocalGptOptions?, string?)"/>, with a model that is already loaded.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="model">The model; its owner disposes it.</param>
    /// <param name="serviceId">The key, or null for the default services.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalGpt(this IServiceCollection services, LocalGpt model, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(model);
        return AddAll(services, new GptOrigin(null, null, model), serviceId);
    }

    /// <summary>
    /// Registers a model as a chat client without anything around it; the returned builder adds what the application wants (function
    /// invocation, logging, telemetry, caching).
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default service.</param>
    /// <returns>The builder of the client's pipeline.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static ChatClientBuilder AddLocalGptChatClient(
        this IServiceCollection services, string path, LocalGptOptions? options = null, string? serviceId = null)
        => LocalModelServices.AddBareChatClient(services, Origin(services, path, options), serviceId, nameof(AddLocalGptChatClient));

    /// <summary>
    /// Registers a model as Semantic Kernel's chat completion, with function invocation, telemetry and logging as its own connectors have
    /// them.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default service.</param>
    /// <param name="openTelemetrySourceName">The name of the telemetry's source; null for the usual one.</param>
    /// <param name="openTelemetryConfig">Sets up the telemetry.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalGptChatCompletion(
        this IServiceCollection services,
        string path,
        LocalGptOptions? options = null,
        string? serviceId = null,
        string? openTelemetrySourceName = null,
        Action<OpenTelemetryChatClient>? openTelemetryConfig = null)
    {
        LocalModelServices.AddChatCompletion(
            services, Origin(services, path, options), serviceId, nameof(AddLocalGptChatCompletion), openTelemetrySourceName,
            openTelemetryConfig);
        return services;
    }

    /// <summary>Registers a model as Semantic Kernel's text generation, which continues a prompt as it stands.</summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default service.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalGptTextGeneration(
        this IServiceCollection services, string path, LocalGptOptions? options = null, string? serviceId = null)
    {
        LocalModelServices.AddTextGeneration(services, Origin(services, path, options), serviceId, nameof(AddLocalGptTextGeneration));
        return services;
    }

    /// <summary>Registers a GPT as an embedding generator. An encoder makes better vectors: <see cref="AddLocalEmbeddings"/>.</summary>
    /// <param name="services">The services.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default service.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalGptEmbeddingGenerator(
        this IServiceCollection services, string path, LocalGptOptions? options = null, string? serviceId = null)
    {
        LocalModelServices.AddGptEmbeddings(services, Origin(services, path, options), serviceId, nameof(AddLocalGptEmbeddingGenerator),
            givesWay: false);
        return services;
    }

    /// <summary>Registers an encoder: <see cref="LocalEncoder"/>, and as a view of it an embedding generator.</summary>
    /// <param name="services">The services.</param>
    /// <param name="path">
    /// A folder of sentence-transformers, an encoder in the Hugging Face layout, a GGUF file of a BERT, or <c>OWNER/NAME</c> of a model in
    /// the hub's cache.
    /// </param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The key, or null for the default service.</param>
    /// <returns>The same services.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IServiceCollection AddLocalEmbeddings(
        this IServiceCollection services, string path, LocalEncoderOptions? options = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        LocalModelServices.AddEncoder(services, path, options, serviceId, nameof(AddLocalEmbeddings));
        return services;
    }

    /// <summary>
    /// Loads a registered model and runs a few tokens while the application starts, so that the first request need not wait.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="serviceId">The key under which the model is registered, or null for the default one.</param>
    /// <returns>The same services.</returns>
    public static IServiceCollection AddLocalGptWarmUp(this IServiceCollection services, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        return services.AddSingleton<IHostedService>(provider => new LocalGptWarmUp(LocalGptHealthCheck.Source(provider, serviceId)));
    }

    /// <summary>
    /// Adds a health check of a registered model: healthy when it is loaded and takes requests, degraded while it is not loaded yet or its
    /// queue is full, unhealthy (or <paramref name="failureStatus"/>) when it could not be loaded. The check itself loads nothing.
    /// </summary>
    /// <param name="builder">The health checks.</param>
    /// <param name="serviceId">The key under which the model is registered, or null for the default one.</param>
    /// <param name="name">The check's name.</param>
    /// <param name="failureStatus">What a failure is reported as; null for unhealthy.</param>
    /// <param name="tags">The check's tags.</param>
    /// <returns>The same builder.</returns>
    public static IHealthChecksBuilder AddLocalGpt(
        this IHealthChecksBuilder builder, string? serviceId = null, string name = "local-gpt", HealthStatus? failureStatus = null,
        IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return builder.Add(new HealthCheckRegistration(
            name, provider => new LocalGptHealthCheck(LocalGptHealthCheck.Source(provider, serviceId)), failureStatus, tags));
    }

    internal static GptOrigin Origin(object services, string path, LocalGptOptions? options)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        return new GptOrigin(path, options, null);
    }

    private static IServiceCollection AddAll(IServiceCollection services, GptOrigin origin, string? serviceId)
    {
        LocalModelServices.AddBareChatClient(services, origin, serviceId, nameof(AddLocalGpt));
        LocalModelServices.AddChatCompletion(services, origin, serviceId, nameof(AddLocalGpt), null, null);
        LocalModelServices.AddTextGeneration(services, origin, serviceId, nameof(AddLocalGpt));
        LocalModelServices.AddGptEmbeddings(services, origin, serviceId, nameof(AddLocalGpt), givesWay: true);
        return services;
    }
}
