using System.Collections.Concurrent;
using System.Collections.Immutable;
using System.Diagnostics;
using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    /// <summary>Creates the view of a scope, or that of an administrator.</summary>
    private KnowledgeBase(KnowledgeBase whole, AccessScope? scope)
    {
        _options = whole._options;
        _whole = whole._whole;
        _store = scope is null ? _whole : new ScopedStore(_whole, scope);
        _state = whole._state;
        _scope = scope;
        _isView = true;
    }

    /// <summary>
    /// The knowledge base as one person may see it: searches, answers, citations, lists, rarities of words and counts come from the
    /// documents of the scope alone, and only those can be changed.
    /// </summary>
    /// <param name="scope">On whose behalf the calls are made.</param>
    /// <returns>A view that costs next to nothing and need not be disposed. What is added through it without access tags belongs to the
    /// whole tenant; a document that it replaces keeps those that it has.</returns>
    /// <exception cref="AccessException">This is a scope's view already.</exception>
    public KnowledgeBase Within(AccessScope scope)
    {
        ArgumentNullException.ThrowIfNull(scope);
        return _scope is null
            ? new KnowledgeBase(this, scope)
            : throw new AccessException(
                AccessError.OutsideScope, $"This view already stands within the scope '{_scope}'; another is made from the whole.");
    }

    /// <summary>
    /// The knowledge base without a scope, for what concerns the whole collection although <see cref="KnowledgeBaseOptions.RequireScope"/>
    /// holds: a rebuild, a new fit, documents of all tenants.
    /// </summary>
    /// <returns>A view that costs next to nothing and need not be disposed. It sees and changes everything: keep it from what answers
    /// people.</returns>
    /// <exception cref="AccessException">This is a scope's view, which opens no way around the scope.</exception>
    public KnowledgeBase AsAdministrator()
        => _scope is null
            ? new KnowledgeBase(this, scope: null)
            : throw new AccessException(
                AccessError.OutsideScope, $"This view stands within the scope '{_scope}'; an administrator's is made from the whole.");

    /// <summary>Adds one document, or replaces it.</summary>
    /// <param name="source">Its name: a relative path with <c>/</c> whose extension names the format.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="labels">Tags, and who may see it.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many chunks were written (none where the store held the document as it is), and what there is to say about
    /// it.</returns>
    /// <exception cref="DocumentQuarantinedException">Its text holds instructions to a model, and such documents are held
    /// back.</exception>
    /// <exception cref="KotonohaException">The document cannot be read, the store cannot do its work, or the scope does not allow
    /// it.</exception>
    public Task<AddReport> AddDocumentAsync(
        string source, Stream content, DocumentLabels labels, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        ArgumentNullException.ThrowIfNull(content);
        ArgumentNullException.ThrowIfNull(labels);
        return AddAsync(
            async preparer =>
            {
                SourceName.Check(source);
                using var buffer = new MemoryStream();
                await content.CopyToAsync(buffer, cancellationToken).ConfigureAwait(false);
                var scoped = await ScopedAsync(labels, [source], cancellationToken).ConfigureAwait(false);
                return [await preparer.PrepareAsync(source, buffer.ToArray(), scoped(source), cancellationToken).ConfigureAwait(false)];
            },
            cancellationToken);
    }

    /// <summary>Lists the files that are not taken in until they change, the readers do, or they are released.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The files that are held, by source.</returns>
    public async Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default)
        => [.. (await _store.ListQuarantineAsync(cancellationToken).ConfigureAwait(false)).Where(record => !record.IsReleased)];

    /// <summary>
    /// Releases files from quarantine, so that the next synchronisation tries them again: one that could not be read is read once more, and
    /// one that holds instructions to a model is taken in as long as its content stays the same.
    /// </summary>
    /// <param name="sources">The files, or null for all; those that are not held, or that the scope may not write, are
    /// passed over.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The files that were released.</returns>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public async Task<IReadOnlyList<string>> ReleaseAsync(
        IReadOnlyCollection<string>? sources = null, CancellationToken cancellationToken = default)
    {
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var held = (await ListQuarantineAsync(cancellationToken).ConfigureAwait(false))
                .Where(record => sources?.Contains(record.Source) != false && MayWrite(record.Access)).ToList();
            var approved = held.Where(record => record.Cause == QuarantineCause.Injection)
                .Select(record => record with { IsReleased = true });
            await _store.WriteQuarantineAsync([.. approved], cancellationToken).ConfigureAwait(false);
            await _store.DeleteQuarantineAsync(
                [.. held.Where(record => record.Cause != QuarantineCause.Injection).Select(record => record.Source)], cancellationToken)
                    .ConfigureAwait(false);
            foreach (var record in held)
                Audit("release", ("source", record.Source), ("cause", record.Cause.ToString()));
            return [.. held.Select(record => record.Source)];
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    private bool MayWrite(DocumentAccess? access) => _scope?.CanWrite(access) != false;

    /// <summary>
    /// What is added on somebody's behalf without a word about who may see it: as before where it was there, stored or held; otherwise
    /// their tenant, and not nobody.
    /// </summary>
    private DocumentLabels Scoped(DocumentLabels labels, DocumentAccess? before)
        => _scope is null || labels.Access is not null ? labels
            : labels with { Access = MayWrite(before) ? before : DocumentAccess.WholeTenant(_scope.Tenant) };

    private async Task<Func<string, DocumentLabels>> ScopedAsync(
        DocumentLabels labels, IReadOnlyList<string> sources, CancellationToken cancellationToken)
    {
        if (_scope is null || labels.Access is not null)
            return _ => labels;
        var stored = await _store.ReadRecordsAsync(sources, cancellationToken).ConfigureAwait(false);
        var before = AccessBefore(
            stored.OfType<DocumentRecord>(), await _store.ListQuarantineAsync(cancellationToken).ConfigureAwait(false));
        return source => Scoped(labels, before.GetValueOrDefault(source));
    }

    private List<FolderFile> Labelled(
        List<FolderFile> files, IReadOnlyList<DocumentRecord> stored, IEnumerable<QuarantineRecord> held, SyncOptions options)
    {
        var known = stored.ToDictionary(record => record.Source, StringComparer.Ordinal);
        var before = AccessBefore(stored, held);
        return [.. files.Select(file => file with
        {
            Labels = Scoped(
                options.Labels is { } rules ? rules.FirstOrDefault(rule => rule.Fits(file.Source))?.Labels ?? DocumentLabels.None
                : known.TryGetValue(file.Source, out var record) ? DocumentLabels.Of(record)
                : DocumentLabels.None,
                before.GetValueOrDefault(file.Source)),
        })];
    }

    /// <summary>The files to be written that the scope may not write, each with the reason.</summary>
    private async Task<IReadOnlyDictionary<string, string>> RefusedAsync(
        List<FolderFile> files, SyncPlan plan, CancellationToken cancellationToken)
    {
        var written = plan.Added.Concat(plan.Changed).ToHashSet(StringComparer.Ordinal);
        return await RefusedAsync(
            [.. files.Where(file => written.Contains(file.Source)).Select(file => (file.Source, file.Labels.Access))], cancellationToken)
                .ConfigureAwait(false);
    }

    private async Task<IReadOnlyDictionary<string, string>> RefusedAsync(
        IReadOnlyList<(string Source, DocumentAccess? Access)> documents, CancellationToken cancellationToken)
        => _store is ScopedStore scoped ? await scoped.RefusalsAsync(documents, cancellationToken).ConfigureAwait(false)
            : ImmutableDictionary<string, string>.Empty;

    private static Dictionary<string, DocumentAccess?> AccessBefore(
        IEnumerable<DocumentRecord> stored, IEnumerable<QuarantineRecord> held)
    {
        var before = stored.ToDictionary(record => record.Source, record => record.Access, StringComparer.Ordinal);
        foreach (var record in held)
            before.TryAdd(record.Source, record.Access);
        return before;
    }

    private DocumentPreparer Preparer(StageClock clock, QuarantineLedger? quarantine)
        => new(_options.Readers, _options.Chunking, TokenLimit, clock)
        {
            Injection = _options.Injection,
            Quarantine = quarantine,
            Embedder = _state.Embedder is IFittedEmbedder ? null : _state.Embedder,
        };

    private async Task<QuarantineLedger> QuarantineAsync(CancellationToken cancellationToken)
        => new(await _store.ListQuarantineAsync(cancellationToken).ConfigureAwait(false), _options.Readers.Version);

    /// <summary>
    /// Refuses what is held back from now on, and forgets what was held before and has been read. The very bytes that are now known to hold
    /// instructions do not stay stored.
    /// </summary>
    private async Task RefuseAsync(
        IReadOnlyList<PreparedDocument> documents, QuarantineLedger quarantine, bool isKept, CancellationToken cancellationToken)
    {
        foreach (var document in documents)
        {
            if (document.Quarantine is { } record)
                quarantine.Add(record);
            else
                quarantine.Remove(document.Source);
        }

        if (isKept)
            await quarantine.SaveAsync(_store, isNew: false, cancellationToken).ConfigureAwait(false);
        var held = documents.Where(document => document.Quarantine is not null).ToList();
        if (held.Count == 0)
            return;
        var stored = isKept
            ? await _store.ReadRecordsAsync([.. held.Select(document => document.Source)], cancellationToken).ConfigureAwait(false)
            : [];
        var poisoned = stored.OfType<DocumentRecord>().Where(record => quarantine.Poisons(record)).Select(record => record.Source)
            .ToArray();
        await _store.DeleteAsync(poisoned, cancellationToken).ConfigureAwait(false);
        foreach (var document in held)
            Audit("quarantine", ("source", document.Source), ("reason", document.SkipReason));
        foreach (var source in poisoned)
            Audit("delete", ("source", source));
        var first = held[0];
        throw new DocumentQuarantinedException(
            first.Source, StoredBefore(first.SkipReason!, stored.FirstOrDefault(), poisoned.Contains(first.Source)), first.Findings);
    }

    /// <summary>Why a document is not taken in, with what became of the version that was stored of it.</summary>
    private static string StoredBefore(string reason, DocumentRecord? stored, bool isRemoved)
        => stored is null ? reason
            : isRemoved ? reason + " (The same content was stored before and has been removed.)"
            : reason + " (The version that was stored before stays.)";

    private void Audit(string kind, params ReadOnlySpan<(string Name, string? Value)> data)
    {
        if (_options.AuditLog is not { } log)
            return;
        if (_scope is not null)
            log.Append("knowledge." + kind, [("scope", _scope.ToString()), .. data]);
        else if (_isView)
            log.Append("knowledge." + kind, [("administrator", "true"), .. data]);
        else
            log.Append("knowledge." + kind, data);
    }

    private void Audit(string folder, SyncReport report, string[] poisoned)
    {
        if (_options.AuditLog is null)
            return;
        foreach (var (kind, sources) in new[]
        {
            ("add", report.Added), ("change", report.Changed), ("delete", report.Removed), ("delete", poisoned),
        })
            foreach (var source in sources)
                Audit(kind, ("source", source));
        foreach (var record in report.Quarantined)
            Audit("quarantine", ("source", record.Source), ("reason", record.Reason));
        Audit("sync", ("folder", folder), ("chunks", $"{report.Chunks}"));
    }

    /// <summary>Writes down who asked what, and which documents the answer quotes.</summary>
    private Answer Audited(Answer answer)
    {
        AuditAsked(answer.Question, answer.Found ? "true" : "false", answer.Citations.Select(citation => citation.Source));
        return answer;
    }

    private void AuditAsked(string question, string found, IEnumerable<string> sources)
        => Audit("ask", ("question", question), ("found", found),
            ("sources", string.Join('\n', sources.Distinct(StringComparer.Ordinal))));

    /// <summary>What a knowledge base and its views have in common.</summary>
    private sealed class SharedState : IDisposable
    {
        public SemaphoreSlim WriteGate { get; } = new(1, 1);

        public SemaphoreSlim EmbedderGate { get; } = new(1, 1);

        public IEmbeddingGenerator<string, Embedding<float>>? Embedder { get; set; }

        public ChunkCounts ChunkCounts { get; } = new();

        public void Dispose()
        {
            WriteGate.Dispose();
            EmbedderGate.Dispose();
        }
    }
}

