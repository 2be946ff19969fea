using System.Linq.Expressions;
using System.Runtime.CompilerServices;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.VectorData;
using Microsoft.Extensions.VectorData.ProviderServices;

namespace Kotonoha.Rag.VectorData;

/// <summary>How an <see cref="EmbeddedVectorStoreCollection{TKey, TRecord}"/> is opened.</summary>
public sealed class EmbeddedVectorStoreCollectionOptions : VectorStoreCollectionOptions
{
    /// <summary>How long a write waits for another process that is writing, in seconds; of a collection that opens its own file.</summary>
    public int BusyTimeoutSeconds { get; init; } = 30;
}

/// <summary>A collection of records in an <see cref="EmbeddedVectorStore"/>, or in a file of its own.</summary>
/// <typeparam name="TKey">The type of the keys: string, Guid, int, long or ulong.</typeparam>
/// <typeparam name="TRecord">The type of the records.</typeparam>
/// <remarks>
/// <para>Thread-safe. Filters are any conditions of C# over the record's properties; equality and Contains are looked up.</para>
/// <para>
/// Hybrid search fuses the nearest records and those with the greatest BM25 scores for the keywords by reciprocal rank
/// (<see cref="IKeywordHybridSearchable{TRecord}"/>); a score is then the sum of reciprocal ranks.
/// </para>
/// </remarks>
public class EmbeddedVectorStoreCollection<TKey, TRecord> : VectorStoreCollection<TKey, TRecord>, IKeywordHybridSearchable<TRecord>
    where TKey : notnull
    where TRecord : class
{
    // How many hits of each side a hybrid search fuses: at least, and for each one wanted.
    private const int MinFused = 100;
    private const int FusedFactor = 2;

    private readonly RecordStore _records;
    private readonly bool _ownsRecords;
    private readonly CollectionModel _model;
    private readonly StoreCall _call;
    private readonly VectorStoreCollectionMetadata _metadata;

    /// <summary>Opens a collection in a file of its own; the file is made where it is missing, the collection is not.</summary>
    /// <param name="path">The file, or null for a collection in memory that ends with this object.</param>
    /// <param name="name">The collection's name.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <exception cref="VectorStoreException">The file is damaged, not Kotonoha's, or cannot be read.</exception>
    public EmbeddedVectorStoreCollection(string? path, string name, EmbeddedVectorStoreCollectionOptions? options = null)
        : this(path, name, options ?? new EmbeddedVectorStoreCollectionOptions(), Model(options))
    {
    }

    internal EmbeddedVectorStoreCollection(
        RecordStore records, bool ownsRecords, string name, EmbeddedVectorStoreCollectionOptions options, CollectionModel? model = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        _model = model ?? Model(options);
        _records = records;
        _ownsRecords = ownsRecords;
        Name = name;
        var file = records.Location == SqliteFile.InMemory ? null : Path.GetFileName(records.Location);
        _call = new StoreCall(file, name);
        _metadata = new VectorStoreCollectionMetadata
        {
            VectorStoreSystemName = EmbeddedVectorStore.SystemName,
            VectorStoreName = file,
            CollectionName = name,
        };
    }

    private protected EmbeddedVectorStoreCollection(
        string? path, string name, EmbeddedVectorStoreCollectionOptions options, CollectionModel model)
        : this(Open(path, name, options), ownsRecords: true, name, options, model)
    {
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <inheritdoc/>
    public override Task<bool> CollectionExistsAsync(CancellationToken cancellationToken = default)
        => _call.RunAsync("CollectionExists", () => _records.Exists(Name), cancellationToken);

    /// <inheritdoc/>
    public override Task EnsureCollectionExistsAsync(CancellationToken cancellationToken = default)
        => _call.RunAsync("EnsureCollectionExists", () => _records.Create(Name), cancellationToken);

    /// <inheritdoc/>
    public override Task EnsureCollectionDeletedAsync(CancellationToken cancellationToken = default)
        => _call.RunAsync("EnsureCollectionDeleted", () => _records.Drop(Name), cancellationToken);

    /// <inheritdoc/>
    public override async Task<TRecord?> GetAsync(
        TKey key, RecordRetrievalOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        bool withVectors = WithVectors(options?.IncludeVectors);
        var found = await _call.RunAsync("Get", () => _records.Read(Name, [KeyText(key)], withVectors), cancellationToken)
            .ConfigureAwait(false);
        return found.Count == 0 ? null : ToRecord(found[0]);
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<TRecord> GetAsync(
        IEnumerable<TKey> keys,
        RecordRetrievalOptions? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        bool withVectors = WithVectors(options?.IncludeVectors);
        string[] texts = [.. keys.Select(key => KeyText(key))];
        foreach (var record in await _call.RunAsync("Get", () => _records.Read(Name, texts, withVectors), cancellationToken)
            .ConfigureAwait(false))
            yield return ToRecord(record);
    }

    /// <inheritdoc/>
    public override async IAsyncEnumerable<TRecord> GetAsync(
        Expression<Func<TRecord, bool>> filter,
        int top,
        FilteredRecordRetrievalOptions<TRecord>? options = null,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        bool withVectors = WithVectors(options?.IncludeVectors);
        var order = (options?.OrderBy?.Invoke(new()).Values ?? [])
            .Select(entry => (RecordColumn.Of(_model.GetDataOrKeyProperty(entry.PropertySelector)), entry.Ascending)).ToArray();
        var translated = new RecordFilter(filter, _model);
        foreach (var record in await _call.RunAsync(
            "Get", () => _records.Read(Name, translated, order, options?.Skip ?? 0, top, withVectors), cancellationToken)
                .ConfigureAwait(false))
            yield return ToRecord(record);
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(TKey key, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        return _call.RunAsync("Delete", () => _records.Delete(Name, [KeyText(key)]), cancellationToken);
    }

    /// <inheritdoc/>
    public override Task DeleteAsync(IEnumerable<TKey> keys, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(keys);
        return _call.RunAsync("Delete", () => _records.Delete(Name, [.. keys.Select(key => KeyText(key))]), cancellationToken);
    }

    /// <inheritdoc/>
    public override Task UpsertAsync(TRecord record, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(record);
        return UpsertAsync([record], cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task UpsertAsync(IEnumerable<TRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        var list = records.ToList();
        if (list.Count == 0)
            return;
        var vectors = new Dictionary<string, float[]>[list.Count];
        for (int i = 0; i < list.Count; i++)
            vectors[i] = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var property in _model.VectorProperties)
        {
            var values = await VectorsAsync(property, list, cancellationToken).ConfigureAwait(false);
            for (int i = 0; i < list.Count; i++)
                if (values[i] is { } vector)
                    vectors[i].Add(property.StorageName, vector);
        }

        await _call.RunAsync(
            "Upsert",
            () => _records.Write(Name, [.. list.Select((record, i) => new RecordWrite(KeyOf(record), ValuesOf(record), vectors[i]))]),
            cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public override IAsyncEnumerable<VectorSearchResult<TRecord>> SearchAsync<TInput>(
        TInput searchValue, int top, VectorSearchOptions<TRecord>? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new VectorSearchOptions<TRecord>();
        var property = _model.GetVectorPropertyOrSingle(options);
        return SearchAsync(
            "Search",
            searchValue,
            property,
            null,
            (table, query, accepted) => table.SearchVectors(EmbeddedVectors.Column(property), query, top + options.Skip, accepted)
                .Select(hit => (hit.Slot, Score: EmbeddedVectors.Score(property, hit.Score)))
                .Where(hit => options.ScoreThreshold is not { } threshold || EmbeddedVectors.Reaches(property, hit.Score, threshold))
                .Skip(options.Skip),
            top,
            options,
            cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<VectorSearchResult<TRecord>> HybridSearchAsync<TInput>(
        TInput searchValue,
        ICollection<string> keywords,
        int top,
        HybridSearchOptions<TRecord>? options = null,
        CancellationToken cancellationToken = default)
        where TInput : notnull
    {
        ArgumentNullException.ThrowIfNull(keywords);
        options ??= new HybridSearchOptions<TRecord>();
        var search = new VectorSearchOptions<TRecord>
        {
            Filter = options.Filter,
            VectorProperty = options.VectorProperty,
            IncludeVectors = options.IncludeVectors,
            Skip = options.Skip,
        };
        var property = _model.GetVectorPropertyOrSingle(search);
        var text = _model.GetFullTextDataPropertyOrSingle(options.AdditionalProperty);
        var terms = TermVector.FromText(string.Join(' ', keywords));
        return SearchAsync("HybridSearch", searchValue, property, text.StorageName, Fuse, top, search, cancellationToken);

        IEnumerable<(int Slot, double Score)> Fuse(RecordTable table, float[] query, SlotSet? accepted)
        {
            int depth = Math.Max(MinFused, FusedFactor * (top + options.Skip));
            var near = table.SearchVectors(EmbeddedVectors.Column(property), query, depth, accepted);
            var named = table.SearchTerms(text.StorageName, terms, depth, accepted);
            var slots = near.Concat(named).Select(hit => hit.Slot).Distinct().ToDictionary(table.KeyOf, StringComparer.Ordinal);
            return Fusion.ReciprocalRank([Ranking(near), Ranking(named)])
                .Where(item => options.ScoreThreshold is not { } threshold || item.Score >= threshold)
                .Skip(options.Skip).Take(top).Select(item => (slots[item.Id], item.Score));

            List<RankedItem> Ranking(List<ScoredSlot> hits) => hits.ConvertAll(hit => new RankedItem(table.KeyOf(hit.Slot), hit.Score));
        }
    }

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(VectorStoreCollectionMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && _ownsRecords)
            _records.Dispose();
        base.Dispose(disposing);
    }

    private static CollectionModel Model(EmbeddedVectorStoreCollectionOptions? options)
        => typeof(TRecord) == typeof(Dictionary<string, object?>)
            ? throw new NotSupportedException(
                VectorDataStrings.NonDynamicCollectionWithDictionaryNotSupported(typeof(EmbeddedDynamicCollection)))
            : new EmbeddedModelBuilder().Build(
                typeof(TRecord),
                typeof(TKey),
                options?.Definition,
                options?.Definition?.EmbeddingGenerator ?? options?.EmbeddingGenerator);

    private static RecordStore Open(string? path, string name, EmbeddedVectorStoreCollectionOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return new StoreCall(Path.GetFileName(path), name).Run("Open", () => RecordStore.Open(path, options.BusyTimeoutSeconds));
    }

    private async IAsyncEnumerable<VectorSearchResult<TRecord>> SearchAsync<TInput>(
        string operation,
        TInput searchValue,
        VectorPropertyModel property,
        string? terms,
        Func<RecordTable, float[], SlotSet?, IEnumerable<(int Slot, double Score)>> search,
        int top,
        VectorSearchOptions<TRecord> options,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(searchValue);
        ArgumentOutOfRangeException.ThrowIfLessThan(top, 1);
        bool withVectors = WithVectors(options.IncludeVectors);
        var query = await QueryAsync(property, searchValue, cancellationToken).ConfigureAwait(false);
        CheckWidth(property, query);
        var filter = options.Filter is null ? null : new RecordFilter(options.Filter, _model);
        var found = await _call.RunAsync(
            operation,
            () => _records.Search(
                Name, filter, EmbeddedVectors.Column(property), terms, (table, accepted) => search(table, query, accepted), withVectors),
            cancellationToken).ConfigureAwait(false);
        foreach (var (record, score) in found)
            yield return new VectorSearchResult<TRecord>(ToRecord(record), score);
    }

    private async Task<float[]> QueryAsync<TInput>(VectorPropertyModel property, TInput value, CancellationToken cancellationToken)
    {
        if (EmbeddedVectors.TryGet(value, out var vector))
            return vector!;
        if (property.EmbeddingGenerator is null)
            throw new NotSupportedException(
                VectorDataStrings.InvalidSearchInputAndNoEmbeddingGeneratorWasConfigured(
                    value!.GetType(), EmbeddedModelBuilder.SupportedVectorTypes));
        if (property.EmbeddingGenerationDispatcher is null)
            throw new InvalidOperationException(
                VectorDataStrings.IncompatibleEmbeddingGeneratorWasConfiguredForInputType(
                    typeof(TInput), property.EmbeddingGenerator.GetType()));
        var embedding = await property.GenerateEmbeddingAsync(value, cancellationToken).ConfigureAwait(false);
        EmbeddedVectors.TryGet(embedding, out vector);
        return vector!;
    }

    /// <summary>A property's vectors of some records: as they are there, or generated.</summary>
    private async Task<IReadOnlyList<float[]?>> VectorsAsync(
        VectorPropertyModel property, List<TRecord> records, CancellationToken cancellationToken)
    {
        var values = records.ConvertAll(record => property.GetValueAsObject(record));
        var vectors = new float[]?[values.Count];
        var generated = new List<int>();
        for (int i = 0; i < values.Count; i++)
            if (!EmbeddedVectors.TryGet(values[i], out vectors[i]))
                generated.Add(i);
        if (generated.Count > 0)
        {
            var embeddings = await property.GenerateEmbeddingsAsync(generated.Select(i => values[i]), cancellationToken)
                .ConfigureAwait(false);
            for (int i = 0; i < generated.Count; i++)
                EmbeddedVectors.TryGet(embeddings[i], out vectors[generated[i]]);
        }

        foreach (var vector in vectors)
            if (vector is not null)
                CheckWidth(property, vector);
        return vectors;
    }

    private void CheckWidth(VectorPropertyModel property, float[] vector)
        => _call.Run("Check", () => vector.Length == property.Dimensions
            ? true
            : throw new StoreException(
                StoreError.Mismatch,
                $"A vector of {vector.Length} dimensions does not fit '{property.ModelName}', which has {property.Dimensions}. Use the "
                    + $"embedding "
                + "model that the collection is declared for."));

    private bool WithVectors(bool? includeVectors)
        => includeVectors == true && _model.EmbeddingGenerationRequired
            ? throw new NotSupportedException(VectorDataStrings.IncludeVectorsNotSupportedWithEmbeddingGeneration)
            : includeVectors == true;

    private string KeyText(object key)
    {
        ArgumentNullException.ThrowIfNull(key);
        return key.GetType() == _model.KeyProperty.Type
            ? RecordValues.FormatKey(key)
            : throw new ArgumentException($"The key is a {key.GetType().Name}; the keys of '{Name}' are {_model.KeyProperty.Type.Name}.");
    }

    private string KeyOf(TRecord record)
    {
        var key = _model.KeyProperty.GetValueAsObject(record);
        if (_model.KeyProperty.IsAutoGenerated && (key is null || key.Equals(Guid.Empty)))
        {
            key = Guid.CreateVersion7();
            _model.KeyProperty.SetValueAsObject(record, key);
        }

        return KeyText(key ?? throw new ArgumentException($"A record has no key ('{_model.KeyProperty.ModelName}' is null)."));
    }

    private Dictionary<string, object?> ValuesOf(TRecord record)
    {
        var values = new Dictionary<string, object?>(StringComparer.Ordinal);
        foreach (var property in _model.DataProperties)
            values.Add(property.StorageName, RecordValues.ConvertTo(property.GetValueAsObject(record), property.Type, property.ModelName));
        return values;
    }

    private TRecord ToRecord(StoredRecord stored)
        => _call.Run("Read", () =>
        {
            try
            {
                var record = _model.CreateRecord<TRecord>();
                _model.KeyProperty.SetValueAsObject(record!, RecordValues.ParseKey(stored.Key, _model.KeyProperty.Type));
                foreach (var property in _model.DataProperties)
                    if (stored.Values.TryGetValue(property.StorageName, out var value))
                        property.SetValueAsObject(record!, RecordValues.ConvertTo(value, property.Type, property.ModelName));
                foreach (var property in _model.VectorProperties)
                    if (stored.Vectors?.GetValueOrDefault(property.StorageName) is { } vector)
                        property.SetValueAsObject(record!, EmbeddedVectors.Convert(vector, property.Type));
                return record!;
            }
            catch (Exception exception) when (exception is InvalidDataException or FormatException or OverflowException)
            {
                throw new StoreException(StoreError.Mismatch, $"A record of '{Name}' cannot be read: {exception.Message}", exception);
            }
        });
}

/// <summary>A collection of records whose properties are known at run time.</summary>
public sealed class EmbeddedDynamicCollection : EmbeddedVectorStoreCollection<object, Dictionary<string, object?>>
{
    /// <summary>Opens a collection in a file of its own; the file is made where it is missing, the collection is not.</summary>
    /// <param name="path">The file, or null for a collection in memory that ends with this object.</param>
    /// <param name="name">The collection's name.</param>
    /// <param name="options">How to open it; the definition must be there.</param>
    /// <exception cref="VectorStoreException">The file is damaged, not Kotonoha's, or cannot be read.</exception>
    public EmbeddedDynamicCollection(string? path, string name, EmbeddedVectorStoreCollectionOptions options)
        : base(path, name, options, Model(options))
    {
    }

    internal EmbeddedDynamicCollection(RecordStore records, bool ownsRecords, string name, EmbeddedVectorStoreCollectionOptions options)
        : base(records, ownsRecords, name, options, Model(options))
    {
    }

    private static CollectionModel Model(EmbeddedVectorStoreCollectionOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        return new EmbeddedModelBuilder().BuildDynamic(
            options.Definition ?? throw new ArgumentException("A dynamic collection needs a definition.", nameof(options)),
            options.Definition.EmbeddingGenerator ?? options.EmbeddingGenerator);
    }
}
