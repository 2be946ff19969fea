using System.Globalization;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>What is done with documents whose text holds instructions to a model.</summary>
public enum InjectionPolicy
{
    /// <summary>Nothing is looked for.</summary>
    Off,

    /// <summary>They are taken in, and what was found is reported.</summary>
    Report,

    /// <summary>Those with a finding of high severity are not taken in until they are released; the others are reported.</summary>
    Quarantine,
}

/// <summary>A document was not taken in, because its text holds instructions to a model.</summary>
public sealed class DocumentQuarantinedException : KotonohaException
{
    internal DocumentQuarantinedException(string source, string reason, IReadOnlyList<InjectionFinding> findings)
        : base($"'{source}' is not taken in. {reason}")
        => Findings = findings;

    /// <summary>What was found.</summary>
    public IReadOnlyList<InjectionFinding> Findings { get; }
}

/// <summary>The quarantine during one ingestion: what was held before, and what is from now on.</summary>
internal sealed class QuarantineLedger(IReadOnlyList<QuarantineRecord> known, string readersVersion)
{
    private readonly Dictionary<string, QuarantineRecord> _records = known.ToDictionary(record => record.Source, StringComparer.Ordinal);
    private readonly HashSet<string> _gone = new(StringComparer.Ordinal);
    private readonly Dictionary<string, QuarantineRecord> _new = new(StringComparer.Ordinal);

    /// <summary>Names the scanner that judged.</summary>
    public static string ScannerVersion { get; } = InjectionScanner.Version.ToString(CultureInfo.InvariantCulture);

    /// <summary>All entries, those that have been released too.</summary>
    public IEnumerable<QuarantineRecord> Records => _records.Values;

    /// <summary>What is held, by source.</summary>
    public IEnumerable<QuarantineRecord> Held
        => _records.Values.Where(record => !record.IsReleased).OrderBy(record => record.Source, StringComparer.Ordinal);

    /// <summary>Whether these bytes have been found bad by the present readers or scanner, and not released since.</summary>
    public bool Holds(string source, string hash)
        => _records.TryGetValue(source, out var record) && record.Hash == hash && !record.IsReleased
            && record.JudgedBy == (record.Cause == QuarantineCause.Unreadable ? readersVersion : ScannerVersion);

    /// <summary>Whether a person has let these bytes in.</summary>
    public bool IsReleased(string source, string hash)
        => _records.TryGetValue(source, out var record) && record.Hash == hash && record.IsReleased;

    /// <summary>Whether a stored document is made of bytes that are held because they instruct a model.</summary>
    public bool Poisons(DocumentRecord stored)
        => _records.TryGetValue(stored.Source, out var record) && !record.IsReleased && record.Cause == QuarantineCause.Injection
            && record.Hash == stored.Hash;

    public void Add(QuarantineRecord record)
    {
        _records[record.Source] = _new[record.Source] = record;
        _gone.Remove(record.Source);
    }

    /// <summary>Drops what no longer holds: of files that are gone, that have changed, or that have been read after all.</summary>
    /// <param name="files">The folder's files.</param>
    /// <param name="unchanged">Those that are stored as they are.</param>
    /// <param name="skipped">What could not be looked at.</param>
    public void Settle(List<FolderFile> files, IReadOnlyList<string> unchanged, List<SkippedDocument> skipped)
    {
        var hashes = files.ToDictionary(file => file.Source, file => file.Hash, StringComparer.Ordinal);
        var unseen = skipped.Select(skip => skip.Source).ToHashSet(StringComparer.Ordinal);
        var closed = unseen.Where(source => source.EndsWith('/')).ToArray();
        var stored = unchanged.ToHashSet(StringComparer.Ordinal);
        foreach (var record in _records.Values.ToArray())
        {
            if (_new.ContainsKey(record.Source) || WebPages.IsAddress(record.Source) || unseen.Contains(record.Source)
                || closed.Any(prefix => record.Source.StartsWith(prefix, StringComparison.Ordinal)))
                continue;
            bool isSame = hashes.TryGetValue(record.Source, out var hash) && hash == record.Hash;
            if (isSame && (record.IsReleased || (Holds(record.Source, record.Hash) && !stored.Contains(record.Source))))
                continue;
            _records.Remove(record.Source);
            _gone.Add(record.Source);
        }
    }

    /// <summary>Drops the entry of a document that has been taken in.</summary>
    public void Remove(string source)
    {
        if (_records.TryGetValue(source, out var record) && !record.IsReleased && _records.Remove(source))
            _gone.Add(source);
    }

    /// <summary>Writes what has changed; all of it where the store's ledger is new.</summary>
    public async Task SaveAsync(IKnowledgeStore store, bool isNew, CancellationToken cancellationToken)
    {
        var written = isNew ? _records.Values : _new.Values;
        if (written.Count > 0)
            await store.WriteQuarantineAsync([.. written], cancellationToken).ConfigureAwait(false);
        if (_gone.Count > 0 && !isNew)
            await store.DeleteQuarantineAsync([.. _gone], cancellationToken).ConfigureAwait(false);
    }
}
