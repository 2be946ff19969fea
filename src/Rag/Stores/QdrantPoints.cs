using Google.Protobuf;
using Google.Protobuf.Collections;
using Kotonoha.Rag.Chunking;
using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// How chunks, the ledger's records and the metadata are written as points, and read again. What was not written by Kotonoha lacks a field
/// and reads as null.
/// </summary>
internal static class QdrantPoints
{
    public const string DenseName = "dense";
    public const string SparseName = "bm25";

    // Qdrant advises against messages of more than 5 MB.
    private const int MaxBatchBytes = 4 << 20;

    private static readonly Guid RecordNamespace = new("b3a1b0d4-5e9f-5c56-8f6d-0f6f6a4f1c22");

    /// <summary>The point of the ledger that holds the collection's metadata.</summary>
    public static PointId InfoId { get; } = Id(NameBasedUuid.Create(RecordNamespace, "collection").ToString());

    public static PointId Id(string uuid) => new() { Uuid = uuid };

    /// <summary>The point of the ledger that holds a document's record.</summary>
    public static PointId RecordId(string source) => Id(NameBasedUuid.Create(RecordNamespace, "document/" + source).ToString());

    /// <summary>The point of the ledger that holds a file's entry in the quarantine.</summary>
    public static PointId QuarantineId(string source) => Id(NameBasedUuid.Create(RecordNamespace, "quarantine/" + source).ToString());

    /// <summary>Divides points into uploads of at most this many points and at most 4 MiB (unless a single point is larger).</summary>
    public static IEnumerable<IReadOnlyList<T>> Batches<T>(IEnumerable<T> points, int maxCount)
        where T : IMessage
    {
        var batch = new List<T>(maxCount);
        long bytes = 0;
        foreach (var point in points)
        {
            int size = point.CalculateSize();
            if (batch.Count > 0 && (batch.Count == maxCount || bytes + size > MaxBatchBytes))
            {
                yield return batch;
                batch = new List<T>(maxCount);
                bytes = 0;
            }

            batch.Add(point);
            bytes += size;
        }

        if (batch.Count > 0)
            yield return batch;
    }

    public static PointStruct Of(DocumentRecord record, IndexedChunk indexed, CollectionInfo info)
    {
        var chunk = indexed.Chunk;
        var vectors = new NamedVectors { Vectors = { [SparseName] = Sparse(indexed.Terms, info.AverageLength) } };
        if (info.DenseDimension > 0)
            vectors.Vectors.Add(DenseName, new Vector { Dense = Dense(indexed.Dense.Span) });

        return new PointStruct
        {
            Id = Id(chunk.Id),
            Vectors = new Vectors { Vectors_ = vectors },
            Payload =
            {
                ["source"] = chunk.Source,
                ["version"] = record.Version,
                ["prefixes"] = StoreFilter.Prefixes(chunk.Source).ToArray(),
                ["tags"] = record.Tags.ToArray(),
                ["access"] = Keys(record.Access),
                ["tenant"] = OrNull(record.Access?.Tenant),
                ["ordinal"] = chunk.Ordinal,
                ["start"] = chunk.Start,
                ["end"] = chunk.End,
                ["page"] = chunk.Page is { } page ? page : Null(),
                ["heading"] = OrNull(chunk.Heading),
                ["title"] = OrNull(chunk.Title),
                ["table_header"] = OrNull(chunk.TableHeader),
                ["text"] = chunk.Text,
            },
        };
    }

    public static PointStruct Of(DocumentRecord record) => new()
    {
        Id = RecordId(record.Source),
        Vectors = new Vectors { Vectors_ = new NamedVectors() },
        Payload =
        {
            ["kind"] = "document",
            ["source"] = record.Source,
            ["hash"] = record.Hash,
            ["version"] = record.Version,
            ["chunks"] = record.ChunkCount,
            ["terms"] = record.TermCount,
            ["title"] = OrNull(record.Title),
            ["bytes"] = record.Bytes,
            ["tags"] = record.Tags.ToArray(),
            ["access"] = Keys(record.Access),
            ["etag"] = OrNull(record.ETag),
            ["modified"] = OrNull(record.LastModified),
        },
    };

    public static PointStruct Of(QuarantineRecord record) => new()
    {
        Id = QuarantineId(record.Source),
        Vectors = new Vectors { Vectors_ = new NamedVectors() },
        Payload =
        {
            ["kind"] = "quarantine",
            ["source"] = record.Source,
            ["hash"] = record.Hash,
            ["judge"] = record.JudgedBy,
            ["cause"] = record.Cause.ToString(),
            ["reason"] = record.Reason,
            ["released"] = record.IsReleased,
            ["access"] = Keys(record.Access),
        },
    };

