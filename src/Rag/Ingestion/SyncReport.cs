using System.Text.RegularExpressions;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>How a folder is synchronised.</summary>
public sealed record SyncOptions
{
    /// <summary>Called with a document's source once the document is durably stored; calls come one at a time.</summary>
    public Action<string>? Acknowledged { get; init; }

    /// <summary>
    /// Reads everything anew into a new generation of the collection, with a newly fitted embedder; the present one answers until that is
    /// complete. Stored documents that cannot be read at the moment are taken over from it.
    /// </summary>
    public bool Rebuild { get; init; }

    /// <summary>
    /// Which documents get which tags and may be seen by whom: the first rule whose pattern fits decides, and a document that none fits
    /// gets none. Null leaves what is stored of a document as it is.
    /// </summary>
    public IReadOnlyList<LabelRule>? Labels { get; init; }

    /// <summary>
    /// Patterns as a <see cref="LabelRule"/> has them: only files that fit one of them are the folder's documents; a pattern without
    /// <c>/</c> is about names in every folder. Null or empty for all files.
    /// </summary>
    public IReadOnlyList<string>? Include { get; init; }

    /// <summary>Patterns of files that are not the folder's documents, whatever <see cref="Include"/> says; null or empty for
    /// none.</summary>
    public IReadOnlyList<string>? Exclude { get; init; }

    /// <summary>Says whether a file is one of the folder's documents.</summary>
    internal Predicate<string> Picks()
    {
        var (include, exclude) = (Compile(Include), Compile(Exclude));
        return source => (include.Length == 0 || include.Any(pattern => pattern.IsMatch(source)))
            && !exclude.Any(pattern => pattern.IsMatch(source));

        static Regex[] Compile(IReadOnlyList<string>? patterns)
            => [.. (patterns ?? []).Select(pattern => LabelRule.Compile(pattern.Contains('/') ? pattern : "**/" + pattern))];
    }
}

/// <summary>What is written beside a document's text.</summary>
public sealed record DocumentLabels
{
    /// <summary>No tags, and no scope sees the document.</summary>
    public static DocumentLabels None { get; } = new();

    /// <summary>Free tags to filter by.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Who may see the document; null: no scope does.</summary>
    public DocumentAccess? Access { get; init; }

    internal static DocumentLabels Of(DocumentRecord record) => new() { Tags = record.Tags, Access = record.Access };

    internal bool AreOf(DocumentRecord record) => Equals(Access, record.Access) && Tags.SequenceEqual(record.Tags);
}

/// <summary>Gives labels to the documents whose source fits a pattern.</summary>
/// <param name="Pattern">
/// A path below the folder: <c>*</c> stands for anything within a name, <c>**</c> for anything, <c>?</c> for one character; a pattern that
/// ends with <c>/</c> fits everything below that folder.
/// </param>
/// <param name="Labels">The labels.</param>
public sealed record LabelRule(string Pattern, DocumentLabels Labels)
{
    private readonly Regex _regex = Compile(Pattern);

    /// <summary>
    /// A path below the folder: <c>*</c> stands for anything within a name, <c>**</c> for anything, <c>?</c> for one character; a pattern
    /// that ends with <c>/</c> fits everything below that folder.
    /// </summary>
    public string Pattern
    {
        get;
        // A copy with another pattern fits by that one.
        init => (field, _regex) = (value, Compile(value));
    } = Pattern;

    /// <inheritdoc/>
    public bool Equals(LabelRule? other) => other is not null && Pattern == other.Pattern && Labels == other.Labels;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Pattern, Labels);

    /// <summary>Whether the rule is about a document.</summary>
    /// <param name="source">The document's path, with <c>/</c>.</param>
    public bool Fits(string source) => _regex.IsMatch(source);

    internal static Regex Compile(string pattern) => new(
        // The end itself: '$' would also stand before a line break.
        $@"^{Regex.Escape(pattern.EndsWith('/') ? pattern + "**" : pattern).Replace(@"\*\*/", "(?:.*/)?", StringComparison.Ordinal)
            .Replace(@"\*\*", ".*", StringComparison.Ordinal).Replace(@"\*", "[^/]*", StringComparison.Ordinal)
            .Replace(@"\?", "[^/]", StringComparison.Ordinal)}\z",
        RegexOptions.CultureInvariant | RegexOptions.NonBacktracking | RegexOptions.Singleline);
}

