using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Kotonoha.Rag.Chunking;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// The SQLite file of the embedded store: its tables and how rows become documents, chunks and vectors. A row belongs to a generation of
/// the collection. Not thread-safe: the store guards it.
/// </summary>
internal sealed class KnowledgeFile : IDisposable
{
    // "KTNH": tells our files from other SQLite files.
    private const int ApplicationId = 0x4b544e48;

    private const string ChunkColumns = "id, source, ordinal, first, past, heading, page, title, text";

    private readonly SqliteConnection _connection;

    private KnowledgeFile(string path, SqliteConnection connection)
    {
        Path = path;
        _connection = connection;
    }

    public string Path { get; }

    public static KnowledgeFile Open(string path, EmbeddedStoreOptions options)
    {
        if (!options.CreateIfMissing && !File.Exists(path))
            throw new StoreException(StoreError.Missing, $"There is no knowledge file '{path}'. {StoreException.HowToIngest}");
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path,
            Mode = options.CreateIfMissing ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite,
            DefaultTimeout = options.BusyTimeoutSeconds,
            Pooling = false,
        }.ToString());
        var file = new KnowledgeFile(path, connection);
        try
        {
            file.Guard(() =>
            {
                connection.Open();
                file.Prepare();
                return true;
            });
            return file;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    /// <summary>Does some work and turns what SQLite or damaged rows throw into <see cref="StoreException"/>.</summary>
    public T Guard<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (SqliteException exception)
        {
            throw exception.SqliteErrorCode switch
            {
                5 or 6 => new StoreException(
                    StoreError.Busy, $"Another process is writing to '{Path}'. Wait until it is done, then try again.", exception),
                11 => Damaged(exception),
                26 => new StoreException(
                    StoreError.Foreign,
                    $"'{Path}' is not a knowledge file of Kotonoha ({exception.Message}). "
                    + "Choose another path, or delete it and ingest the documents again.",
                    exception),
                _ => new StoreException(
                    StoreError.Storage,
                    $"The knowledge file '{Path}' cannot be read or written ({exception.Message}). "
                    + "Check the path, its permissions and the space on its disk.",
                    exception),
            };
        }
        catch (Exception exception) when (exception is InvalidDataException or FormatException or JsonException or InvalidCastException)
        {
            throw Damaged(exception);
        }

        StoreException Damaged(Exception exception) => new(
            StoreError.Corrupt,
            $"The knowledge file '{Path}' is damaged ({exception.Message}). Delete it and ingest the documents again.",
            exception);
    }

    /// <summary>
    /// Begins a transaction that writes, or one that reads from one snapshot, whatever another process commits meanwhile.
    /// </summary>
    public SqliteTransaction Begin(bool writes = true) => _connection.BeginTransaction(deferred: !writes);

    /// <summary>A number that changes when another process commits.</summary>
    public long DataVersion()
    {
        using var command = Command("PRAGMA data_version");
        return (long)command.ExecuteScalar()!;
    }

    public int ReadGeneration()
    {
        using var command = Command("SELECT value FROM meta WHERE key = 'generation'");
        return int.Parse((string)command.ExecuteScalar()!, CultureInfo.InvariantCulture);
    }

    public void WriteGeneration(int generation)
    {
        using var command = Command("UPDATE meta SET value = $value WHERE key = 'generation'");
        command.Parameters.AddWithValue("$value", generation.ToString(CultureInfo.InvariantCulture));
        command.ExecuteNonQuery();
    }

    public CollectionInfo? ReadInfo(int generation)
    {
        using var command = Command("SELECT value FROM meta WHERE key = $key");
        command.Parameters.AddWithValue("$key", $"collection/{generation}");
        if (command.ExecuteScalar() is not string json)
            return null;
        var info = JsonSerializer.Deserialize(json, StoreJson.Default.CollectionInfo)
            ?? throw new InvalidDataException("The collection's metadata is empty.");
        return info.SchemaVersion == CollectionInfo.CurrentSchemaVersion
            ? info
            : throw new StoreException(
                StoreError.Foreign,
                $"The knowledge file '{Path}' has layout {info.SchemaVersion}; this version of Kotonoha reads layout "
                + $"{CollectionInfo.CurrentSchemaVersion}. Delete the file and ingest the documents again.");
    }

    public void WriteInfo(int generation, CollectionInfo info)
    {
        using var command = Command("INSERT OR REPLACE INTO meta VALUES ($key, $value)");
        command.Parameters.AddWithValue("$key", $"collection/{generation}");
        command.Parameters.AddWithValue("$value", JsonSerializer.Serialize(info, StoreJson.Default.CollectionInfo));
        command.ExecuteNonQuery();
    }

    /// <summary>Reads a generation's search structures into memory.</summary>
    public EmbeddedIndex ReadIndex(int generation, CollectionInfo info)
    {
        var index = new EmbeddedIndex(info.DenseDimension, info.AverageLength);
        using (var documents = Command(
            "SELECT source, hash, version, chunks, terms, title, bytes, tags FROM documents WHERE generation = $generation", generation))
        using (var reader = documents.ExecuteReader())
            while (reader.Read())
                index.AddDocument(new DocumentRecord(
                    reader.GetString(0),
                    reader.GetString(1),
                    reader.GetString(2),
                    reader.GetInt32(3),
                    reader.GetInt64(4),
                    Text(reader, 5),
                    reader.GetInt64(6),
                    JsonSerializer.Deserialize(reader.GetString(7), StoreJson.Default.StringArray) ?? []));
        using (var chunks = Command(
            "SELECT id, source, term_numbers, term_counts, dense FROM chunks WHERE generation = $generation ORDER BY number", generation))
        using (var reader = chunks.ExecuteReader())
            while (reader.Read())
            {
                var dense = Values<float>(reader, 4);
                if (dense.Length != index.Dimension)
                    throw new InvalidDataException($"A vector has {dense.Length} dimensions instead of {index.Dimension}.");
                index.AddChunk(reader.GetString(1), reader.GetString(0), Terms(reader, 2), dense);
            }

        return index;
    }

    public Chunk?[] ReadChunks(int generation, IReadOnlyList<string> ids)
    {
        using var command = Command($"SELECT {ChunkColumns} FROM chunks WHERE generation = $generation AND id = $id", generation);
        var id = command.Parameters.Add("$id", SqliteType.Text);
        var chunks = new Chunk?[ids.Count];
        for (int i = 0; i < chunks.Length; i++)
        {
            id.Value = ids[i];
            using var reader = command.ExecuteReader();
            chunks[i] = reader.Read() ? ToChunk(reader) : null;
        }

        return chunks;
    }

    public List<Chunk> ReadDocument(int generation, string source)
    {
        using var command = Command(
            $"SELECT {ChunkColumns} FROM chunks WHERE generation = $generation AND source = $source ORDER BY ordinal", generation);
        command.Parameters.AddWithValue("$source", source);
        using var reader = command.ExecuteReader();
        var chunks = new List<Chunk>();
        while (reader.Read())
            chunks.Add(ToChunk(reader));
        return chunks;
    }

    /// <summary>The terms of documents' chunks, by the chunks' ids.</summary>
    public Dictionary<string, TermVector> ReadTerms(int generation, IEnumerable<string> sources)
    {
        var terms = new Dictionary<string, TermVector>(StringComparer.Ordinal);
        using var command = Command(
            "SELECT id, term_numbers, term_counts FROM chunks WHERE generation = $generation AND source = $source", generation);
        var parameter = command.Parameters.Add("$source", SqliteType.Text);
        foreach (var source in sources)
        {
            parameter.Value = source;
            using var reader = command.ExecuteReader();
            while (reader.Read())
                terms.Add(reader.GetString(0), Terms(reader, 1));
        }

        return terms;
    }

    public void DeleteDocument(int generation, string source)
    {
        using var command = Command(
            """
            DELETE FROM chunks WHERE generation = $generation AND source = $source;
            DELETE FROM documents WHERE generation = $generation AND source = $source
            """,
            generation);
        command.Parameters.AddWithValue("$source", source);
        command.ExecuteNonQuery();
    }

    /// <summary>Deletes every other generation and gives back how many chunks that were.</summary>
    public int DeleteOtherGenerations(int kept)
    {
        using var command = Command(
            """
            DELETE FROM documents WHERE generation <> $generation;
            DELETE FROM meta WHERE key LIKE 'collection/%' AND key <> $key;
            DELETE FROM chunks WHERE generation <> $generation;
            SELECT changes()
            """,
            kept);
        command.Parameters.AddWithValue("$key", $"collection/{kept}");
        return (int)(long)command.ExecuteScalar()!;
    }

    /// <summary>Inserts documents with their chunks.</summary>
    /// <param name="generation">The generation.</param>
    /// <param name="documents">The documents; none of them is there.</param>
    /// <param name="unit">The vectors to store, of length 1, by document and chunk.</param>
    public void InsertDocuments(int generation, IReadOnlyList<DocumentWrite> documents, float[][][] unit)
    {
        using var chunkCommand = Insert(
            "chunks",
            generation,
            ["id", "source", "ordinal", "first", "past", "page", "term_numbers", "term_counts", "dense", "heading", "title", "text"]);
        using var documentCommand = Insert(
            "documents", generation, ["source", "hash", "version", "chunks", "terms", "title", "bytes", "tags"]);
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
    }

    public void Dispose() => _connection.Dispose();

    private void Prepare()
    {
        using (var check = Command("SELECT (SELECT count(*) FROM sqlite_master), (SELECT application_id FROM pragma_application_id)"))
        using (var reader = check.ExecuteReader())
        {
            reader.Read();
            if (reader.GetInt64(0) > 0 && reader.GetInt64(1) != ApplicationId)
                throw new StoreException(
                    StoreError.Foreign, $"'{Path}' is an SQLite file, but not a knowledge file of Kotonoha. Choose another path.");
        }

        using (var modes = Command("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL"))
            modes.ExecuteNonQuery();
        using var transaction = Begin();
        using var command = Command(
            $"""
            PRAGMA application_id = {ApplicationId};
            CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS documents (
                generation INTEGER NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, version TEXT NOT NULL, chunks INTEGER NOT NULL,
                terms INTEGER NOT NULL, title TEXT, bytes INTEGER NOT NULL, tags TEXT NOT NULL,
                PRIMARY KEY (generation, source)) WITHOUT ROWID;
            CREATE TABLE IF NOT EXISTS chunks (
                number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, ordinal INTEGER NOT NULL,
                first INTEGER NOT NULL, past INTEGER NOT NULL, page INTEGER, term_numbers BLOB NOT NULL, term_counts BLOB NOT NULL,
                dense BLOB NOT NULL, heading TEXT, title TEXT, text TEXT NOT NULL);
            CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_id ON chunks (generation, id);
            CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_source ON chunks (generation, source, ordinal);
            INSERT OR IGNORE INTO meta VALUES ('generation', '1');
            """);
        command.ExecuteNonQuery();
        transaction.Commit();
    }

    private SqliteCommand Command(string text, int? generation = null)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        if (generation is { } number)
            command.Parameters.AddWithValue("$generation", number);
        return command;
    }

    /// <summary>A command that inserts a row; its first parameter is the generation.</summary>
    private SqliteCommand Insert(string table, int generation, string[] columns)
    {
        var command = Command(
            $"INSERT INTO {table} (generation, {string.Join(", ", columns)}) VALUES ($generation, ${string.Join(", $", columns)})",
            generation);
        foreach (var column in columns)
            command.Parameters.Add(new SqliteParameter { ParameterName = "$" + column });
        return command;
    }

    private static void Run(SqliteCommand insert, params ReadOnlySpan<object?> values)
    {
        for (int i = 0; i < values.Length; i++)
            insert.Parameters[i + 1].Value = values[i] ?? DBNull.Value;
        insert.ExecuteNonQuery();
    }

    private static Chunk ToChunk(SqliteDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetInt32(2),
        reader.GetInt32(3),
        reader.GetInt32(4),
        reader.GetString(8),
        Text(reader, 5),
        reader.IsDBNull(6) ? null : reader.GetInt32(6),
        Text(reader, 7));

    private static string? Text(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);

    private static TermVector Terms(SqliteDataReader reader, int firstColumn)
        => TermVector.FromParts(Values<uint>(reader, firstColumn), Values<int>(reader, firstColumn + 1));

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
}
