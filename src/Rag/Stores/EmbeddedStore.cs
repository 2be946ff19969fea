using Kotonoha.Rag.Chunking;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Stores;

/// <summary>How an <see cref="EmbeddedStore"/> is opened.</summary>
public sealed record EmbeddedStoreOptions
{
    /// <summary>How long a write waits for another process that is writing, in seconds.</summary>
    public int BusyTimeoutSeconds { get; init; } = 30;

    /// <summary>Whether a missing file is created; otherwise opening it is an error.</summary>
    public bool CreateIfMissing { get; init; } = true;
}

/// <summary>
/// A knowledge store in one SQLite file, with vectors and BM25 postings in memory and exact search. The default for one machine.
/// </summary>
/// <remarks>
/// Thread-safe. A write is one transaction, synced to disk before it is acknowledged. Several processes may have the file open: one writes
/// at a time (others wait, then fail with <see cref="StoreError.Busy"/>), and readers notice the others' writes.
/// </remarks>
public sealed class EmbeddedStore : IKnowledgeStore
{
    // An index with more dead slots than live ones is built anew, unless it is tiny.
    private const int MinDeadSlots = 1024;

    private readonly KnowledgeFile _file;
    private readonly bool _ownsFile;
    private readonly Lock _gate;
    private int _generation;
    private EmbeddedIndex? _index;
    private CollectionInfo? _info;
    private long _dataVersion = -1;
    private bool _disposed;

    private EmbeddedStore(KnowledgeFile file, Lock gate, int generation, bool ownsFile)
    {
        _file = file;
        _gate = gate;
        _generation = generation;
        _ownsFile = ownsFile;
    }

    /// <inheritdoc/>
    public string Location => _file.Path;