/// <summary>What a synchronisation did.</summary>
/// <param name="Added">New documents, now stored.</param>
/// <param name="Changed">Documents whose new version is now stored.</param>
/// <param name="Removed">Documents that were deleted because the folder no longer has them.</param>
/// <param name="Unchanged">Documents that were stored already.</param>
/// <param name="Skipped">Files that were not taken in, each with its reason.</param>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Refitted">Whether the embedder was fitted anew and all vectors with it.</param>
/// <param name="Timings">Seconds by stage (<c>scan</c>, <c>read</c>, <c>chunk</c>, <c>analyse</c>, <c>fit</c>, <c>embed</c>, <c>store</c>,
/// and <c>total</c>). Stages overlap, and parallel work counts once a thread, so they do not add up.</param>
public sealed record SyncReport(
    IReadOnlyList<string> Added,
    IReadOnlyList<string> Changed,
    IReadOnlyList<string> Removed,
    IReadOnlyList<string> Unchanged,
    IReadOnlyList<SkippedDocument> Skipped,
    int Chunks,
    bool Refitted,
    IReadOnlyDictionary<string, double> Timings)
{
    /// <summary>
    /// What the readers have to say about the documents that were read: parts that could not be read, each with its reason.
    /// </summary>
    public IReadOnlyList<DocumentRemark> Remarks { get; init; } = [];

    /// <summary>
    /// Files of the folder in quarantine, newly or from before: they are not tried again until they change, the readers do, or they are
    /// released. Each is among <see cref="Skipped"/> too.
    /// </summary>
    public IReadOnlyList<QuarantineRecord> Quarantined { get; init; } = [];

    /// <summary>
    /// Files that a scope may not write, because their name or their labels are another's. Each is among <see cref="Skipped"/> too.
    /// </summary>
    public IReadOnlyList<string> Refused { get; init; } = [];

    /// <summary>Instructions to a model that were found in the documents that were read.</summary>
    public IReadOnlyList<DocumentFinding> Findings { get; init; } = [];
}

/// <summary>What adding documents or chunks did.</summary>
/// <param name="Chunks">How many chunks were written.</param>
/// <param name="Remarks">What there is to say about the documents: parts that could not be read, chunks that are longer than the embedder
/// reads.</param>
public sealed record AddReport(int Chunks, IReadOnlyList<DocumentRemark> Remarks)
{
    /// <summary>Instructions to a model that were found in the documents.</summary>
    public IReadOnlyList<DocumentFinding> Findings { get; init; } = [];
}

/// <summary>What was taken in of a collection that another program wrote.</summary>
/// <param name="Documents">How many documents it has that are stored now.</param>
/// <param name="Chunks">How many chunks were written (none for documents that were stored as they are).</param>
/// <param name="SkippedPoints">How many points had no text of a document.</param>
/// <param name="Skipped">The documents that were not taken in, each with its reason.</param>
public sealed record CollectionImportReport(
    int Documents, int Chunks, int SkippedPoints, IReadOnlyList<SkippedDocument> Skipped)
{
    /// <summary>What there is to say about the documents: chunks that are longer than the embedder reads.</summary>
    public IReadOnlyList<DocumentRemark> Remarks { get; init; } = [];
}

/// <summary>A passage of a document that instructs a model.</summary>
/// <param name="Source">The document.</param>
/// <param name="Finding">What was found, and where in the document's text.</param>
public sealed record DocumentFinding(string Source, InjectionFinding Finding);

/// <summary>A file that was not taken in.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Reason">Why, and what helps.</param>
public sealed record SkippedDocument(string Source, string Reason);

/// <summary>What a reader has to say about a document that was taken in: a part of it that could not be read, and why.</summary>
/// <param name="Source">Its path relative to the folder, with <c>/</c>.</param>
/// <param name="Text">The remark, for example <c>page 3 has no text (a scanned image?)</c>.</param>
public sealed record DocumentRemark(string Source, string Text);
