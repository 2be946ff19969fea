namespace Kotonoha.Client;

/// <summary>A knowledge base that is served.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Writable">Whether documents may be added and deleted through the server.</param>
/// <param name="Documents">How many documents the caller sees.</param>
public sealed record CollectionInfo(string Name, bool Writable, int Documents);

/// <summary>A new collection.</summary>
/// <param name="Name">Letters, digits, <c>-</c>, <c>_</c> and <c>.</c>, at most 64.</param>
public sealed record CreateCollection(string Name);

/// <summary>A stored document.</summary>
/// <param name="Source">Its name: a relative path with <c>/</c>.</param>
/// <param name="Title">Its title, or null.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="Chunks">How many pieces it was cut into.</param>
/// <param name="Tags">Its tags.</param>
/// <param name="Hash">The SHA-256 of its bytes.</param>
public sealed record DocumentInfo(string Source, string? Title, long Bytes, int Chunks, IReadOnlyList<string> Tags, string Hash);

/// <summary>The steps of an upload.</summary>
public enum UploadState
{
    /// <summary>The server keeps it and will read it, also after a restart.</summary>
    Waiting,

    /// <summary>It is being read.</summary>
    Reading,

    /// <summary>It can be found.</summary>
    Stored,

    /// <summary>It cannot be taken in; the problem says why.</summary>
    Failed,
}

/// <summary>A document on its way in.</summary>
/// <param name="Id">The upload.</param>
/// <param name="Collection">Where it goes.</param>
/// <param name="Source">The document's name.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="State">How far it is.</param>
/// <param name="Problem">Why it failed, or null.</param>
/// <param name="Remarks">What there is to say about it.</param>
/// <param name="Created">When it came.</param>
public sealed record UploadInfo(
    string Id, string Collection, string Source, long Bytes, UploadState State, string? Problem, IReadOnlyList<string> Remarks,
    DateTimeOffset Created);

/// <summary>What is searched for.</summary>
/// <param name="Query">A question, or any words.</param>
/// <param name="Limit">How many passages at most, up to 100.</param>
public sealed record SearchRequest(string Query, int Limit = 8);

/// <summary>A passage that was found.</summary>
/// <param name="Source">The document.</param>
/// <param name="Title">Its title, or null.</param>
/// <param name="Heading">The headings above the passage, or null.</param>
/// <param name="Page">The page, from 1, or null.</param>
/// <param name="Text">The passage, literally.</param>
/// <param name="Start">Where it starts in the document's text, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="Score">How well it fits, from 0 to 1.</param>
/// <param name="DenseScore">The likeness of its vector, or null.</param>
/// <param name="SparseScore">The weight of the words in common, or null.</param>
public sealed record SearchHitInfo(
    string Source, string? Title, string? Heading, int? Page, string Text, int Start, int End, double Score, double? DenseScore,
    double? SparseScore);

/// <summary>What was found.</summary>
/// <param name="Hits">The passages, best first.</param>
public sealed record SearchResponse(IReadOnlyList<SearchHitInfo> Hits);

/// <summary>A message before a question.</summary>
/// <param name="Role"><c>user</c> or <c>assistant</c>.</param>
/// <param name="Content">Its text.</param>
public sealed record HistoryMessage(string Role, string Content);

/// <summary>A question to the documents.</summary>
/// <param name="Question">The question.</param>
/// <param name="Model">The chat model that writes the answer; null quotes sentences.</param>
/// <param name="Stream">Whether the answer comes as events: <c>passages</c>, <c>sentence</c>, <c>withdrawn</c>, <c>answer</c>.</param>
/// <param name="History">The conversation before it, oldest first, or null.</param>
/// <param name="Threshold">How sure an answer must be, from 0 to 1; null for the server's way.</param>
public sealed record AskRequest(
    string Question, string? Model = null, bool Stream = false, IReadOnlyList<HistoryMessage>? History = null, double? Threshold = null);

/// <summary>A literal quotation; its marker in the answer is its number in brackets.</summary>
/// <param name="Number">From 1.</param>
/// <param name="Source">The document.</param>
/// <param name="Quote">The text, exactly the range of the document's text.</param>
/// <param name="Text">The same as a person reads it.</param>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
/// <param name="Page">The page, from 1, or null.</param>
/// <param name="Heading">The headings above it, or null.</param>
/// <param name="Score">How well it answers, from 0 to 1.</param>
public sealed record CitationInfo(
    int Number, string Source, string Quote, string Text, int Start, int End, int? Page, string? Heading, double Score);

/// <summary>A document that comes near a question that none answers.</summary>
/// <param name="Source">The document.</param>
/// <param name="Heading">The headings above the nearest place, or null.</param>
/// <param name="Page">The page, from 1, or null.</param>
/// <param name="Score">From 0 to 1.</param>
public sealed record NearestInfo(string Source, string? Heading, int? Page, double Score);

/// <summary>An answer.</summary>
/// <param name="Question">The question.</param>
/// <param name="Found">Whether the documents answer it.</param>
/// <param name="Text">The answer with its markers, or what to say where there is none.</param>
/// <param name="AnsweredBy"><c>extraction</c> or <c>model</c>.</param>
/// <param name="Citations">The quotations, verified.</param>
/// <param name="Nearest">Where nothing was found: the nearest documents.</param>
/// <param name="Milliseconds">The time of each stage.</param>
public sealed record AnswerInfo(
    string Question, bool Found, string Text, string AnsweredBy, IReadOnlyList<CitationInfo> Citations, IReadOnlyList<NearestInfo> Nearest,
    IReadOnlyDictionary<string, double> Milliseconds);

/// <summary>A sentence of an answer that is still being written.</summary>
/// <param name="Text">The sentence with its markers.</param>
/// <param name="Citations">What it rests on.</param>
public sealed record SentenceInfo(string Text, IReadOnlyList<CitationInfo> Citations);
