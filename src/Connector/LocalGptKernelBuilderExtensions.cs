using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Microsoft.SemanticKernel;

/// <summary>Registers local models with a kernel.</summary>
/// <remarks>
/// Chat clients are built as Semantic Kernel builds those of its own connectors: with the invocation of kernel functions, so that filters
/// and automatic function calls work, with telemetry and logging. For the rest see <see cref="LocalGptServiceCollectionExtensions"/>:
/// models are loaded when first used, once for all their views; a second local model as the same service under the same <c>serviceId</c> is
/// an <see cref="InvalidOperationException"/>.
/// </remarks>
public static class LocalGptKernelBuilderExtensions
{
    /// <summary>
    /// Adds everything that a model can do: <see cref="LocalGpt"/>, <see cref="IChatClient"/>, chat completion, text generation, an
    /// embedding generator.
    /// </summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default services.</param>
    /// <param name="openTelemetrySourceName">The name of the telemetry's source; null for the usual one.</param>
    /// <param name="openTelemetryConfig">Sets up the telemetry.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGpt(
        this IKernelBuilder builder,
        string path,
        LocalGptOptions? options = null,
        string? serviceId = null,
        string? openTelemetrySourceName = null,
        Action<OpenTelemetryChatClient>? openTelemetryConfig = null)
        => AddAll(builder, LocalGptServiceCollectionExtensions.Origin(builder, path, options), serviceId, openTelemetrySourceName,
            openTelemetryConfig);

    /// <summary>
    /// Like <see cref="AddLocalGpt(IKernelBuilder, string, LocalGptOptions?, string?, string?, Action{OpenTelemetryChatClient}?)"/>, with a
    /// model that is already loaded.
    /// </summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="model">The model; its owner disposes it.</param>
    /// <param name="serviceId">The service's id, or null for the default services.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGpt(this IKernelBuilder builder, LocalGpt model, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentNullException.ThrowIfNull(model);
        return AddAll(builder, new GptOrigin(null, null, model), serviceId, null, null);
    }

    /// <summary>Adds a model as <see cref="IChatClient"/>.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default service.</param>
    /// <param name="openTelemetrySourceName">The name of the telemetry's source; null for the usual one.</param>
    /// <param name="openTelemetryConfig">Sets up the telemetry.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGptChatClient(
        this IKernelBuilder builder,
        string path,
        LocalGptOptions? options = null,
        string? serviceId = null,
        string? openTelemetrySourceName = null,
        Action<OpenTelemetryChatClient>? openTelemetryConfig = null)
    {
        var origin = LocalGptServiceCollectionExtensions.Origin(builder, path, options);
        LocalModelServices.AddKernelChatClient(
            builder.Services, origin, serviceId, nameof(AddLocalGptChatClient), openTelemetrySourceName, openTelemetryConfig);
        return builder;
    }

    /// <summary>Adds a model as chat completion.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default service.</param>
    /// <param name="openTelemetrySourceName">The name of the telemetry's source; null for the usual one.</param>
    /// <param name="openTelemetryConfig">Sets up the telemetry.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGptChatCompletion(
        this IKernelBuilder builder,
        string path,
        LocalGptOptions? options = null,
        string? serviceId = null,
        string? openTelemetrySourceName = null,
        Action<OpenTelemetryChatClient>? openTelemetryConfig = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddLocalGptChatCompletion(path, options, serviceId, openTelemetrySourceName, openTelemetryConfig);
        return builder;
    }

    /// <summary>Adds a model as text generation, which continues a prompt as it stands.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default service.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGptTextGeneration(
        this IKernelBuilder builder, string path, LocalGptOptions? options = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddLocalGptTextGeneration(path, options, serviceId);
        return builder;
    }

    /// <summary>Adds a GPT as an embedding generator. An encoder makes better vectors: <see cref="AddLocalEmbeddings"/>.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The checkpoint's folder, a GGUF file, or <c>OWNER/NAME</c> of a model in the hub's cache.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default service.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalGptEmbeddingGenerator(
        this IKernelBuilder builder, string path, LocalGptOptions? options = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddLocalGptEmbeddingGenerator(path, options, serviceId);
        return builder;
    }

    /// <summary>Adds an encoder: <see cref="LocalEncoder"/>, and as a view of it an embedding generator.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">A folder of sentence-transformers, an encoder in the Hugging Face layout, a GGUF file of a BERT, or
    /// <c>OWNER/NAME</c>.</param>
    /// <param name="options">How to load and run the model.</param>
    /// <param name="serviceId">The service's id, or null for the default service.</param>
    /// <returns>The same builder.</returns>
    /// <exception cref="InvalidOperationException">Another local model is registered under this id.</exception>
    public static IKernelBuilder AddLocalEmbeddings(
        this IKernelBuilder builder, string path, LocalEncoderOptions? options = null, string? serviceId = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddLocalEmbeddings(path, options, serviceId);
        return builder;
    }

    private static IKernelBuilder AddAll(
        IKernelBuilder builder, GptOrigin origin, string? serviceId, string? sourceName, Action<OpenTelemetryChatClient>? configure)
    {
        LocalModelServices.AddKernelChatClient(builder.Services, origin, serviceId, nameof(AddLocalGpt), sourceName, configure);
        LocalModelServices.AddChatCompletion(builder.Services, origin, serviceId, nameof(AddLocalGpt), sourceName, configure);
        LocalModelServices.AddTextGeneration(builder.Services, origin, serviceId, nameof(AddLocalGpt));
        LocalModelServices.AddGptEmbeddings(builder.Services, origin, serviceId, nameof(AddLocalGpt), givesWay: true);
        return builder;
    }
}
