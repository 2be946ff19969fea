using System.Globalization;
using Qdrant.Client;
using Qdrant.Client.Grpc;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// The collections of one knowledge base on a Qdrant server. A generation N is two collections, <c>NAME--N</c> with the chunks and
/// <c>NAME--N--documents</c> with the ledger; the aliases <c>NAME</c> and <c>NAME--documents</c> name the one that answers. A generation
/// is whole when both are there and the ledger holds the collection's metadata, which is written last.
/// </summary>
internal sealed class QdrantGenerations(QdrantConnection connection, QdrantStoreOptions options)
{
    private const string LedgerSuffix = "--documents";
    private const string TenantField = "tenant";

    private readonly QdrantLayout _layout = new(options);

    private static readonly string[] ChunkFields = ["source", "version", "prefixes", "tags", "access", TenantField];
    private static readonly string[] LedgerFields = ["kind"];

    /// <summary>The collection with the chunks: of a generation, or by its alias.</summary>
    public string Chunks(int? generation)
        => generation is { } number ? string.Create(CultureInfo.InvariantCulture, $"{options.Collection}--{number}") : options.Collection;

    /// <summary>The collection with the ledger: of a generation, or by its alias.</summary>
    public string Ledger(int? generation) => Chunks(generation) + LedgerSuffix;

    /// <summary>
    /// Looks closer where the aliases do not lead to a whole generation, and puts them back where only they are gone.
    /// </summary>
    /// <returns>Whether there is a whole generation now; if not, the next one has to be created.</returns>
    /// <exception cref="StoreException">Somebody else's collection has the name.</exception>
    public async Task<bool> RestoreAliasesAsync(CancellationToken cancellationToken)
    {
        var survey = await SurveyAsync(cancellationToken).ConfigureAwait(false);
        // Without any alias, the lowest one: a higher one is a rebuild that was never committed.
        IEnumerable<int> candidates = survey.Aliased is { } aliased ? [aliased] : survey.Chunks.Intersect(survey.Ledgers).Order();
        foreach (int generation in candidates)
            if (survey.Chunks.Contains(generation) && survey.Ledgers.Contains(generation)
                && await IsOursAsync(Chunks(generation), cancellationToken).ConfigureAwait(false)
                && await ReadInfoAsync(Ledger(generation), cancellationToken).ConfigureAwait(false) is not null)
            {
                await PointAliasesAsync(generation, cancellationToken).ConfigureAwait(false);
                return true;
            }

        return false;
    }

    /// <summary>Creates the generation after the present one; whatever else of ours is there and does not answer is deleted.</summary>
    public async Task<int> CreateNextAsync(CollectionInfo info, CancellationToken cancellationToken)
    {
        var survey = await SurveyAsync(cancellationToken).ConfigureAwait(false);
        await DropOthersAsync(survey.Aliased, cancellationToken).ConfigureAwait(false);
        await CreateAsync(survey.Next, info, cancellationToken).ConfigureAwait(false);
        return survey.Next;
    }

