using Kotonoha.Rag.Retrieval;
using Microsoft.SemanticKernel.Data;

namespace Kotonoha.Rag.Hosting;

/// <summary>A passage that a <see cref="KnowledgeTextSearch"/> found.</summary>
/// <param name="Source">The document.</param>
/// <param name="Heading">The headings above the passage, or else the document's title; null where it has neither.</param>
/// <param name="Page">Its page, from 1, or null.</param>
/// <param name="Text">Its text.</param>
/// <param name="Link">Where it can be read.</param>
/// <param name="Score">How well it fits; greater is better.</param>
public sealed record KnowledgePassage(
    [property: TextSearchResultName] string Source,
    string? Heading,
    int? Page,
    [property: TextSearchResultValue] string Text,
    [property: TextSearchResultLink] string Link,
    double Score)
{
    /// <summary>The tags of its document; a search can be narrowed by them, but its results come without.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    internal static KnowledgePassage Of(SearchHit hit, KnowledgeTextSearchOptions options) => new(
        hit.Chunk.Source, hit.Chunk.Heading ?? hit.Chunk.Title, hit.Chunk.Page, KnowledgeTools.TextOf(hit),
        options.Link?.Invoke(hit) ?? (hit.Chunk.Page is { } page ? $"{hit.Chunk.Source}#page={page}" : hit.Chunk.Source), hit.Score);
}

/// <summary>How passages are searched for and named.</summary>
public sealed record KnowledgeTextSearchOptions
{
    /// <summary>How to search, or null for the knowledge base's way; the caller chooses the limit.</summary>
    public SearchOptions? Search { get; init; }

    /// <summary>
    /// Makes a passage's link, for example the address of its document on a website; null for the document's path with its page.
    /// </summary>
    public Func<SearchHit, string>? Link { get; init; }
}
