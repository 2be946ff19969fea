using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Kotonoha.Rag.Chunking;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// A knowledge store in one SQLite file, with vectors and BM25 postings in memory and exact search. The default for one machine.
/// </summary>
/// <remarks>
/// Thread-safe. A write is one transaction, synced to disk before it is acknowledged. Several processes may have the file open: one writes
/// at a time (others wait, then fail with <see cref="StoreError.Busy"/>), and readers notice the others' writes.
/// </remarks>
public sealed class EmbeddedStore : IKnowledgeStore
{
    // "KTNH": tells our files from other SQLite files.
    private const int ApplicationId = 0x4b544e48;

    // An index with more dead slots than live ones is built anew, unless it is tiny.
    private const int MinDeadSlots = 1024;

    private readonly SqliteConnection _connection;
    private readonly bool _ownsConnection;
    private readonly Lock _gate;
    private int _generation;
    private EmbeddedIndex? _index;
    private CollectionInfo? _info;
    private long _dataVersion = -1;
    private bool _disposed;

    private EmbeddedStore(string location, SqliteConnection connection, Lock gate, int generation, bool ownsConnection)
    {
        Location = location;
        _connection = connection;
        _gate = gate;
        _generation = generation;
        _ownsConnection = ownsConnection;
    }

    /// <inheritdoc/>
    public string Location { get; }

