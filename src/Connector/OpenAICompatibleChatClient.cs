using System.ClientModel;
using Kotonoha.Connector;
using Microsoft.Extensions.AI;
using OpenAI;

namespace Kotonoha.Connector
{
    /// <summary>Chat clients for servers that speak OpenAI's chat completions: vLLM, Ollama, llama.cpp, a cloud.</summary>
    /// <remarks>The client is Microsoft.Extensions.AI.OpenAI's; only its construction is here.</remarks>
    public static class OpenAICompatibleChatClient
    {
        // The protocol's client does not run without a key; servers without keys ignore it.
        private const string NoKey = "none";

        /// <summary>Makes a client.</summary>
        /// <param name="endpoint">The address up to and with <c>/v1</c>.</param>
        /// <param name="model">The model that the server is asked for.</param>
        /// <param name="apiKey">The key; null for a server that asks for none.</param>
        /// <returns>The client.</returns>
        public static IChatClient Create(Uri endpoint, string model, string? apiKey = null)
        {
            ArgumentNullException.ThrowIfNull(endpoint);
            ArgumentException.ThrowIfNullOrEmpty(model);
            return new OpenAIClient(
                new ApiKeyCredential(string.IsNullOrEmpty(apiKey) ? NoKey : apiKey), new OpenAIClientOptions { Endpoint = endpoint })
                .GetChatClient(model).AsIChatClient();
        }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    /// <summary>Registers servers that speak OpenAI's chat completions with a collection of services.</summary>
    public static class OpenAICompatibleServiceCollectionExtensions
    {
        /// <summary>
        /// Registers a server as a chat client without anything around it; the returned builder adds what the application wants.
        /// </summary>
        /// <param name="services">The services.</param>
        /// <param name="endpoint">The address up to and with <c>/v1</c>.</param>
        /// <param name="model">The model that the server is asked for.</param>
        /// <param name="apiKey">The key; null for a server that asks for none.</param>
        /// <param name="serviceId">The key of the service, or null for the default service.</param>
        /// <returns>The builder of the client's pipeline.</returns>
        public static ChatClientBuilder AddOpenAICompatibleChatClient(
            this IServiceCollection services, Uri endpoint, string model, string? apiKey = null, string? serviceId = null)
        {
            ArgumentNullException.ThrowIfNull(services);
            ArgumentNullException.ThrowIfNull(endpoint);
            ArgumentException.ThrowIfNullOrEmpty(model);
            return serviceId is null
                ? services.AddChatClient(_ => OpenAICompatibleChatClient.Create(endpoint, model, apiKey))
                : services.AddKeyedChatClient(serviceId, _ => OpenAICompatibleChatClient.Create(endpoint, model, apiKey));
        }
    }
}

namespace Microsoft.SemanticKernel
{
    using Microsoft.Extensions.DependencyInjection;

    /// <summary>Registers servers that speak OpenAI's chat completions with a kernel.</summary>
    public static class OpenAICompatibleKernelBuilderExtensions
    {
        /// <summary>
        /// Registers a server as the kernel's chat client, with the kernel's function invocation around it, as its own connectors have it.
        /// </summary>
        /// <param name="builder">The builder.</param>
        /// <param name="endpoint">The address up to and with <c>/v1</c>.</param>
        /// <param name="model">The model that the server is asked for.</param>
        /// <param name="apiKey">The key; null for a server that asks for none.</param>
        /// <param name="serviceId">The key of the service, or null for the default service.</param>
        /// <returns>The same builder.</returns>
        public static IKernelBuilder AddOpenAICompatibleChatClient(
            this IKernelBuilder builder, Uri endpoint, string model, string? apiKey = null, string? serviceId = null)
        {
            ArgumentNullException.ThrowIfNull(builder);
            builder.Services.AddOpenAICompatibleChatClient(endpoint, model, apiKey, serviceId).UseKernelFunctionInvocation();
            return builder;
        }
    }
}
