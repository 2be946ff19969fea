using System.Runtime.CompilerServices;
using Kotonoha.Foundation;
using Kotonoha.Rag.Chunking;
using Kotonoha.Readers;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Reads, cuts and analyses documents, several at a time, in the order given.</summary>
internal sealed class DocumentPreparer(DocumentReaders readers, ChunkingOptions chunking, StageClock clock)
{
    private readonly Chunker _chunker = new(chunking);

    /// <summary>Prepares files while the caller works on earlier ones.</summary>
    public async IAsyncEnumerable<PreparedDocument> PrepareAsync(IReadOnlyList<FolderFile> files, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        int ahead = 4 * Environment.ProcessorCount;
        var running = new Queue<Task<PreparedDocument>>();
        using var slots = new SemaphoreSlim(Environment.ProcessorCount);
        try
        {
            for (int next = 0; next < files.Count || running.Count > 0;)
            {
                while (next < files.Count && running.Count < ahead)
                    running.Enqueue(PrepareOneAsync(files[next++]));
                yield return await running.Dequeue().ConfigureAwait(false);
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            await ((Task)Task.WhenAll(running)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        async Task<PreparedDocument> PrepareOneAsync(FolderFile file)
        {
            await slots.WaitAsync(stop.Token).ConfigureAwait(false);
            try
            {
                return await Task.Run(() => PrepareFileAsync(file, stop.Token), stop.Token).ConfigureAwait(false);
            }
            finally
            {
                slots.Release();
            }
        }
    }

    /// <summary>Prepares a document that lies in memory.</summary>
    public async Task<PreparedDocument> PrepareAsync(string source, byte[] content, IReadOnlyList<string> tags, CancellationToken cancellationToken)
    {
        var extracted = await clock.MeasureAsync("read", () => readers.ReadAsync(content, source, cancellationToken)).ConfigureAwait(false);
        var hash = IndexText.Hash(content);
        var version = IndexText.Version(source, hash, chunking);
        var chunks = clock.Measure("chunk", () => _chunker.Split(extracted, source, version));
        return Analyse(source, hash, version, chunks, extracted.Title, content.Length, tags) with { Remarks = extracted.Remarks };
    }

    /// <summary>Prepares chunks that were cut by somebody else.</summary>
    public PreparedDocument Analyse(string source, string hash, string version, IReadOnlyList<Chunk> chunks, string? title, long bytes, IReadOnlyList<string> tags)
        => clock.Measure("analyse", () =>
        {
            var texts = chunks.Select(IndexText.Of).ToArray();
            var terms = Array.ConvertAll(texts, TermVector.FromText);
            var record = new DocumentRecord(source, hash, version, chunks.Count, terms.Sum(vector => (long)vector.Length), title, bytes, tags);
            return new PreparedDocument(source, record, chunks, terms, texts, null);
        });

    private async Task<PreparedDocument> PrepareFileAsync(FolderFile file, CancellationToken cancellationToken)
    {
        try
        {
            var content = await clock.MeasureAsync("read", () => File.ReadAllBytesAsync(file.Path, cancellationToken)).ConfigureAwait(false);
            return await PrepareAsync(file.Source, content, [], cancellationToken).ConfigureAwait(false);
        }
        catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
        {
            return PreparedDocument.Skipped(file.Source, exception.Message);
        }
    }
}
