using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag;

/// <content>What is stored, for people and other programs.</content>
public sealed partial class KnowledgeBase
{
    private const int ExportBatch = 256;

    /// <summary>Counts what is stored.</summary>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="Foundation.KotonohaException">The store cannot do its work.</exception>
    public async Task<KnowledgeStatus> GetStatusAsync(CancellationToken cancellationToken = default)
    {
        var records = await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var info = await _store.GetInfoAsync(cancellationToken).ConfigureAwait(false);
        // How large the whole is says something about others' documents.
        long? size = _scope is null && _whole is EmbeddedStore embedded ? SizeOf(embedded.Location) : null;
        return new KnowledgeStatus(_store.Location, records.Count, records.Count(record => WebPages.IsAddress(record.Source)),
            records.Sum(record => record.ChunkCount), records.Sum(record => record.Bytes), info?.EmbedderVersion, info?.DenseDimension ?? 0,
            info?.AnalyzerId, size, await ListQuarantineAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Reads the ledger's entry of a document and its chunks.</summary>
    /// <param name="source">The document.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>The entry and the chunks in order; null where there is no such document.</returns>
    public async Task<(DocumentRecord Record, IReadOnlyList<Chunk> Chunks)?> ReadDocumentAsync(
        string source, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(source);
        return (await _store.ReadRecordsAsync([source], cancellationToken).ConfigureAwait(false))[0] is { } record
            ? (record, await _store.ReadDocumentAsync(source, cancellationToken).ConfigureAwait(false)) : null;
    }

    /// <summary>Writes chunks as JSON, one object a line, by document and in order; <see cref="ImportAsync"/> reads them.</summary>
    /// <param name="output">Where to; it stays open.</param>
    /// <param name="options">What is written, or null for all documents without vectors.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>How many chunks were written.</returns>
    /// <exception cref="Foundation.KotonohaException">The store cannot do its work.</exception>
    public async Task<int> ExportAsync(TextWriter output, ExportOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        options ??= new ExportOptions();
        int count = 0;
        foreach (var record in await _store.ListDocumentsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (options.Sources?.Contains(record.Source) == false)
                continue;
            var chunks = await _store.ReadDocumentAsync(record.Source, cancellationToken).ConfigureAwait(false);
            if (chunks.Count == 0)
                await WriteAsync(ExportLine.Write(record, null, null)).ConfigureAwait(false);
            foreach (var batch in chunks.Chunk(ExportBatch))
            {
                var vectors = options.IncludesVectors
                    ? await _store.ReadVectorsAsync([.. batch.Select(chunk => chunk.Id)], cancellationToken).ConfigureAwait(false) : null;
                for (int i = 0; i < batch.Length; i++)
                    await WriteAsync(ExportLine.Write(record, batch[i], vectors?[i])).ConfigureAwait(false);
            }

            count += chunks.Count;
        }

        await output.FlushAsync(cancellationToken).ConfigureAwait(false);
        Audit("export", ("chunks", $"{count}"));
        return count;

        Task WriteAsync(string line) => output.WriteAsync((line + "\n").AsMemory(), cancellationToken);
    }

    /// <summary>
    /// Takes in what <see cref="ExportAsync"/> wrote, document by document, in place of what is stored of them. Vectors are made anew by
    /// this
    /// knowledge base's embedder. A folder that holds the same files finds them unchanged afterwards.
    /// </summary>
    /// <param name="input">The lines; those of a document stand together.</param>
    /// <param name="cancellationToken">Stops the work; the documents that are stored by then stay.</param>
    /// <returns>How many chunks were written (none for documents that the store held already).</returns>
    /// <exception cref="ImportException">A line is not one of an export.</exception>
    /// <exception cref="Foundation.KotonohaException">The store cannot do its work, or the scope does not allow it.</exception>
    public async Task<int> ImportAsync(TextReader input, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        int count = 0, line = 0, waiting = 0;
        var documents = new List<(DocumentRecord Record, List<Chunk> Chunks)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        while (await input.ReadLineAsync(cancellationToken).ConfigureAwait(false) is { } text)
        {
            line++;
            if (text.Length == 0)
                continue;
            var (record, chunk) = ExportLine.Read(text, line);
            if (documents.Count == 0 || documents[^1].Record.Source != record.Source)
            {
                if (!seen.Add(record.Source))
                    throw new ImportException(line, $"the lines of '{record.Source}' do not stand together.");
                // An embedder that has to be fitted sees all of the first documents at once.
                if (waiting > _options.MaxFitCharacters)
                    await StoreAsync().ConfigureAwait(false);
                documents.Add((record, []));
            }

            if (documents[^1].Record.Version != record.Version || (chunk is not null && chunk.Ordinal != documents[^1].Chunks.Count))
                throw new ImportException(line, $"it does not follow the line before it: chunk {documents[^1].Chunks.Count} of the same "
                    + $"version of '{record.Source}' is missing.");
            if (chunk is not null)
                documents[^1].Chunks.Add(chunk);
            waiting += text.Length;
        }

        await StoreAsync().ConfigureAwait(false);
        return count;

        async Task StoreAsync()
        {
            if (documents.Count == 0)
                return;
            var report = await AddAsync(
                preparer => Task.FromResult<IReadOnlyList<PreparedDocument>>([.. documents.Select(document =>
                {
                    var prepared = preparer.Analyse(document.Record.Source, document.Record.Hash, document.Record.Version, document.Chunks,
                        document.Record.Title, document.Record.Bytes, Scoped(DocumentLabels.Of(document.Record), before: null));
                    return prepared with
                    {
                        Record = prepared.Record! with { ETag = document.Record.ETag, LastModified = document.Record.LastModified },
                    };
                })]),
                cancellationToken).ConfigureAwait(false);
            count += report.Chunks;
            documents.Clear();
            waiting = 0;
        }
    }

    private static long SizeOf(string path)
    {
        var file = new FileInfo(Path.GetFullPath(path));
        return file.Directory is { Exists: true } folder ? folder.EnumerateFiles(file.Name + "*").Sum(part => part.Length) : 0;
    }
}
