using Kotonoha.Rag;
using Kotonoha.Rag.Hosting;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel.Data;

namespace Microsoft.SemanticKernel;

/// <summary>Registers knowledge bases with a kernel.</summary>
/// <remarks>
/// Each adds the <see cref="KnowledgeBase"/>, a plugin with its functions, and its text search (<see cref="KnowledgeTextSearch"/>, also as
/// <see cref="ITextSearch{TRecord}"/>), the services under the plugin's name as key. The knowledge base is opened at the first call of a
/// function or when a service is first asked for, and closed with the kernel's services.
/// </remarks>
public static class KnowledgeBaseKernelBuilderExtensions
{
    /// <summary>Adds a knowledge base in a file.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="path">The file; it is made where it is missing.</param>
    /// <param name="pluginName">The plugin's name, and the key of the services.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    /// <param name="tools">Which functions, and how they work; null for the defaults.</param>
    /// <returns>The same builder.</returns>
    public static IKernelBuilder AddKnowledgeBase(
        this IKernelBuilder builder, string path, string pluginName = "knowledge", KnowledgeBaseServiceOptions? options = null,
        KnowledgeToolOptions? tools = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKeyedKnowledgeBase(pluginName, path, options);
        return AddPlugin(builder, pluginName, tools);
    }

    /// <summary>Adds a knowledge base on a Qdrant server.</summary>
    /// <param name="builder">The kernel's builder.</param>
    /// <param name="store">Which server and collection.</param>
    /// <param name="pluginName">The plugin's name, and the key of the services.</param>
    /// <param name="options">How to read, cut, embed and search, or null for the defaults.</param>
    /// <param name="tools">Which functions, and how they work; null for the defaults.</param>
    /// <returns>The same builder.</returns>
    public static IKernelBuilder AddKnowledgeBase(
        this IKernelBuilder builder, QdrantStoreOptions store, string pluginName = "knowledge", KnowledgeBaseServiceOptions? options = null,
        KnowledgeToolOptions? tools = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        builder.Services.AddKeyedKnowledgeBase(pluginName, store, options);
        return AddPlugin(builder, pluginName, tools);
    }

    private static IKernelBuilder AddPlugin(IKernelBuilder builder, string name, KnowledgeToolOptions? tools)
    {
        builder.Services.AddSingleton<KernelPlugin>(
            provider => new KnowledgePlugin(name, () => provider.GetRequiredKeyedService<KnowledgeBase>(name), tools));
        builder.Services.AddKeyedSingleton(name,
            (provider, key) => new KnowledgeTextSearch(provider.GetRequiredKeyedService<KnowledgeBase>(key)));
        builder.Services.AddKeyedSingleton<ITextSearch<KnowledgePassage>>(name,
            (provider, key) => provider.GetRequiredKeyedService<KnowledgeTextSearch>(key));
        return builder;
    }
}
