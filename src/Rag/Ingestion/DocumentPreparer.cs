using System.Runtime.CompilerServices;
using System.Text;
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
        var findings = Scan([extracted.Title], extracted.Text, place => place, cancellationToken);
        if (HeldBack(source, hash, labels, findings) is { } held)
            return held;
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

    /// <summary>Prepares a document that was cut into chunks by somebody else.</summary>
    public PreparedDocument Prepare(string source, IReadOnlyList<Chunk> chunks, DocumentLabels labels, CancellationToken cancellationToken)
    {
        var content = Encoding.UTF8.GetBytes(
            string.Join('\f', chunks.Select(chunk => $"{chunk.Id}\f{chunk.Title}\f{chunk.Heading}\f{chunk.Text}")));
        var hash = IndexText.Hash(content);
        // What is cut in two reads as one for a model that is shown both.
        var starts = new int[chunks.Count];
        var text = new StringBuilder();
        for (int i = 0; i < starts.Length; i++)
        {
            starts[i] = text.Length;
            text.Append(chunks[i].Text).Append('\n');
        }

        var findings = Scan(
            chunks.SelectMany(chunk => new[] { chunk.Title, chunk.Heading, chunk.TableHeader }),
            text.ToString(),
            place => Array.BinarySearch(starts, place) is var at && (at < 0 ? ~at - 1 : at) is var i
                ? chunks[i].Start + place - starts[i] : place,
            cancellationToken);
        return HeldBack(source, hash, labels, findings)
            ?? Analyse(source, hash, IndexText.Version(source, hash, chunking, limit), chunks, chunks[0].Title, content.Length, labels) with
            {
                Findings = findings,
            };
    }

    /// <summary>Analyses chunks as they are; one that is longer than the embedder reads gets a remark.</summary>
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

    /// <summary>Looks for instructions to a model in all that a model is shown of a document.</summary>
    /// <param name="names">Titles and headings; what is found in them and not in the text stands at 0.</param>
    /// <param name="text">The text.</param>
    /// <param name="placeOf">Where in the document a place of the text is.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    private IReadOnlyList<InjectionFinding> Scan(
        IEnumerable<string?> names, string text, Func<int, int> placeOf, CancellationToken cancellationToken)
        => Injection == InjectionPolicy.Off ? [] : clock.Measure("scan", () =>
        {
            var found = InjectionScanner.Scan(text, cancellationToken).Select(finding => finding with { Start = placeOf(finding.Start) })
                .ToList();
            var known = found.Select(finding => finding.Excerpt).ToHashSet(StringComparer.Ordinal);
            foreach (var name in names.OfType<string>().Distinct(StringComparer.Ordinal))
                found.AddRange(InjectionScanner.Scan(name, cancellationToken).Where(finding => known.Add(finding.Excerpt))
                    .Select(finding => finding with { Start = 0, Length = 0 }));
            return (IReadOnlyList<InjectionFinding>)found;
        });

    /// <summary>The document as it is held back because of what was found, or null.</summary>
    private PreparedDocument? HeldBack(string source, string hash, DocumentLabels labels, IReadOnlyList<InjectionFinding> findings)
    {
        if (Injection != InjectionPolicy.Quarantine || Quarantine?.IsReleased(source, hash) == true
            || findings.FirstOrDefault(finding => finding.Severity == InjectionSeverity.High) is not { } worst)
            return null;
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
