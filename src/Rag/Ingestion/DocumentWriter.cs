using Kotonoha.Foundation;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Ingestion;

/// <summary>
/// Embeds prepared documents and writes them in batches. Where there is no collection yet, it first gathers some documents, fits the
/// embedder on them, measures BM25's average length and creates the collection.
/// </summary>
internal sealed class DocumentWriter(
    IKnowledgeStore store, CollectionInfo? info, IEmbeddingGenerator<string, Embedding<float>>? embedder, StageClock clock)
{
    // Chunks a write, and texts an embedding call.
    private const int BatchChunks = 256;
    private const int EmbeddingBatch = 64;

    private readonly List<PreparedDocument> _waiting = [];
    private long _waitingCharacters;
    private Task _writing = Task.CompletedTask;

    /// <summary>Gives the metadata with which a collection is created: in place, or as a new generation.</summary>
    public Func<IKnowledgeStore, CollectionInfo, CancellationToken, Task<IKnowledgeStore>> Create { get; init; } =
        async (store, info, cancellationToken) =>
    {
        await store.CreateAsync(info, cancellationToken).ConfigureAwait(false);
        return store;
    };

    /// <summary>The embedder is fitted on at most this many characters of documents; what comes after is folded into its basis.</summary>
    public long MaxFitCharacters { get; init; } = KnowledgeBaseOptions.DefaultMaxFitCharacters;

    /// <summary>After how many characters of documents the collection is created; no more than <see cref="MaxFitCharacters"/>.</summary>
    public long FirstFitCharacters { get; init; } = long.MaxValue;

    /// <summary>Called with each source once it is durable.</summary>
    public Action<string>? Acknowledged { get; init; }

    public IProgress<ProgressReport>? Progress { get; init; }

    /// <summary>How many documents will come, for the progress, and for how far a fit on the first of them reaches.</summary>
    public int? Total { get; init; }

    public IKnowledgeStore Store { get; private set; } = store;

    public CollectionInfo? Info { get; private set; } = info;

    /// <summary>The embedder in use; fitted here where it had to be.</summary>
    public IEmbeddingGenerator<string, Embedding<float>>? Embedder { get; private set; } = embedder;

    public int WrittenDocuments { get; private set; }

    public int WrittenChunks { get; private set; }

    public async Task AddAsync(PreparedDocument document, CancellationToken cancellationToken)
    {
        _waiting.Add(document);
        _waitingCharacters += document.Texts.Sum(text => (long)text.Length);
        if (Info is null && _waitingCharacters < Math.Min(FirstFitCharacters, MaxFitCharacters))
            return;
        await FlushAsync(all: false, cancellationToken).ConfigureAwait(false);
    }

    public async Task CompleteAsync(CancellationToken cancellationToken)
    {
        await FlushAsync(all: true, cancellationToken).ConfigureAwait(false);
        await _writing.ConfigureAwait(false);
    }

    private async Task FlushAsync(bool all, CancellationToken cancellationToken)
    {
        if (_waiting.Count == 0)
            return;
        if (Info is null)
            await CreateAsync(cancellationToken).ConfigureAwait(false);
        int start = 0;
        while (start < _waiting.Count)
        {
            int end = start, chunks = 0;
            while (end < _waiting.Count && chunks < BatchChunks)
                chunks += _waiting[end++].Chunks.Count;
            if (!all && chunks < BatchChunks)
                break;
            await WriteAsync(_waiting.GetRange(start, end - start), cancellationToken).ConfigureAwait(false);
            start = end;
        }

        _waiting.RemoveRange(0, start);
        _waitingCharacters = 0;
    }

    private async Task CreateAsync(CancellationToken cancellationToken)
    {
        int chunks = _waiting.Sum(document => document.Chunks.Count);
        long terms = _waiting.Sum(document => document.Record!.TermCount);
        int dimension = 0, fittedChunks = 0;
        string? version = null;
        if (Embedder is IFittedEmbedder unfitted)
        {
            Progress?.Report(new ProgressReport("fit", 0, null));
            var texts = _waiting.SelectMany(document => document.Texts).ToList();
            var fitted =
                await clock.MeasureAsync("fit", () => Task.Run(() => unfitted.FitAsync(texts, cancellationToken), cancellationToken))
                    .ConfigureAwait(false);
            Embedder = fitted;
            version = fitted.Version;
            // Beyond the limit a new fit would see no more than this one did. The first of many documents stand for all of them.
            fittedChunks = _waitingCharacters < MaxFitCharacters
                ? (int)Math.Min(int.MaxValue, (long)chunks * Math.Max(_waiting.Count, Total ?? 0) / _waiting.Count) : 0;
        }
        else if (Embedder is not null)
        {
            version = EmbedderIdentity.Of(Embedder);
        }

        if (Embedder is not null)
            dimension =
                (await EmbedAsync([chunks > 0 ? _waiting.First(document => document.Chunks.Count > 0).Texts[0] : " "], cancellationToken)
                    .ConfigureAwait(false))[0].Length;
        Info = new CollectionInfo(
            CollectionInfo.CurrentSchemaVersion,
            TextAnalyzer.Id,
            version,
            dimension,
            Math.Max(1, (double)terms / Math.Max(1, chunks)),
            fittedChunks);
        Store = await clock.MeasureAsync("store", () => Create(Store, Info, cancellationToken)).ConfigureAwait(false);
    }

    private async Task WriteAsync(List<PreparedDocument> documents, CancellationToken cancellationToken)
    {
        var vectors = await EmbedAsync([.. documents.SelectMany(document => document.Texts)], cancellationToken).ConfigureAwait(false);
        var writes = new List<DocumentWrite>(documents.Count);
        int next = 0;
        foreach (var document in documents)
        {
            var chunks = new IndexedChunk[document.Chunks.Count];
            for (int i = 0; i < chunks.Length; i++)
                chunks[i] = new IndexedChunk(document.Chunks[i], document.Terms[i], vectors.Length == 0 ? default : vectors[next++]);
            writes.Add(new DocumentWrite(document.Record!, chunks));
        }

        // One batch is stored while the next one is embedded.
        await _writing.ConfigureAwait(false);
        _writing = Task.Run(() => StoreAsync(writes, cancellationToken), cancellationToken);
    }

    private async Task StoreAsync(List<DocumentWrite> writes, CancellationToken cancellationToken)
    {
        await clock.MeasureAsync("store", () => Store.WriteAsync(writes, cancellationToken)).ConfigureAwait(false);
        foreach (var write in writes)
        {
            WrittenDocuments++;
            WrittenChunks += write.Chunks.Count;
            Acknowledged?.Invoke(write.Record.Source);
            Progress?.Report(new ProgressReport("store", WrittenDocuments, Total, write.Record.Source));
        }
    }

    private async Task<ReadOnlyMemory<float>[]> EmbedAsync(string[] texts, CancellationToken cancellationToken)
    {
        if (Embedder is null)
            return [];
        return await clock.MeasureAsync("embed", async () =>
        {
            var vectors = new List<ReadOnlyMemory<float>>(texts.Length);
            foreach (var batch in texts.Chunk(EmbeddingBatch))
            {
                var embeddings = await Embedder.GenerateAsync(batch, EmbeddingPurpose.Document, cancellationToken).ConfigureAwait(false);
                if (embeddings.Count != batch.Length)
                    throw new KotonohaException($"The embedder gave {embeddings.Count} vectors for {batch.Length} texts. Use an embedder "
                        + "that gives one vector a text.");
                foreach (var embedding in embeddings)
                    vectors.Add(embedding.Vector);
            }

            return vectors.ToArray();
        }).ConfigureAwait(false);
    }
}

/// <summary>What a synchronisation would do.</summary>
/// <param name="Added">New documents.</param>
/// <param name="Changed">Documents whose content (or whose way of being cut) is not what is stored.</param>
/// <param name="Removed">Documents that are stored, but no longer in the folder.</param>
/// <param name="Unchanged">Documents that are stored as they are.</param>
/// <param name="Skipped">Files that cannot be taken in, as far as is known without reading them.</param>
public sealed record SyncPlan(
    IReadOnlyList<string> Added,
    IReadOnlyList<string> Changed,
    IReadOnlyList<string> Removed,
    IReadOnlyList<string> Unchanged,
    IReadOnlyList<SkippedDocument> Skipped);
