using Kotonoha.Foundation;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag;

/// <summary>Documents in, hits and cited answers out: the facade over readers, chunker, embedder, store and retrieval.</summary>
/// <remarks>Thread-safe; writes run one after another. Disposing it closes the store, but not the embedder.</remarks>
public sealed partial class KnowledgeBase : IAsyncDisposable, IDisposable
{
    // BM25's average length is renewed when it is off by more than this.
    private const double MaxAverageDrift = 0.1;

    // A fitted embedder is fitted anew once there are this many times the chunks that it was fitted on.
    private const int RefitGrowth = 2;

    // What this knowledge base may see, and all of it, for what concerns the collection as a whole.
    private readonly IKnowledgeStore _store;
    private readonly IKnowledgeStore _whole;
    private readonly KnowledgeBaseOptions _options;
    private readonly SharedState _state;
    private readonly AccessScope? _scope;
    private readonly bool _isView;

    /// <summary>Creates a knowledge base over a store.</summary>
    /// <param name="store">The store; it may be new.</param>
    /// <param name="embedder">Makes the dense vectors (an <see cref="IFittedEmbedder"/> is fitted on the first documents), or null for BM25
    /// alone.</param>
    /// <param name="options">The options, or null for the defaults.</param>
    public KnowledgeBase(
        IKnowledgeStore store, IEmbeddingGenerator<string, Embedding<float>>? embedder = null, KnowledgeBaseOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(store);
        _options = options ?? new KnowledgeBaseOptions();
        _whole = store;
        _store = _options.RequireScope ? new RefusingStore(store) : store;
        _state = new SharedState { Embedder = embedder };
    }

    /// <summary>The store underneath.</summary>
    public IKnowledgeStore Store => _store;

    /// <summary>Says what <see cref="SyncFolderAsync"/> would do, and changes nothing.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="KotonohaException">The folder or the store cannot be read.</exception>
    public Task<SyncPlan> PlanSyncAsync(string folder, CancellationToken cancellationToken = default)
        => PlanSyncAsync(folder, new SyncOptions(), cancellationToken);

