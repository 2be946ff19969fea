using System.Diagnostics;
using System.Runtime.CompilerServices;
using Kotonoha.Rag.Chunking;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A knowledge store on a Qdrant server (1.16 or later), over gRPC: one collection with the named vectors <c>dense</c> (cosine) and
/// <c>bm25</c> (sparse, idf by the server) and a flat payload, and the ledger in a second collection without vectors,
/// <c>NAME--documents</c>.
/// </summary>
/// <remarks>
/// Thread-safe. Both names are aliases of a numbered generation, so that a rebuild takes their place at once. Requests are repeated while
/// the server is away or overloaded, for a bounded time. Where somebody deleted an alias, it is put back; where a collection is gone,
/// there is no collection any more until <see cref="CreateAsync"/> makes the next generation. After deletions the server's idf lags until
/// it rebuilds a segment.
/// </remarks>
public sealed partial class QdrantStore : IKnowledgeStore
{
    /// <summary>Up to this many chunks, dense searches look at every vector; beyond, the server's index answers approximately.</summary>
    public const int MaxExactChunks = 50_000;

    private const int PagePoints = 500;
    private const int ParallelUploads = 2;
    private const int MaxSearchRounds = 6;

    private static readonly TimeSpan Freshness = TimeSpan.FromSeconds(5);

    private readonly QdrantConnection _connection;
    private readonly QdrantGenerations _generations;
    private readonly QdrantStoreOptions _options;
    private readonly QdrantLayout _layout;
    private readonly ILogger _logger;
    private readonly bool _ownsConnection;
    private readonly int? _generation;
    private readonly string _chunks;
    private readonly string _ledger;
    private readonly CollectionInfo? _building;
    private volatile Found? _seen;
    private int _foreignPoints;

