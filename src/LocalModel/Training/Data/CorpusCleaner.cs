using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Training.Data;

/// <summary>A text of a corpus.</summary>
/// <param name="Name">Where it comes from: a path, a line, an address.</param>
/// <param name="Text">The text.</param>
public readonly record struct CorpusDocument(string Name, string Text);

/// <summary>Why a document was left out.</summary>
public enum DropReason
{
    /// <summary>It has fewer characters than asked for.</summary>
    TooShort,

    /// <summary>Too many of its characters are the traces of a wrong encoding.</summary>
    BrokenEncoding,

    /// <summary>Too few of its characters are letters: tables, numbers, markup.</summary>
    FewLetters,

    /// <summary>It is written in another script than asked for.</summary>
    OtherScript,

    /// <summary>It repeats its own lines.</summary>
    RepeatedLines,

    /// <summary>Most of its lines are items of lists or cut off.</summary>
    ListsAndFragments,

    /// <summary>It is the same as an earlier one but for case, punctuation and white space.</summary>
    ExactDuplicate,

    /// <summary>It shares most of its runs of words with an earlier one.</summary>
    NearDuplicate,
}

/// <summary>A document that was left out.</summary>
/// <param name="Name">Where it comes from.</param>
/// <param name="Reason">Why.</param>
/// <param name="Original">The name of the document that it repeats; null for other reasons.</param>
public readonly record struct DroppedDocument(string Name, DropReason Reason, string? Original);

/// <summary>
/// What a corpus is cleaned by. The defaults leave out what helps no model, after the rules of Gopher (arXiv:2112.11446); a bound of 0 or 1
/// switches a rule off.
/// </summary>
public sealed record CorpusCleanerOptions
{
    /// <summary>The least characters of a document, white space not counted.</summary>
    public int MinCharacters { get; init; } = 50;

    /// <summary>The least share of letters among them, of any script.</summary>
    public double MinLetters { get; init; } = 0.5;

    /// <summary>The largest share of replacement characters, lone surrogates and private use.</summary>
    public double MaxBroken { get; init; } = 0.01;

    /// <summary>The largest share of lines that stand in the document already.</summary>
    public double MaxRepeatedLines { get; init; } = 0.3;

    /// <summary>The largest share of lines that begin with a bullet.</summary>
    public double MaxBulletLines { get; init; } = 0.9;

    /// <summary>The largest share of lines that end in an ellipsis.</summary>
    public double MaxEllipsisLines { get; init; } = 0.3;

    /// <summary>
    /// The scripts to keep: <c>Japanese</c>, or Unicode's names (<c>Latin</c>, <c>Han</c>, <c>Hangul</c>, …); empty for all.
    /// </summary>
    public IReadOnlyList<string> Scripts { get; init; } = [];

    /// <summary>
    /// In how many documents a line may stand before it counts as boilerplate and is taken out of later ones; 0 for any number.
    /// </summary>
    public int MaxDocumentsOfLine { get; init; }

    /// <summary>Lines of fewer characters are taken out, unless they end a sentence; 0 keeps all.</summary>
    public int MinLineCharacters { get; init; }

    /// <summary>Whether documents are left out that repeat an earlier one but for case, punctuation and white space.</summary>
    public bool DropExactDuplicates { get; init; } = true;

    /// <summary>
    /// The share of common shingles (Jaccard) from which a document is left out as a near duplicate; 0 keeps near duplicates.
    /// </summary>
    public double NearDuplicateSimilarity { get; init; } = 0.8;

    /// <summary>Told of every document that is left out; null for nobody.</summary>
    public Action<DroppedDocument>? Dropped { get; init; }
}

/// <summary>What a cleaning has done so far.</summary>
public sealed class CorpusReport
{
    private readonly SortedDictionary<DropReason, long> _dropped = [];

    /// <summary>The documents read.</summary>
    public long Read { get; internal set; }

    /// <summary>The documents kept.</summary>
    public long Kept { get; internal set; }

    /// <summary>The UTF-16 units of the texts read.</summary>
    public long UnitsRead { get; internal set; }

    /// <summary>The UTF-16 units of the texts kept.</summary>
    public long UnitsKept { get; internal set; }

    /// <summary>The lines taken out of documents that were kept or dropped later.</summary>
    public long LinesRemoved { get; internal set; }

    /// <summary>How many documents were left out, by reason.</summary>
    public IReadOnlyDictionary<DropReason, long> Dropped => _dropped;

    /// <inheritdoc/>
    public override string ToString()
        => FormattableString.Invariant($"{Kept} of {Read} documents kept ({UnitsKept} of {UnitsRead} UTF-16 units), ")
            + FormattableString.Invariant($"{LinesRemoved} lines removed")
            + string.Concat(_dropped.Select(pair => FormattableString.Invariant($", {pair.Value} {pair.Key}")));

