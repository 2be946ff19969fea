using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag.Chunking;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A knowledge store on a Qdrant server (1.16 or later), over REST: one collection with the named vectors <c>dense</c> (cosine) and <c>bm25</c>
/// (sparse, idf by the server) and a flat payload, and the ledger in a second collection without vectors, <c>NAME--documents</c>.
/// </summary>
/// <remarks>
/// Thread-safe. Both names are aliases of a numbered generation, so that a rebuild takes their place at once. Requests are repeated while the
/// server is away or overloaded, for a bounded time. After deletions the server's idf lags until it rebuilds a segment.
/// </remarks>
public sealed class QdrantStore : IKnowledgeStore
{
    /// <summary>Up to so many chunks dense searches look at every vector; beyond, the server's index answers approximately.</summary>
    public const int MaxExactChunks = 50_000;

    private const string DenseName = "dense";
    private const string SparseName = "bm25";
    private const int ScrollPage = 500;
    private const int ParallelUploads = 2;
    private const int MaxSearchRounds = 6;

    private static readonly Guid RecordNamespace = new("b3a1b0d4-5e9f-5c56-8f6d-0f6f6a4f1c22");
    private static readonly string InfoId = NameBasedUuid.Create(RecordNamespace, "collection").ToString();

    private readonly QdrantRest _rest;
    private readonly QdrantStoreOptions _options;
    private readonly bool _ownsRest;
    private readonly int? _generation;
    private readonly string _chunks;
    private readonly string _ledger;
    private CollectionInfo? _created;

    /// <summary>Creates a store; the server is asked at the first call.</summary>
    /// <param name="options">Which server and collection.</param>
    /// <exception cref="ArgumentException">The name cannot be a collection's.</exception>
    public QdrantStore(QdrantStoreOptions options)
        : this(options ?? throw new ArgumentNullException(nameof(options)), new QdrantRest(options), null)
        => _ownsRest = true;

