using System.Runtime.CompilerServices;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;
using Microsoft.Extensions.VectorData.ProviderServices;

namespace Kotonoha.Rag.VectorData;

/// <summary>How an <see cref="EmbeddedVectorStore"/> is opened.</summary>
public sealed record EmbeddedVectorStoreOptions
{
    /// <summary>Makes vectors for collections and properties that name no generator themselves, or null.</summary>
    public IEmbeddingGenerator? EmbeddingGenerator { get; init; }

    /// <summary>How long a write waits for another process that is writing, in seconds.</summary>
    public int BusyTimeoutSeconds { get; init; } = 30;
}

/// <summary>
/// Collections of records with vectors in one SQLite file, or in memory: exact search while they are few, a graph (HNSW) beyond that, BM25
/// for hybrid search.
/// </summary>
/// <remarks>
/// Thread-safe. A write is synced to disk before it is acknowledged. Work is done on the caller's thread; only embedding generators are
/// awaited. Failures of the file are <see cref="VectorStoreException"/>s with a <see cref="StoreException"/> inside, which says what kind
/// it is. A file may hold a knowledge base (<see cref="EmbeddedStore"/>) too.
/// </remarks>
public sealed class EmbeddedVectorStore : VectorStore
{
    /// <summary>The name of this kind of store in metadata and errors.</summary>
    public const string SystemName = "kotonoha.embedded";

    private readonly RecordStore _records;
    private readonly EmbeddedVectorStoreOptions _options;
    private readonly VectorStoreMetadata _metadata;

    /// <summary>Opens a file; makes it where it is missing.</summary>
    /// <param name="path">The file, or null for a store in memory that ends with this object.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <exception cref="VectorStoreException">The file is damaged, not Kotonoha's, or cannot be read.</exception>
    public EmbeddedVectorStore(string? path = null, EmbeddedVectorStoreOptions? options = null)
    {
        _options = options ?? new EmbeddedVectorStoreOptions();
        var call = new StoreCall(Path.GetFileName(path), null);
        _records = call.Run("Open", () => RecordStore.Open(path, _options.BusyTimeoutSeconds));
        _metadata = new VectorStoreMetadata { VectorStoreSystemName = SystemName, VectorStoreName = Path.GetFileName(path) };
    }

    /// <inheritdoc/>
    public override VectorStoreCollection<TKey, TRecord> GetCollection<TKey, TRecord>(
        string name, VectorStoreCollectionDefinition? definition = null)
        => typeof(TRecord) == typeof(Dictionary<string, object?>)
            ? throw new ArgumentException(VectorDataStrings.GetCollectionWithDictionaryNotSupported)
            : new EmbeddedVectorStoreCollection<TKey, TRecord>(_records, ownsRecords: false, name, Options(definition));

    /// <inheritdoc/>
    public override VectorStoreCollection<object, Dictionary<string, object?>> GetDynamicCollection(
        string name, VectorStoreCollectionDefinition definition)
        => new EmbeddedDynamicCollection(_records, ownsRecords: false, name, Options(definition));

    /// <inheritdoc/>
    public override async IAsyncEnumerable<string> ListCollectionNamesAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var name in await Call(null).RunAsync("ListCollectionNames", _records.Names, cancellationToken).ConfigureAwait(false))
            yield return name;
    }

    /// <inheritdoc/>
    public override Task<bool> CollectionExistsAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return Call(name).RunAsync("CollectionExists", () => _records.Exists(name), cancellationToken);
    }

    /// <inheritdoc/>
    public override Task EnsureCollectionDeletedAsync(string name, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return Call(name).RunAsync("EnsureCollectionDeleted", () => _records.Drop(name), cancellationToken);
    }

    /// <inheritdoc/>
    public override object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(VectorStoreMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
            _records.Dispose();
        base.Dispose(disposing);
    }

    private StoreCall Call(string? collection) => new(_metadata.VectorStoreName, collection);

    private EmbeddedVectorStoreCollectionOptions Options(VectorStoreCollectionDefinition? definition)
        => new() { Definition = definition, EmbeddingGenerator = _options.EmbeddingGenerator };
}

/// <summary>Runs an operation and gives its failures the shape that the contract asks for.</summary>
internal sealed record StoreCall(string? StoreName, string? Collection)
{
    public T Run<T>(string operation, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (StoreException exception)
        {
            throw new VectorStoreException(exception.Message, exception)
            {
                VectorStoreSystemName = EmbeddedVectorStore.SystemName,
                VectorStoreName = StoreName,
                CollectionName = Collection,
                OperationName = operation,
            };
        }
    }

    public Task<T> RunAsync<T>(string operation, Func<T> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        try
        {
            return Task.FromResult(Run(operation, work));
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception);
        }
    }

    public Task RunAsync(string operation, Action work, CancellationToken cancellationToken) => RunAsync(
        operation,
        () =>
        {
            work();
            return true;
        },
        cancellationToken);
}
