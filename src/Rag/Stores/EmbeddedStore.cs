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

    /// <summary>
    /// Whether a dense search looks at every vector, or goes through a graph of them (HNSW), which is faster and finds nearly all; null:
    /// exact up to 20,000 chunks.
    /// </summary>
    public bool? ExactSearch { get; init; }

    /// <summary>
    /// What a search looks at that does not look at every vector; the whole vectors then order what was found. It concerns this process
    /// alone: the file is the same.
    /// </summary>
    public EmbeddedQuantization Quantization { get; init; } = EmbeddedQuantization.Int8;
}

/// <summary>In how many bits an <see cref="EmbeddedStore"/> also holds its vectors in memory, to find candidates among many.</summary>
public enum EmbeddedQuantization
{
    /// <summary>One byte a dimension, linked into a graph (HNSW): the fastest search; linking takes time when much is written.</summary>
    Int8,

    /// <summary>
    /// About one bit a dimension, all scanned: ready as soon as it is written, a thirtieth of the memory of whole vectors on top of them,
    /// and a search whose time grows with the number of vectors.
    /// </summary>
    Binary,
}

/// <summary>
/// A knowledge store in one SQLite file, with vectors and BM25 postings in memory; dense search is exact up to a size and goes through a
/// graph beyond it (<see cref="EmbeddedStoreOptions.ExactSearch"/>). The default for one machine.
/// </summary>
/// <remarks>
/// Thread-safe; searches run beside each other. A write is one transaction, synced to disk before it is acknowledged. Several processes may
/// have the file open: one writes at a time (others wait, then fail with <see cref="StoreError.Busy"/>), and readers notice the others'
/// writes.
/// </remarks>
public sealed class EmbeddedStore : IKnowledgeStore
{
    // An index with more dead slots than live ones is built anew, unless it is tiny.
    private const int MinDeadSlots = 1024;

    // What stands for the version of the file where memory may not be what it holds: it is read again at the next call.
    private const long Diverged = -1;

    private readonly KnowledgeFile _file;
    private readonly bool _ownsFile;
    private readonly EmbeddedStoreOptions _options;

    // Held in this order: a write takes the second only while it uses the file or changes the index, so that searches go on while vectors
    // are linked.
    private readonly Lock _writing;
    private readonly Lock _gate;
    private int _generation;
    private EmbeddedIndex? _index;
    private CollectionInfo? _info;
    private long _dataVersion = Diverged;
    private bool _disposed;

    private EmbeddedStore(KnowledgeFile file, EmbeddedStoreOptions options, Lock writing, Lock gate, int generation, bool ownsFile)
    {
        _file = file;
        _options = options;
        _writing = writing;
        _gate = gate;
        _generation = generation;
        _ownsFile = ownsFile;
    }

    /// <inheritdoc/>
    public string Location => _file.Path;

    /// <summary>How often the file has been read into memory.</summary>
    internal int Loads { get; private set; }