    /// <summary>Makes a generation the one that answers, at once, and deletes the others.</summary>
    public async Task CommitAsync(int generation, CancellationToken cancellationToken)
    {
        await PointAliasesAsync(generation, cancellationToken).ConfigureAwait(false);
        await DropOthersAsync(generation, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Reads the metadata from a ledger.</summary>
    /// <returns>The metadata, or null where there is no such collection or it holds none.</returns>
    public async Task<CollectionInfo?> ReadInfoAsync(string ledger, CancellationToken cancellationToken)
    {
        try
        {
            var points = await connection.ReadAsync(
                (client, token) => client.RetrieveAsync(
                    ledger, [QdrantPoints.InfoId], readConsistency: connection.Consistency, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
            return points.Count == 0 ? null : QdrantPoints.ToInfo(points[0]);
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            return null;
        }
    }

    /// <summary>
    /// How many points a collection has, or null where there is none; not exact while the server rearranges its segments.
    /// </summary>
    /// <exception cref="StoreException">It has other vectors than ours: it is somebody else's.</exception>
    public async Task<ulong?> CountAsync(string chunks, CancellationToken cancellationToken)
    {
        try
        {
            var found = await DescribeAsync(chunks, cancellationToken).ConfigureAwait(false);
            return HasOurVectors(found) ? found.PointsCount : throw Foreign(chunks);
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            return null;
        }
    }

    /// <summary>
    /// Recreates payload indexes that somebody deleted (every field that is filtered by has one), and lays vectors and payloads as the
    /// options say.
    /// </summary>
    public async Task MendAsync(int? generation, CancellationToken cancellationToken)
    {
        var chunks = await AddMissingAsync(Chunks(generation), ChunkFields).ConfigureAwait(false);
        await AddMissingAsync(Ledger(generation), LedgerFields).ConfigureAwait(false);
        if (_layout.ChangesTo(chunks.Config.Params) is { } changes
            && (generation ?? (await SurveyAsync(cancellationToken).ConfigureAwait(false)).Aliased) is { } number)
            await connection.WriteAsync(
                (client, token) => client.UpdateCollectionAsync(
                    Chunks(number), changes.Vectors, collectionParams: changes.Collection, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);

        async Task<Qdrant.Client.Grpc.CollectionInfo> AddMissingAsync(string collection, string[] fields)
        {
            var found = await DescribeAsync(collection, cancellationToken).ConfigureAwait(false);
            var missing = fields.Where(field => !found.PayloadSchema.ContainsKey(field));
            await IndexAsync(collection, missing, cancellationToken).ConfigureAwait(false);
            return found;
        }
    }

    /// <summary>Finds out what the server holds under our names.</summary>
    /// <exception cref="StoreException">Somebody else's collection has the name.</exception>
    public async Task<QdrantSurvey> SurveyAsync(CancellationToken cancellationToken)
    {
        var aliases = await connection.ReadAsync((client, token) => client.ListAliasesAsync(token), cancellationToken)
            .ConfigureAwait(false);
        var collections = await connection.ReadAsync((client, token) => client.ListCollectionsAsync(token), cancellationToken)
            .ConfigureAwait(false);
        int? chunksAlias = null, ledgerAlias = null;
        foreach (var alias in aliases)
        {
            if (alias.AliasName == options.Collection)
                chunksAlias = Number(alias.CollectionName, "") ?? throw Foreign(options.Collection);
            else if (alias.AliasName == options.Collection + LedgerSuffix)
                ledgerAlias = Number(alias.CollectionName, LedgerSuffix) ?? throw Foreign(alias.AliasName);
        }

        foreach (var taken in collections.Where(
            collection => collection == options.Collection || collection == options.Collection + LedgerSuffix))
            throw Foreign(taken);
        if (chunksAlias is { } answering && !await IsOursAsync(Chunks(answering), cancellationToken).ConfigureAwait(false))
            throw Foreign(options.Collection);
        return new QdrantSurvey(
            chunksAlias ?? ledgerAlias,
            [.. collections.Select(collection => Number(collection, "")).OfType<int>()],
            [.. collections.Select(collection => Number(collection, LedgerSuffix)).OfType<int>()]);
    }

    /// <summary>Adds the metadata to a ledger, or replaces them.</summary>
    public Task WriteInfoAsync(string ledger, CollectionInfo info, CancellationToken cancellationToken)
        => connection.WriteAsync(
            (client, token) => client.UpsertAsync(ledger, [QdrantPoints.Of(info)], cancellationToken: token),
            cancellationToken);

    private StoreException Foreign(string collection) => new(
        StoreError.Foreign,
        $"There is a collection '{collection}' at {options.Address} that Kotonoha did not make. It is left alone: use another server or "
        + "another name (QdrantStoreOptions.Collection), or remove it from the server.");

    /// <summary>The number in <c>NAME--N</c> with a suffix, or null for any other name.</summary>
    private int? Number(string collection, string suffix)
    {
        var prefix = options.Collection + "--";
        if (!collection.StartsWith(prefix, StringComparison.Ordinal) || !collection.EndsWith(suffix, StringComparison.Ordinal))
            return null;
        var digits = collection.AsSpan(prefix.Length, Math.Max(0, collection.Length - prefix.Length - suffix.Length));
        return int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : null;
    }

    private Task<Qdrant.Client.Grpc.CollectionInfo> DescribeAsync(string collection, CancellationToken cancellationToken)
        => connection.ReadAsync((client, token) => client.GetCollectionInfoAsync(collection, token), cancellationToken);

    private static bool HasOurVectors(Qdrant.Client.Grpc.CollectionInfo found)
        => found.Config.Params.SparseVectorsConfig is { } sparse
            && sparse.Map.TryGetValue(QdrantPoints.SparseName, out var bm25)
            && bm25.Modifier == Modifier.Idf;

    private async Task<bool> IsOursAsync(string chunks, CancellationToken cancellationToken)
    {
        try
        {
            return HasOurVectors(await DescribeAsync(chunks, cancellationToken).ConfigureAwait(false));
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            // Deleted since the names were listed.
            return true;
        }
    }

    private async Task<bool> IsOurLedgerAsync(string ledger, CancellationToken cancellationToken)
    {
        try
        {
            var parameters = (await DescribeAsync(ledger, cancellationToken).ConfigureAwait(false)).Config.Params;
            return parameters.VectorsConfig?.Params is null
                && parameters.VectorsConfig?.ParamsMap?.Map.Count is null or 0
                && parameters.SparseVectorsConfig?.Map.Count is null or 0;
        }
        catch (StoreException exception) when (exception.Error == StoreError.Missing)
        {
            return true;
        }
    }

    private async Task DropOthersAsync(int? kept, CancellationToken cancellationToken)
    {
        var survey = await SurveyAsync(cancellationToken).ConfigureAwait(false);
        // The ledger first: chunks that no ledger names are found by nobody.
        foreach (int generation in survey.Ledgers.Where(number => number != kept))
            if (await IsOurLedgerAsync(Ledger(generation), cancellationToken).ConfigureAwait(false))
                await DropAsync(Ledger(generation), cancellationToken).ConfigureAwait(false);
        foreach (int generation in survey.Chunks.Where(number => number != kept))
            if (await IsOursAsync(Chunks(generation), cancellationToken).ConfigureAwait(false))
                await DropAsync(Chunks(generation), cancellationToken).ConfigureAwait(false);
    }

    private Task DropAsync(string collection, CancellationToken cancellationToken)
        => connection.WriteAsync(
            async (client, token) =>
            {
                try
                {
                    await client.DeleteCollectionAsync(collection, cancellationToken: token).ConfigureAwait(false);
                }
                catch (QdrantException)
                {
                    // It is gone: the answer to our own request was lost, and it was repeated.
                }
            },
            cancellationToken);

    private async Task CreateAsync(int generation, CollectionInfo info, CancellationToken cancellationToken)
    {
        await CreateAsync(_layout.NewChunks(Chunks(generation), info), cancellationToken).ConfigureAwait(false);
        // Before the first upload: filters then have their links in the graph from the start.
        await IndexAsync(Chunks(generation), ChunkFields, cancellationToken).ConfigureAwait(false);
        await CreateAsync(
            new CreateCollection
            {
                CollectionName = Ledger(generation),
                VectorsConfig = new VectorsConfig { ParamsMap = new VectorParamsMap() },
            },
            cancellationToken).ConfigureAwait(false);
        await IndexAsync(Ledger(generation), LedgerFields, cancellationToken).ConfigureAwait(false);
        await WriteInfoAsync(Ledger(generation), info, cancellationToken).ConfigureAwait(false);
    }

    private async Task CreateAsync(CreateCollection request, CancellationToken cancellationToken)
    {
        if (options.ShardNumber is { } shards)
            request.ShardNumber = (uint)shards;
        if (options.ReplicationFactor is { } copies)
            request.ReplicationFactor = (uint)copies;
        if (options.WriteConsistencyFactor is { } confirmed)
            request.WriteConsistencyFactor = (uint)confirmed;
        try
        {
            await connection.WriteAsync((client, token) => client.CreateCollectionAsync(request, token), cancellationToken)
                .ConfigureAwait(false);
        }
        catch (StoreException exception) when (exception.Error == StoreError.Busy)
        {
            // The name was free a moment ago: this is our own request, repeated because its answer was lost.
        }
    }

    private async Task IndexAsync(string collection, IEnumerable<string> fields, CancellationToken cancellationToken)
    {
        foreach (var field in fields)
        {
            // The server then keeps the points of a tenant together.
            var parameters = field == TenantField
                ? new PayloadIndexParams { KeywordIndexParams = new KeywordIndexParams { IsTenant = true } }
                : null;
            await connection.WriteAsync(
                (client, token) => client.CreatePayloadIndexAsync(collection, field, indexParams: parameters, cancellationToken: token),
                cancellationToken).ConfigureAwait(false);
        }
    }

    private Task PointAliasesAsync(int generation, CancellationToken cancellationToken)
    {
        AliasOperations[] actions =
        [
            new() { CreateAlias = new CreateAlias { AliasName = Chunks(null), CollectionName = Chunks(generation) } },
            new() { CreateAlias = new CreateAlias { AliasName = Ledger(null), CollectionName = Ledger(generation) } },
        ];
        return connection.WriteAsync((client, token) => client.UpdateAliasesAsync(actions, cancellationToken: token), cancellationToken);
    }
}

/// <summary>What a Qdrant server holds under a knowledge base's names.</summary>
/// <param name="Aliased">The generation that the aliases name, or the one that is left of them; null without any.</param>
/// <param name="Chunks">The generations whose chunks are there.</param>
/// <param name="Ledgers">The generations whose ledger is there.</param>
internal sealed record QdrantSurvey(int? Aliased, IReadOnlyList<int> Chunks, IReadOnlyList<int> Ledgers)
{
    /// <summary>The first free number above the generation that answers.</summary>
    public int Next => Enumerable.Range((Aliased ?? 0) + 1, Chunks.Count + Ledgers.Count + 1)
        .First(number => !Chunks.Contains(number) && !Ledgers.Contains(number));
}
