using System.ComponentModel;
using System.Globalization;
using System.Text;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Readers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    /// <summary>
    /// The knowledge base as tools for an agent or a chat client: <c>search</c> and <c>ask</c>, which are marked as read-only
    /// (<see cref="TrustLabels.ReadOnly"/>), and on request <c>save</c> and <c>delete</c>, which need an approval
    /// (<see cref="ApprovalRequiredAIFunction"/>). They give text, as a person would read it.
    /// </summary>
    /// <param name="options">Which tools, and how they work; null for the defaults.</param>
    public IReadOnlyList<AIFunction> AsTools(KnowledgeToolOptions? options = null) => KnowledgeTools.Create(() => this, options);

    /// <summary>How this knowledge base searches where a call does not say.</summary>
    internal SearchOptions DefaultSearch => _options.Search;

    /// <summary>The document formats.</summary>
    internal DocumentReaders Readers => _options.Readers;

    /// <summary>Searches with a limit of its own, for hosts that choose it.</summary>
    internal Task<IReadOnlyList<SearchHit>> SearchAsync(
        string question, int limit, SearchOptions? options, CancellationToken cancellationToken)
        => SearchAsync(question, (options ?? _options.Search) with { Limit = limit }, cancellationToken);
}

/// <summary>Which tools a knowledge base gives, and how they work.</summary>
public sealed record KnowledgeToolOptions
{
    /// <summary>
    /// Whether there are <c>save</c> and <c>delete</c>; false unless said otherwise, since a model that reads strangers' documents may be
    /// talked into using them. What they change in documents that come from a folder, the folder's next synchronisation undoes.
    /// </summary>
    public bool IncludesWriting { get; init; }

    /// <summary>
    /// Makes the tools' names out of <c>search</c>, <c>ask</c>, <c>save</c> and <c>delete</c>, for an agent with several knowledge bases;
    /// null leaves them as they are.
    /// </summary>
    public Func<string, string>? Naming { get; init; }

    /// <summary>What the documents are, for the tools' descriptions: "the staff handbook".</summary>
    public string Documents { get; init; } = "the user's documents";

    /// <summary>How <c>search</c> searches, or null for the knowledge base's way; the model chooses the limit.</summary>
    public SearchOptions? Search { get; init; }

    /// <summary>How <c>ask</c> answers, or null for the defaults.</summary>
    public AskOptions? Ask { get; init; }

    /// <summary>Writes the answers of <c>ask</c>, or null: then sentences are quoted.</summary>
    public IChatClient? Chat { get; init; }
}

/// <summary>Makes the tools of a knowledge base that may not be open yet.</summary>
internal static class KnowledgeTools
{
    private const int MaxPassages = 20;