    /// <summary>Opens a knowledge file and loads its search structures; makes the file where it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">How to open it, or null for the defaults.</param>
    /// <exception cref="StoreException">The file is missing (and may not be made), damaged, not Kotonoha's, or cannot be read.</exception>
    public static EmbeddedStore Open(string path, EmbeddedStoreOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        options ??= new EmbeddedStoreOptions();
        if (!options.CreateIfMissing && !File.Exists(path))
            throw new StoreException(StoreError.Missing, $"There is no knowledge file '{path}'. Ingest documents first.");
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = options.CreateIfMissing ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite,
            DefaultTimeout = options.BusyTimeoutSeconds,
            Pooling = false,
        }.ToString());
        try
        {
            return Guarded(path, () =>
            {
                connection.Open();
                Prepare(path, connection);
                var store = new EmbeddedStore(path, connection, new Lock(), 0, ownsConnection: true);
                lock (store._gate)
                    store.Refresh();
                return store;
            });
        }
        catch
        {
            connection.Dispose();
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
                using var transaction = _connection.BeginTransaction(deferred: false);
                if (ReadGeneration() != _generation || ReadInfo(_generation) is not null)
                    throw new StoreException(StoreError.Busy, $"The collection in '{Location}' was created by another process in the meantime. Start again.");
                WriteInfo(_generation, info);
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
                    Check(document, info);
                var unit = documents.Select(document => document.Chunks.Select(chunk => VectorMath.Normalize(chunk.Dense.Span)).ToArray()).ToArray();
                using var transaction = _connection.BeginTransaction(deferred: false);
                if (DataVersion() != _dataVersion)
                    Refresh(inTransaction: true);
                var old = documents.Where(document => _index!.Contains(document.Record.Source)).Select(document => document.Record.Source).ToArray();
                var oldTerms = ReadTerms(old);
                foreach (var source in old)
                    DeleteRows(source);
                InsertRows(documents, unit);
                transaction.Commit();

                foreach (var source in old)
                    _index!.Remove(source, id => oldTerms[id]);
                for (int i = 0; i < documents.Count; i++)
                {
                    _index!.AddDocument(documents[i].Record);
                    for (int j = 0; j < documents[i].Chunks.Count; j++)
                        _index.AddChunk(documents[i].Record.Source, documents[i].Chunks[j].Chunk.Id, documents[i].Chunks[j].Terms, unit[i][j]);
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
                using var transaction = _connection.BeginTransaction(deferred: false);
                if (DataVersion() != _dataVersion)
                    Refresh(inTransaction: true);
                var known = sources.Where(_index!.Contains).Distinct(StringComparer.Ordinal).ToArray();
                var terms = ReadTerms(known);
                foreach (var source in known)
                    DeleteRows(source);
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
    public Task<IReadOnlyList<ScoredChunk>> SearchDenseAsync(ReadOnlyMemory<float> query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Locked<IReadOnlyList<ScoredChunk>>(
            () =>
            {
                var info = _info ?? throw NotCreated();
                if (query.Length != info.DenseDimension)
                    throw WrongWidth(query.Length, info);
                return query.Length == 0 ? [] : _index!.SearchDense(VectorMath.Normalize(query.Span), limit, filter);
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<ScoredChunk>> SearchSparseAsync(TermVector query, int limit, StoreFilter? filter = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(query);
        ArgumentOutOfRangeException.ThrowIfNegative(limit);
        return Locked<IReadOnlyList<ScoredChunk>>(() => _info is null ? throw NotCreated() : _index!.SearchSparse(query, limit, filter), cancellationToken);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<Chunk?>> ReadChunksAsync(IReadOnlyList<string> ids, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(ids);
        return Locked<IReadOnlyList<Chunk?>>(
            () =>
            {
                using var command = Command("SELECT id, source, ordinal, first, past, heading, page, title, text FROM chunks WHERE generation = $generation AND id = $id");
                var id = command.Parameters.Add("$id", SqliteType.Text);
                var chunks = new Chunk?[ids.Count];
                for (int i = 0; i < chunks.Length; i++)
                {
                    id.Value = ids[i];
                    using var reader = command.ExecuteReader();
                    chunks[i] = reader.Read() ? ToChunk(reader) : null;
                }

                return chunks;
            },
            cancellationToken);
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
        return Locked<IReadOnlyList<Chunk>>(
            () =>
            {
                using var command = Command("SELECT id, source, ordinal, first, past, heading, page, title, text FROM chunks WHERE generation = $generation AND source = $source ORDER BY ordinal");
                command.Parameters.AddWithValue("$source", source);
                using var reader = command.ExecuteReader();
                var chunks = new List<Chunk>();
                while (reader.Read())
                    chunks.Add(ToChunk(reader));
                return chunks;
            },
            cancellationToken);
    }

    /// <inheritdoc/>
    /// <remarks>Stored are counts, not weights, so only the metadata changes here; <paramref name="termsOf"/> is not called.</remarks>
    public Task SetAverageLengthAsync(double averageLength, Func<Chunk, TermVector> termsOf, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(averageLength);
        return Locked(
            () =>
            {
                var info = (_info ?? throw NotCreated()) with { AverageLength = averageLength };
                WriteInfo(_generation, info);
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
                using var transaction = _connection.BeginTransaction(deferred: false);
                int removed = RemoveOtherGenerations(_generation);
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
                using var transaction = _connection.BeginTransaction(deferred: false);
                RemoveOtherGenerations(_generation);
                WriteInfo(_generation + 1, info);
                transaction.Commit();
                return new EmbeddedStore(Location, _connection, _gate, _generation + 1, ownsConnection: false)
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
        if (rebuilt is not EmbeddedStore next || next._connection != _connection || next._generation == _generation)
            throw new ArgumentException("This is not a rebuild of this store.", nameof(rebuilt));
        return Locked(
            () =>
            {
                using var transaction = _connection.BeginTransaction(deferred: false);
                using var command = Command("UPDATE meta SET value = $value WHERE key = 'generation'");
                command.Parameters.AddWithValue("$value", next._generation.ToString(CultureInfo.InvariantCulture));
                command.ExecuteNonQuery();
                RemoveOtherGenerations(next._generation);
                transaction.Commit();
                (_generation, _info, _index) = (next._generation, next._info, next._index);
                return true;
            },
            cancellationToken);
    }

    /// <summary>Closes the file.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_disposed)
                return default;
            _disposed = true;
            _index = null;
            if (_ownsConnection)
                _connection.Dispose();
        }

        return default;
    }

    private static void Prepare(string path, SqliteConnection connection)
    {
        using (var check = connection.CreateCommand())
        {
            check.CommandText = "SELECT (SELECT count(*) FROM sqlite_master), (SELECT application_id FROM pragma_application_id)";
            using var reader = check.ExecuteReader();
            reader.Read();
            if (reader.GetInt64(0) > 0 && reader.GetInt64(1) != ApplicationId)
                throw new StoreException(StoreError.Foreign, $"'{path}' is an SQLite file, but not a knowledge file of Kotonoha. Choose another path.");
        }

        using (var modes = connection.CreateCommand())
        {
            modes.CommandText = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL";
            modes.ExecuteNonQuery();
        }

        using var transaction = connection.BeginTransaction(deferred: false);
        using var command = connection.CreateCommand();
        command.CommandText =
            $"""
            PRAGMA application_id = {ApplicationId};
            CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS documents (
                generation INTEGER NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, version TEXT NOT NULL, chunks INTEGER NOT NULL,
                terms INTEGER NOT NULL, title TEXT, bytes INTEGER NOT NULL, tags TEXT NOT NULL, PRIMARY KEY (generation, source)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS chunks (
                number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, ordinal INTEGER NOT NULL,
                first INTEGER NOT NULL, past INTEGER NOT NULL, page INTEGER, term_numbers BLOB NOT NULL, term_counts BLOB NOT NULL, dense BLOB NOT NULL,
                heading TEXT, title TEXT, text TEXT NOT NULL);
            CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_id ON chunks (generation, id);
            CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_source ON chunks (generation, source, ordinal);
            INSERT OR IGNORE INTO meta VALUES ('generation', '1');
            """;
        command.ExecuteNonQuery();
        transaction.Commit();
    }

    private static void CheckInfo(CollectionInfo info)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(info.DenseDimension);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(info.AverageLength);
    }

    private static void Check(DocumentWrite document, CollectionInfo info)
    {
        foreach (var chunk in document.Chunks)
        {
            if (chunk.Chunk.Source != document.Record.Source)
                throw new ArgumentException($"Chunk {chunk.Chunk.Id} belongs to '{chunk.Chunk.Source}', not to '{document.Record.Source}'.");
            if (chunk.Dense.Length != info.DenseDimension)
                throw WrongWidth(chunk.Dense.Length, info);
        }
    }

    private static StoreException WrongWidth(int width, CollectionInfo info)
        => new(StoreError.Mismatch, $"A vector of {width} dimensions does not fit the collection, which has {info.DenseDimension}: another embedder made it. Use that embedder, or re-index.");

    private static Chunk ToChunk(SqliteDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetInt32(2),
        reader.GetInt32(3),
        reader.GetInt32(4),
        reader.GetString(8),
        reader.IsDBNull(5) ? null : reader.GetString(5),
        reader.IsDBNull(6) ? null : reader.GetInt32(6),
        reader.IsDBNull(7) ? null : reader.GetString(7));

    private static byte[] Bytes<T>(ReadOnlySpan<T> values)
        where T : unmanaged
        => MemoryMarshal.AsBytes(values).ToArray();

    private static T[] Values<T>(SqliteDataReader reader, int column)
        where T : unmanaged
    {
        var bytes = reader.GetFieldValue<byte[]>(column);
        if (bytes.Length % Unsafe.SizeOf<T>() != 0)
            throw new InvalidDataException("A blob has a wrong length.");
        return MemoryMarshal.Cast<byte, T>(bytes).ToArray();
    }

    private static T Guarded<T>(string location, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (SqliteException exception)
        {
            throw exception.SqliteErrorCode switch
            {
                5 or 6 => new StoreException(StoreError.Busy, $"Another process is writing to '{location}'. Wait until it is done, then try again.", exception),
                11 => new StoreException(StoreError.Corrupt, $"The knowledge file '{location}' is damaged ({exception.Message}). Delete it and ingest the documents again.", exception),
                26 => new StoreException(StoreError.Foreign, $"'{location}' is not a knowledge file of Kotonoha ({exception.Message}). Choose another path, or delete it and ingest the documents again.", exception),
                _ => new StoreException(StoreError.Storage, $"The knowledge file '{location}' cannot be read or written ({exception.Message}). Check the path, its permissions and the space on its disk.", exception),
            };
        }
        catch (Exception exception) when (exception is InvalidDataException or FormatException or JsonException or InvalidCastException)
        {
            throw new StoreException(StoreError.Corrupt, $"The knowledge file '{location}' is damaged ({exception.Message}). Delete it and ingest the documents again.", exception);
        }
    }

    private Task<T> Locked<T>(Func<T> work, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
            return Task.FromCanceled<T>(cancellationToken);
        try
        {
            lock (_gate)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                return Task.FromResult(Guarded(Location, () =>
                {
                    if (DataVersion() != _dataVersion)
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

    // Changes when another process commits.
    private long DataVersion()
    {
        using var command = _connection.CreateCommand();
        command.CommandText = "PRAGMA data_version";
        return (long)command.ExecuteScalar()!;
    }

    private StoreException NotCreated()
        => new(StoreError.Missing, $"The knowledge file '{Location}' holds no collection yet. Ingest documents first.");

    private SqliteCommand Command(string text)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        if (text.Contains("$generation", StringComparison.Ordinal))
            command.Parameters.AddWithValue("$generation", _generation);
        return command;
    }

    private int ReadGeneration()
    {
        using var command = Command("SELECT value FROM meta WHERE key = 'generation'");
        return int.Parse((string)command.ExecuteScalar()!, CultureInfo.InvariantCulture);
    }

    private CollectionInfo? ReadInfo(int generation)
    {
        using var command = Command("SELECT value FROM meta WHERE key = $key");
        command.Parameters.AddWithValue("$key", $"collection/{generation}");
        if (command.ExecuteScalar() is not string json)
            return null;
        var info = JsonSerializer.Deserialize(json, StoreJson.Default.CollectionInfo) ?? throw new InvalidDataException("The collection's metadata is empty.");
        return info.SchemaVersion == CollectionInfo.CurrentSchemaVersion
            ? info
            : throw new StoreException(StoreError.Foreign, $"The knowledge file '{Location}' has layout {info.SchemaVersion}; this version of Kotonoha reads layout {CollectionInfo.CurrentSchemaVersion}. Delete the file and ingest the documents again.");
    }

    private void WriteInfo(int generation, CollectionInfo info)
    {
        using var command = Command("INSERT OR REPLACE INTO meta VALUES ($key, $value)");
        command.Parameters.AddWithValue("$key", $"collection/{generation}");
        command.Parameters.AddWithValue("$value", JsonSerializer.Serialize(info, StoreJson.Default.CollectionInfo));
        command.ExecuteNonQuery();
    }

    private void Refresh(bool inTransaction = false)
    {
        if (inTransaction)
        {
            ReadAll();
            return;
        }

        // What is read here belongs together: one snapshot, whatever another process commits meanwhile.
        var snapshot = _connection.BeginTransaction(deferred: true);
        try
        {
            ReadAll();
            snapshot.Commit();
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
        _dataVersion = DataVersion();
        if (_ownsConnection)
            _generation = ReadGeneration();
        _info = ReadInfo(_generation);
        _index = null;
        if (_info is not null)
            _index = ReadIndex(_info);
    }

    private EmbeddedIndex ReadIndex(CollectionInfo info)
    {
        var index = new EmbeddedIndex(info.DenseDimension, info.AverageLength);
        using (var documents = Command("SELECT source, hash, version, chunks, terms, title, bytes, tags FROM documents WHERE generation = $generation"))
        using (var reader = documents.ExecuteReader())
            while (reader.Read())
                index.AddDocument(new DocumentRecord(
                    reader.GetString(0),
                    reader.GetString(1),
                    reader.GetString(2),
                    reader.GetInt32(3),
                    reader.GetInt64(4),
                    reader.IsDBNull(5) ? null : reader.GetString(5),
                    reader.GetInt64(6),
                    JsonSerializer.Deserialize(reader.GetString(7), StoreJson.Default.StringArray) ?? []));
        using (var chunks = Command("SELECT id, source, term_numbers, term_counts, dense FROM chunks WHERE generation = $generation ORDER BY number"))
        using (var reader = chunks.ExecuteReader())
            while (reader.Read())
            {
                var dense = Values<float>(reader, 4);
                if (dense.Length != index.Dimension)
                    throw new InvalidDataException($"A vector has {dense.Length} dimensions instead of {index.Dimension}.");
                index.AddChunk(reader.GetString(1), reader.GetString(0), TermVector.FromParts(Values<uint>(reader, 2), Values<int>(reader, 3)), dense);
            }

        return index;
    }

    private void RenewIfMostlyDead()
    {
        if (_index is { } index && index.DeadCount > Math.Max(MinDeadSlots, index.LiveCount))
            Refresh();
    }

    private Dictionary<string, TermVector> ReadTerms(IEnumerable<string> sources)
    {
        var terms = new Dictionary<string, TermVector>(StringComparer.Ordinal);
        using var command = Command("SELECT id, term_numbers, term_counts FROM chunks WHERE generation = $generation AND source = $source");
        var parameter = command.Parameters.Add("$source", SqliteType.Text);
        foreach (var source in sources)
        {
            parameter.Value = source;
            using var reader = command.ExecuteReader();
            while (reader.Read())
                terms.Add(reader.GetString(0), TermVector.FromParts(Values<uint>(reader, 1), Values<int>(reader, 2)));
        }

        return terms;
    }

    private void DeleteRows(string source)
    {
        using var command = Command("DELETE FROM chunks WHERE generation = $generation AND source = $source; DELETE FROM documents WHERE generation = $generation AND source = $source");
        command.Parameters.AddWithValue("$source", source);
        command.ExecuteNonQuery();
    }

    private int RemoveOtherGenerations(int kept)
    {
        using var command = Command("DELETE FROM documents WHERE generation <> $kept; DELETE FROM meta WHERE key LIKE 'collection/%' AND key <> $key; DELETE FROM chunks WHERE generation <> $kept; SELECT changes()");
        command.Parameters.AddWithValue("$kept", kept);
        command.Parameters.AddWithValue("$key", $"collection/{kept}");
        return (int)(long)command.ExecuteScalar()!;
    }

    private void InsertRows(IReadOnlyList<DocumentWrite> documents, float[][][] unit)
    {
        using var chunkCommand = Command(
            """
            INSERT INTO chunks (generation, id, source, ordinal, first, past, page, term_numbers, term_counts, dense, heading, title, text)
            VALUES ($generation, $id, $source, $ordinal, $first, $past, $page, $term_numbers, $term_counts, $dense, $heading, $title, $text)
            """);
        foreach (var name in (string[])["$id", "$source", "$ordinal", "$first", "$past", "$page", "$term_numbers", "$term_counts", "$dense", "$heading", "$title", "$text"])
            chunkCommand.Parameters.Add(new SqliteParameter { ParameterName = name });
        using var documentCommand = Command(
            """
            INSERT INTO documents (generation, source, hash, version, chunks, terms, title, bytes, tags)
            VALUES ($generation, $source, $hash, $version, $chunks, $terms, $title, $bytes, $tags)
            """);
        foreach (var name in (string[])["$source", "$hash", "$version", "$chunks", "$terms", "$title", "$bytes", "$tags"])
            documentCommand.Parameters.Add(new SqliteParameter { ParameterName = name });
        for (int i = 0; i < documents.Count; i++)
        {
            for (int j = 0; j < documents[i].Chunks.Count; j++)
            {
                var (chunk, terms, _) = documents[i].Chunks[j];
                Run(
                    chunkCommand,
                    chunk.Id,
                    chunk.Source,
                    chunk.Ordinal,
                    chunk.Start,
                    chunk.End,
                    chunk.Page,
                    Bytes<uint>(terms.Indices),
                    Bytes<int>(terms.Counts),
                    Bytes<float>(unit[i][j]),
                    chunk.Heading,
                    chunk.Title,
                    chunk.Text);
            }

            var record = documents[i].Record;
            Run(
                documentCommand,
                record.Source,
                record.Hash,
                record.Version,
                record.ChunkCount,
                record.TermCount,
                record.Title,
                record.Bytes,
                JsonSerializer.Serialize([.. record.Tags], StoreJson.Default.StringArray));
        }

        static void Run(SqliteCommand command, params ReadOnlySpan<object?> values)
        {
            // The first parameter is the generation.
            for (int i = 0; i < values.Length; i++)
                command.Parameters[i + 1].Value = values[i] ?? DBNull.Value;
            command.ExecuteNonQuery();
        }
    }
}
