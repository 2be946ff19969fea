using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;

namespace Kotonoha.Connector;

/// <summary>
/// Views of a loaded model as services of Microsoft.Extensions.AI and Semantic Kernel. Disposing a view leaves the model as it is.
/// </summary>
public static class LocalGptExtensions
{
    /// <summary>The model as a chat client.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Receives warnings about settings that are left out; null for none.</param>
    public static IChatClient AsChatClient(this LocalGpt model, ILoggerFactory? loggerFactory = null)
        => new LocalGptChatClient(model, loggerFactory);

    /// <summary>
    /// The model as Semantic Kernel's chat completion, with kernel functions invoked where the request's settings say so.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Receives warnings about settings that are left out; null for none.</param>
    public static IChatCompletionService AsChatCompletionService(this LocalGpt model, ILoggerFactory? loggerFactory = null)
        => new NamedFunctionsChatCompletion(
            new LocalGptChatClient(model, loggerFactory).AsBuilder().UseKernelFunctionInvocation(loggerFactory).Build()
                .AsChatCompletionService());

    /// <summary>The model as Semantic Kernel's text generation: it continues the prompt as it stands.</summary>
    /// <param name="model">The model.</param>
    /// <param name="loggerFactory">Receives warnings about settings that are left out; null for none.</param>
    public static ITextGenerationService AsTextGenerationService(this LocalGpt model, ILoggerFactory? loggerFactory = null)
        => new LocalGptTextGenerationService(model, loggerFactory);

    /// <summary>The model as an embedding generator.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Pooling and form where a call says nothing else.</param>
    /// <param name="loggerFactory">Receives warnings; null for none.</param>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(
        this LocalGpt model, EmbeddingRequestOptions? defaults = null, ILoggerFactory? loggerFactory = null)
        => new LocalEmbeddingGenerator(model, defaults, loggerFactory);

    /// <summary>The encoder as an embedding generator.</summary>
    /// <param name="model">The model.</param>
    /// <param name="defaults">Prompt and form where a call says nothing else.</param>
    /// <param name="loggerFactory">Receives warnings; null for none.</param>
    public static IEmbeddingGenerator<string, Embedding<float>> AsEmbeddingGenerator(
        this LocalEncoder model, EncodingOptions? defaults = null, ILoggerFactory? loggerFactory = null)
        => new LocalEmbeddingGenerator(model, defaults, loggerFactory);
}