    /// <summary>Opens a knowledge file and loads its search structures; makes the file where it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <exception cref="StoreException">The file is missing (and may not be made), damaged, not Kotonoha's, or cannot be read.</exception>
    public static EmbeddedStore Open(string path, EmbeddedStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = KnowledgeFile.Open(path, options ?? new EmbeddedStoreOptions());
        try
        {
            var store = new EmbeddedStore(file, new Lock(), 0, ownsFile: true);
            lock (store._gate)
                file.Guard(() => store.Refresh());
            return store;
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Task<CollectionInfo?> GetInfoAsync(CancellationToken cancellationToken = default)
        => Locked(() => _info, cancellationToken);

    /// <inheritdoc/>
    public Task CreateAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        CheckInfo(info);
        return Locked(
            () =>
            {
                using var transaction = _file.Begin();
                if (_file.ReadGeneration() != _generation || _file.ReadInfo(_generation) is not null)
                    throw new StoreException(
                        StoreError.Busy, $"The collection in '{Location}' was created by another process in the meantime. Start again.");
                _file.WriteInfo(_generation, info);
                transaction.Commit();
                _info = info;
                _index = new EmbeddedIndex(info.DenseDimension, info.AverageLength);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        return Locked(
            () =>
            {
                var info = _info ?? throw NotCreated();
                foreach (var document in documents)
                    document.Check(info);
                var unit = documents
                    .Select(document => document.Chunks.Select(chunk => VectorMath.Normalize(chunk.Dense.Span)).ToArray()).ToArray();
                using var transaction = BeginWrite();
                var old = documents.Select(document => document.Record.Source).Where(_index!.Contains).ToArray();
                var oldTerms = _file.ReadTerms(_generation, old);
                foreach (var source in old)
                    _file.DeleteDocument(_generation, source);
                _file.InsertDocuments(_generation, documents, unit);
                transaction.Commit();

                foreach (var source in old)
                    _index.Remove(source, id => oldTerms[id]);
                for (int i = 0; i < documents.Count; i++)
                {
                    var (record, chunks) = documents[i];
                    _index.AddDocument(record);
                    for (int j = 0; j < chunks.Count; j++)
                        _index.AddChunk(record.Source, chunks[j].Chunk.Id, chunks[j].Terms, unit[i][j]);
                }

                RenewIfMostlyDead();
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        return Locked(
            () =>
            {
                if (_info is null)
                    return false;
                using var transaction = BeginWrite();
                var known = sources.Where(_index!.Contains).Distinct(StringComparer.Ordinal).ToArray();
                var terms = _file.ReadTerms(_generation, known);
                foreach (var source in known)
                    _file.DeleteDocument(_generation, source);
                transaction.Commit();
                foreach (var source in known)
                    _index.Remove(source, id => terms[id]);
                RenewIfMostlyDead();
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<DocumentRecord>> ListDocumentsAsync(CancellationToken cancellationToken = default)
        => Locked<IReadOnlyList<DocumentRecord>>(
            () => _index is null ? [] : [.. _index.Records.OrderBy(record => record.Source, StringComparer.Ordinal)],
            cancellationToken);

    /// <inheritdoc/>
    public Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Locked<IReadOnlyList<ScoredChunk>>(
            () =>
            {
                var info = _info ?? throw NotCreated();
                if (query.Length != info.DenseDimension)
                    throw StoreException.WrongWidth(query.Length, info);
                return query.Length == 0 ? [] : _index!.SearchDense(VectorMath.Normalize(query.Span), limit, filter);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Locked<IReadOnlyList<ScoredChunk>>(
            () => _info is null ? throw NotCreated() : _index!.SearchSparse(query, limit, filter),
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Locked<IReadOnlyList<Chunk?>>(() => _file.ReadChunks(_generation, ids), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<float[]?>> ReadVectorsAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Locked<IReadOnlyList<float[]?>>(() => [.. ids.Select(id => _index?.Vector(id))], cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Chunk>> ReadDocumentAsync(string source, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(source);
        return Locked<IReadOnlyList<Chunk>>(() => _file.ReadDocument(_generation, source), cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>The file holds counts, not weights, so only the metadata changes here; <paramref name="termsOf"/> is not called.</remarks>
    public Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(averageLength);
        return Locked(
            () =>
            {
                var info = (_info ?? throw NotCreated()) with { AverageLength = averageLength };
                _file.WriteInfo(_generation, info);
                _info = info;
                _index!.SetAverageLength(averageLength);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Writes are transactions here, so only a rebuild that was never committed can leave anything.</remarks>
    public Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default)
        => Locked(
            () =>
            {
                using var transaction = _file.Begin();
                int removed = _file.DeleteOtherGenerations(_generation);
                transaction.Commit();
                return removed;
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        CheckInfo(info);
        return Locked<IKnowledgeStore>(
            () =>
            {
                using var transaction = _file.Begin();
                _file.DeleteOtherGenerations(_generation);
                _file.WriteInfo(_generation + 1, info);
                transaction.Commit();
                return new EmbeddedStore(_file, _gate, _generation + 1, ownsFile: false)
                {
                    _info = info,
                    _index = new EmbeddedIndex(info.DenseDimension, info.AverageLength),
                    _dataVersion = _dataVersion,
                };
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task CommitRebuildAsync(IKnowledgeStore rebuilt, CancellationToken cancellationToken = default)
    {
        if (rebuilt is not EmbeddedStore next || next._file != _file || next._generation == _generation)
            throw new ArgumentException("This is not a rebuild of this store.", nameof(rebuilt));
        return Locked(
            () =>
            {
                using var transaction = _file.Begin();
                _file.WriteGeneration(next._generation);
                _file.DeleteOtherGenerations(next._generation);
                transaction.Commit();
                (_generation, _info, _index) = (next._generation, next._info, next._index);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_disposed)
                return;
            _disposed = true;
            _index = null;
            if (_ownsFile)
                _file.Dispose();
        }
    }

    /// <inheritdoc cref="Dispose"/>
    public ValueTask DisposeAsync()
    {
        Dispose();
        return default;
    }

    private static void CheckInfo(CollectionInfo info)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(info.DenseDimension);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.AverageLength);
    }

    private StoreException NotCreated()
        => new(StoreError.Missing, $"The knowledge file '{Location}' holds no collection yet. {StoreException.HowToIngest}");

    private Task<T> Locked<T>(Func<T> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return Task.FromResult(_file.Guard(() =>
                {
                    if (_file.DataVersion() != _dataVersion)
                        Refresh();
                    try
                    {
                        return work();
                    }
                    catch
                    {
                        // A failed write may have left the index behind the file: it is read again at the next call.
                        _dataVersion = -1;
                        throw;
                    }
                }));
            }
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception);
        }
    }

    /// <summary>Begins a write on top of what other processes have committed.</summary>
    private SqliteTransaction BeginWrite()
    {
        var transaction = _file.Begin();
        try
        {
            if (_file.DataVersion() != _dataVersion)
                ReadAll();
            return transaction;
        }
        catch
        {
            transaction.Dispose();
            throw;
        }
    }

    // What is read here belongs together: one snapshot.
    private bool Refresh()
    {
        var snapshot = _file.Begin(writes: false);
        try
        {
            ReadAll();
            snapshot.Commit();
            return true;
        }
        catch
        {
            try
            {
                snapshot.Dispose();
            }
            catch (SqliteException)
            {
                // SQLite has ended the transaction itself; the first error says why.
            }

            throw;
        }
    }

    private void ReadAll()
    {
        long version = _file.DataVersion();
        if (_ownsFile)
            _generation = _file.ReadGeneration();
        _info = _file.ReadInfo(_generation);
        _index = _info is null ? null : _file.ReadIndex(_generation, _info);
        _dataVersion = version;
    }

    private void RenewIfMostlyDead()
    {
        if (_index is { } index && index.DeadCount > Math.Max(MinDeadSlots, index.LiveCount))
            Refresh();
    }
}