    internal void Count(DropReason reason) => _dropped[reason] = _dropped.GetValueOrDefault(reason) + 1;
}

/// <summary>
/// Cleans a corpus for pretraining, document by document: Unicode normalisation, boilerplate lines, filters of quality and script, exact
/// and near duplicates. Of duplicates the first stays. The same documents in the same order give the same result on every machine.
/// </summary>
/// <remarks>Not thread-safe. Memory grows with the documents kept: at most about 5 kB each.</remarks>
public sealed class CorpusCleaner
{
    private const string SentenceEnds = ".!?:;…。！？：」』）)\"”’";
    private readonly CorpusCleanerOptions _options;
    private readonly Dictionary<UInt128, string> _identities = [];
    private readonly List<string> _names = [];
    private readonly Dictionary<ulong, int> _lines = [];
    private readonly NearDuplicates? _near;

    /// <summary>Creates a cleaner that has seen nothing.</summary>
    /// <param name="options">The rules; null for the defaults.</param>
    public CorpusCleaner(CorpusCleanerOptions? options = null)
    {
        _options = options ?? new CorpusCleanerOptions();
        _near = _options.NearDuplicateSimilarity > 0 ? new NearDuplicates(_options.NearDuplicateSimilarity) : null;
    }

    /// <summary>What has been done so far.</summary>
    public CorpusReport Report { get; } = new();

    /// <summary>The documents that stay, normalised, as they are asked for.</summary>
    /// <param name="documents">The documents, read one by one.</param>
    public IEnumerable<CorpusDocument> Clean(IEnumerable<CorpusDocument> documents)
    {
        ArgumentNullException.ThrowIfNull(documents);
        foreach (var document in documents)
        {
            Report.Read++;
            Report.UnitsRead += document.Text.Length;
            var text = WithoutBoilerplate(CorpusText.Normalize(document.Text));
            string? original = null;
            if ((Fault(text) ?? Repetition(document.Name, text, out original)) is { } reason)
            {
                Report.Count(reason);
                _options.Dropped?.Invoke(new DroppedDocument(document.Name, reason, original));
                continue;
            }

            Report.Kept++;
            Report.UnitsKept += text.Length;
            yield return document with { Text = text };
        }
    }

    private DropReason? Fault(string text)
    {
        var quality = CorpusText.Quality(text);
        if (quality.Characters < _options.MinCharacters || quality.Characters == 0)
            return DropReason.TooShort;
        if (quality.Broken > _options.MaxBroken)
            return DropReason.BrokenEncoding;
        if (quality.Letters < _options.MinLetters)
            return DropReason.FewLetters;
        if (quality.RepeatedLines > _options.MaxRepeatedLines)
            return DropReason.RepeatedLines;
        if (quality.BulletLines > _options.MaxBulletLines || quality.EllipsisLines > _options.MaxEllipsisLines)
            return DropReason.ListsAndFragments;
        return _options.Scripts.Count > 0 && !_options.Scripts.Contains(CorpusText.Script(text)) ? DropReason.OtherScript : null;
    }

    private DropReason? Repetition(string name, string text, out string? original)
    {
        original = null;
        if (!_options.DropExactDuplicates && _near is null)
            return null;
        var tokens = CorpusText.Tokens(text);
        if (tokens.Count == 0)
            return null;
        if (_options.DropExactDuplicates)
        {
            ref var first = ref CollectionsMarshal.GetValueRefOrAddDefault(_identities, CorpusText.Identity(tokens), out bool known);
            if (known)
            {
                original = first;
                return DropReason.ExactDuplicate;
            }

            first = name;
        }

        if (_near is null)
            return null;
        int found = _near.FindOrAdd(tokens);
        if (found < 0)
        {
            _names.Add(name);
            return null;
        }

        original = _names[found];
        return DropReason.NearDuplicate;
    }

    private string WithoutBoilerplate(string text)
    {
        if (_options.MaxDocumentsOfLine == 0 && _options.MinLineCharacters == 0)
            return text;
        var kept = new List<string>();
        var here = new HashSet<ulong>();
        foreach (var line in text.Split('\n'))
        {
            var content = line.Trim();
            if (content.Length > 0 && (IsFragment(content) || IsBoilerplate(content)))
                Report.LinesRemoved++;
            else
                kept.Add(line);
        }

        return CorpusText.Normalize(string.Join('\n', kept));

        bool IsFragment(string line)
            => line.Length < _options.MinLineCharacters && !SentenceEnds.Contains(line[^1], StringComparison.Ordinal);

        bool IsBoilerplate(string line)
        {
            if (_options.MaxDocumentsOfLine == 0)
                return false;
            ulong hash = CorpusText.Hash(line);
            ref int documents = ref CollectionsMarshal.GetValueRefOrAddDefault(_lines, hash, out _);
            if (here.Add(hash))
                documents++;
            return documents > _options.MaxDocumentsOfLine;
        }
    }
}