    internal static IReadOnlyList<AIFunction> Create(Func<KnowledgeBase> knowledge, KnowledgeToolOptions? options)
    {
        options ??= new KnowledgeToolOptions();
        var tools = new List<AIFunction>
        {
            Tool("search", $"Finds passages in {options.Documents}. Gives those that fit best, each with its document, page and heading.",
                async ([Description("What to look for: a question or key words.")] string query,
                    [Description("How many passages at most, from 1 to 20.")] int limit = 5,
                    CancellationToken cancellationToken = default)
                    => Describe(await knowledge().SearchAsync(query, Math.Clamp(limit, 1, MaxPassages), options.Search, cancellationToken)
                        .ConfigureAwait(false)),
                isReadOnly: true),
            Tool("ask", $"Answers a question from {options.Documents}, with the places that the answer rests on; says so where they do not "
                + "answer it.",
                async ([Description("The question, complete in itself.")] string question, CancellationToken cancellationToken = default)
                    => Describe(await knowledge().AskAsync(question, options.Chat, options.Ask, cancellationToken).ConfigureAwait(false)),
                isReadOnly: true),
        };
        if (!options.IncludesWriting)
            return tools;
        tools.Add(new ApprovalRequiredAIFunction(Tool("save",
            $"Saves a text as a document in {options.Documents}, in place of a document of the same name.",
            async ([Description("The document's name, such as notes/meeting.md.")] string name,
                [Description("The text, in Markdown.")] string text,
                [Description("Tags to find it by.")] string[]? tags = null,
                CancellationToken cancellationToken = default) =>
            {
                var source = SourceOf(name);
                using var content = new MemoryStream(Encoding.UTF8.GetBytes(text));
                var report = await knowledge().AddDocumentAsync(source, content, tags, cancellationToken).ConfigureAwait(false);
                return string.Join('\n', report.Remarks.Select(remark => remark.Text)
                    .Prepend(report.Chunks == 0 ? $"{source} was saved already." : $"Saved as {source}."));
            },
            isReadOnly: false)));
        tools.Add(new ApprovalRequiredAIFunction(Tool("delete", $"Deletes a document from {options.Documents}.",
            async ([Description("The document's name, as a search gives it.")] string name,
                CancellationToken cancellationToken = default) =>
            {
                var open = knowledge();
                var records = await open.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
                if (!records.Any(record => record.Source == name))
                    return $"There is no document {name}.";
                await open.DeleteDocumentAsync(name, cancellationToken).ConfigureAwait(false);
                return $"Deleted {name}.";
            },
            isReadOnly: false)));
        return tools;

        AIFunction Tool(string name, string description, Delegate method, bool isReadOnly) => AIFunctionFactory.Create(method,
            new AIFunctionFactoryOptions
            {
                Name = options.Naming?.Invoke(name) ?? name,
                Description = description,
                AdditionalProperties = isReadOnly ? new Dictionary<string, object?> { [TrustLabels.ReadOnly] = true } : null,
                // The text as it is: as JSON, a model would read escapes.
                MarshalResult = (result, _, _) => ValueTask.FromResult(result),
            });
    }

    /// <summary>Passages as a person reads them, numbered, each under its place.</summary>
    internal static string Describe(IReadOnlyList<SearchHit> hits)
    {
        if (hits.Count == 0)
            return "Nothing was found.";
        var text = new StringBuilder();
        for (int i = 0; i < hits.Count; i++)
        {
            var chunk = hits[i].Chunk;
            text.Append(i > 0 ? "\n\n" : "")
                .Append(CultureInfo.InvariantCulture, $"[{i + 1}] {Place(chunk.Source, chunk.Page, chunk.Heading ?? chunk.Title)}\n")
                .Append(TextOf(hits[i]));
        }

        return text.ToString();
    }

    /// <summary>A passage's text, with what a search brought along around it; rows of a table that begins in an earlier passage come with
    /// its header.</summary>
    internal static string TextOf(SearchHit hit)
        => hit.Surroundings.Count > 0 ? hit.SurroundingText.Trim()
            : hit.Chunk.TableHeader is { Length: > 0 } header ? $"{header.TrimEnd()}\n{hit.Chunk.Text.Trim()}" : hit.Chunk.Text.Trim();

    private static string Describe(Answer answer)
    {
        var text = new StringBuilder(answer.Text);
        if (answer.Citations.Count > 0)
            text.Append("\n\nSources:");
        foreach (var citation in answer.Citations)
            text.Append(CultureInfo.InvariantCulture,
                $"\n[{citation.Number}] {Place(citation.Source, citation.Page, citation.Heading)}: {citation.Text}");
        return text.ToString();
    }

    private static string Place(string source, int? page, string? heading)
    {
        string?[] all = [page is { } number ? string.Create(CultureInfo.InvariantCulture, $"page {number}") : null, heading];
        var more = all.Where(part => !string.IsNullOrEmpty(part)).ToList();
        return more.Count == 0 ? source : $"{source} ({string.Join(", ", more)})";
    }

    private static string SourceOf(string name)
    {
        var source = name.Trim();
        if (source.Length is 0 or > 200 || source.StartsWith('/') || source.Any(c => char.IsControl(c) || c == '\\')
            || source.Split('/').Any(part => part is "" or "." or ".."))
            throw new KotonohaException($"A document cannot be saved as '{name}': the name is a relative path with '/', such as "
                + "notes/meeting.md, of at most 200 characters.");
        return Path.GetExtension(source).ToLowerInvariant() is ".md" or ".txt" ? source : source + ".md";
    }
}
