using Kotonoha.Foundation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

public sealed partial class KnowledgeBase
{
    /// <summary>Creates the view of a scope.</summary>
    private KnowledgeBase(KnowledgeBase whole, AccessScope scope)
    {
        _options = whole._options;
        _whole = whole._whole;
        _store = new ScopedStore(_whole, scope);
        _state = whole._state;
        _scope = scope;
    }

    /// <summary>
    /// The knowledge base as one person may see it: searches, answers, citations, lists, rarities of words and counts come from the
    /// documents of the scope alone, and only those can be changed.
    /// </summary>
    /// <param name="scope">On whose behalf the calls are made.</param>
    /// <returns>A view that costs next to nothing and need not be disposed. What is added through it without access tags belongs to the
    /// whole tenant.</returns>
    /// <exception cref="AccessException">This is a view already.</exception>
    public KnowledgeBase Within(AccessScope scope)
    {
        ArgumentNullException.ThrowIfNull(scope);
        return _scope is null
            ? new KnowledgeBase(this, scope)
            : throw new AccessException(
                AccessError.OutsideScope, $"This view already stands within the scope '{_scope}'; another is made from the whole.");
    }

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
                return [await preparer.PrepareAsync(source, buffer.ToArray(), Scoped(labels), cancellationToken).ConfigureAwait(false)];
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
    /// <param name="sources">The files, or null for all; those that are not held are passed over.</param>
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
                .Where(record => sources?.Contains(record.Source) != false).ToList();
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

    // What is added on somebody's behalf without a word about it is seen by their tenant, and not by nobody.
    private DocumentLabels Scoped(DocumentLabels labels)
        => _scope is not null && labels.Access is null ? labels with { Access = DocumentAccess.WholeTenant(_scope.Tenant) } : labels;

    private List<FolderFile> Labelled(List<FolderFile> files, IReadOnlyList<DocumentRecord> stored, SyncOptions options)
    {
        var known = options.Labels is null
            ? stored.ToDictionary(record => record.Source, StringComparer.Ordinal)
            : null;
        return [.. files.Select(file => file with
        {
            Labels = Scoped(
                options.Labels is { } rules ? rules.FirstOrDefault(rule => rule.Fits(file.Source))?.Labels ?? DocumentLabels.None
                : known!.TryGetValue(file.Source, out var record) ? DocumentLabels.Of(record)
                : DocumentLabels.None),
        })];
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

    /// <summary>Refuses what is held back from now on, and forgets what was held before and has been read.</summary>
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
        if (documents.FirstOrDefault(document => document.Quarantine is not null) is { } held)
        {
            Audit("quarantine", ("source", held.Source), ("reason", held.SkipReason));
            throw new DocumentQuarantinedException(held.Source, held.SkipReason!, held.Findings);
        }
    }

    private void Audit(string kind, params ReadOnlySpan<(string Name, string? Value)> data)
    {
        if (_options.AuditLog is not { } log)
            return;
        if (_scope is null)
            log.Append("knowledge." + kind, data);
        else
            log.Append("knowledge." + kind, [("scope", _scope.ToString()), .. data]);
    }

    private void Audit(string folder, SyncReport report)
    {
        if (_options.AuditLog is null)
            return;
        foreach (var (kind, sources) in new[] { ("add", report.Added), ("change", report.Changed), ("delete", report.Removed) })
            foreach (var source in sources)
                Audit(kind, ("source", source));
        foreach (var record in report.Quarantined)
            Audit("quarantine", ("source", record.Source), ("reason", record.Reason));
        Audit("sync", ("folder", folder), ("chunks", $"{report.Chunks}"));
    }

    /// <summary>Writes down who asked what, and which documents the answer quotes.</summary>
    private Answer Audited(Answer answer)
    {
        Audit("ask", ("question", answer.Question), ("found", answer.Found ? "true" : "false"),
            ("sources", string.Join('\n', answer.Citations.Select(citation => citation.Source).Distinct(StringComparer.Ordinal))));
        return answer;
    }

    /// <summary>What a knowledge base and its views have in common.</summary>
    private sealed class SharedState : IDisposable
    {
        public SemaphoreSlim WriteGate { get; } = new(1, 1);

        public SemaphoreSlim EmbedderGate { get; } = new(1, 1);

        public IEmbeddingGenerator<string, Embedding<float>>? Embedder { get; set; }

        public void Dispose()
        {
            WriteGate.Dispose();
            EmbedderGate.Dispose();
        }
    }
}
