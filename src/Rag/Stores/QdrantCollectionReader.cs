using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Google.Protobuf.Collections;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Ingestion;
using Microsoft.Extensions.Logging.Abstractions;
using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <summary>Where the text of a point lies, in a Qdrant collection that another program wrote; names of payload fields.</summary>
/// <param name="Text">The field with the text.</param>
/// <param name="Source">The field with the document's name; null: every point is a document of its own, named by its id.</param>
/// <param name="Title">The field with the document's title, or null.</param>
/// <param name="Ordinal">The field with the number that orders the points of a document, or null for the order of their ids.</param>
/// <param name="Tags">The field with a tag or a list of them, or null.</param>
public sealed record QdrantPayloadFields(
    string Text, string? Source = null, string? Title = null, string? Ordinal = null, string? Tags = null);

/// <summary>A document of a collection that another program wrote.</summary>
/// <param name="Source">Its name.</param>
/// <param name="Chunks">Its points, as chunks in order.</param>
/// <param name="Tags">Its tags.</param>
internal sealed record ForeignDocument(string Source, IReadOnlyList<Chunk> Chunks, IReadOnlyList<string> Tags);

/// <summary>
/// Reads the texts of a collection that another program wrote: Kernel Memory's, those of Semantic Kernel's memory and text search stores
/// and of Microsoft.Extensions.DataIngestion, or any whose fields are named. The vectors are left where they are.
/// </summary>
internal sealed class QdrantCollectionReader : IDisposable
{
    private const int PagePoints = 256;

    // Kernel Memory's payload is JSON in a string; its own tags begin with this.
    private const string Reserved = "__";

    private static readonly QdrantPayloadFields[] Known =
    [
        new("Text", "SourceName", null, null, "Namespaces"),
        new("content", "documentid", "context"),
        new("text", "external_source_name", "description"),
    ];

    private readonly QdrantConnection _connection;
    private readonly QdrantStoreOptions _options;

    public QdrantCollectionReader(QdrantStoreOptions options)
    {
        _options = options;
        _connection = new QdrantConnection(options, NullLogger.Instance);
    }

    /// <summary>How many points had no text of a document.</summary>
    public int SkippedPoints { get; private set; }

    public void Dispose() => _connection.Dispose();

