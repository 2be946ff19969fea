using System.Collections.Concurrent;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Kotonoha.Connector;

/// <summary>Where the model of a registration comes from.</summary>
/// <param name="Path">The files; null for a model that is already loaded.</param>
/// <param name="Options">How to load and run it.</param>
/// <param name="Model">The loaded model; it still belongs to its owner.</param>
internal sealed record GptOrigin(string? Path, LocalGptOptions? Options, LocalGpt? Model);

/// <summary>
/// What has been registered with a collection of services, so that a second model does not silently take the place of the first.
/// </summary>
internal sealed class LocalModelRegistrations
{
    private readonly Dictionary<(Type Service, string? Id), (string Method, ServiceDescriptor? Replaceable)> _registered = [];

    /// <summary>The notes of a collection of services.</summary>
    public static LocalModelRegistrations Of(IServiceCollection services)
    {
        foreach (var descriptor in services)
            if (!descriptor.IsKeyedService && descriptor.ImplementationInstance is LocalModelRegistrations notes)
                return notes;
        var created = new LocalModelRegistrations();
        services.AddSingleton(created);
        return created;
    }

    /// <summary>Notes that a method registers a service.</summary>
    /// <exception cref="InvalidOperationException">Another local model has it already.</exception>
    public void Claim<TService>(IServiceCollection services, string? serviceId, string method)
    {
        if (_registered.TryGetValue((typeof(TService), serviceId), out var former))
        {
            if (former.Replaceable is not { } descriptor)
                throw new InvalidOperationException(
                    $"{method}: a local model is registered as {Named<TService>()}{(serviceId is null ? "" : $" '{serviceId}'")} "
                        + $"already, by {former.Method}. "
                    + "Give one of them a serviceId of its own.");
            services.Remove(descriptor);
        }

        _registered[(typeof(TService), serviceId)] = (method, null);
    }

    /// <summary>Registers a service that gives way to one that is registered for itself, before or after.</summary>
    public void Offer<TService>(IServiceCollection services, string? serviceId, string method, Func<IServiceProvider, TService> factory)
        where TService : class
    {
        if (services.Any(descriptor => descriptor.ServiceType == typeof(TService) && Equals(descriptor.ServiceKey, serviceId)))
            return;
        var descriptor = new ServiceDescriptor(typeof(TService), serviceId, (provider, _) => factory(provider), ServiceLifetime.Singleton);
        services.Add(descriptor);
        _registered[(typeof(TService), serviceId)] = (method, descriptor);
    }

    private static string Named<TService>()
        => typeof(TService) == typeof(IEmbeddingGenerator<string, Embedding<float>>) ? "embedding generator" : typeof(TService).Name;
}

/// <summary>
/// The models of a container: each is loaded once, whatever views of it are registered, and is disposed with the container.
/// </summary>
internal sealed class LocalModels(ILoggerFactory? loggerFactory = null) : IDisposable, IAsyncDisposable
{
    private readonly ConcurrentDictionary<GptOrigin, ModelSource<LocalGpt>> _gpts = new();
    private readonly ConcurrentDictionary<(string Path, LocalEncoderOptions? Options), ModelSource<LocalEncoder>> _encoders = new();

    /// <summary>The source of a GPT.</summary>
    public ModelSource<LocalGpt> Gpt(GptOrigin origin) => _gpts.GetOrAdd(origin, from => from.Model is { } model
        ? new ModelSource<LocalGpt>(model.ModelId, model, owned: false)
        : ModelSource.Gpt(from.Path!, from.Options, loggerFactory));

    /// <summary>The source of an encoder.</summary>
    public ModelSource<LocalEncoder> Encoder(string path, LocalEncoderOptions? options)
        => _encoders.GetOrAdd((path, options), from => ModelSource.Encoder(from.Path, from.Options, loggerFactory));

    /// <inheritdoc/>
    public void Dispose() => DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var source in _gpts.Values)
            await source.DisposeAsync().ConfigureAwait(false);
        foreach (var source in _encoders.Values)
            await source.DisposeAsync().ConfigureAwait(false);
    }
}

/// <summary>What the extension methods of <see cref="IServiceCollection"/> and <see cref="IKernelBuilder"/> register.</summary>
internal static class LocalModelServices
{
    /// <summary>Registers the source and the model itself; both may be named by several methods.</summary>
    public static void AddModel(IServiceCollection services, GptOrigin origin, string? serviceId)
    {
        AddModels(services);
        TryAdd(services, serviceId, provider => provider.GetRequiredService<LocalModels>().Gpt(origin));

        // A container disposes what its factories make, but not an instance that it was given.
        if (origin.Model is not { } model)
            TryAdd(services, serviceId, provider => provider.GetRequiredService<LocalModels>().Gpt(origin).Get());
        else if (!Has<LocalGpt>(services, serviceId))
            services.AddKeyedSingleton(serviceId, model);
    }

    /// <summary>Registers the chat client with what Semantic Kernel puts around its own clients.</summary>
    public static void AddKernelChatClient(
        IServiceCollection services, GptOrigin origin, string? serviceId, string method, string? sourceName,
        Action<OpenTelemetryChatClient>? configure)
    {
        LocalModelRegistrations.Of(services).Claim<IChatClient>(services, serviceId, method);
        AddModel(services, origin, serviceId);
        services.AddKeyedSingleton(serviceId, (provider, _) => KernelPipeline(provider, origin, sourceName, configure));
    }