    /// <summary>Opens a knowledge file and loads its search structures; makes the file where it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <exception cref="StoreException">The file is missing (and may not be made), damaged, not Kotonoha's, or cannot be read.</exception>
    public static EmbeddedStore Open(string path, EmbeddedStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new EmbeddedStoreOptions();
        var file = KnowledgeFile.Open(path, options);
        try
        {
            var store = new EmbeddedStore(file, options, new Lock(), new Lock(), 0, ownsFile: true);
            lock (store._gate)
                file.Guard(() => store.Refresh());
            lock (store._writing)
                store.LinkWaiting();
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
        return Written(
            () =>
            {
                using var transaction = _file.Begin();
                if (_file.ReadGeneration() != _generation || _file.ReadInfo(_generation) is not null)
                    throw new StoreException(
                        StoreError.Busy, $"The collection in '{Location}' was created by another process in the meantime. Start again.");
                _file.WriteInfo(_generation, info);
                Commit(transaction);
                _info = info;
                _index = NewIndex(info);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task WriteAsync(IReadOnlyList<DocumentWrite> documents, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(documents);
        return Written(
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
                var rows = _file.InsertDocuments(_generation, documents, unit);
                Commit(transaction);

                Change(index =>
                {
                    foreach (var source in old)
                        index.Remove(source, id => oldTerms[id]);
                    for (int i = 0; i < documents.Count; i++)
                    {
                        var (record, chunks) = documents[i];
                        index.AddDocument(record);
                        for (int j = 0; j < chunks.Count; j++)
                            index.AddChunk(record.Source, chunks[j].Chunk.Id, chunks[j].Terms, unit[i][j], rows[i][j]);
                    }
                });
                RenewIfMostlyDead();
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task DeleteAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        return Written(
            () =>
            {
                if (_info is null)
                    return false;
                using var transaction = BeginWrite();
                var known = sources.Where(_index!.Contains).Distinct(StringComparer.Ordinal).ToArray();
                var terms = _file.ReadTerms(_generation, known);
                foreach (var source in known)
                    _file.DeleteDocument(_generation, source);
                Commit(transaction);
                Change(index =>
                {
                    foreach (var source in known)
                        index.Remove(source, id => terms[id]);
                });
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
    public Task<IReadOnlyList<DocumentRecord?>> ReadRecordsAsync(
        IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        return Locked<IReadOnlyList<DocumentRecord?>>(() => [.. sources.Select(source => _index?.Record(source))], cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(
        ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Searched(
            (index, info) =>
            {
                if (query.Length != info.DenseDimension)
                    throw StoreException.WrongWidth(query.Length, info);
                return query.Length == 0 ? [] : index.SearchDense(VectorMath.Normalize(query.Span), limit, filter);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(
        TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Searched((index, _) => index.SearchSparse(query, limit, filter), cancellationToken);
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
        return Written(
            () =>
            {
                using var transaction = BeginWrite();
                var info = (_info ?? throw NotCreated()) with { AverageLength = averageLength };
                _file.WriteInfo(_generation, info);
                Commit(transaction);
                _info = info;
                Change(index => index.SetAverageLength(averageLength));
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Writes are transactions here, so only a rebuild that was never committed can leave anything.</remarks>
    public Task<int> RemoveLeftoversAsync(CancellationToken cancellationToken = default)
        => Written(
            () =>
            {
                using var transaction = _file.Begin();
                int removed = _file.DeleteOtherGenerations(_generation);
                Commit(transaction);
                return removed;
            },
            cancellationToken);

    /// <inheritdoc/>
    public Task<IKnowledgeStore> BeginRebuildAsync(CollectionInfo info, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(info);
        CheckInfo(info);
        return Written<IKnowledgeStore>(
            () =>
            {
                using var transaction = _file.Begin();
                _file.DeleteOtherGenerations(_generation);
                _file.WriteInfo(_generation + 1, info);
                Commit(transaction);
                return new EmbeddedStore(_file, _options, _writing, _gate, _generation + 1, ownsFile: false)
                {
                    _info = info,
                    _index = NewIndex(info),
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
        return Written(
            () =>
            {
                using var transaction = _file.Begin();
                _file.WriteGeneration(next._generation);
                _file.DeleteOtherGenerations(next._generation);
                Commit(transaction);
                (_generation, _info, _index) = (next._generation, next._info, next._index);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<QuarantineRecord>> ListQuarantineAsync(CancellationToken cancellationToken = default)
        => Locked<IReadOnlyList<QuarantineRecord>>(() => _file.ReadQuarantine(_generation), cancellationToken);

    /// <inheritdoc/>
    public Task WriteQuarantineAsync(IReadOnlyList<QuarantineRecord> records, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(records);
        return Written(
            () =>
            {
                if (_info is null)
                    throw NotCreated();
                using var transaction = BeginWrite();
                _file.WriteQuarantine(_generation, records);
                Commit(transaction);
                return true;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task DeleteQuarantineAsync(IReadOnlyList<string> sources, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sources);
        return Written(
            () =>
            {
                using var transaction = BeginWrite();
                _file.DeleteQuarantine(_generation, sources);
                Commit(transaction);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose()
    {
        using var writing = _writing.EnterScope();
        lock (_gate)
        {
            if (_disposed)
                return;
            if (_ownsFile && _index?.Vectors.UnsavedCount > 0)
                SaveGraph();
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
                    return work();
                }));
            }
        }
        catch (Exception exception)
        {
            return Task.FromException<T>(exception);
        }
    }

    /// <summary>Does a write, then links the vectors that wait for it, beside searches.</summary>
    private Task<T> Written<T>(Func<T> work, CancellationToken cancellationToken)
    {
        lock (_writing)
        {
            var written = Locked(work, cancellationToken);
            if (written.IsCompletedSuccessfully)
                LinkWaiting();
            return written;
        }
    }

    /// <summary>Searches the index as it is in the file now; other searches and the linking of vectors go on beside it.</summary>
    private Task<IReadOnlyList<ScoredChunk>> Searched(
        Func<EmbeddedIndex, CollectionInfo, List<ScoredChunk>> search, CancellationToken cancellationToken)
    {
        var entered = Locked(
            () =>
            {
                var info = _info ?? throw NotCreated();
                _index!.Gate.EnterReadLock();
                return (Index: _index, Info: info);
            },
            cancellationToken);
        if (!entered.IsCompletedSuccessfully)
            return Failed(entered);
        var (index, info) = entered.Result;
        try
        {
            return Task.FromResult<IReadOnlyList<ScoredChunk>>(search(index, info));
        }
        catch (StoreException exception)
        {
            return Task.FromException<IReadOnlyList<ScoredChunk>>(exception);
        }
        finally
        {
            index.Gate.ExitReadLock();
        }

        static async Task<IReadOnlyList<ScoredChunk>> Failed(Task task)
        {
            await task.ConfigureAwait(false);
            return [];
        }
    }

    private EmbeddedIndex NewIndex(CollectionInfo info)
        => new(info.DenseDimension, info.AverageLength, _options.ExactSearch, quantization: _options.Quantization);

    // One that fails may have been written all the same.
    private void Commit(SqliteTransaction transaction)
    {
        try
        {
            transaction.Commit();
        }
        catch
        {
            _dataVersion = Diverged;
            throw;
        }
    }

    private void Change(Action<EmbeddedIndex> change)
    {
        _index!.Gate.EnterWriteLock();
        try
        {
            change(_index);
        }
        catch
        {
            _dataVersion = Diverged;
            throw;
        }
        finally
        {
            _index.Gate.ExitWriteLock();
        }
    }

    private void LinkWaiting()
    {
        if (_index is not { Vectors.NeedsLink: true } index)
            return;
        index.Vectors.Link(index.Gate);
        if (index.Vectors.IsWorthSaving)
            lock (_gate)
                SaveGraph();
    }

    // The graph is derived from the vectors, so that one which cannot be stored now is only linked again when the file is next opened.
    private void SaveGraph()
    {
        try
        {
            _file.Guard(() =>
            {
                using var transaction = _file.Begin();
                _file.WriteGraph(_generation, _index!.Vectors.SaveGraph());
                transaction.Commit();
                return true;
            });
        }
        catch (StoreException)
        {
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
        _dataVersion = Diverged;
        Loads++;
        if (_ownsFile)
            _generation = _file.ReadGeneration();
        _info = _file.ReadInfo(_generation);
        _index = _info is null ? null : _file.ReadIndex(_generation, _info, _options);
        _dataVersion = version;
    }

    private void RenewIfMostlyDead()
    {
        if (_index is { } index && index.DeadCount > Math.Max(MinDeadSlots, index.LiveCount))
        {
            SaveGraph();
            Refresh();
        }
    }
}
