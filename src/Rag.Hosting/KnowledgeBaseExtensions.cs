using Kotonoha.Rag.Retrieval;
using Microsoft.Agents.AI;
using Microsoft.SemanticKernel;
using AIContextProvider = Microsoft.Agents.AI.AIContextProvider;

namespace Kotonoha.Rag.Hosting;

/// <summary>Gives a knowledge base the forms in which Semantic Kernel and Agent Framework take knowledge.</summary>
public static class KnowledgeBaseExtensions
{
    private const int DefaultPassages = 3;

    /// <summary>
    /// The tools of a knowledge base (<see cref="KnowledgeBase.AsTools"/>) as a plugin of Semantic Kernel: <c>search</c> and <c>ask</c>,
    /// and on request <c>save</c> and <c>delete</c>.
    /// </summary>
    /// <param name="knowledge">The knowledge base; its owner closes it.</param>
    /// <param name="name">The plugin's name.</param>
    /// <param name="options">Which functions, and how they work; null for the defaults.</param>
    /// <remarks>
    /// Semantic Kernel knows no approvals: where <c>save</c> and <c>delete</c> are included, ask the user in an
    /// <see cref="IAutoFunctionInvocationFilter"/>.
    /// </remarks>
    public static KernelPlugin AsKernelPlugin(
        this KnowledgeBase knowledge, string name = "knowledge", KnowledgeToolOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        return new KnowledgePlugin(name, () => knowledge, options);
    }

    /// <summary>The search of a knowledge base as Agent Framework's <see cref="TextSearchProvider"/> takes it.</summary>
    /// <param name="knowledge">The knowledge base; its owner closes it.</param>
    /// <param name="passages">How many passages a search gives at most.</param>
    /// <param name="options">How to search and what links to give, or null for the defaults.</param>
    /// <remarks>
    /// A <see cref="TextSearchProvider"/> of your own labels nothing; <see cref="AsContextProvider"/> makes one whose passages guardrails
    /// know as from outside.
    /// </remarks>
    public static Func<string, CancellationToken, Task<IEnumerable<TextSearchProvider.TextSearchResult>>> AsSearchDelegate(
        this KnowledgeBase knowledge, int passages = DefaultPassages, KnowledgeTextSearchOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(knowledge);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(passages);
        options ??= new KnowledgeTextSearchOptions();
        return async (question, cancellationToken) =>
        {
            IReadOnlyList<SearchHit> hits = string.IsNullOrWhiteSpace(question) ? []
                : await knowledge.SearchAsync(question, passages, options.Search, cancellationToken).ConfigureAwait(false);
            return hits.Select(hit =>
            {
                var passage = KnowledgePassage.Of(hit, options);
                return new TextSearchProvider.TextSearchResult
                {
                    SourceName = passage.Source,
                    SourceLink = passage.Link,
                    Text = passage.Text,
                    RawRepresentation = hit,
                };
            });
        };
    }

    /// <summary>
    /// A provider for <see cref="ChatClientAgentOptions.AIContextProviders"/>: Agent Framework's <see cref="TextSearchProvider"/> over a
    /// knowledge base. The passages that it brings in are labelled as from outside, so that guardrails ask before anything with a side
    /// effect is done on their word.
    /// </summary>
    /// <param name="knowledge">The knowledge base; its owner closes it.</param>
    /// <param name="passages">How many passages a search gives at most.</param>
    /// <param name="providerOptions">When to search and how to present the passages; null for the framework's defaults.</param>
    /// <param name="options">How to search and what links to give, or null for the defaults.</param>
    public static AIContextProvider AsContextProvider(
        this KnowledgeBase knowledge, int passages = DefaultPassages, TextSearchProviderOptions? providerOptions = null,
        KnowledgeTextSearchOptions? options = null)
        => new KnowledgeContextProvider(AsSearchDelegate(knowledge, passages, options), providerOptions);
}
