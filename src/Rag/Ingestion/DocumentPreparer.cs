using System.Runtime.CompilerServices;
using Kotonoha.Foundation;
using Kotonoha.Foundation.Security;
using Kotonoha.Foundation.Text;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;
using Kotonoha.Readers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Ingestion;

/// <summary>Reads, cuts and analyses documents, several at a time, in the order given.</summary>
internal sealed class DocumentPreparer(DocumentReaders readers, ChunkingOptions chunking, ITokenLimit? limit, StageClock clock)
{
    private readonly Chunker _chunker = new(chunking, limit);

    /// <summary>What is done with instructions to a model.</summary>
    public InjectionPolicy Injection { get; init; }

    /// <summary>Makes vectors of sentences, where the documents are cut by them; null where there is no embedder that could.</summary>
    public IEmbeddingGenerator<string, Embedding<float>>? Embedder { get; init; }

    /// <summary>What is held and what has been released; null where documents are only copied.</summary>
    public QuarantineLedger? Quarantine { get; init; }

    /// <summary>Prepares files while the caller works on earlier ones.</summary>
    public async IAsyncEnumerable<PreparedDocument> PrepareAsync(
        IReadOnlyList<FolderFile> files, [EnumeratorCancellation] CancellationToken cancellationToken)
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
    public async Task<PreparedDocument> PrepareAsync(
        string source, byte[] content, DocumentLabels labels, CancellationToken cancellationToken, string? readAs = null)
    {
        var extracted = await clock.MeasureAsync("read", () => readers.ReadAsync(content, readAs ?? source, cancellationToken))
            .ConfigureAwait(false);
        var hash = IndexText.Hash(content);
        var findings = Injection == InjectionPolicy.Off ? [] : clock.Measure("scan", () => InjectionScanner.Scan(extracted.Text));
        if (Injection == InjectionPolicy.Quarantine && Quarantine?.IsReleased(source, hash) != true
            && findings.FirstOrDefault(finding => finding.Severity == InjectionSeverity.High) is { } worst)
        {
            var reason = $"Its text holds instructions to a model: {worst}. Remove them, or release the document if they are meant to be "
                + "there ('kotonoha documents release', KnowledgeBase.ReleaseAsync).";
            return PreparedDocument.Skipped(source, reason) with
            {
                Findings = findings,
                Quarantine = new QuarantineRecord(source, hash, QuarantineLedger.ScannerVersion, QuarantineCause.Injection, reason)
                {
                    Access = labels.Access,
                },
            };
        }

        var version = IndexText.Version(source, hash, chunking, limit);
        IReadOnlySet<int> breaks = chunking.SemanticBreaks is { } share
            ? await clock.MeasureAsync("chunk", () => Chunking.SemanticBreaks.FindAsync(
                extracted, share, Embedder ?? throw new InvalidOperationException(
                    "ChunkingOptions.SemanticBreaks needs an embedder that is not fitted on the documents, for example a sentence "
                        + "embedding "
                    + "model; this knowledge base has none."), cancellationToken)).ConfigureAwait(false)
            : new HashSet<int>();
        var chunks = clock.Measure("chunk", () => _chunker.Split(extracted, source, version, breaks));
        var prepared = Analyse(source, hash, version, chunks, extracted.Title, content.Length, labels);
        return prepared with { Remarks = [.. extracted.Remarks, .. prepared.Remarks], Findings = findings };
    }

    /// <summary>Prepares chunks that were cut by somebody else; one that is longer than the embedder reads gets a remark.</summary>
    public PreparedDocument Analyse(
        string source, string hash, string version, IReadOnlyList<Chunk> chunks, string? title, long bytes, DocumentLabels labels)
        => clock.Measure("analyse", () =>
        {
            TermVector[] terms = [.. chunks.Select(chunk => TermVector.FromText(IndexText.Of(chunk)))];
            string[] texts = [.. chunks.Select(chunk => IndexText.ForEmbedder(chunk, limit))];
            var record =
                new DocumentRecord(source, hash, version, chunks.Count, terms.Sum(vector => (long)vector.Length), title, bytes, labels.Tags)
                {
                    Access = labels.Access,
                };
            return new PreparedDocument(source, record, chunks, terms, texts, null) { Remarks = [.. LongTexts(texts)] };
        });

    private IEnumerable<string> LongTexts(string[] texts)
    {
        if (limit is null)
            yield break;
        for (int i = 0; i < texts.Length; i++)
            if (limit.CountTokens(texts[i]) is var tokens && tokens > limit.MaxTokens)
                yield return $"chunk {i} has {tokens} tokens, and the embedder reads {limit.MaxTokens}: what comes after them is found "
                    + "by words alone";
    }

    private async Task<PreparedDocument> PrepareFileAsync(FolderFile file, CancellationToken cancellationToken)
    {
        try
        {
            var content = await clock.MeasureAsync("read", () => File.ReadAllBytesAsync(file.Path, cancellationToken))
                .ConfigureAwait(false);
            return await PrepareAsync(file.Source, content, file.Labels, cancellationToken).ConfigureAwait(false);
        }
        catch (DocumentFormatException exception) when (exception.IsDeterministic && Quarantine is not null)
        {
            return PreparedDocument.Skipped(file.Source, exception.Message) with
            {
                Quarantine = new QuarantineRecord(
                    file.Source, file.Hash, readers.Version, QuarantineCause.Unreadable, exception.Message)
                {
                    Access = file.Labels.Access,
                },
            };
        }
        catch (Exception exception) when (exception is KotonohaException or IOException or UnauthorizedAccessException)
        {
            return PreparedDocument.Skipped(file.Source, exception.Message);
        }
    }
}

/// <summary>A document that has been read, cut and analysed, or the reason why it could not be.</summary>
internal sealed record PreparedDocument(
    string Source, DocumentRecord? Record, IReadOnlyList<Chunk> Chunks, TermVector[] Terms, string[] Texts, string? SkipReason)
{
    /// <summary>What the reader has to say about the document.</summary>
    public IReadOnlyList<string> Remarks { get; init; } = [];

    /// <summary>Instructions to a model that the text holds.</summary>
    public IReadOnlyList<InjectionFinding> Findings { get; init; } = [];

    /// <summary>The entry that holds the document back from now on, or null.</summary>
    public QuarantineRecord? Quarantine { get; init; }

    /// <summary>Whether the store holds the document as it is.</summary>
    public bool Is(DocumentRecord? stored)
        => stored is not null && stored.Version == Record!.Version && DocumentLabels.Of(Record).AreOf(stored)
            && (stored.ETag, stored.LastModified) == (Record.ETag, Record.LastModified);

    public static PreparedDocument Skipped(string source, string reason) => new(source, null, [], [], [], reason);
}