    private QdrantStore(QdrantStoreOptions options, QdrantRest rest, int? generation)
    {
        if (options.Collection.Length is 0 or > 200 || !options.Collection.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new ArgumentException($"'{options.Collection}' cannot be a collection's name: letters, digits, '-', '_' and '.' can be used.", nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.BatchSize);
        _options = options;
        _rest = rest;
        _generation = generation;
        _chunks = generation is { } number ? PhysicalName(number) : options.Collection;
        _ledger = generation is { } same ? PhysicalName(same) + "--documents" : options.Collection + "--documents";
    }

    /// <inheritdoc/>
    public string Location => new Uri(_options.Address, $"collections/{_chunks}").ToString();

    /// <inheritdoc/>
    public async Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default)
    {
        try
        {
            var points = await RetrieveAsync(_ledger, [InfoId], null, cancellationToken).ConfigureAwait(false);
            if (points.Count == 0)
                throw new StoreException(StoreError.Foreign, $"The collection '{_ledger}' at {_options.Address} was not made by Kotonoha. Choose another collection's name.");
            var info = points[0].GetProperty("payload").GetProperty("info").Deserialize(StoreJson.Default.CollectionInfo)!;
            return info.SchemaVersion == CollectionInfo.CurrentSchemaVersion
                ? info
                : throw new StoreException(StoreError.Foreign, $"The collection '{_chunks}' has layout {info.SchemaVersion}; this version of Kotonoha reads layout {CollectionInfo.CurrentSchemaVersion}. Delete the collection and ingest the documents again.");
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public async Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        if (await GetInfoAsync(cancellationToken).ConfigureAwait(false) is not null)
            throw new StoreException(StoreError.Busy, $"The collection '{_chunks}' at {_options.Address} was created by another process in the meantime. Start again.");
        if (await ExistsAsync(_options.Collection, cancellationToken).ConfigureAwait(false))
            throw new StoreException(StoreError.Foreign, $"There is a collection '{_options.Collection}' at {_options.Address} that Kotonoha did not make. Choose another collection's name.");
        await CreateGenerationAsync(1, info, cancellationToken).ConfigureAwait(false);
        await PointAliasesAsync(1, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        var info = await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        foreach (var document in documents)
            foreach (var chunk in document.Chunks)
            {
                if (chunk.Chunk.Source != document.Record.Source)
                    throw new ArgumentException($"Chunk {chunk.Chunk.Id} belongs to '{chunk.Chunk.Source}', not to '{document.Record.Source}'.");
                if (chunk.Dense.Length != info.DenseDimension)
                    throw WrongWidth(chunk.Dense.Length, info);
            }

        // 1. New chunks.
        var batches = documents.SelectMany(document => document.Chunks.Select(chunk => (document.Record, Chunk: chunk))).Chunk(_options.BatchSize);
        await Parallel.ForEachAsync(
            batches,
            new ParallelOptions { MaxDegreeOfParallelism = ParallelUploads, CancellationToken = cancellationToken },
            async (batch, token) => await _rest.WriteAsync(HttpMethod.Put, $"collections/{_chunks}/points?wait=true", writer => WriteChunks(writer, batch, info), token).ConfigureAwait(false)).ConfigureAwait(false);

        // 2. The records: from here on the new versions answer.
        var old = await RetrieveAsync(_ledger, [.. documents.Select(document => RecordId(document.Record.Source))], ["version", "source"], cancellationToken).ConfigureAwait(false);
        await _rest.WriteAsync(HttpMethod.Put, $"collections/{_ledger}/points?wait=true", writer => WriteRecords(writer, documents), cancellationToken).ConfigureAwait(false);

        // 3. Old chunks go.
        var versions = documents.ToDictionary(document => document.Record.Source, document => document.Record.Version, StringComparer.Ordinal);
        string[] replaced =
        [
            .. old.Select(point => point.GetProperty("payload")).Select(payload => (Source: payload.GetProperty("source").GetString()!, Version: payload.GetProperty("version").GetString()!))
                .Where(record => versions[record.Source] != record.Version).Select(record => record.Version),
        ];
        if (replaced.Length > 0)
            await DeleteByAsync(_chunks, "version", replaced, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        if (sources.Count == 0)
            return;
        await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        // The record first: without it no search gives the chunks back.
        foreach (var batch in sources.Chunk(_options.BatchSize))
        {
            await _rest.WriteAsync(
                HttpMethod.Post,
                $"collections/{_ledger}/points/delete?wait=true",
                writer =>
                {
                    writer.WriteStartObject();
                    WriteStrings(writer, "points", batch.Select(RecordId));
                    writer.WriteEndObject();
                },
                cancellationToken).ConfigureAwait(false);
            await DeleteByAsync(_chunks, "source", batch, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default)
    {
        var records = new List<DocumentRecord>();
        try
        {
            await foreach (var point in ScrollAsync(_ledger, writer => WriteMatch(writer, "kind", "document"), cancellationToken).ConfigureAwait(false))
                records.Add(ToRecord(point.GetProperty("payload")));
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            return [];
        }

        records.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        return records;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        var info = await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        if (query.Length != info.DenseDimension)
            throw WrongWidth(query.Length, info);
        if (query.Length == 0 || limit == 0)
            return [];
        bool exact = _options.ExactSearch ?? await CountAsync(cancellationToken).ConfigureAwait(false) <= MaxExactChunks;
        return await SearchAsync(
            writer =>
            {
                writer.WriteStartArray("query");
                foreach (float value in query.Span)
                    writer.WriteNumberValue(value);
                writer.WriteEndArray();
                writer.WriteString("using", DenseName);
                writer.WriteStartObject("params");
                writer.WriteBoolean("exact", exact);
                writer.WriteEndObject();
            },
            limit,
            filter,
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        if (query.Indices.Length == 0 || limit == 0)
        {
            await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
            return [];
        }

        return await SearchAsync(
            writer =>
            {
                writer.WritePropertyName("query");
                WriteSparse(writer, query.Indices, Array.ConvertAll(query.Counts, count => (float)count));
                writer.WriteString("using", SparseName);
            },
            limit,
            filter,
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Count == 0)
            return [];
        var points = await RetrieveAsync(_chunks, ids, null, cancellationToken).ConfigureAwait(false);
        var chunks = points.Select(ToChunk).ToDictionary(chunk => chunk.Id, StringComparer.Ordinal);
        return [.. ids.Select(id => chunks.GetValueOrDefault(id))];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        if (ids.Count == 0)
            return [];
        var result = await _rest.ReadAsync(
            HttpMethod.Post,
            $"collections/{_chunks}/points",
            writer =>
            {
                writer.WriteStartObject();
                WriteStrings(writer, "ids", ids);
                writer.WriteBoolean("with_payload", false);
                WriteStrings(writer, "with_vector", [DenseName]);
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        var vectors = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var point in result.EnumerateArray())
            if (point.TryGetProperty("vector", out var named) && named.TryGetProperty(DenseName, out var dense))
                vectors[point.GetProperty("id").GetString()!] = [.. dense.EnumerateArray().Select(value => value.GetSingle())];
        return [.. ids.Select(id => vectors.GetValueOrDefault(id))];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var record = await RetrieveAsync(_ledger, [RecordId(source)], ["version"], cancellationToken).ConfigureAwait(false);
        if (record.Count == 0)
            return [];
        var version = record[0].GetProperty("payload").GetProperty("version").GetString()!;
        var chunks = new List<Chunk>();
        await foreach (var point in ScrollAsync(_chunks, writer => WriteMatch(writer, "version", version), cancellationToken).ConfigureAwait(false))
            chunks.Add(ToChunk(point));
        chunks.Sort((x, y) => x.Ordinal.CompareTo(y.Ordinal));
        return chunks;
    }

    /// <inheritdoc/>
    /// <remarks>Every sparse vector is written again; while that goes on, some scores follow the old average and some the new one.</remarks>
    public async Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(averageLength);
        ArgumentNullException.ThrowIfNull(termsOf);
        var info = await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        var batch = new List<Chunk>(_options.BatchSize);
        await foreach (var point in ScrollAsync(_chunks, null, cancellationToken).ConfigureAwait(false))
        {
            batch.Add(ToChunk(point));
            if (batch.Count == _options.BatchSize)
                await FlushAsync().ConfigureAwait(false);
        }

        await FlushAsync().ConfigureAwait(false);
        await WriteInfoAsync(info with { AverageLength = averageLength }, cancellationToken).ConfigureAwait(false);

        async Task FlushAsync()
        {
            if (batch.Count == 0)
                return;
            await _rest.WriteAsync(
                HttpMethod.Put,
                $"collections/{_chunks}/points/vectors?wait=true",
                writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteStartArray("points");
                    foreach (var chunk in batch)
                    {
                        var terms = termsOf(chunk);
                        writer.WriteStartObject();
                        writer.WriteString("id", chunk.Id);
                        writer.WriteStartObject("vector");
                        writer.WritePropertyName(SparseName);
                        WriteSparse(writer, terms.Indices, Bm25.Default.Weigh(terms, averageLength));
                        writer.WriteEndObject();
                        writer.WriteEndObject();
                    }

                    writer.WriteEndArray();
                    writer.WriteEndObject();
                },
                cancellationToken).ConfigureAwait(false);
            batch.Clear();
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Compares the ledger with the server's count of chunks by version. A document that has fewer chunks than its record says (a server that
    /// lost what it had acknowledged) loses its record too, so that the next synchronisation writes it again.
    /// </remarks>
    public async Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default)
    {
        var records = await ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var named = records.ToDictionary(record => record.Version, StringComparer.Ordinal);
        long total = await CountAsync(cancellationToken).ConfigureAwait(false);
        if (total == 0 && records.All(record => record.ChunkCount == 0))
            return 0;
        var facet = await _rest.ReadAsync(
            HttpMethod.Post,
            $"collections/{_chunks}/facet",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("key", "version");
                writer.WriteNumber("limit", Math.Max(1, total));
                writer.WriteBoolean("exact", true);
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        var counts = facet.GetProperty("hits").EnumerateArray().ToDictionary(hit => hit.GetProperty("value").GetString()!, hit => hit.GetProperty("count").GetInt32(), StringComparer.Ordinal);
        string[] broken = [.. records.Where(record => counts.GetValueOrDefault(record.Version) < record.ChunkCount).Select(record => record.Source)];
        await DeleteAsync(broken, cancellationToken).ConfigureAwait(false);
        int removed = 0;
        foreach (var batch in counts.Where(pair => !named.ContainsKey(pair.Key)).Chunk(_options.BatchSize))
        {
            await DeleteByAsync(_chunks, "version", [.. batch.Select(pair => pair.Key)], cancellationToken).ConfigureAwait(false);
            removed += batch.Sum(pair => pair.Value);
        }

        return removed + broken.Sum(source => records.Where(record => record.Source == source).Sum(record => counts.GetValueOrDefault(record.Version)));
    }

    /// <inheritdoc/>
    public async Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        int next = await CurrentGenerationAsync(cancellationToken).ConfigureAwait(false) + 1;
        await CreateGenerationAsync(next, info, cancellationToken).ConfigureAwait(false);
        return new QdrantStore(_options, _rest, next);
    }

    /// <inheritdoc/>
    public async Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default)
    {
        if (rebuilt is not QdrantStore { _generation: { } generation } next || next._rest != _rest)
            throw new ArgumentException("This is not a rebuild of this store.", nameof(rebuilt));
        int old = await CurrentGenerationAsync(cancellationToken).ConfigureAwait(false);
        await PointAliasesAsync(generation, cancellationToken).ConfigureAwait(false);
        if (old != generation)
            await DropGenerationAsync(old, cancellationToken).ConfigureAwait(false);
        _created = null;
    }

    /// <summary>Closes the connections; the server goes on.</summary>
    public ValueTask DisposeAsync()
    {
        if (_ownsRest)
            _rest.Dispose();
        return default;
    }

    private static string RecordId(string source) => NameBasedUuid.Create(RecordNamespace, "document/" + source).ToString();

    private static StoreException WrongWidth(int width, CollectionInfo info)
        => new(StoreError.Mismatch, $"A vector of {width} dimensions does not fit the collection, which has {info.DenseDimension}: another embedder made it. Use that embedder, or re-index.");

    private static DocumentRecord ToRecord(JsonElement payload) => new(
        payload.GetProperty("source").GetString()!,
        payload.GetProperty("hash").GetString()!,
        payload.GetProperty("version").GetString()!,
        payload.GetProperty("chunks").GetInt32(),
        payload.GetProperty("terms").GetInt64(),
        payload.GetProperty("title").GetString(),
        payload.GetProperty("bytes").GetInt64(),
        [.. payload.GetProperty("tags").EnumerateArray().Select(tag => tag.GetString()!)]);

    private static Chunk ToChunk(JsonElement point)
    {
        var payload = point.GetProperty("payload");
        return new Chunk(
            point.GetProperty("id").GetString()!,
            payload.GetProperty("source").GetString()!,
            payload.GetProperty("ordinal").GetInt32(),
            payload.GetProperty("start").GetInt32(),
            payload.GetProperty("end").GetInt32(),
            payload.GetProperty("text").GetString()!,
            payload.GetProperty("heading").GetString(),
            payload.GetProperty("page") is { ValueKind: JsonValueKind.Number } page ? page.GetInt32() : null,
            payload.GetProperty("title").GetString());
    }

    private static void WriteStrings(Utf8JsonWriter writer, string name, IEnumerable<string> values)
    {
        writer.WriteStartArray(name);
        foreach (var value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }

    private static void WriteSparse(Utf8JsonWriter writer, uint[] indices, float[] values)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("indices");
        foreach (uint index in indices)
            writer.WriteNumberValue(index);
        writer.WriteEndArray();
        writer.WriteStartArray("values");
        foreach (float value in values)
            writer.WriteNumberValue(value);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    /// <summary>The condition that a payload field has a value.</summary>
    private static void WriteMatch(Utf8JsonWriter writer, string key, string value)
    {
        writer.WriteStartObject();
        writer.WriteString("key", key);
        writer.WriteStartObject("match");
        writer.WriteString("value", value);
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteFilter(Utf8JsonWriter writer, StoreFilter? filter)
    {
        if (filter is null || (filter.NormalizedPrefix is null && filter.Tags is not { Count: > 0 }))
            return;
        writer.WriteStartObject("filter");
        writer.WriteStartArray("must");
        if (filter.NormalizedPrefix is { } prefix)
            WriteMatch(writer, "prefixes", prefix);
        foreach (var tag in filter.Tags ?? [])
            WriteMatch(writer, "tags", tag);
        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteChunks(Utf8JsonWriter writer, IEnumerable<(DocumentRecord Record, IndexedChunk Chunk)> batch, CollectionInfo info)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("points");
        foreach (var (record, (chunk, terms, dense)) in batch)
        {
            writer.WriteStartObject();
            writer.WriteString("id", chunk.Id);
            writer.WriteStartObject("vector");
            if (info.DenseDimension > 0)
            {
                writer.WriteStartArray(DenseName);
                foreach (float value in dense.Span)
                    writer.WriteNumberValue(value);
                writer.WriteEndArray();
            }

            writer.WritePropertyName(SparseName);
            WriteSparse(writer, terms.Indices, Bm25.Default.Weigh(terms, info.AverageLength));
            writer.WriteEndObject();

            writer.WriteStartObject("payload");
            writer.WriteString("source", chunk.Source);
            writer.WriteString("version", record.Version);
            WriteStrings(writer, "prefixes", StoreFilter.Prefixes(chunk.Source));
            WriteStrings(writer, "tags", record.Tags);
            writer.WriteNumber("ordinal", chunk.Ordinal);
            writer.WriteNumber("start", chunk.Start);
            writer.WriteNumber("end", chunk.End);
            if (chunk.Page is { } page)
                writer.WriteNumber("page", page);
            else
                writer.WriteNull("page");
            writer.WriteString("heading", chunk.Heading);
            writer.WriteString("title", chunk.Title);
            writer.WriteString("text", chunk.Text);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private static void WriteRecords(Utf8JsonWriter writer, IReadOnlyList<DocumentWrite> documents)
    {
        writer.WriteStartObject();
        writer.WriteStartArray("points");
        foreach (var (record, _) in documents)
        {
            writer.WriteStartObject();
            writer.WriteString("id", RecordId(record.Source));
            writer.WriteStartObject("vector");
            writer.WriteEndObject();
            writer.WriteStartObject("payload");
            writer.WriteString("kind", "document");
            writer.WriteString("source", record.Source);
            writer.WriteString("hash", record.Hash);
            writer.WriteString("version", record.Version);
            writer.WriteNumber("chunks", record.ChunkCount);
            writer.WriteNumber("terms", record.TermCount);
            writer.WriteString("title", record.Title);
            writer.WriteNumber("bytes", record.Bytes);
            WriteStrings(writer, "tags", record.Tags);
            writer.WriteEndObject();
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
    }

    private string PhysicalName(int generation) => string.Create(CultureInfo.InvariantCulture, $"{_options.Collection}--{generation}");

    private async Task<CollectionInfo> RequireInfoAsync(CancellationToken cancellationToken)
    {
        // A generation that is being built is this store's alone.
        if (_generation is not null && _created is not null)
            return _created;
        var info = await GetInfoAsync(cancellationToken).ConfigureAwait(false)
            ?? throw new StoreException(StoreError.Missing, $"There is no collection '{_chunks}' at {_options.Address} yet. Ingest documents first.");
        _created = info;
        return info;
    }

    private async Task<IReadOnlyList<ScoredChunk>> SearchAsync(Action<Utf8JsonWriter> writeQuery, int limit, StoreFilter? filter, CancellationToken cancellationToken)
    {
        // Chunks that the ledger does not name (a write under way or broken off) are dropped; then more are asked for.
        int asked = limit;
        for (int round = 1; ; round++, asked *= 2)
        {
            JsonElement result;
            try
            {
                result = await _rest.ReadAsync(
                    HttpMethod.Post,
                    $"collections/{_chunks}/points/query",
                    writer =>
                    {
                        writer.WriteStartObject();
                        writeQuery(writer);
                        writer.WriteNumber("limit", asked);
                        WriteFilter(writer, filter);
                        WriteStrings(writer, "with_payload", ["source", "version"]);
                        writer.WriteEndObject();
                    },
                    cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException exception) when (exception.Error == StoreError.Missing)
            {
                throw new StoreException(StoreError.Missing, $"There is no collection '{_chunks}' at {_options.Address} yet. Ingest documents first.", exception);
            }

            var found = result.GetProperty("points").EnumerateArray().Select(point =>
            {
                var payload = point.GetProperty("payload");
                return (
                    Entry: new ScoredChunk(point.GetProperty("id").GetString()!, payload.GetProperty("source").GetString()!, point.GetProperty("score").GetDouble()),
                    Version: payload.GetProperty("version").GetString()!);
            }).ToList();
            var versions = await VersionsAsync(found.Select(hit => hit.Entry.Source).Distinct(StringComparer.Ordinal), cancellationToken).ConfigureAwait(false);
            var valid = found.Where(hit => versions.GetValueOrDefault(hit.Entry.Source) == hit.Version).Select(hit => hit.Entry).ToList();
            if (valid.Count == found.Count || (valid.Count >= limit) || round == MaxSearchRounds)
            {
                valid.Sort(TopList.Compare);
                return valid.Count > limit ? valid.GetRange(0, limit) : valid;
            }
        }
    }

    private async Task<Dictionary<string, string>> VersionsAsync(IEnumerable<string> sources, CancellationToken cancellationToken)
    {
        string[] ids = [.. sources.Select(RecordId)];
        if (ids.Length == 0)
            return [];
        var points = await RetrieveAsync(_ledger, ids, ["source", "version"], cancellationToken).ConfigureAwait(false);
        return points.Select(point => point.GetProperty("payload")).ToDictionary(payload => payload.GetProperty("source").GetString()!, payload => payload.GetProperty("version").GetString()!, StringComparer.Ordinal);
    }

    private async Task<IReadOnlyList<JsonElement>> RetrieveAsync(string collection, IReadOnlyList<string> ids, string[]? fields, CancellationToken cancellationToken)
    {
        var result = await _rest.ReadAsync(
            HttpMethod.Post,
            $"collections/{collection}/points",
            writer =>
            {
                writer.WriteStartObject();
                WriteStrings(writer, "ids", ids);
                if (fields is null)
                    writer.WriteBoolean("with_payload", true);
                else
                    WriteStrings(writer, "with_payload", fields);
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        return [.. result.EnumerateArray()];
    }

    private async IAsyncEnumerable<JsonElement> ScrollAsync(string collection, Action<Utf8JsonWriter>? condition, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        string? offset = null;
        do
        {
            var from = offset;
            var page = await _rest.ReadAsync(
                HttpMethod.Post,
                $"collections/{collection}/points/scroll",
                writer =>
                {
                    writer.WriteStartObject();
                    writer.WriteNumber("limit", ScrollPage);
                    writer.WriteBoolean("with_payload", true);
                    if (from is not null)
                        writer.WriteString("offset", from);
                    if (condition is not null)
                    {
                        writer.WriteStartObject("filter");
                        writer.WriteStartArray("must");
                        condition(writer);
                        writer.WriteEndArray();
                        writer.WriteEndObject();
                    }

                    writer.WriteEndObject();
                },
                cancellationToken).ConfigureAwait(false);
            foreach (var point in page.GetProperty("points").EnumerateArray())
                yield return point;
            offset = page.GetProperty("next_page_offset").GetString();
        }
        while (offset is not null);
    }

    private async Task<long> CountAsync(CancellationToken cancellationToken)
    {
        var result = await _rest.ReadAsync(
            HttpMethod.Post,
            $"collections/{_chunks}/points/count",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteBoolean("exact", true);
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        return result.GetProperty("count").GetInt64();
    }

    private Task DeleteByAsync(string collection, string field, IReadOnlyList<string> values, CancellationToken cancellationToken)
        => _rest.WriteAsync(
            HttpMethod.Post,
            $"collections/{collection}/points/delete?wait=true",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartObject("filter");
                writer.WriteStartArray("must");
                writer.WriteStartObject();
                writer.WriteString("key", field);
                writer.WriteStartObject("match");
                WriteStrings(writer, "any", values);
                writer.WriteEndObject();
                writer.WriteEndObject();
                writer.WriteEndArray();
                writer.WriteEndObject();
                writer.WriteEndObject();
            },
            cancellationToken);

    private async Task<bool> ExistsAsync(string collection, CancellationToken cancellationToken)
        => (await _rest.ReadAsync(HttpMethod.Get, $"collections/{collection}/exists", null, cancellationToken).ConfigureAwait(false)).GetProperty("exists").GetBoolean();

    private async Task<int> CurrentGenerationAsync(CancellationToken cancellationToken)
    {
        var result = await _rest.ReadAsync(HttpMethod.Get, "aliases", null, cancellationToken).ConfigureAwait(false);
        foreach (var alias in result.GetProperty("aliases").EnumerateArray())
            if (alias.GetProperty("alias_name").GetString() == _options.Collection
                && alias.GetProperty("collection_name").GetString() is { } name
                && name.StartsWith(_options.Collection + "--", StringComparison.Ordinal)
                && int.TryParse(name.AsSpan(_options.Collection.Length + 2), NumberStyles.None, CultureInfo.InvariantCulture, out int generation))
                return generation;
        throw new StoreException(StoreError.Foreign, $"The collection '{_options.Collection}' at {_options.Address} was not made by Kotonoha. Choose another collection's name.");
    }

    private async Task CreateGenerationAsync(int generation, CollectionInfo info, CancellationToken cancellationToken)
    {
        // What an abandoned rebuild or creation left behind goes first.
        await DropGenerationAsync(generation, cancellationToken).ConfigureAwait(false);
        var name = PhysicalName(generation);
        await PutCollectionAsync(
            name,
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartObject("vectors");
                if (info.DenseDimension > 0)
                {
                    writer.WriteStartObject(DenseName);
                    writer.WriteNumber("size", info.DenseDimension);
                    writer.WriteString("distance", "Cosine");
                    writer.WriteEndObject();
                }

                writer.WriteEndObject();
                writer.WriteStartObject("sparse_vectors");
                writer.WriteStartObject(SparseName);
                writer.WriteString("modifier", "idf");
                writer.WriteEndObject();
                writer.WriteEndObject();
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        // Before the first upload: filters then have their links in the graph from the start.
        foreach (var field in (string[])["source", "version", "prefixes", "tags"])
            await PutIndexAsync(name, field, cancellationToken).ConfigureAwait(false);
        await PutCollectionAsync(
            name + "--documents",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartObject("vectors");
                writer.WriteEndObject();
                writer.WriteEndObject();
            },
            cancellationToken).ConfigureAwait(false);
        await PutIndexAsync(name + "--documents", "kind", cancellationToken).ConfigureAwait(false);
        await new QdrantStore(_options, _rest, generation).WriteInfoAsync(info, cancellationToken).ConfigureAwait(false);
    }

    private async Task PutCollectionAsync(string name, Action<Utf8JsonWriter> body, CancellationToken cancellationToken)
    {
        try
        {
            await _rest.WriteAsync(HttpMethod.Put, $"collections/{name}", body, cancellationToken).ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Error == StoreError.Busy)
        {
            // The name was free a moment ago: this is our own request whose answer was lost and that was repeated.
        }
    }

    private Task PutIndexAsync(string collection, string field, CancellationToken cancellationToken)
        => _rest.WriteAsync(
            HttpMethod.Put,
            $"collections/{collection}/index?wait=true",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteString("field_name", field);
                writer.WriteString("field_schema", "keyword");
                writer.WriteEndObject();
            },
            cancellationToken);

    private Task WriteInfoAsync(CollectionInfo info, CancellationToken cancellationToken)
        => _rest.WriteAsync(
            HttpMethod.Put,
            $"collections/{_ledger}/points?wait=true",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartArray("points");
                writer.WriteStartObject();
                writer.WriteString("id", InfoId);
                writer.WriteStartObject("vector");
                writer.WriteEndObject();
                writer.WriteStartObject("payload");
                writer.WriteString("kind", "collection");
                writer.WritePropertyName("info");
                JsonSerializer.Serialize(writer, info, StoreJson.Default.CollectionInfo);
                writer.WriteEndObject();
                writer.WriteEndObject();
                writer.WriteEndArray();
                writer.WriteEndObject();
            },
            cancellationToken);

    private async Task DropGenerationAsync(int generation, CancellationToken cancellationToken)
    {
        foreach (var name in (string[])[PhysicalName(generation) + "--documents", PhysicalName(generation)])
            await _rest.WriteAsync(HttpMethod.Delete, $"collections/{name}", null, cancellationToken).ConfigureAwait(false);
    }

    private Task PointAliasesAsync(int generation, CancellationToken cancellationToken)
        => _rest.WriteAsync(
            HttpMethod.Post,
            "collections/aliases",
            writer =>
            {
                writer.WriteStartObject();
                writer.WriteStartArray("actions");
                foreach (var suffix in (string[])["", "--documents"])
                {
                    writer.WriteStartObject();
                    writer.WriteStartObject("create_alias");
                    writer.WriteString("collection_name", PhysicalName(generation) + suffix);
                    writer.WriteString("alias_name", _options.Collection + suffix);
                    writer.WriteEndObject();
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
                writer.WriteEndObject();
            },
            cancellationToken);
}