/// <summary>How many chunks each scope sees, as they were counted last. Thread-safe.</summary>
/// <remarks>The number only sets the weight of unknown words, and that by its logarithm: other processes' writes may be this
/// late.</remarks>
internal sealed class ChunkCounts
{
    private const int MaxScopes = 1024;

    private static readonly TimeSpan MaxAge = TimeSpan.FromSeconds(30);

    private readonly ConcurrentDictionary<string, (long Count, long Taken)> _counts = new(StringComparer.Ordinal);

    public async ValueTask<long> OfAsync(AccessScope? scope, IKnowledgeStore store, CancellationToken cancellationToken)
    {
        // Keys hold no space.
        var key = scope is null ? "" : string.Join(' ', scope.Keys.Order(StringComparer.Ordinal));
        if (_counts.TryGetValue(key, out var known) && Stopwatch.GetElapsedTime(known.Taken) < MaxAge)
            return known.Count;
        long taken = Stopwatch.GetTimestamp();
        var records = await store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        long count = records.Sum(record => (long)record.ChunkCount);
        if (_counts.Count >= MaxScopes)
            _counts.Clear();
        _counts[key] = (count, taken);
        return count;
    }

    /// <summary>Forgets all of them after a write.</summary>
    public void Clear() => _counts.Clear();
}