    public static QuarantineRecord? ToQuarantine(RetrievedPoint point)
    {
        var payload = point.Payload;
        return Text(payload, "source") is { } source && Text(payload, "hash") is { } hash && Text(payload, "judge") is { } judge
            && Enum.TryParse<QuarantineCause>(Text(payload, "cause"), out var cause) && Text(payload, "reason") is { } reason
            ? new QuarantineRecord(source, hash, judge, cause, reason)
            {
                IsReleased = payload.TryGetValue("released", out var released) && released.BoolValue,
                Access = Access(payload),
            }
            : null;
    }

    /// <summary>Who may see a document, from the payload of its record or of one of its chunks.</summary>
    public static DocumentAccess? Access(MapField<string, Value> payload) => DocumentAccess.FromKeys(Texts(payload, "access"));

    public static PointStruct Of(CollectionInfo info) => new()
    {
        Id = InfoId,
        Vectors = new Vectors { Vectors_ = new NamedVectors() },
        Payload =
        {
            ["kind"] = "collection",
            ["info"] = new Dictionary<string, Value>
            {
                ["schemaVersion"] = info.SchemaVersion,
                ["analyzerId"] = info.AnalyzerId,
                ["embedderVersion"] = OrNull(info.EmbedderVersion),
                ["denseDimension"] = info.DenseDimension,
                ["averageLength"] = info.AverageLength,
                ["fittedChunks"] = info.FittedChunks,
            },
        },
    };

    /// <summary>A chunk's terms weighed anew.</summary>
    public static PointVectors Of(Chunk chunk, TermVector terms, double averageLength) => new()
    {
        Id = Id(chunk.Id),
        Vectors = new Vectors { Vectors_ = new NamedVectors { Vectors = { [SparseName] = Sparse(terms, averageLength) } } },
    };

    private static Vector Sparse(TermVector terms, double averageLength)
        => new() { Sparse = Sparse(terms.Indices, Bm25.Default.Weigh(terms, averageLength)) };

    public static DenseVector Dense(ReadOnlySpan<float> values)
    {
        var dense = new DenseVector();
        dense.Data.AddRange(values.ToArray());
        return dense;
    }

    public static SparseVector Sparse(uint[] indices, float[] values)
    {
        var sparse = new SparseVector();
        sparse.Indices.AddRange(indices);
        sparse.Values.AddRange(values);
        return sparse;
    }

    public static Chunk? ToChunk(RetrievedPoint point)
    {
        var payload = point.Payload;
        return Text(payload, "version") is not null && Text(payload, "source") is { } source && Text(payload, "text") is { } text
            && Number(payload, "ordinal") is { } ordinal && Number(payload, "start") is { } start && Number(payload, "end") is { } end
            ? new Chunk(
                point.Id.Uuid,
                source,
                (int)ordinal,
                (int)start,
                (int)end,
                text,
                Text(payload, "heading"),
                (int?)Number(payload, "page"),
                Text(payload, "title"),
                Text(payload, "table_header"))
            : null;
    }

    public static DocumentRecord? ToRecord(RetrievedPoint point)
    {
        var payload = point.Payload;
        return Text(payload, "version") is { } version && Text(payload, "source") is { } source && Text(payload, "hash") is { } hash
            && Number(payload, "chunks") is { } chunks && Number(payload, "terms") is { } terms && Number(payload, "bytes") is { } bytes
            ? new DocumentRecord(source, hash, version, (int)chunks, terms, Text(payload, "title"), bytes, Texts(payload, "tags"))
            {
                Access = Access(payload),
                ETag = Text(payload, "etag"),
                LastModified = Text(payload, "modified"),
            }
            : null;
    }

    public static CollectionInfo? ToInfo(RetrievedPoint point)
    {
        if (point.Payload.GetValueOrDefault("info")?.StructValue?.Fields is not { } fields)
            return null;
        // JSON does not tell 10 from 10.0.
        var average = fields.GetValueOrDefault("averageLength");
        return Number(fields, "schemaVersion") is { } schema && Text(fields, "analyzerId") is { } analyzer
            && Number(fields, "denseDimension") is { } dimension && average is not null
            ? new CollectionInfo(
                (int)schema,
                analyzer,
                Text(fields, "embedderVersion"),
                (int)dimension,
                average.HasIntegerValue ? average.IntegerValue : average.DoubleValue,
                (int)(Number(fields, "fittedChunks") ?? 0))
            : null;
    }

    public static string? Text(MapField<string, Value> payload, string field)
        => payload.TryGetValue(field, out var value) && value.HasStringValue ? value.StringValue : null;

    private static long? Number(MapField<string, Value> payload, string field)
        => payload.TryGetValue(field, out var value) && value.HasIntegerValue ? value.IntegerValue : null;

    private static string[] Texts(MapField<string, Value> payload, string field)
        => payload.TryGetValue(field, out var value) && value.ListValue is { } list
            ? [.. list.Values.Select(entry => entry.StringValue)]
            : [];

    private static string[] Keys(DocumentAccess? access) => [.. access?.Keys ?? []];

    private static Value OrNull(string? text) => text is null ? Null() : text;

    private static Value Null() => new() { NullValue = NullValue.NullValue };
}
