using Kotonoha.Foundation;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// Narrows a search to some documents. Everything that is given must hold; <see cref="AllOf"/>, <see cref="AnyOf"/> and
/// <see cref="NoneOf"/> join filters by and, or and not.
/// </summary>
/// <param name="SourcePrefix">A folder (all documents below it) or one document, with <c>/</c>; null for all.</param>
/// <param name="Tags">Tags that a document must all have; null or empty for all.</param>
public sealed record StoreFilter(string? SourcePrefix = null, IReadOnlyList<string>? Tags = null)
{
    /// <summary>On whose behalf the search is made: it finds only what the scope may see; null for everything.</summary>
    public AccessScope? Scope { get; init; }

    /// <summary>Filters that must all hold; null or empty for no such condition.</summary>
    public IReadOnlyList<StoreFilter>? AllOf { get; init; }

    /// <summary>Filters of which at least one must hold; null or empty for no such condition.</summary>
    public IReadOnlyList<StoreFilter>? AnyOf { get; init; }

    /// <summary>Filters of which none may hold; null or empty for no such condition.</summary>
    public IReadOnlyList<StoreFilter>? NoneOf { get; init; }

    /// <summary>
    /// Reads a filter as a person writes it: <c>tag:NAME</c>, <c>source:FOLDER-OR-DOCUMENT</c>, joined by <c>and</c>, <c>or</c>,
    /// <c>not</c> and parentheses. <c>tag:a,b</c> stands for one of the two; a name with spaces or commas stands in double quotes.
    /// </summary>
    /// <param name="text">The filter, such as <c>source:manuals/ and not (tag:draft or tag:old)</c>.</param>
    /// <exception cref="KotonohaException">It cannot be read; the message says where and what is allowed.</exception>
    public static StoreFilter Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return new FilterParser(text).Parse();
    }

    /// <summary>Whether a document passes.</summary>
    /// <param name="source">The document.</param>
    /// <param name="tags">Its tags.</param>
    /// <param name="access">Who may see it; null for no scope.</param>
    public bool Accepts(string source, IReadOnlyList<string> tags, DocumentAccess? access = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ArgumentNullException.ThrowIfNull(tags);
        if (Scope?.CanRead(access) == false)
            return false;
        if (Tags is not null)
            foreach (var tag in Tags)
                if (!tags.Contains(tag))
                    return false;
        if (AllOf?.All(Holds) == false || (AnyOf is { Count: > 0 } any && !any.Any(Holds)) || NoneOf?.Any(Holds) == true)
            return false;
        if (NormalizedPrefix is not { Length: > 0 } prefix)
            return true;
        return source == prefix
            || (source.Length > prefix.Length && source[prefix.Length] == '/' && source.StartsWith(prefix, StringComparison.Ordinal));

        bool Holds(StoreFilter filter) => filter.Accepts(source, tags, access);
    }

    /// <summary>The prefix without a slash at its end, or null.</summary>
    internal string? NormalizedPrefix => SourcePrefix?.TrimEnd('/') is { Length: > 0 } prefix ? prefix : null;

    /// <summary>A document and all folders above it, outermost first: what a prefix can name.</summary>
    internal static List<string> Prefixes(string source)
    {
        var prefixes = new List<string>();
        for (int slash = source.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = source.IndexOf('/', slash + 1))
            if (slash > 0)
                prefixes.Add(source[..slash]);
        prefixes.Add(source);
        return prefixes;
    }
}
