using System.Linq.Expressions;
using Kotonoha.Foundation;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.VectorData;
using Microsoft.SemanticKernel.Data;

namespace Kotonoha.Rag.Hosting;

/// <summary>
/// Semantic Kernel's text search over a knowledge base, with its hybrid retrieval: for the plugins of <c>TextSearchExtensions</c>
/// (<c>CreateWithGetTextSearchResults</c>) and for Semantic Kernel's own provider.
/// </summary>
/// <remarks>
/// A filter may ask for a document (<c>passage.Source == "guide.md"</c>), a folder (<c>passage.Source.StartsWith("guides/")</c>) and tags
/// (<c>passage.Tags.Contains("public")</c>), joined by <c>&amp;&amp;</c>, <c>||</c> and <c>!</c>. How many passages there are in all is
/// not counted. Thread-safe.
/// </remarks>
/// <param name="knowledge">The knowledge base; its owner closes it.</param>
/// <param name="options">How to search and what links to give, or null for the defaults.</param>
public sealed class KnowledgeTextSearch(KnowledgeBase knowledge, KnowledgeTextSearchOptions? options = null)
    : ITextSearch<KnowledgePassage>, ITextSearch
{
    private readonly KnowledgeBase _knowledge = knowledge ?? throw new ArgumentNullException(nameof(knowledge));
    private readonly KnowledgeTextSearchOptions _options = options ?? new KnowledgeTextSearchOptions();

    /// <inheritdoc/>
    public Task<KernelSearchResults<string>> SearchAsync(
        string query, TextSearchOptions<KnowledgePassage>? searchOptions = null, CancellationToken cancellationToken = default)
        => SearchAsync(query, searchOptions, passage => passage.Text, cancellationToken);

    /// <inheritdoc/>
    public Task<KernelSearchResults<TextSearchResult>> GetTextSearchResultsAsync(
        string query, TextSearchOptions<KnowledgePassage>? searchOptions = null, CancellationToken cancellationToken = default)
        => SearchAsync(query, searchOptions, Result, cancellationToken);

    /// <inheritdoc/>
    public Task<KernelSearchResults<KnowledgePassage>> GetSearchResultsAsync(
        string query, TextSearchOptions<KnowledgePassage>? searchOptions = null, CancellationToken cancellationToken = default)
        => SearchAsync(query, searchOptions, passage => passage, cancellationToken);

    /// <inheritdoc/>
    Task<KernelSearchResults<string>> ITextSearch.SearchAsync(
        string query, TextSearchOptions? searchOptions, CancellationToken cancellationToken)
        => SearchAsync(query, searchOptions, passage => passage.Text, cancellationToken);

    /// <inheritdoc/>
    Task<KernelSearchResults<TextSearchResult>> ITextSearch.GetTextSearchResultsAsync(
        string query, TextSearchOptions? searchOptions, CancellationToken cancellationToken)
        => SearchAsync(query, searchOptions, Result, cancellationToken);

    /// <inheritdoc/>
    Task<KernelSearchResults<object>> ITextSearch.GetSearchResultsAsync(
        string query, TextSearchOptions? searchOptions, CancellationToken cancellationToken)
        => SearchAsync<object>(query, searchOptions, passage => passage, cancellationToken);

    private static TextSearchResult Result(KnowledgePassage passage)
        => new(passage.Text) { Name = passage.Source, Link = passage.Link };

    private Task<KernelSearchResults<T>> SearchAsync<T>(
        string query, TextSearchOptions<KnowledgePassage>? asked, Func<KnowledgePassage, T> select, CancellationToken cancellationToken)
    {
        asked ??= new TextSearchOptions<KnowledgePassage>();
        return SearchAsync(query, asked.Skip, asked.Top, PassageFilter.Read(asked.Filter), select, cancellationToken);
    }

    private Task<KernelSearchResults<T>> SearchAsync<T>(
        string query, TextSearchOptions? asked, Func<KnowledgePassage, T> select, CancellationToken cancellationToken)
    {
        asked ??= new TextSearchOptions();
        return SearchAsync(query, asked.Skip, asked.Top, PassageFilter.Read(asked.Filter), select, cancellationToken);
    }

    private async Task<KernelSearchResults<T>> SearchAsync<T>(
        string query, int skip, int top, StoreFilter? filter, Func<KnowledgePassage, T> select, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(query);
        var search = _options.Search;
        if (filter is not null)
        {
            search ??= _knowledge.DefaultSearch;
            // What the options ask for holds whatever the caller asks for.
            search = search with { Filter = PassageFilter.Join(search.Filter, filter) };
        }

        var hits = await _knowledge.SearchAsync(query, skip + top, search, cancellationToken).ConfigureAwait(false);
        var found = hits.Skip(skip).Select(hit => select(KnowledgePassage.Of(hit, _options))).ToArray();
        return new KernelSearchResults<T>(found.ToAsyncEnumerable());
    }
}