    /// <summary>Reads the collection document by document; of the texts, one document at a time is held.</summary>
    /// <exception cref="StoreException">
    /// There is no such collection, it is Kotonoha's own, its fields are not known (<see cref="StoreError.Foreign"/>), or the server cannot
    /// do its work.
    /// </exception>
    public async IAsyncEnumerable<ForeignDocument> ReadAsync(
        QdrantPayloadFields? fields, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var documents = new SortedDictionary<string, List<(double Ordinal, string Id, PointId Point)>>(StringComparer.Ordinal);
        Func<RetrievedPoint, ForeignPoint?>? read = null;
        PointId? offset = null;
        do
        {
            var page = await _connection.ReadAsync(
                (client, token) => client.ScrollAsync(
                    _options.Collection, null, PagePoints, offset, true, readConsistency: _connection.Consistency,
                    cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
            read ??= page.Result.Count == 0 ? _ => null : ReaderOf(page.Result, fields);
            foreach (var point in page.Result)
                if (read(point) is { } text)
                {
                    if (!documents.TryGetValue(text.Source, out var points))
                        documents.Add(text.Source, points = []);
                    points.Add((text.Ordinal, IdOf(point.Id), point.Id));
                }
                else
                {
                    SkippedPoints++;
                }

            offset = page.NextPageOffset;
        }
        while (offset is not null);

        foreach (var (source, points) in documents)
        {
            var texts = new Dictionary<string, ForeignPoint>(StringComparer.Ordinal);
            foreach (var ids in points.Select(each => each.Point).Chunk(PagePoints))
            {
                var page = await _connection.ReadAsync(
                    (client, token) => client.RetrieveAsync(
                        _options.Collection, ids, true, false, _connection.Consistency, cancellationToken: token),
                    cancellationToken).ConfigureAwait(false);
                foreach (var point in page)
                    if (read!(point) is { } text)
                        texts[IdOf(point.Id)] = text;
            }

            // A point may have been deleted since it was listed.
            var ordered = points.OrderBy(each => each.Ordinal).ThenBy(each => each.Id, StringComparer.Ordinal)
                .Select(each => texts.GetValueOrDefault(each.Id)).OfType<ForeignPoint>().ToList();
            if (ordered.Count > 0)
                yield return new ForeignDocument(
                    source, Chunks(source, ordered), [.. ordered.SelectMany(text => text.Tags).Distinct(StringComparer.Ordinal)]);
        }
    }

    private static List<Chunk> Chunks(string source, List<ForeignPoint> points)
    {
        var title = points.Select(point => point.Title).FirstOrDefault(title => title is not null);
        var chunks = new List<Chunk>();
        int start = 0;
        foreach (var point in points)
        {
            var id = NameBasedUuid.Create(NameBasedUuid.ChunkNamespace, $"{source}\f{chunks.Count}\f{point.Text}");
            chunks.Add(new Chunk(
                id.ToString(), source, chunks.Count, start, start + point.Text.Length, point.Text, null, point.Page, title));
            start += point.Text.Length + 1;
        }

        return chunks;
    }

    private Func<RetrievedPoint, ForeignPoint?> ReaderOf(IReadOnlyList<RetrievedPoint> points, QdrantPayloadFields? fields)
    {
        if (fields is not null)
            return point => Flat(point, fields);
        if (points.Any(point => QdrantPoints.ToChunk(point) is not null || QdrantPoints.ToRecord(point) is not null))
            throw new StoreException(
                StoreError.Foreign,
                $"The collection '{_options.Collection}' at {_options.Address} is a knowledge base of Kotonoha's own: open it as one.");
        if (points.Any(point => KernelMemory(point) is not null))
            return KernelMemory;
        if (Known.FirstOrDefault(known => points.Any(point => Has(point, known.Text) && Has(point, known.Source!))) is { } layout)
            return point => Flat(point, layout);
        var names = points.SelectMany(point => point.Payload.Keys).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal);
        throw new StoreException(
            StoreError.Foreign,
            $"Where the text of '{_options.Collection}' at {_options.Address} lies is not known. Name the fields "
            + $"(KnowledgeBase.ImportCollectionAsync, --text-field); its points have: {string.Join(", ", names)}.");
    }

    private static bool Has(RetrievedPoint point, string field) => QdrantPoints.Text(point.Payload, field) is not null;

    private static ForeignPoint? Flat(RetrievedPoint point, QdrantPayloadFields fields)
    {
        if (QdrantPoints.Text(point.Payload, fields.Text) is not { Length: > 0 } text || string.IsNullOrWhiteSpace(text))
            return null;
        var source = Value(fields.Source) is { Length: > 0 } named ? named
            : point.Id.HasUuid ? point.Id.Uuid : point.Id.Num.ToString(CultureInfo.InvariantCulture);
        return new ForeignPoint(source, text, NumberOf(point.Payload, fields.Ordinal), null, Value(fields.Title), TagsOf(fields.Tags));

        string? Value(string? field) => field is null ? null : QdrantPoints.Text(point.Payload, field);

        IReadOnlyList<string> TagsOf(string? field) => field is null || !point.Payload.TryGetValue(field, out var value) ? []
            : value.ListValue is { } list
                ? [.. list.Values.Where(entry => entry.HasStringValue && entry.StringValue.Length > 0).Select(entry => entry.StringValue)]
            : value.HasStringValue && value.StringValue.Length > 0 ? [value.StringValue] : [];
    }

    // Summaries and other made-up texts are not the document's.
    private static ForeignPoint? KernelMemory(RetrievedPoint point)
    {
        if (QdrantPoints.Text(point.Payload, "payload") is not { } json || !point.Payload.TryGetValue("tags", out var tags)
            || tags.ListValue is not { } list)
            return null;
        var pairs = list.Values.Where(tag => tag.HasStringValue).Select(tag => tag.StringValue.Split(':', 2))
            .Where(pair => pair.Length == 2).ToList();
        string? Of(string key) => pairs.Find(pair => pair[0] == Reserved + key)?[1];
        if (Of("synth") is not null || Of("document_id") is not { Length: > 0 } document)
            return null;
        try
        {
            using var payload = JsonDocument.Parse(json);
            if (payload.RootElement.ValueKind != JsonValueKind.Object)
                return null;
            string? Field(string name) => payload.RootElement.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
                ? value.GetString() : null;
            if (Field("text") is not { } text || string.IsNullOrWhiteSpace(text))
                return null;
            var file = Field("file") is { Length: > 0 } name ? name : Of("file_id") ?? "content.txt";
            var source = Field("url") is { } url && WebPages.IsAddress(url) ? url : $"{document}/{file}";
            int? page = int.TryParse(Of("sect_n"), NumberStyles.None, CultureInfo.InvariantCulture, out int section) && section > 0
                ? section : null;
            return new ForeignPoint(
                source, text,
                double.TryParse(Of("part_n"), NumberStyles.None, CultureInfo.InvariantCulture, out double part) ? part : 0, page, null,
                [.. pairs.Where(pair => !pair[0].StartsWith(Reserved, StringComparison.Ordinal)).Select(pair => string.Join(':', pair))]);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static double NumberOf(MapField<string, Value> payload, string? field)
        => field is null || !payload.TryGetValue(field, out var value) ? 0
            : value.HasIntegerValue ? value.IntegerValue : value.HasDoubleValue ? value.DoubleValue
            : double.TryParse(value.StringValue, CultureInfo.InvariantCulture, out double number) ? number : 0;

    // In this form, ids are in order as texts.
    private static string IdOf(PointId id) => id.HasUuid ? id.Uuid : id.Num.ToString("D20", CultureInfo.InvariantCulture);

    private sealed record ForeignPoint(
        string Source, string Text, double Ordinal, int? Page, string? Title, IReadOnlyList<string> Tags);
}
