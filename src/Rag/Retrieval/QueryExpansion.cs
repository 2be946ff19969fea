using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Retrieval;

/// <summary>
/// Finds other things to search for beside a question, for documents that say it in other words. The question itself is always searched
/// for, and counts twice as much as each of the others.
/// </summary>
/// <remarks>Implementations are thread-safe.</remarks>
public interface IQueryExpansion
{
    /// <summary>Gives other queries for a question.</summary>
    /// <param name="question">The question.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The queries, the most useful first; none where the question is best searched for as it stands.</returns>
    Task<IReadOnlyList<ExpandedQuery>> ExpandAsync(string question, CancellationToken cancellationToken = default);
}

/// <summary>Something to search for beside the question.</summary>
/// <param name="Text">The text.</param>
/// <param name="IsDocument">
/// Whether it is written as a document would be (a hypothetical answer): it is then embedded as a document is, and its words, which are
/// made up, are not searched for.
/// </param>
public sealed record ExpandedQuery(string Text, bool IsDocument = false);

/// <summary>How a chat model expands a question.</summary>
public enum QueryExpansionKind
{
    /// <summary>The question in other words (Multi-Query).</summary>
    MultiQuery,

    /// <summary>A paragraph that would answer it, compared by its vector alone (HyDE; Gao et al. 2022, arXiv:2212.10496).</summary>
    HypotheticalDocument,

    /// <summary>The more general question behind it (Zheng et al. 2023, arXiv:2310.06117).</summary>
    StepBack,

    /// <summary>The simple questions that it is made of (Khot et al. 2022, arXiv:2210.02406).</summary>
    Decomposition,
}

/// <summary>How much a chat model may write to expand a question.</summary>
public sealed record QueryExpansionOptions
{
    /// <summary>The most queries beside the question (default 3).</summary>
    public int MaxQueries { get; init; } = 3;

    /// <summary>The most tokens that the model writes for a question (default 256).</summary>
    public int MaxOutputTokens { get; init; } = 256;

    /// <summary>The most characters of a query; what is longer is cut at a space or a full stop (default 1,000).</summary>
    public int MaxQueryLength { get; init; } = 1000;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxQueries);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(MaxOutputTokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxQueryLength, 16);
    }
}

/// <summary>Lets a chat model expand a question: one request for each question, within a budget of tokens.</summary>
public sealed partial class ChatQueryExpansion : IQueryExpansion
{
    private readonly IChatClient _chat;
    private readonly QueryExpansionKind _kind;
    private readonly QueryExpansionOptions _options;

    /// <summary>Creates an expansion.</summary>
    /// <param name="chat">The model; the caller disposes it.</param>
    /// <param name="kind">What it is to write.</param>
    /// <param name="options">The budget, or null for the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The kind is unknown, or a limit makes no sense.</exception>
    public ChatQueryExpansion(IChatClient chat, QueryExpansionKind kind, QueryExpansionOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(chat);
        if (!Enum.IsDefined(kind))
            throw new ArgumentOutOfRangeException(nameof(kind), kind, "This kind of expansion is not known.");
        (_chat, _kind, _options) = (chat, kind, options ?? new QueryExpansionOptions());
        _options.Validate();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ExpandedQuery>> ExpandAsync(string question, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(question);
        int most = _kind is QueryExpansionKind.StepBack or QueryExpansionKind.HypotheticalDocument ? 1 : _options.MaxQueries;
        var instruction = string.Format(CultureInfo.InvariantCulture, Prompts.Read(Prompt(_kind)), most);
        var response = await _chat.GetResponseAsync(
            [new ChatMessage(ChatRole.System, instruction), new ChatMessage(ChatRole.User, question)],
            new ChatOptions { MaxOutputTokens = _options.MaxOutputTokens, Temperature = 0 },
            cancellationToken).ConfigureAwait(false);
        var text = Thinking().Replace(response.Text, "").Trim();
        if (_kind == QueryExpansionKind.HypotheticalDocument)
            return text.Length == 0 ? [] : [new ExpandedQuery(Cut(text.ReplaceLineEndings(" ")), IsDocument: true)];
        var known = new HashSet<string>(StringComparer.OrdinalIgnoreCase) { question.Trim() };
        return
        [
            .. text.Split('\n').Select(line => Cut(Marker().Replace(line, "").Trim().Trim('"', '“', '”', '「', '」').Trim()))
                .Where(line => line.Length > 0 && known.Add(line)).Take(most).Select(line => new ExpandedQuery(line)),
        ];
    }

    private static string Prompt(QueryExpansionKind kind) => kind switch
    {
        QueryExpansionKind.MultiQuery => "multi-query.txt",
        QueryExpansionKind.HypotheticalDocument => "hypothetical-document.txt",
        QueryExpansionKind.StepBack => "step-back.txt",
        _ => "decomposition.txt",
    };

    private string Cut(string text)
    {
        if (text.Length <= _options.MaxQueryLength)
            return text;
        int end = text.LastIndexOfAny([' ', '。', '、', '.'], _options.MaxQueryLength - 1, _options.MaxQueryLength / 2);
        end = end > 0 ? end : _options.MaxQueryLength;
        return text[..(char.IsHighSurrogate(text[end - 1]) ? end - 1 : end)];
    }

    [GeneratedRegex(@"^\s*(?:[-*•・]|\(?[0-9]{1,2}[.)）:、])\s*")]
    private static partial Regex Marker();

    [GeneratedRegex(@"<think>.*?(?:</think>|\z)", RegexOptions.Singleline)]
    private static partial Regex Thinking();
}