/// <summary>Reads the filters of Semantic Kernel's text search.</summary>
internal static class PassageFilter
{
    private const string Allowed = "A text search over a knowledge base can be narrowed by Source == \"…\", Source.StartsWith(\"…/\") and "
        + "Tags.Contains(\"…\"), joined by &&, || and !.";

    internal static StoreFilter? Read(Expression<Func<KnowledgePassage, bool>>? filter)
        => filter is null ? null : Read(filter.Body);

    internal static StoreFilter? Read(TextSearchFilter? filter)
    {
        StoreFilter? read = null;
        foreach (var clause in filter?.FilterClauses ?? [])
            read = Join(read, clause switch
            {
                EqualToFilterClause { FieldName: nameof(KnowledgePassage.Source), Value: string source } => Named(source),
                EqualToFilterClause { FieldName: nameof(KnowledgePassage.Tags), Value: string tag } => new StoreFilter(Tags: [tag]),
                AnyTagEqualToFilterClause { FieldName: nameof(KnowledgePassage.Tags), Value: var tag } => new StoreFilter(Tags: [tag]),
                _ => throw new KotonohaException($"The filter clause {clause.GetType().Name} cannot be used. {Allowed}"),
            });
        return read;
    }

    /// <summary>What both let through.</summary>
    internal static StoreFilter Join(StoreFilter? one, StoreFilter other)
    {
        if (one is null)
            return other;
        // The rest of the first, its scope above all, holds as it is.
        return other is { AllOf: null, AnyOf: null, NoneOf: null }
            ? one with { SourcePrefix = Inner(one.SourcePrefix, other.SourcePrefix), Tags = [.. one.Tags ?? [], .. other.Tags ?? []] }
            : one with { AllOf = [.. one.AllOf ?? [], other] };
    }

    /// <summary>Of two folders, the one below the other; folders beside each other have nothing in common.</summary>
    private static string? Inner(string? one, string? other)
    {
        if (one is null || other is null)
            return one ?? other;
        if (new StoreFilter(one).Accepts(other.TrimEnd('/'), []))
            return other;
        return new StoreFilter(other).Accepts(one.TrimEnd('/'), [])
            ? one
            : throw new KotonohaException($"The filters '{one}' and '{other}' have no document in common. Ask for one of them.");
    }

    /// <summary>A document or folder that a caller asks for; an empty one would be all of them.</summary>
    private static StoreFilter Named(string source)
        => source.Trim('/').Length > 0
            ? new StoreFilter(source)
            : throw new KotonohaException($"The source '{source}' in a filter names no document and no folder. {Allowed}");

    private static StoreFilter Read(Expression filter)
    {
        switch (filter)
        {
            case BinaryExpression { NodeType: ExpressionType.AndAlso } both:
                return Join(Read(both.Left), Read(both.Right));
            case BinaryExpression { NodeType: ExpressionType.OrElse } either:
                return new StoreFilter { AnyOf = [Read(either.Left), Read(either.Right)] };
            case BinaryExpression { NodeType: ExpressionType.NotEqual } unequal:
                return new StoreFilter { NoneOf = [Read(Expression.Equal(unequal.Left, unequal.Right))] };
            case UnaryExpression { NodeType: ExpressionType.Not } not:
                return new StoreFilter { NoneOf = [Read(not.Operand)] };
            case BinaryExpression { NodeType: ExpressionType.Equal } equal:
                if (IsMember(equal.Left, nameof(KnowledgePassage.Source)) && Text(equal.Right) is { } right)
                    return Named(right);
                if (IsMember(equal.Right, nameof(KnowledgePassage.Source)) && Text(equal.Left) is { } left)
                    return Named(left);
                break;
            case MethodCallExpression { Method.Name: nameof(string.StartsWith), Object: { } source } call
                when IsMember(source, nameof(KnowledgePassage.Source)) && Text(call.Arguments[0]) is { } prefix && prefix.EndsWith('/'):
                return Named(prefix);
            case MethodCallExpression { Method.Name: nameof(Enumerable.Contains) } call:
                Expression[] parts = call.Object is null ? [.. call.Arguments] : [call.Object, .. call.Arguments];
                if (parts.Length == 2 && IsMember(parts[0], nameof(KnowledgePassage.Tags)) && Text(parts[1]) is { } tag)
                    return new StoreFilter(Tags: [tag]);
                break;
        }

        throw new KotonohaException($"The filter '{filter}' cannot be used. {Allowed}");
    }

    private static bool IsMember(Expression expression, string name)
        => expression is MemberExpression { Expression: ParameterExpression, Member.Name: var member } && member == name;

    /// <summary>The value of a constant or a captured variable; null for anything that depends on the passage.</summary>
    private static string? Text(Expression expression)
    {
        switch (expression)
        {
            case ConstantExpression { Value: string text }:
                return text;
            case MemberExpression member when IsClosed(member):
                return Expression.Lambda<Func<object?>>(Expression.Convert(member, typeof(object))).Compile(preferInterpretation: true)()
                    as string;
            default:
                return null;
        }
    }

    private static bool IsClosed(Expression? expression)
        => expression is null or ConstantExpression || (expression is MemberExpression member && IsClosed(member.Expression));
}