    /// <summary>Creates a store; the server is asked at the first call.</summary>
    /// <param name="options">Which server and collection.</param>
    /// <param name="logger">Told of requests that are repeated and of points that Kotonoha did not write, or null.</param>
    /// <exception cref="ArgumentException">The name cannot be a collection's, or the address not a gRPC server's.</exception>
    public QdrantStore(QdrantStoreOptions options, ILogger<QdrantStore>? logger = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Collection.Length is 0 or > 200 || !options.Collection.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.'))
            throw new ArgumentException(
                $"'{options.Collection}' cannot be a collection's name: letters, digits, '-', '_' and '.' can be used.", nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.BatchSize);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.RequestTimeoutSeconds);
        ArgumentOutOfRangeException.ThrowIfNegative(options.ReadRetrySeconds);
        ArgumentOutOfRangeException.ThrowIfNegative(options.WriteRetrySeconds);
        CheckCluster(options);
        if (!(options.Oversampling >= 1) || !double.IsFinite(options.Oversampling))
            throw new ArgumentOutOfRangeException(nameof(options), options.Oversampling, "Oversampling is at least 1.");
        _options = options;
        _layout = new QdrantLayout(options);
        _logger = logger ?? NullLogger<QdrantStore>.Instance;
        _connection = new QdrantConnection(options, _logger);
        _ownsConnection = true;
        _generations = new QdrantGenerations(_connection, options);
        _chunks = _generations.Chunks(null);
        _ledger = _generations.Ledger(null);
    }

    private static void CheckCluster(QdrantStoreOptions options)
    {
        ArgumentNullException.ThrowIfNull(options.FurtherAddresses);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(options.ShardNumber ?? 1);
        int copies = options.ReplicationFactor ?? 1, confirmed = options.WriteConsistencyFactor ?? 1;
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(copies);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(confirmed);
        if (confirmed > copies)
            throw new ArgumentException(
                $"{confirmed} copies cannot confirm a write where there are {copies} (WriteConsistencyFactor, ReplicationFactor).",
                nameof(options));
    }

    /// <summary>A generation that is being built: this store's alone.</summary>
    private QdrantStore(QdrantStore store, int generation, CollectionInfo info)
    {
        (_options, _layout, _logger) = (store._options, store._layout, store._logger);
        (_connection, _generations) = (store._connection, store._generations);
        _generation = generation;
        _building = info;
        _chunks = _generations.Chunks(generation);
        _ledger = _generations.Ledger(generation);
    }

    /// <inheritdoc/>
    public string Location => new Uri(_options.Address, $"collections/{_chunks}").ToString();

    /// <inheritdoc/>
    public async Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default)
        => (await FindAsync(cancellationToken).ConfigureAwait(false))?.Info;

    /// <inheritdoc/>
    public async Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        _connection.BeginWrite();
        if (await GetInfoAsync(cancellationToken).ConfigureAwait(false) is not null)
            throw new StoreException(
                StoreError.Busy,
                $"The collection '{_chunks}' at {_options.Address} was created by another process in the meantime. Start again.");
        int generation = await _generations.CreateNextAsync(info, cancellationToken).ConfigureAwait(false);
        await _generations.CommitAsync(generation, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        _connection.BeginWrite();
        var info = await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        foreach (var document in documents)
            document.Check(info);

        // 1. New chunks.
        var points = documents.SelectMany(document => document.Chunks.Select(chunk => QdrantPoints.Of(document.Record, chunk, info)));
        await Parallel.ForEachAsync(
            QdrantPoints.Batches(points, _options.BatchSize),
            new ParallelOptions { MaxDegreeOfParallelism = ParallelUploads, CancellationToken = cancellationToken },
            async (batch, token) => await UpsertAsync(_chunks, batch, token).ConfigureAwait(false)).ConfigureAwait(false);

        // 2. The records: from here on the new versions answer.
        var sources = documents.Select(document => document.Record.Source);
        var old = await VersionsAsync(sources, cancellationToken).ConfigureAwait(false) ?? throw NotThere();
        foreach (var batch in QdrantPoints.Batches(documents.Select(document => QdrantPoints.Of(document.Record)), _options.BatchSize))
            await UpsertAsync(_ledger, batch, cancellationToken).ConfigureAwait(false);

        // 3. Old chunks go.
        var present = documents.Select(document => document.Record.Version);
        await DeleteByAsync("version", old.Values.Except(present, StringComparer.Ordinal), cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        _connection.BeginWrite();
        if (sources.Count == 0 || (_building ?? await GetInfoAsync(cancellationToken).ConfigureAwait(false)) is null)
            return;
        // The records first: without them no search gives the chunks back.
        foreach (var batch in sources.Chunk(_options.BatchSize))
        {
            PointId[] records = [.. batch.Select(QdrantPoints.RecordId)];
            await _connection.WriteAsync(
                (client, token) => client.DeleteAsync(_ledger, records, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
            await DeleteByAsync("source", batch, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default)
    {
        // Where the chunks are gone, the ledger's records count for nothing.
        if (await GetInfoAsync(cancellationToken).ConfigureAwait(false) is null)
            return [];
        var records = new List<DocumentRecord>();
        var isDocument = Conditions.MatchKeyword("kind", "document");
        await foreach (var page in ScrollAsync(_ledger, isDocument, cancellationToken).ConfigureAwait(false))
            records.AddRange(OfOurs(page, QdrantPoints.ToRecord));
        records.Sort((x, y) => string.CompareOrdinal(x.Source, y.Source));
        return records;
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<DocumentRecord?>> ReadRecordsAsync(
        IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        // As in the list: where the chunks are gone, the ledger's records count for nothing.
        bool isKnown = _building is not null || (_seen is { } seen && Stopwatch.GetElapsedTime(seen.At) < Freshness);
        if (!isKnown && await GetInfoAsync(cancellationToken).ConfigureAwait(false) is null)
            return new DocumentRecord?[sources.Count];
        var ids = sources.Select(QdrantPoints.RecordId).DistinctBy(id => id.Uuid);
        var points = await RetrieveAsync(_ledger, ids, true, false, cancellationToken).ConfigureAwait(false);
        var records = OfOurs(points, QdrantPoints.ToRecord).ToDictionary(record => record.Source, StringComparer.Ordinal);
        return [.. sources.Select(source => records.GetValueOrDefault(source))];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        // A look of a moment ago is enough: what has changed since shows in the server's answer.
        var found = _seen is { } seen && Stopwatch.GetElapsedTime(seen.At) < Freshness
            ? seen
            : await RequireAsync(cancellationToken).ConfigureAwait(false);
        if (query.Length != found.Info.DenseDimension)
            found = await RequireAsync(cancellationToken).ConfigureAwait(false);
        if (query.Length != found.Info.DenseDimension)
            throw StoreException.WrongWidth(query.Length, found.Info);
        if (query.Length == 0 || limit == 0)
            return [];
        bool exact = _options.ExactSearch ?? found.Points <= MaxExactChunks;
        var dense = new VectorInput { Dense = QdrantPoints.Dense(query.Span) };
        return await SearchAsync(dense, QdrantPoints.DenseName, exact, limit, filter, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        if (query.Indices.Length == 0 || limit == 0)
        {
            await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
            return [];
        }

        var sparse = new VectorInput { Sparse = QdrantPoints.Sparse(query.Indices, Array.ConvertAll(query.Counts, count => (float)count)) };
        return await SearchAsync(sparse, QdrantPoints.SparseName, exact: null, limit, filter, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var points = await RetrieveAsync(_chunks, ids.Select(QdrantPoints.Id), true, false, cancellationToken).ConfigureAwait(false);
        var chunks = OfOurs(points, QdrantPoints.ToChunk).ToDictionary(chunk => chunk.Id, StringComparer.Ordinal);
        return [.. ids.Select(id => chunks.GetValueOrDefault(id))];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var vectors = new Dictionary<string, float[]>(StringComparer.Ordinal);
        var points = await RetrieveAsync(_chunks, ids.Select(QdrantPoints.Id), false, (string[])[QdrantPoints.DenseName], cancellationToken)
            .ConfigureAwait(false);
        foreach (var point in points)
            if (point.Vectors?.Vectors?.Vectors.TryGetValue(QdrantPoints.DenseName, out var dense) == true)
                vectors[point.Id.Uuid] = [.. dense.GetDenseVector()!.Data];
        return [.. ids.Select(id => vectors.GetValueOrDefault(id))];
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        var versions = await VersionsAsync([source], cancellationToken).ConfigureAwait(false);
        if (versions?.GetValueOrDefault(source) is not { } version)
            return [];
        var chunks = new List<Chunk>();
        var isCurrent = Conditions.MatchKeyword("version", version);
        await foreach (var page in ScrollAsync(_chunks, isCurrent, cancellationToken).ConfigureAwait(false))
            chunks.AddRange(OfOurs(page, QdrantPoints.ToChunk));
        chunks.Sort((x, y) => x.Ordinal.CompareTo(y.Ordinal));
        return chunks;
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Every sparse vector is written again; while that goes on, some scores follow the old average and some the new one.
    /// </remarks>
    public async Task SetAverageLengthAsync(
        double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(averageLength);
        ArgumentNullException.ThrowIfNull(termsOf);
        _connection.BeginWrite();
        var info = await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        await foreach (var page in ScrollAsync(_chunks, null, cancellationToken).ConfigureAwait(false))
        {
            var vectors = OfOurs(page, QdrantPoints.ToChunk).Select(chunk => QdrantPoints.Of(chunk, termsOf(chunk), averageLength));
            foreach (var batch in QdrantPoints.Batches(vectors, _options.BatchSize))
                await _connection.WriteAsync(
                    (client, token) => client.UpdateVectorsAsync(_chunks, batch, cancellationToken: token),
                    cancellationToken).ConfigureAwait(false);
        }

        await _generations.WriteInfoAsync(_ledger, info with { AverageLength = averageLength }, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    /// <remarks>
    /// Compares the ledger with the server's count of chunks by version. A document that has fewer chunks than its record says (a server
    /// that lost what it had acknowledged) loses its record too, so that the next synchronisation writes it again. Payload indexes that
    /// somebody deleted are made again, and vectors are laid as the options say.
    /// </remarks>
    public async Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default)
    {
        _connection.BeginWrite();
        if (await GetInfoAsync(cancellationToken).ConfigureAwait(false) is null)
            return 0;
        await _generations.MendAsync(_generation, cancellationToken).ConfigureAwait(false);
        var records = await ListDocumentsAsync(cancellationToken).ConfigureAwait(false);
        var named = records.Select(record => record.Version).ToHashSet(StringComparer.Ordinal);
        ulong total = await _connection.ReadAsync(
            (client, token) => client.CountAsync(_chunks, cancellationToken: token),
            cancellationToken).ConfigureAwait(false);
        if (total == 0 && records.All(record => record.ChunkCount == 0))
            return 0;
        var facet = await _connection.ReadAsync(
            (client, token) => client.FacetAsync(_chunks, "version", limit: Math.Max(1, total), exact: true, cancellationToken: token),
            cancellationToken).ConfigureAwait(false);
        var counts = facet.Hits.ToDictionary(hit => hit.Value.StringValue, hit => (int)hit.Count, StringComparer.Ordinal);
        var broken = records.Where(record => counts.GetValueOrDefault(record.Version) < record.ChunkCount).ToList();
        await DeleteAsync([.. broken.Select(record => record.Source)], cancellationToken).ConfigureAwait(false);
        var unnamed = counts.Where(pair => !named.Contains(pair.Key)).ToList();
        await DeleteByAsync("version", unnamed.Select(pair => pair.Key), cancellationToken).ConfigureAwait(false);
        return unnamed.Sum(pair => pair.Value) + broken.Sum(record => counts.GetValueOrDefault(record.Version));
    }

    /// <inheritdoc/>
    public async Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        _connection.BeginWrite();
        await RequireInfoAsync(cancellationToken).ConfigureAwait(false);
        return new QdrantStore(this, await _generations.CreateNextAsync(info, cancellationToken).ConfigureAwait(false), info);
    }

    /// <inheritdoc/>
    public async Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default)
    {
        if (rebuilt is not QdrantStore { _generation: { } generation } next || next._connection != _connection)
            throw new ArgumentException("This is not a rebuild of this store.", nameof(rebuilt));
        _connection.BeginWrite();
        await _generations.CommitAsync(generation, cancellationToken).ConfigureAwait(false);
        _seen = null;
    }

    /// <summary>Removes every chunk of a document that is not of its record's version, whatever wrote it.</summary>
    internal Task RemoveOtherVersionsAsync(DocumentRecord record, CancellationToken cancellationToken)
    {
        var others = new Filter
        {
            Must = { Conditions.MatchKeyword("source", record.Source) },
            MustNot = { Conditions.MatchKeyword("version", record.Version), Conditions.IsEmpty("version") },
        };
        return _connection.WriteAsync(
            (client, token) => client.DeleteAsync(_chunks, others, cancellationToken: token), cancellationToken);
    }

    /// <summary>Closes the connections; the server goes on.</summary>
    public void Dispose()
    {
        if (_ownsConnection)
            _connection.Dispose();
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return default;
    }

    /// <summary>The metadata and the number of chunks, or null where there is no collection; aliases that are gone are put back.</summary>
    private async Task<Found?> FindAsync(CancellationToken cancellationToken)
    {
        var found = await LookAsync(cancellationToken).ConfigureAwait(false);
        if (found is null && _generation is null && await _generations.RestoreAliasesAsync(cancellationToken).ConfigureAwait(false))
            found = await LookAsync(cancellationToken).ConfigureAwait(false);
        return found is null or { Info.SchemaVersion: CollectionInfo.CurrentSchemaVersion }
            ? found
            : throw new StoreException(
                StoreError.Foreign,
                $"The collection '{_chunks}' at {_options.Address} has layout {found.Info.SchemaVersion}; this version of Kotonoha reads "
                + $"layout {CollectionInfo.CurrentSchemaVersion}. Delete the collection on the server and ingest the documents again.");
    }

    /// <summary>The same where chunks and ledger are both there under their names.</summary>
    private async Task<Found?> LookAsync(CancellationToken cancellationToken)
    {
        var points = _generations.CountAsync(_chunks, cancellationToken);
        var info = _generations.ReadInfoAsync(_ledger, cancellationToken);
        await Task.WhenAll(points, info).ConfigureAwait(false);
        return _seen = await points.ConfigureAwait(false) is { } count && await info.ConfigureAwait(false) is { } present
            ? new Found(present, count, Stopwatch.GetTimestamp())
            : null;
    }

    private async Task<Found> RequireAsync(CancellationToken cancellationToken)
        => await FindAsync(cancellationToken).ConfigureAwait(false) ?? throw NotThere();

    // A generation that is being built is this store's alone.
    private async Task<CollectionInfo> RequireInfoAsync(CancellationToken cancellationToken)
        => _building ?? (await RequireAsync(cancellationToken).ConfigureAwait(false)).Info;

    private StoreException NotThere()
        => new(StoreError.Missing, $"There is no collection '{_chunks}' at {_options.Address} (any more). {StoreException.HowToIngest}");

    private async Task<IReadOnlyList<ScoredChunk>> SearchAsync(
        VectorInput query, string vector, bool? exact, int limit, StoreFilter? filter, CancellationToken cancellationToken)
    {
        try
        {
            if (await TrySearchAsync(query, vector, exact, limit, filter, cancellationToken).ConfigureAwait(false) is { } chunks)
                return chunks;
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            // It may be only an alias that has gone.
        }
        catch (StoreException exception) when (exception.Error == StoreError.Refused)
        {
            // Says so where the name belongs to somebody else's collection.
            await RequireAsync(cancellationToken).ConfigureAwait(false);
            throw;
        }

        await RequireAsync(cancellationToken).ConfigureAwait(false);
        return await TrySearchAsync(query, vector, exact, limit, filter, cancellationToken).ConfigureAwait(false) ?? throw NotThere();
    }

    /// <summary>Searches; null where there is no ledger that could vouch for what is found.</summary>
    private async Task<IReadOnlyList<ScoredChunk>?> TrySearchAsync(
        VectorInput query, string vector, bool? exact, int limit, StoreFilter? filter, CancellationToken cancellationToken)
    {
        // Chunks that the ledger does not name (a write under way or broken off) are dropped; then more are asked for.
        int asked = limit;
        for (int round = 1; ; round++, asked *= 2)
        {
            var points = await _connection.ReadAsync(
                (client, token) => client.QueryAsync(
                    _chunks,
                    new Query { Nearest = query },
                    usingVector: vector,
                    filter: FilterOf(filter),
                    searchParams: exact is { } look ? _layout.Search(look) : null,
                    limit: (ulong)asked,
                    payloadSelector: (string[])["source", "version"],
                    readConsistency: _connection.Consistency,
                    cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
            var found = OfOurs(points, ToHit).ToList();
            var sources = found.Select(hit => hit.Chunk.Source).Distinct(StringComparer.Ordinal);
            if (await VersionsAsync(sources, cancellationToken).ConfigureAwait(false) is not { } versions)
                return null;
            var valid = found.Where(hit => versions.GetValueOrDefault(hit.Chunk.Source) == hit.Version).Select(hit => hit.Chunk).ToList();
            if (valid.Count == points.Count || valid.Count >= limit || points.Count < asked || round == MaxSearchRounds)
            {
                valid.Sort(TopList.Compare);
                return valid.Count > limit ? valid.GetRange(0, limit) : valid;
            }
        }

        static Hit? ToHit(ScoredPoint point)
            => QdrantPoints.Text(point.Payload, "source") is { } source && QdrantPoints.Text(point.Payload, "version") is { } version
                ? new Hit(new ScoredChunk(point.Id.Uuid, source, point.Score), version)
                : null;
    }

    private Filter? FilterOf(StoreFilter? filter)
    {
        var result = ConditionsOf(filter);
        // Once such points have been seen, they must not crowd out ours.
        if (Volatile.Read(ref _foreignPoints) != 0)
            result.MustNot.Add(Conditions.IsEmpty("version"));
        return result.Must.Count + result.MustNot.Count == 0 ? null : result;
    }

    private static Filter ConditionsOf(StoreFilter? filter)
    {
        var result = new Filter();
        if (filter?.NormalizedPrefix is { } prefix)
            result.Must.Add(Conditions.MatchKeyword("prefixes", prefix));
        if (filter?.Scope is { } scope)
        {
            // The tenant's own points lie together (is_tenant); public ones have none.
            result.Must.Add(Conditions.Match("access", (string[])[.. scope.Keys]));
            var tenant = Conditions.MatchKeyword("tenant", scope.Tenant);
            var everybody = Conditions.MatchKeyword("access", DocumentAccess.PublicKey);
            result.Must.Add(new Condition { Filter = new Filter { Should = { tenant, everybody } } });
        }

        foreach (var tag in filter?.Tags ?? [])
            result.Must.Add(Conditions.MatchKeyword("tags", tag));
        result.Must.AddRange((filter?.AllOf ?? []).Select(Part));
        if (filter?.AnyOf is { Count: > 0 } any)
            result.Must.Add(new Condition { Filter = new Filter { Should = { any.Select(Part) } } });
        result.MustNot.AddRange((filter?.NoneOf ?? []).Select(Part));
        return result;

        // A filter without conditions lets everything through; every point of ours has a source.
        static Condition Part(StoreFilter part) => ConditionsOf(part) is var inner && inner.Must.Count + inner.MustNot.Count > 0
            ? new Condition { Filter = inner }
            : new Condition { Filter = new Filter { MustNot = { Conditions.IsEmpty("source") } } };
    }

    /// <summary>What points say; those that Kotonoha did not write are passed over, with one warning per store.</summary>
    private IEnumerable<TResult> OfOurs<TPoint, TResult>(IEnumerable<TPoint> points, Func<TPoint, TResult?> read)
        where TResult : class
    {
        foreach (var point in points)
        {
            if (read(point) is { } ours)
                yield return ours;
            else if (Interlocked.Exchange(ref _foreignPoints, 1) == 0)
                _logger.LogWarning(
                    "The collection '{Collection}' at {Address} holds points that Kotonoha did not write; they are passed over.",
                    _chunks,
                    _options.Address);
        }
    }

    /// <summary>The versions that the ledger names, by source; null where there is no ledger.</summary>
    private async Task<Dictionary<string, string>?> VersionsAsync(IEnumerable<string> sources, CancellationToken cancellationToken)
    {
        var ids = sources.Select(QdrantPoints.RecordId).Prepend(QdrantPoints.InfoId);
        var versions = new Dictionary<string, string>(StringComparer.Ordinal);
        bool isLedger = false;
        var points = await RetrieveAsync(_ledger, ids, (string[])["source", "version"], false, cancellationToken).ConfigureAwait(false);
        foreach (var point in points)
        {
            isLedger |= point.Id.Uuid == QdrantPoints.InfoId.Uuid;
            if (QdrantPoints.Text(point.Payload, "source") is { } source && QdrantPoints.Text(point.Payload, "version") is { } version)
                versions[source] = version;
        }

        return isLedger ? versions : null;
    }

    private async Task<List<RetrievedPoint>> RetrieveAsync(
        string collection,
        IEnumerable<PointId> ids,
        WithPayloadSelector payload,
        WithVectorsSelector vectors,
        CancellationToken cancellationToken)
    {
        var points = new List<RetrievedPoint>();
        var waiting = new Queue<PointId[]>(ids.Chunk(PagePoints));
        while (waiting.TryDequeue(out var page))
        {
            try
            {
                points.AddRange(await _connection.ReadAsync(
                    (client, token) => client.RetrieveAsync(
                        collection, page, payload, vectors, _connection.Consistency, cancellationToken: token),
                    cancellationToken).ConfigureAwait(false));
            }
            catch (StoreException exception) when (page.Length > 1 && QdrantConnection.IsTooLarge(exception))
            {
                foreach (var half in page.Chunk((page.Length + 1) / 2))
                    waiting.Enqueue(half);
            }
            catch (StoreException exception) when (exception.Error == StoreError.Missing)
            {
                // No collection, so no such points.
                return points;
            }
        }

        return points;
    }

    private async IAsyncEnumerable<IReadOnlyList<RetrievedPoint>> ScrollAsync(
        string collection, Condition? condition, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var filter = condition is null ? null : new Filter { Must = { condition } };
        PointId? offset = null;
        uint limit = PagePoints;
        while (true)
        {
            ScrollResponse page;
            try
            {
                page = await _connection.ReadAsync(
                    (client, token) => client.ScrollAsync(
                        collection, filter, limit, offset, true, readConsistency: _connection.Consistency, cancellationToken: token),
                    cancellationToken).ConfigureAwait(false);
            }
            catch (StoreException exception) when (limit > 1 && QdrantConnection.IsTooLarge(exception))
            {
                limit /= 2;
                continue;
            }
            catch (StoreException exception) when (exception.Error == StoreError.Missing)
            {
                // No collection, so no points.
                yield break;
            }

            yield return page.Result;
            if (page.NextPageOffset is null)
                yield break;
            offset = page.NextPageOffset;
        }
    }

    private Task UpsertAsync(string collection, IReadOnlyList<PointStruct> points, CancellationToken cancellationToken)
        => _connection.WriteAsync((client, token) => client.UpsertAsync(collection, points, cancellationToken: token), cancellationToken);

    /// <summary>Deletes the chunks whose payload field has one of the values.</summary>
    private async Task DeleteByAsync(string field, IEnumerable<string> values, CancellationToken cancellationToken)
    {
        foreach (var batch in values.Chunk(_options.BatchSize))
        {
            // Another's points may have a field of this name.
            var filter = new Filter { Must = { Conditions.Match(field, batch) }, MustNot = { Conditions.IsEmpty("version") } };
            await _connection.WriteAsync(
                (client, token) => client.DeleteAsync(_chunks, filter, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
        }
    }

    private sealed record Found(CollectionInfo Info, ulong Points, long At);

    private sealed record Hit(ScoredChunk Chunk, string Version);
}