    /// <inheritdoc cref="PlanSyncAsync(string, CancellationToken)"/>
    /// <param name="folder">The folder.</param>
    /// <param name="options">How it would work.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public async Task<SyncPlan> PlanSyncAsync(string folder, SyncOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(options);
        var (files, skipped) = await FolderScan.ScanAsync(folder, _options.Readers, options.Picks(), cancellationToken)
            .ConfigureAwait(false);
        var records = await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var held = await _store.ListQuarantineAsync(cancellationToken).ConfigureAwait(false);
        files = Labelled(files, records, held, options);
        var plan = Plan(files, skipped, records);
        var refused = await RefusedAsync(files, plan, cancellationToken).ConfigureAwait(false);
        return plan with
        {
            Added = [.. plan.Added.Where(source => !refused.ContainsKey(source))],
            Changed = [.. plan.Changed.Where(source => !refused.ContainsKey(source))],
            Skipped = [.. plan.Skipped.Concat(refused.Select(each => new SkippedDocument(each.Key, each.Value)))
                .OrderBy(skip => skip.Source, StringComparer.Ordinal)],
        };
    }

    /// <summary>
    /// Makes the store hold exactly the folder's documents: new and changed ones (by content hash) are read and written, those that are
    /// gone are deleted, the others are left alone. A document that cannot be read is skipped with its reason; what was stored of it stays.
    /// </summary>
    /// <param name="folder">The folder; it is read with all folders below it, except names that begin with a dot.</param>
    /// <param name="progress">Told how far the work is, or null.</param>
    /// <param name="options">How to work, or null for the defaults.</param>
    /// <param name="cancellationToken">Stops the work; what was acknowledged stays.</param>
    /// <returns>What was done.</returns>
    /// <exception cref="KotonohaException">The folder cannot be read, the store cannot do its work, or the collection was made by another
    /// embedder or analyzer.</exception>
    public async Task<SyncReport> SyncFolderAsync(
        string folder, IProgress<ProgressReport>? progress = null, SyncOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        options ??= new SyncOptions();
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await SyncAsync(folder, progress, options, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    /// <summary>Adds one document, or replaces it.</summary>
    /// <param name="source">Its name: a relative path with <c>/</c> whose extension names the format.</param>
    /// <param name="content">Its bytes.</param>
    /// <param name="tags">Tags to filter by, or null for none.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many chunks were written (none where the store held the document as it is), and what there is to say about
    /// it.</returns>
    /// <exception cref="KotonohaException">The document cannot be read, or the store cannot do its work.</exception>
    public Task<AddReport> AddDocumentAsync(
        string source, Stream content, IReadOnlyList<string>? tags = null, CancellationToken cancellationToken = default)
        => AddDocumentAsync(source, content, new DocumentLabels { Tags = tags ?? [] }, cancellationToken);

    /// <summary>
    /// Adds chunks that were cut elsewhere; the chunks of one source become that document, in place of what was stored of it.
    /// </summary>
    /// <param name="chunks">The chunks; ids must be UUIDs and unlike those of the stored version unless the chunk is the same.</param>
    /// <param name="tags">Tags to filter by, or null for none.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>
    /// How many chunks were written (none for documents that the store held already), and a remark on each that is longer than the embedder
    /// reads.
    /// </returns>
    /// <exception cref="DocumentQuarantinedException">The text of a document holds instructions to a model, and such documents are held
    /// back; none is taken in then.</exception>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public Task<AddReport> AddChunksAsync(
        IEnumerable<Chunk> chunks, IReadOnlyList<string>? tags = null, CancellationToken cancellationToken = default)
        => AddChunksAsync(chunks, new DocumentLabels { Tags = tags ?? [] }, cancellationToken);

    /// <inheritdoc cref="AddChunksAsync(IEnumerable{Chunk}, IReadOnlyList{string}, CancellationToken)"/>
    /// <param name="chunks">The chunks.</param>
    /// <param name="labels">Tags, and who may see the documents.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public Task<AddReport> AddChunksAsync(
        IEnumerable<Chunk> chunks, DocumentLabels labels, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(chunks);
        ArgumentNullException.ThrowIfNull(labels);
        return AddAsync(
            async preparer =>
            {
                var groups = chunks.GroupBy(chunk => chunk.Source, StringComparer.Ordinal).ToList();
                var scoped = await ScopedAsync(labels, [.. groups.Select(group => group.Key)], cancellationToken).ConfigureAwait(false);
                return [.. groups.Select(group => preparer.Prepare(
                    group.Key, [.. group.OrderBy(chunk => chunk.Ordinal)], scoped(group.Key), cancellationToken))];
            },
            cancellationToken);
    }

    /// <summary>Deletes a document.</summary>
    /// <param name="source">The document; an unknown one is passed over.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public async Task DeleteDocumentAsync(string source, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            bool isStored = (await _store.ReadRecordsAsync([source], cancellationToken).ConfigureAwait(false))[0] is not null;
            await _store.DeleteAsync([source], cancellationToken).ConfigureAwait(false);
            _state.ChunkCounts.Clear();
            if (isStored)
                Audit("delete", ("source", source));
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    /// <summary>Lists the stored documents by source.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    public Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default)
        => _store.ListDocumentsAsync(cancellationToken);

    /// <summary>Finds the chunks that fit a question best.</summary>
    /// <param name="question">The question, or any words.</param>
    /// <param name="options">How to search, or null for the knowledge base's way.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Hits, best first; none where the store is empty.</returns>
    /// <exception cref="KotonohaException">The store cannot do its work, or the collection was made by another embedder or
    /// analyzer.</exception>
    public async Task<IReadOnlyList<SearchHit>> SearchAsync(
        string question, SearchOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(question);
        return (await FindAsync(question, options ?? _options.Search, cancellationToken).ConfigureAwait(false))?.Hits ?? [];
    }

    /// <summary>Finds chunks as <see cref="SearchAsync(string, SearchOptions?, CancellationToken)"/> does, and tells what
    /// every stage of the search gave.</summary>
    /// <param name="question">The question, or any words.</param>
    /// <param name="options">How to search, or null for the knowledge base's way.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The queries with their lists, the fused ranking and the hits; null where nothing has been stored yet.</returns>
    /// <exception cref="KotonohaException">As <see cref="SearchAsync(string, SearchOptions?, CancellationToken)"/>.</exception>
    public Task<SearchExplanation?> ExplainSearchAsync(
        string question, SearchOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(question);
        return FindAsync(question, options ?? _options.Search, cancellationToken);
    }

    private async Task<SearchExplanation?> FindAsync(string question, SearchOptions options, CancellationToken cancellationToken)
    {
        if (await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not { } info)
            return null;
        CheckAnalyzer(info);
        var embedder = await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
        return await Retriever.SearchAsync(_store, embedder, question, options, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// Fits the embedder anew on all stored chunks and makes all vectors again, in a new generation that replaces the present one at once.
    /// </summary>
    /// <param name="progress">Told how far the work is, or null.</param>
    /// <param name="cancellationToken">Stops the work; the present generation then stays.</param>
    /// <exception cref="KotonohaException">The store cannot do its work.</exception>
    public async Task RefitAsync(IProgress<ProgressReport>? progress = null, CancellationToken cancellationToken = default)
    {
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_scope is not null)
                throw new AccessException(
                    AccessError.WholeCollection,
                    "Fitting the embedder concerns everybody's documents. Do it on a knowledge base without a scope (AsAdministrator).");
            if (await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not null)
                await RefitAsync(new StageClock(), progress, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    /// <summary>Closes the store; a view does nothing, since the store belongs to the whole knowledge base.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isView)
            return;
        await _whole.DisposeAsync().ConfigureAwait(false);
        _state.Dispose();
    }

    /// <inheritdoc cref="DisposeAsync"/>
    public void Dispose()
    {
        if (_isView)
            return;
        _whole.Dispose();
        _state.Dispose();
    }

    private static void CheckAnalyzer(CollectionInfo info)
    {
        if (info.AnalyzerId != TextAnalyzer.Id)
            throw new StoreException(
                StoreError.Mismatch,
                $"The collection was made with the text analyzer '{info.AnalyzerId}'; this version of Kotonoha has '{TextAnalyzer.Id}'. "
                + $"You have to {StoreException.HowToReindex}.");
    }

    private ITokenLimit? TokenLimit => _options.EmbedderLimit ?? _state.Embedder?.GetService(typeof(ITokenLimit)) as ITokenLimit;

    private SyncPlan Plan(List<FolderFile> files, List<SkippedDocument> skipped, IReadOnlyList<DocumentRecord> records)
    {
        var stored = records.ToDictionary(record => record.Source, StringComparer.Ordinal);
        var limit = TokenLimit;
        List<string> added = [], changed = [], unchanged = [];
        foreach (var file in files)
        {
            if (!stored.TryGetValue(file.Source, out var record))
                added.Add(file.Source);
            else if (record.Hash == file.Hash && file.Labels.AreOf(record)
                && record.Version == IndexText.Version(file.Source, file.Hash, _options.Chunking, limit))
                unchanged.Add(file.Source);
            else
                changed.Add(file.Source);
        }

        var present = files.Select(file => file.Source).Concat(skipped.Select(skip => skip.Source)).ToHashSet(StringComparer.Ordinal);
        // A folder that cannot be read (its source ends with a slash) says nothing about the documents below it.
        var closed = skipped.Select(skip => skip.Source).Where(source => source.EndsWith('/')).ToArray();
        // What a scope sees and may not write, such as public documents, is not its folder's.
        var removed = records.Where(record => MayWrite(record.Access)).Select(record => record.Source)
            .Where(source => !WebPages.IsAddress(source) && !present.Contains(source)
                && !closed.Any(prefix => source.StartsWith(prefix, StringComparison.Ordinal)));
        return new SyncPlan(added, changed, [.. removed], unchanged, skipped);
    }

    private async Task<SyncReport> SyncAsync(
        string folder, IProgress<ProgressReport>? progress, SyncOptions options, CancellationToken cancellationToken)
    {
        var clock = new StageClock();
        var (files, skipped) = await clock.MeasureAsync(
            "scan", () => FolderScan.ScanAsync(folder, _options.Readers, options.Picks(), cancellationToken)).ConfigureAwait(false);
        var info = await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        bool rebuild = options.Rebuild && info is not null;
        if (rebuild && _scope is not null)
            throw new AccessException(
                AccessError.WholeCollection,
                "A rebuild concerns everybody's documents. Make it on a knowledge base without a scope (AsAdministrator).");
        IEmbeddingGenerator<string, Embedding<float>>? embedder = _state.Embedder;
        if (info is not null && !rebuild)
        {
            CheckAnalyzer(info);
            embedder = await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
            CheckWritable(info, embedder);
            await clock.MeasureAsync("store", () => _store.RemoveLeftoversAsync(cancellationToken)).ConfigureAwait(false);
        }

        var stored = await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var quarantine = await QuarantineAsync(cancellationToken).ConfigureAwait(false);
        files = Labelled(files, stored, quarantine.Records, options);
        var removed = Plan(files, skipped, stored).Removed;
        var plan = Plan(files, skipped, rebuild ? [] : stored);
        var refused = await RefusedAsync(files, plan, cancellationToken).ConfigureAwait(false);
        var toWrite = plan.Added.Concat(plan.Changed).Where(source => !refused.ContainsKey(source)).ToHashSet(StringComparer.Ordinal);
        var writer = new DocumentWriter(_store, rebuild ? null : info, embedder, clock)
        {
            Create = rebuild ? (store, fresh, token) => store.BeginRebuildAsync(fresh, token) : CreateInPlaceAsync,
            MaxFitCharacters = _options.MaxFitCharacters,
            FirstFitCharacters = rebuild ? long.MaxValue : _options.FirstFitCharacters,
            Acknowledged = rebuild ? null : options.Acknowledged,
            Progress = progress,
            Total = toWrite.Count,
        };
        string[] poisoned = [];
        var broken = refused.Select(each => new SkippedDocument(each.Key, each.Value)).ToList();
        var remarks = new List<DocumentRemark>();
        var findings = new List<DocumentFinding>();
        var storedBySource = stored.ToDictionary(record => record.Source, StringComparer.Ordinal);
        int prepared = 0;
        var preparer = Preparer(clock, quarantine);
        // A rebuild tries everything again.
        var tried = files.Where(file => toWrite.Contains(file.Source) && (rebuild || !quarantine.Holds(file.Source, file.Hash))).ToList();
        if (writer.Info is null && embedder is IFittedEmbedder)
            tried = Spread(tried);
        await foreach (var document in preparer.PrepareAsync(tried, cancellationToken).ConfigureAwait(false))
        {
            progress?.Report(new ProgressReport("read", ++prepared, tried.Count, document.Source));
            remarks.AddRange(document.Remarks.Select(text => new DocumentRemark(document.Source, text)));
            findings.AddRange(document.Findings.Select(finding => new DocumentFinding(document.Source, finding)));
            if (document.Quarantine is { } record)
                quarantine.Add(record);
            else if (document.SkipReason is { } reason)
                broken.Add(Skip(document.Source, reason));
            else
                await writer.AddAsync(document, cancellationToken).ConfigureAwait(false);
        }

        quarantine.Settle(files, plan.Unchanged, skipped);
        // The very bytes that are now known to hold instructions do not stay.
        poisoned = [.. stored.Where(record => MayWrite(record.Access) && quarantine.Poisons(record)).Select(record => record.Source)];
        broken.AddRange(quarantine.Held.Where(record => toWrite.Contains(record.Source))
            .Select(record => Skip(record.Source, record.Reason + " (In quarantine until it changes or is released.)")));

        if (rebuild)
        {
            // What cannot be read at the moment is taken over as it was stored.
            var gone = removed.Concat(toWrite).Except(broken.Select(skip => skip.Source), StringComparer.Ordinal).Concat(poisoned)
                .ToHashSet(StringComparer.Ordinal);
            await CopyAsync(stored.Where(record => !gone.Contains(record.Source)), preparer, writer, cancellationToken)
                .ConfigureAwait(false);
        }

        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        if (rebuild)
            await CommitRebuildAsync(writer, info!, options.Acknowledged, cancellationToken).ConfigureAwait(false);
        else if (writer.Info is not null)
            _state.Embedder = writer.Embedder ?? _state.Embedder;
        // A new generation never had them; where there is none, because nothing at all is left, the present one is emptied.
        if (removed.Count + poisoned.Length > 0 && (!rebuild || writer.Info is null))
            await clock.MeasureAsync("store", () => _store.DeleteAsync([.. removed, .. poisoned], cancellationToken)).ConfigureAwait(false);
        if (info is not null || writer.Info is not null)
            await quarantine.SaveAsync(_store, isNew: rebuild, cancellationToken).ConfigureAwait(false);
        bool refitted = writer.Info is not null && await SettleAsync(clock, progress, cancellationToken).ConfigureAwait(false);

        var skippedSources = broken.Select(skip => skip.Source).ToHashSet(StringComparer.Ordinal);
        var report = new SyncReport(
            [.. plan.Added.Where(source => !skippedSources.Contains(source))],
            [.. plan.Changed.Where(source => !skippedSources.Contains(source))],
            removed,
            plan.Unchanged,
            [.. skipped.Concat(broken).OrderBy(skip => skip.Source, StringComparer.Ordinal)],
            writer.WrittenChunks,
            refitted || (rebuild && writer.Info is not null),
            clock.Seconds())
        {
            Remarks = remarks,
            Quarantined = [.. quarantine.Held],
            Refused = [.. refused.Keys],
            Findings = findings,
        };
        _state.ChunkCounts.Clear();
        Audit(folder, report, poisoned);
        return report;

        SkippedDocument Skip(string source, string reason)
            => new(source, StoredBefore(reason, storedBySource.GetValueOrDefault(source), poisoned.Contains(source)));
    }

    // An order whose first items, however many, are spread evenly over all of them (multiples of the golden ratio, modulo 1).
    private static List<T> Spread<T>(List<T> items)
    {
        const double golden = 0.6180339887498949;
        return [.. items.Select((item, i) => (Item: item, Place: i * golden % 1)).OrderBy(pair => pair.Place).Select(pair => pair.Item)];
    }

    private static async Task<IKnowledgeStore> CreateInPlaceAsync(
        IKnowledgeStore store, CollectionInfo info, CancellationToken cancellationToken)
    {
        await store.CreateAsync(info, cancellationToken).ConfigureAwait(false);
        return store;
    }

    private async Task<AddReport> AddAsync(
        Func<DocumentPreparer, Task<IReadOnlyList<PreparedDocument>>> prepare, CancellationToken cancellationToken)
    {
        await _state.WriteGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            var clock = new StageClock();
            var info = await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false);
            var quarantine = await QuarantineAsync(cancellationToken).ConfigureAwait(false);
            var documents = await prepare(Preparer(clock, quarantine)).ConfigureAwait(false);
            foreach (var document in documents)
                SourceName.Check(document.Source);
            await RefuseAsync(documents, quarantine, isKept: info is not null, cancellationToken).ConfigureAwait(false);
            var embedder = _state.Embedder;
            if (info is not null)
            {
                CheckAnalyzer(info);
                embedder = await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
                CheckWritable(info, embedder);
            }

            var stored = await _store.ReadRecordsAsync([.. documents.Select(document => document.Source)], cancellationToken)
                .ConfigureAwait(false);
            var writer = new DocumentWriter(_store, info, embedder, clock) { MaxFitCharacters = _options.MaxFitCharacters };
            var written = documents.Where((document, i) => !document.Is(stored[i])).ToList();
            foreach (var document in written)
                await writer.AddAsync(document, cancellationToken).ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            _state.Embedder = writer.Embedder ?? _state.Embedder;
            if (writer.WrittenDocuments > 0)
                await SettleAsync(clock, null, cancellationToken).ConfigureAwait(false);
            _state.ChunkCounts.Clear();
            foreach (var document in written)
                Audit("add", ("source", document.Source), ("hash", document.Record!.Hash));
            return new AddReport(writer.WrittenChunks,
                [.. documents.SelectMany(document => document.Remarks.Select(text => new DocumentRemark(document.Source, text)))])
            {
                Findings = [.. documents.SelectMany(document =>
                    document.Findings.Select(finding => new DocumentFinding(document.Source, finding)))],
            };
        }
        finally
        {
            _state.WriteGate.Release();
        }
    }

    /// <summary>
    /// After writes: renews BM25's average length where it has drifted, and fits the embedder anew where the corpus has outgrown it.
    /// </summary>
    private async Task<bool> SettleAsync(StageClock clock, IProgress<ProgressReport>? progress, CancellationToken cancellationToken)
    {
        var info = (await _whole.GetInfoAsync(cancellationToken).ConfigureAwait(false))!;
        var records = await _whole.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        long chunks = records.Sum(record => (long)record.ChunkCount);
        if (_state.Embedder is IFittedEmbedder && info.FittedChunks > 0 && chunks >= RefitGrowth * (long)info.FittedChunks)
        {
            await RefitAsync(clock, progress, cancellationToken).ConfigureAwait(false);
            return true;
        }

        if (chunks == 0)
            return false;
        double average = Math.Max(1, records.Sum(record => record.TermCount) / (double)chunks);
        if (Math.Abs(average / info.AverageLength - 1) > MaxAverageDrift)
            await clock.MeasureAsync("store",
                () => _whole.SetAverageLengthAsync(average, chunk => TermVector.FromText(IndexText.Of(chunk)), cancellationToken))
                    .ConfigureAwait(false);
        return false;
    }

    private async Task RefitAsync(StageClock clock, IProgress<ProgressReport>? progress, CancellationToken cancellationToken)
    {
        var info = (await _whole.GetInfoAsync(cancellationToken).ConfigureAwait(false))!;
        var records = await _whole.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var preparer = Preparer(clock, null);
        var writer = new DocumentWriter(_whole, null, _state.Embedder, clock)
        {
            Create = (store, fresh, token) => store.BeginRebuildAsync(fresh, token),
            MaxFitCharacters = _options.MaxFitCharacters,
            Progress = progress,
            Total = records.Count,
        };
        await CopyAsync(records, preparer, writer, cancellationToken).ConfigureAwait(false);
        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        await writer.Store.WriteQuarantineAsync(
            await _whole.ListQuarantineAsync(cancellationToken).ConfigureAwait(false), cancellationToken).ConfigureAwait(false);
        await CommitRebuildAsync(writer, info, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Writes stored documents anew from their stored chunks.</summary>
    private async Task CopyAsync(
        IEnumerable<DocumentRecord> records, DocumentPreparer preparer, DocumentWriter writer, CancellationToken cancellationToken)
    {
        foreach (var record in records)
        {
            var chunks = await _whole.ReadDocumentAsync(record.Source, cancellationToken).ConfigureAwait(false);
            var prepared = preparer.Analyse(
                record.Source, record.Hash, record.Version, chunks, record.Title, record.Bytes, DocumentLabels.Of(record));
            await writer.AddAsync(
                prepared with { Record = prepared.Record! with { ETag = record.ETag, LastModified = record.LastModified } },
                cancellationToken).ConfigureAwait(false);
        }
    }

    private async Task CommitRebuildAsync(
        DocumentWriter writer, CollectionInfo old, Action<string>? acknowledged, CancellationToken cancellationToken)
    {
        if (writer.Info is null)
            return;
        var written = acknowledged is null ? [] : await writer.Store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        await _whole.CommitRebuildAsync(writer.Store, cancellationToken).ConfigureAwait(false);
        _state.Embedder = writer.Embedder;
        if (_state.Embedder is IFittedEmbedder fitted && old.EmbedderVersion is { } oldVersion && oldVersion != fitted.Version)
            fitted.Delete(oldVersion);
        foreach (var record in written)
            acknowledged!(record.Source);
    }

    /// <summary>The embedder whose vectors the collection holds; null where there is none at hand or none is needed.</summary>
    private async Task<IEmbeddingGenerator<string, Embedding<float>>?> EmbedderOfAsync(
        CollectionInfo info, CancellationToken cancellationToken)
    {
        var embedder = _state.Embedder;
        if (embedder is null || info.EmbedderVersion is null)
            return null;
        if (EmbedderIdentity.Of(embedder) == info.EmbedderVersion)
            return embedder;
        if (embedder is not IFittedEmbedder fitted)
            throw new EmbedderMismatchException(
                $"The collection's vectors were made by the embedder '{info.EmbedderVersion}'; the one at hand is "
                + $"'{EmbedderIdentity.Of(embedder)}'. Use that embedder, or {StoreException.HowToReindex}.");
        await _state.EmbedderGate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if ((_state.Embedder as IFittedEmbedder)?.Version != info.EmbedderVersion)
                _state.Embedder = await fitted.LoadAsync(info.EmbedderVersion, cancellationToken).ConfigureAwait(false);
            return _state.Embedder;
        }
        finally
        {
            _state.EmbedderGate.Release();
        }
    }

    private void CheckWritable(CollectionInfo info, IEmbeddingGenerator<string, Embedding<float>>? embedder)
    {
        if ((info.EmbedderVersion is null) != (embedder is null && _state.Embedder is null))
            throw new EmbedderMismatchException(
                info.EmbedderVersion is null
                    ? "The collection has no dense vectors, but there is an embedder. "
                        + $"Leave the embedder out, or {StoreException.HowToReindex}."
                    : $"The collection's vectors were made by the embedder '{info.EmbedderVersion}', and none is at hand. "
                        + $"Give that embedder, or {StoreException.HowToReindex}.");
    }
}