    /// <summary>Registers the bare chat client.</summary>
    public static ChatClientBuilder AddBareChatClient(IServiceCollection services, GptOrigin origin, string? serviceId, string method)
    {
        LocalModelRegistrations.Of(services).Claim<IChatClient>(services, serviceId, method);
        AddModel(services, origin, serviceId);
        return serviceId is null
            ? services.AddChatClient(provider => Client(provider, origin))
            : services.AddKeyedChatClient(serviceId, provider => Client(provider, origin));
    }

    /// <summary>Registers Semantic Kernel's chat completion.</summary>
    public static void AddChatCompletion(
        IServiceCollection services, GptOrigin origin, string? serviceId, string method, string? sourceName,
        Action<OpenTelemetryChatClient>? configure)
    {
        LocalModelRegistrations.Of(services).Claim<IChatCompletionService>(services, serviceId, method);
        AddModel(services, origin, serviceId);
        services.AddKeyedSingleton<IChatCompletionService>(serviceId,
            (provider, _) => new NamedFunctionsChatCompletion(
                KernelPipeline(provider, origin, sourceName, configure).AsChatCompletionService(provider)));
    }

    /// <summary>Registers Semantic Kernel's text generation.</summary>
    public static void AddTextGeneration(IServiceCollection services, GptOrigin origin, string? serviceId, string method)
    {
        LocalModelRegistrations.Of(services).Claim<ITextGenerationService>(services, serviceId, method);
        AddModel(services, origin, serviceId);
        services.AddKeyedSingleton<ITextGenerationService>(serviceId,
            (provider, _) => new LocalGptTextGenerationService(Client(provider, origin)));
    }

    /// <summary>Registers the embeddings of a GPT.</summary>
    /// <param name="services">The services.</param>
    /// <param name="origin">The model.</param>
    /// <param name="serviceId">The key, or null.</param>
    /// <param name="method">The method that was called.</param>
    /// <param name="givesWay">Whether a generator that is registered for itself takes its place.</param>
    public static void AddGptEmbeddings(IServiceCollection services, GptOrigin origin, string? serviceId, string method, bool givesWay)
    {
        AddModel(services, origin, serviceId);
        var notes = LocalModelRegistrations.Of(services);
        if (givesWay)
        {
            notes.Offer(services, serviceId, method, Generator);
            return;
        }

        notes.Claim<IEmbeddingGenerator<string, Embedding<float>>>(services, serviceId, method);
        services.AddKeyedSingleton(serviceId, (provider, _) => Generator(provider));

        IEmbeddingGenerator<string, Embedding<float>> Generator(IServiceProvider provider) => Logged(
            new LocalEmbeddingGenerator(provider.GetRequiredService<LocalModels>().Gpt(origin), null,
                provider.GetService<ILoggerFactory>()), provider);
    }

    /// <summary>Registers an encoder and its embeddings.</summary>
    public static void AddEncoder(IServiceCollection services, string path, LocalEncoderOptions? options, string? serviceId, string method)
    {
        LocalModelRegistrations.Of(services).Claim<IEmbeddingGenerator<string, Embedding<float>>>(services, serviceId, method);
        AddModels(services);
        TryAdd(services, serviceId, provider => provider.GetRequiredService<LocalModels>().Encoder(path, options));
        TryAdd(services, serviceId, provider => provider.GetRequiredService<LocalModels>().Encoder(path, options).Get());
        services.AddKeyedSingleton<IEmbeddingGenerator<string, Embedding<float>>>(serviceId, (provider, _) => Logged(
            new LocalEmbeddingGenerator(provider.GetRequiredService<LocalModels>().Encoder(path, options), null,
                provider.GetService<ILoggerFactory>()), provider));
    }

    private static void AddModels(IServiceCollection services)
        => TryAdd(services, null, provider => new LocalModels(provider.GetService<ILoggerFactory>()));

    private static void TryAdd<TService>(IServiceCollection services, string? serviceId, Func<IServiceProvider, TService> factory)
        where TService : class
    {
        if (!Has<TService>(services, serviceId))
            services.AddKeyedSingleton(serviceId, (provider, _) => factory(provider));
    }

    private static bool Has<TService>(IServiceCollection services, string? serviceId)
        => services.Any(descriptor => descriptor.ServiceType == typeof(TService) && Equals(descriptor.ServiceKey, serviceId));

    private static LocalGptChatClient Client(IServiceProvider provider, GptOrigin origin)
        => new(provider.GetRequiredService<LocalModels>().Gpt(origin), provider.GetService<ILoggerFactory>());

    // As Semantic Kernel's own connectors build it: function invocation outermost, so that each call of the model is traced and logged by
    // itself.
    private static IChatClient KernelPipeline(
        IServiceProvider provider, GptOrigin origin, string? sourceName, Action<OpenTelemetryChatClient>? configure)
    {
        var loggerFactory = provider.GetService<ILoggerFactory>();
        var builder = Client(provider, origin).AsBuilder().UseKernelFunctionInvocation(loggerFactory)
            .UseOpenTelemetry(loggerFactory, sourceName, configure);
        if (loggerFactory is not null)
            builder.UseLogging(loggerFactory);
        return builder.Build(provider);
    }

    private static IEmbeddingGenerator<string, Embedding<float>> Logged(
        IEmbeddingGenerator<string, Embedding<float>> generator, IServiceProvider provider)
    {
        var builder = generator.AsBuilder();
        if (provider.GetService<ILoggerFactory>() is { } loggerFactory)
            builder.UseLogging(loggerFactory);
        return builder.Build(provider);
    }
}
