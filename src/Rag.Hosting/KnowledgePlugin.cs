using System.Diagnostics.CodeAnalysis;
using Microsoft.SemanticKernel;

namespace Kotonoha.Rag.Hosting;

/// <summary>A knowledge base's tools as a plugin of Semantic Kernel.</summary>
internal sealed class KnowledgePlugin : KernelPlugin
{
    private readonly Dictionary<string, KernelFunction> _functions;

    internal KnowledgePlugin(string name, Func<KnowledgeBase> knowledge, KnowledgeToolOptions? options)
        : base(name, $"Search and questions over {(options ?? new KnowledgeToolOptions()).Documents}.")
        => _functions = KnowledgeTools.Create(knowledge, options)
            .Select(tool => tool.AsKernelFunction().Clone(name))
            .ToDictionary(function => function.Name, StringComparer.OrdinalIgnoreCase);

    /// <inheritdoc/>
    public override int FunctionCount => _functions.Count;

    /// <inheritdoc/>
    public override bool TryGetFunction(string name, [NotNullWhen(true)] out KernelFunction? function)
        => _functions.TryGetValue(name, out function);

    /// <inheritdoc/>
    public override IEnumerator<KernelFunction> GetEnumerator() => _functions.Values.GetEnumerator();
}
