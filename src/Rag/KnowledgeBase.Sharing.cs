using Kotonoha.Foundation;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;

namespace Kotonoha.Rag;

// What several processes do at the same time to one collection. Nothing here fits, weighs anew or rebuilds: that concerns the collection as
// a whole and is one process's work. The caller sees to it that a source is in the hands of one process at a time.
public sealed partial class KnowledgeBase
{
    /// <summary>
    /// Where there is no collection yet, creates it and takes in a sample of a folder, on which a fitted embedder is fitted and BM25's
    /// average length measured.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="documents">How many documents the sample has at most; they are spread evenly over the folder.</param>
    /// <param name="options">The documents' labels.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many documents were taken in; 0 where the collection was there.</returns>
    /// <exception cref="KotonohaException">No document of the sample can be read, or the store cannot do its work.</exception>
    internal async Task<int> CreateFromSampleAsync(
        string folder, int documents, SyncOptions options, CancellationToken cancellationToken)
    {
        if (await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false) is not null)
            return 0;
        var (scanned, skipped) = await FolderScan.ScanAsync(folder, _options.Readers, options.Picks(), cancellationToken)
            .ConfigureAwait(false);
        var files = Labelled(scanned, [], [], options);
        int count = Math.Min(documents, files.Count);
        FolderFile[] sample = [.. Enumerable.Range(0, count).Select(i => files[(int)((long)i * files.Count / count)])];
        var clock = new StageClock();
        var writer = new DocumentWriter(_store, null, _state.Embedder, clock) { MaxFitCharacters = _options.MaxFitCharacters };
        string? reason = skipped.FirstOrDefault()?.Reason;
        await foreach (var document in Preparer(clock, null).PrepareAsync(sample, cancellationToken).ConfigureAwait(false))
        {
            if (document.SkipReason is null && document.Quarantine is null)
                await writer.AddAsync(document, cancellationToken).ConfigureAwait(false);
            else
                reason ??= document.SkipReason;
        }

        await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
        if (writer.Info is null)
            throw new KotonohaException(
                $"There is no document in '{folder}' to begin the collection with{(reason is null ? "." : $": {reason}")}");
        _state.Embedder = writer.Embedder ?? _state.Embedder;
        return writer.WrittenDocuments;
    }

    /// <summary>Finds out which files of a folder the store does not hold as they are, and which documents are no longer there.</summary>
    internal async Task<(IReadOnlyList<FolderFile> Written, IReadOnlyList<string> Removed, IReadOnlyList<SkippedDocument> Skipped)>
        PlanSharedAsync(string folder, SyncOptions options, CancellationToken cancellationToken)
    {
        var (files, skipped) = await FolderScan.ScanAsync(folder, _options.Readers, options.Picks(), cancellationToken)
            .ConfigureAwait(false);
        if (await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false) is { } info)
            await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
        var stored = await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        files = Labelled(files, stored, [], options);
        var plan = Plan(files, skipped, stored);
        var quarantine = await QuarantineAsync(cancellationToken).ConfigureAwait(false);
        var written = plan.Added.Concat(plan.Changed).ToHashSet(StringComparer.Ordinal);
        files.RemoveAll(file => quarantine.Holds(file.Source, file.Hash));
        return ([.. files.Where(file => written.Contains(file.Source))], plan.Removed, plan.Skipped);
    }

    /// <summary>
    /// Takes in one document, so that its last version alone is there: a second time, or after a process that ended in the middle, too.
    /// </summary>
    /// <returns>How many chunks were written; 0 where the store held the document as it is.</returns>
    internal async Task<int> WriteSharedAsync(
        string source, byte[] content, DocumentLabels labels, CancellationToken cancellationToken)
    {
        SourceName.Check(source);
        var info = await RequireSharedAsync(cancellationToken).ConfigureAwait(false);
        CheckAnalyzer(info);
        var embedder = await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false);
        CheckWritable(info, embedder);
        var clock = new StageClock();
        var quarantine = await QuarantineAsync(cancellationToken).ConfigureAwait(false);
        PreparedDocument document;
        try
        {
            document = await Preparer(clock, quarantine).PrepareAsync(source, content, labels, cancellationToken).ConfigureAwait(false);
        }
        catch (DocumentFormatException exception) when (exception.IsDeterministic)
        {
            // So that it is not published again and again.
            var held = new QuarantineRecord(
                source, IndexText.Hash(content), _options.Readers.Version, QuarantineCause.Unreadable, exception.Message)
            {
                Access = labels.Access,
            };
            await _whole.WriteQuarantineAsync([held], cancellationToken).ConfigureAwait(false);
            throw;
        }

        await RefuseAsync([document], quarantine, isKept: true, cancellationToken).ConfigureAwait(false);
        var stored = await _whole.ReadRecordsAsync([source], cancellationToken).ConfigureAwait(false);
        var writer = new DocumentWriter(_whole, info, embedder, clock);
        if (!document.Is(stored[0]))
        {
            await writer.AddAsync(document, cancellationToken).ConfigureAwait(false);
            await writer.CompleteAsync(cancellationToken).ConfigureAwait(false);
            Audit("add", ("source", source), ("hash", document.Record!.Hash));
        }

        // What a process left behind that ended between the record and the removal of the old chunks.
        if (_whole is QdrantStore qdrant)
            await qdrant.RemoveOtherVersionsAsync(document.Record!, cancellationToken).ConfigureAwait(false);
        _state.ChunkCounts.Clear();
        return writer.WrittenChunks;
    }

    /// <summary>Checks that there is a collection to write to, made by this analyzer and an embedder that is at hand.</summary>
    /// <exception cref="KotonohaException">There is none, or it does not fit.</exception>
    internal async Task CheckSharedAsync(CancellationToken cancellationToken)
    {
        var info = await RequireSharedAsync(cancellationToken).ConfigureAwait(false);
        CheckAnalyzer(info);
        CheckWritable(info, await EmbedderOfAsync(info, cancellationToken).ConfigureAwait(false));
    }

    private async Task<CollectionInfo> RequireSharedAsync(CancellationToken cancellationToken)
        => await _whole.GetInfoAsync(cancellationToken).ConfigureAwait(false)
            ?? throw new StoreException(
                StoreError.Missing,
                $"There is no collection at {_whole.Location} yet. Begin it with one process: 'kotonoha worker enqueue' (or "
                + "'kotonoha ingest').");
}
