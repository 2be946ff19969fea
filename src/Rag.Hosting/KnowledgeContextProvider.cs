using Kotonoha.Foundation.Security;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Hosting;

/// <summary>
/// Agent Framework's <see cref="TextSearchProvider"/> over a knowledge base, whose passages are labelled as from outside
/// (<see cref="TrustLabels.Outside"/>): guardrails then ask before anything with a side effect is done on their word.
/// </summary>
internal sealed class KnowledgeContextProvider : AIContextProvider
{
    // The documents that the search of this turn has found; the provider that searches gives only their text.
    private static readonly AsyncLocal<List<string>?> Sources = new();

    private readonly TextSearchProvider _inner;

    internal KnowledgeContextProvider(
        Func<string, CancellationToken, Task<IEnumerable<TextSearchProvider.TextSearchResult>>> search, TextSearchProviderOptions? options)
    {
        _inner = new TextSearchProvider(
            async (question, cancellationToken) =>
            {
                var found = (await search(question, cancellationToken).ConfigureAwait(false)).ToList();
                Sources.Value?.AddRange(found.Select(result => result.SourceName ?? ""));
                return found;
            },
            options);
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> StateKeys => _inner.StateKeys;

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null)
        => base.GetService(serviceType, serviceKey) ?? _inner.GetService(serviceType, serviceKey);

    /// <inheritdoc/>
    protected override async ValueTask<AIContext> InvokingCoreAsync(
        InvokingContext context, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(context);
        var sources = new List<string>();
        Sources.Value = sources;
        var given = (context.AIContext.Messages ?? []).ToHashSet(ReferenceEqualityComparer.Instance);
        var givenTools = (context.AIContext.Tools ?? []).ToHashSet(ReferenceEqualityComparer.Instance);
        var provided = await _inner.InvokingAsync(context, cancellationToken).ConfigureAwait(false);
        var source = string.Join(", ", sources.Distinct(StringComparer.Ordinal).DefaultIfEmpty("documents"));
        var messages = provided.Messages?.ToList();
        foreach (var content in (messages ?? []).Where(message => !given.Contains(message)).SelectMany(message => message.Contents))
            (content.AdditionalProperties ??= [])[TrustLabels.Outside] = source;
        provided.Messages = messages;
        // What the tool finds is from outside as every tool's result is; the tool itself only reads.
        provided.Tools = provided.Tools?.Select(tool => tool is AIFunction function && !givenTools.Contains(tool)
            ? new ReadOnlyFunction(function) : tool).ToList();
        return provided;
    }

    /// <inheritdoc/>
    protected override ValueTask InvokedCoreAsync(InvokedContext context, CancellationToken cancellationToken = default)
        => _inner.InvokedAsync(context, cancellationToken);

    private sealed class ReadOnlyFunction(AIFunction inner) : DelegatingAIFunction(inner)
    {
        public override IReadOnlyDictionary<string, object?> AdditionalProperties { get; }
            = new Dictionary<string, object?>(inner.AdditionalProperties) { [TrustLabels.ReadOnly] = true };
    }
}
