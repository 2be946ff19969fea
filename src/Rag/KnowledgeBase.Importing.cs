using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag;

/// <content>What other programs keep on a Qdrant server.</content>
public sealed partial class KnowledgeBase
{
    /// <summary>
    /// Takes in the texts of a Qdrant collection that another program wrote, each document in place of what is stored of it: Kernel
    /// Memory's (documents are named <c>DOCUMENT/FILE</c>, web pages by their address; user tags become tags, summaries are left out),
    /// those of Semantic Kernel's memory and text search stores and of Microsoft.Extensions.DataIngestion, or any whose fields are named.
    /// Its points become chunks as they are; vectors are made anew by this knowledge base's embedder. The collection is only read.
    /// </summary>
    /// <param name="collection">Which server and collection.</param>
    /// <param name="fields">Where the text lies, or null to recognise it.</param>
    /// <param name="cancellationToken">Stops the work; the documents that are stored by then stay.</param>
    /// <returns>What was taken in, and what was left out and why.</returns>
    /// <exception cref="StoreException">
    /// There is no such collection, its fields are not known or it is Kotonoha's own (<see cref="StoreError.Foreign"/>), or a store cannot
    /// do its work.
    /// </exception>
    public async Task<CollectionImportReport> ImportCollectionAsync(
        QdrantStoreOptions collection, QdrantPayloadFields? fields = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(collection);
        using var reader = new QdrantCollectionReader(collection);
        var waiting = new List<ForeignDocument>();
        var skipped = new List<SkippedDocument>();
        var remarks = new List<DocumentRemark>();
        int documents = 0, chunks = 0, characters = 0;
        await foreach (var document in reader.ReadAsync(fields, cancellationToken).ConfigureAwait(false))
        {
            if (SourceName.Problem(document.Source) is { } problem)
            {
                skipped.Add(new SkippedDocument(document.Source, $"It is no name for a document: {problem}."));
                continue;
            }

            waiting.Add(document);
            characters += document.Chunks.Sum(chunk => chunk.Text.Length);
            // An embedder that has to be fitted sees all of the first documents at once.
            if (characters > _options.MaxFitCharacters)
                await StoreAsync().ConfigureAwait(false);
        }

        await StoreAsync().ConfigureAwait(false);
        return new CollectionImportReport(documents, chunks, reader.SkippedPoints, skipped) { Remarks = remarks };

        async Task StoreAsync()
        {
            if (waiting.Count == 0)
                return;
            var report = await AddAsync(
                async preparer =>
                {
                    var prepared = new List<PreparedDocument>();
                    var scoped = await ScopedAsync(
                        new DocumentLabels(), [.. waiting.Select(document => document.Source)], cancellationToken).ConfigureAwait(false);
                    var refused = await RefusedAsync(
                        [.. waiting.Select(document => (document.Source, scoped(document.Source).Access))], cancellationToken)
                        .ConfigureAwait(false);
                    foreach (var document in waiting)
                    {
                        var labels = scoped(document.Source) with { Tags = document.Tags };
                        var one = preparer.Prepare(document.Source, document.Chunks, labels, cancellationToken);
                        if ((refused.GetValueOrDefault(document.Source) ?? one.SkipReason) is { } reason)
                            skipped.Add(new SkippedDocument(document.Source, reason));
                        else
                            prepared.Add(one);
                    }

                    documents += prepared.Count;
                    return prepared;
                },
                cancellationToken).ConfigureAwait(false);
            chunks += report.Chunks;
            remarks.AddRange(report.Remarks);
            waiting.Clear();
            characters = 0;
        }
    }
}
