using System.ComponentModel;
using System.Globalization;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Client;
using Kotonoha.Server.Http;
using Kotonoha.Server.Work;
using Microsoft.Extensions.AI;

namespace Kotonoha.Server.Knowledge;

/// <summary>Search and ask over the collections of a caller, as models call them.</summary>
/// <param name="collections">The collections.</param>
/// <param name="audit">Told of what is looked for; null over standard input and output.</param>
internal sealed class KnowledgeTools(Collections collections, ServerAudit? audit = null)
{
    public const string Search = "search", Ask = "ask";

    private const int MaxHits = 50, FewHits = 4;

    /// <summary>Passages of one collection, or of all, the best first.</summary>
    /// <param name="caller">Who looks.</param>
    /// <param name="query">What is looked for.</param>
    /// <param name="named">The collection; null for all.</param>
    /// <param name="limit">How many passages at most; null for the usual number.</param>
    /// <param name="cancellationToken">Ends the search.</param>
    /// <exception cref="ApiException">The collection is not there, or the limit is none.</exception>
    public async Task<IReadOnlyList<(string Collection, SearchHit Hit)>> SearchAsync(
        Caller caller, string query, string? named, int? limit, CancellationToken cancellationToken)
    {
        int most = limit ?? new SearchRequest("").Limit;
        if (most is < 1 or > MaxHits)
            throw ApiException.Invalid(null, $"'limit' is {most}; from 1 to {MaxHits}.");
        var hits = new List<(string Collection, SearchHit Hit)>();
        foreach (var collection in named is null ? collections.Of(caller) : [collections.Find(named, caller)])
            foreach (var hit in await Collections.View(collection, caller)
                .SearchAsync(query, (collection.Answering.Search ?? new SearchOptions()) with { Limit = most }, cancellationToken)
                .ConfigureAwait(false))
                hits.Add((collection.Name, hit));
        (string Collection, SearchHit Hit)[] best = [.. hits.OrderByDescending(entry => entry.Hit.Score).Take(most)];
        audit?.Append("search", caller, ("collection", named), ("query", query),
            ("sources", KnowledgeEndpoints.Names(best.Select(entry => entry.Hit.Chunk.Source))));
        return best;
    }

    /// <summary>An answer out of one collection; named where there are several.</summary>
    /// <exception cref="ApiException">The collection is not there, or not named.</exception>
    public async Task<Answer> AskAsync(Caller caller, string question, string? named, CancellationToken cancellationToken)
    {
        var mine = collections.Of(caller).ToList();
        var collection = named is not null ? collections.Find(named, caller)
            : mine is [var only] ? only
            : throw ApiException.Invalid(null, $"Name a 'collection': {string.Join(", ", mine.Select(it => it.Name))}.");
        var answer = await Collections.View(collection, caller)
            .AskAsync(question, options: collection.Answering, cancellationToken: cancellationToken).ConfigureAwait(false);
        audit?.Append("ask", caller, [.. KnowledgeEndpoints.Noted(collection, answer)]);
        return answer;
    }

    public static string Show(IReadOnlyList<(string Collection, SearchHit Hit)> hits)
        => hits.Count == 0 ? "Nothing was found." : string.Join("\n\n", hits.Select((entry, i) => string.Create(
            CultureInfo.InvariantCulture, $"[{i + 1}] {Place(entry.Collection, entry.Hit)}\n{entry.Hit.Chunk.Text}")));

    public static string Show(Answer answer)
    {
        var sources = string.Concat(answer.Citations.Select(citation => string.Create(
            CultureInfo.InvariantCulture,
            $"\n[{citation.Number}] {citation.Source}{(citation.Page is { } page ? $", page {page}" : "")}: {citation.Text}")));
        return sources.Length == 0 ? answer.Text : $"{answer.Text}\n{sources}";
    }

    /// <summary>The tools for a model that works for a caller; none where the caller may see no collection.</summary>
    public IReadOnlyList<AIFunction> Functions(Caller caller)
    {
        if (!collections.Of(caller).Any())
            return [];
        return
        [
            AIFunctionFactory.Create(
                async ([Description("A question, or any words.")] string query, CancellationToken cancellationToken)
                    => Show(await SearchAsync(caller, query, null, FewHits, cancellationToken).ConfigureAwait(false)),
                Search, "Finds passages of the user's documents that fit a question best, each with its document and page."),
            AIFunctionFactory.Create(
                async ([Description("One question.")] string question,
                    [Description("The collection to ask; needed where there are several.")] string? collection = null,
                    CancellationToken cancellationToken = default)
                    => Show(await AskAsync(caller, question, collection, cancellationToken).ConfigureAwait(false)),
                Ask, "Answers a question from the user's documents with literal quotations; says so when they do not answer."),
        ];
    }

    private static string Place(string collection, SearchHit hit)
        => $"{collection}: {hit.Chunk.Source}"
            + (hit.Chunk.Page is { } page ? string.Create(CultureInfo.InvariantCulture, $", page {page}") : "")
            + (hit.Chunk.Heading is { } heading ? $" ({heading})" : "");
}
