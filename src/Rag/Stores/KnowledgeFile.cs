using System.Globalization;
using System.Text.Json;
using Kotonoha.Rag.Chunking;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// The tables of the embedded store and how rows become documents, chunks and vectors. A row belongs to a generation of the collection. Not
/// thread-safe: the store guards it.
/// </summary>
internal sealed class KnowledgeFile : IDisposable
{
    private const string ChunkColumns = "id, source, ordinal, first, past, heading, page, title, text, table_header";

    private const string Tables =
        """
        CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS documents (
            generation INTEGER NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, version TEXT NOT NULL, chunks INTEGER NOT NULL,
            terms INTEGER NOT NULL, title TEXT, bytes INTEGER NOT NULL, tags TEXT NOT NULL,
            access TEXT, etag TEXT, modified TEXT,
            PRIMARY KEY (generation, source)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS quarantine (
            generation INTEGER NOT NULL, source TEXT NOT NULL, hash TEXT NOT NULL, judge TEXT NOT NULL, cause TEXT NOT NULL,
            reason TEXT NOT NULL, released INTEGER NOT NULL, access TEXT,
            PRIMARY KEY (generation, source)) WITHOUT ROWID;
        CREATE TABLE IF NOT EXISTS chunks (
            number INTEGER PRIMARY KEY, generation INTEGER NOT NULL, id TEXT NOT NULL, source TEXT NOT NULL, ordinal INTEGER NOT NULL,
            first INTEGER NOT NULL, past INTEGER NOT NULL, page INTEGER, term_numbers BLOB NOT NULL, term_counts BLOB NOT NULL,
            dense BLOB NOT NULL, heading TEXT, title TEXT, text TEXT NOT NULL, table_header TEXT);
        CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_id ON chunks (generation, id);
        CREATE UNIQUE INDEX IF NOT EXISTS chunks_by_source ON chunks (generation, source, ordinal);
        INSERT OR IGNORE INTO meta VALUES ('generation', '1');
        """;

    private readonly SqliteFile _file;

    private KnowledgeFile(SqliteFile file) => _file = file;

    public string Path => _file.Path;

    public static KnowledgeFile Open(string path, EmbeddedStoreOptions options)
    {
        var file = SqliteFile.Open(path, options.CreateIfMissing, options.BusyTimeoutSeconds, Tables);
        try
        {
            return file.Guard(() =>
            {
                AddColumns(file);
                return new KnowledgeFile(file);
            });
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <inheritdoc cref="SqliteFile.Guard"/>
    public T Guard<T>(Func<T> work) => _file.Guard(work);

    /// <inheritdoc cref="SqliteFile.Begin"/>
    public SqliteTransaction Begin(bool writes = true) => _file.Begin(writes);

    /// <inheritdoc cref="SqliteFile.DataVersion"/>
    public long DataVersion() => _file.DataVersion();

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
    /// <param name="generation">The generation.</param>
    /// <param name="info">Its metadata.</param>
    /// <param name="options">How the vectors are searched.</param>
    public EmbeddedIndex ReadIndex(int generation, CollectionInfo info, EmbeddedStoreOptions options)
    {
        var index = new EmbeddedIndex(
            info.DenseDimension, info.AverageLength, options.ExactSearch, quantization: options.Quantization);
        using (var documents = Command(
            "SELECT source, hash, version, chunks, terms, title, bytes, tags, access, etag, modified FROM documents "
            + "WHERE generation = $generation",
            generation))
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
                    JsonSerializer.Deserialize(reader.GetString(7), StoreJson.Default.StringArray) ?? [])
                {
                    Access = Access(reader, 8),
                    ETag = Text(reader, 9),
                    LastModified = Text(reader, 10),
                });
        using (var chunks = Command(
            "SELECT id, source, term_numbers, term_counts, dense, number FROM chunks WHERE generation = $generation ORDER BY number",
            generation))
        using (var reader = chunks.ExecuteReader())
            while (reader.Read())
            {
                var dense = SqliteFile.Values<float>(reader, 4);
                if (dense.Length != index.Dimension)
                    throw new InvalidDataException($"A vector has {dense.Length} dimensions instead of {index.Dimension}.");
                index.AddChunk(reader.GetString(1), reader.GetString(0), SqliteFile.Terms(reader, 2), dense, reader.GetInt64(5));
            }

        index.Vectors.LoadGraph(_file.ReadGraph(GraphOf(generation)));
        return index;
    }

    /// <summary>Stores the graph of a generation's vectors.</summary>
    public void WriteGraph(int generation, IReadOnlyList<byte[]> parts) => _file.WriteGraph(GraphOf(generation), parts);

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
                terms.Add(reader.GetString(0), SqliteFile.Terms(reader, 1));
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
            DELETE FROM quarantine WHERE generation <> $generation;
            DELETE FROM meta WHERE key LIKE 'collection/%' AND key <> $key;
            DELETE FROM graphs WHERE owner LIKE 'chunks/%' AND owner <> $graph;
            DELETE FROM chunks WHERE generation <> $generation;
            SELECT changes()
            """,
            kept);
        command.Parameters.AddWithValue("$graph", GraphOf(kept));
        command.Parameters.AddWithValue("$key", $"collection/{kept}");
        return (int)(long)command.ExecuteScalar()!;
    }

    /// <summary>Inserts documents with their chunks.</summary>
    /// <param name="generation">The generation.</param>
    /// <param name="documents">The documents; none of them is there.</param>
    /// <param name="unit">The vectors to store, of length 1, by document and chunk.</param>
    /// <returns>The chunks' rows, by document and chunk.</returns>
    public long[][] InsertDocuments(int generation, IReadOnlyList<DocumentWrite> documents, float[][][] unit)
    {
        using var chunkCommand = Insert(
            "chunks",
            generation,
            ["id", "source", "ordinal", "first", "past", "page", "term_numbers", "term_counts", "dense", "heading", "title", "text",
                "table_header"],
            "number");
        using var documentCommand = Insert(
            "documents",
            generation,
            ["source", "hash", "version", "chunks", "terms", "title", "bytes", "tags", "access", "etag", "modified"],
            "bytes");
        var rows = new long[documents.Count][];
        for (int i = 0; i < documents.Count; i++)
        {
            rows[i] = new long[documents[i].Chunks.Count];
            for (int j = 0; j < documents[i].Chunks.Count; j++)
            {
                var (chunk, terms, _) = documents[i].Chunks[j];
                rows[i][j] = (long)Run(
                    chunkCommand,
                    chunk.Id,
                    chunk.Source,
                    chunk.Ordinal,
                    chunk.Start,
                    chunk.End,
                    chunk.Page,
                    SqliteFile.Bytes<uint>(terms.Indices),
                    SqliteFile.Bytes<int>(terms.Counts),
                    SqliteFile.Bytes<float>(unit[i][j]),
                    chunk.Heading,
                    chunk.Title,
                    chunk.Text,
                    chunk.TableHeader);
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
                JsonSerializer.Serialize([.. record.Tags], StoreJson.Default.StringArray),
                Json(record.Access),
                record.ETag,
                record.LastModified);
        }

        return rows;
    }

    public List<QuarantineRecord> ReadQuarantine(int generation)
    {
        using var command = Command(
            "SELECT source, hash, judge, cause, reason, released, access FROM quarantine WHERE generation = $generation ORDER BY source",
            generation);
        using var reader = command.ExecuteReader();
        var records = new List<QuarantineRecord>();
        while (reader.Read())
            records.Add(new QuarantineRecord(
                reader.GetString(0),
                reader.GetString(1),
                reader.GetString(2),
                Enum.TryParse<QuarantineCause>(reader.GetString(3), out var cause)
                    ? cause
                    : throw new InvalidDataException($"'{reader.GetString(3)}' is no cause of a quarantine."),
                reader.GetString(4))
            {
                IsReleased = reader.GetInt64(5) != 0,
                Access = Access(reader, 6),
            });
        return records;
    }

    public void WriteQuarantine(int generation, IReadOnlyList<QuarantineRecord> records)
    {
        DeleteQuarantine(generation, [.. records.Select(record => record.Source)]);
        using var command = Insert(
            "quarantine", generation, ["source", "hash", "judge", "cause", "reason", "released", "access"], "released");
        foreach (var record in records)
            Run(command, record.Source, record.Hash, record.JudgedBy, record.Cause.ToString(), record.Reason, record.IsReleased ? 1 : 0,
                Json(record.Access));
    }

    public void DeleteQuarantine(int generation, IReadOnlyList<string> sources)
    {
        using var command = Command("DELETE FROM quarantine WHERE generation = $generation AND source = $source", generation);
        var source = command.Parameters.Add("$source", SqliteType.Text);
        foreach (var name in sources)
        {
            source.Value = name;
            command.ExecuteNonQuery();
        }
    }

    public void Dispose() => _file.Dispose();

    // Files of earlier versions lack them.
    private static void AddColumns(SqliteFile file)
    {
        using var transaction = file.Begin();
        foreach (var (table, column) in ((string, string)[])
            [("documents", "access"), ("documents", "etag"), ("documents", "modified"), ("chunks", "table_header")])
        {
            using var check = file.Command(
                "SELECT count(*) FROM pragma_table_info($table) WHERE name = $name", ("$table", table), ("$name", column));
            if ((long)check.ExecuteScalar()! == 0)
                file.Execute($"ALTER TABLE {table} ADD COLUMN {column} TEXT");
        }

        transaction.Commit();
    }

    private static string? Json(DocumentAccess? access)
        => access is null ? null : JsonSerializer.Serialize([.. access.Keys], StoreJson.Default.StringArray);

    private static DocumentAccess? Access(SqliteDataReader reader, int column)
        => Text(reader, column) is { } json
            ? DocumentAccess.FromKeys(JsonSerializer.Deserialize(json, StoreJson.Default.StringArray))
            : null;

    private SqliteCommand Command(string text, int? generation = null)
        => generation is { } number ? _file.Command(text, ("$generation", number)) : _file.Command(text);

    private static string GraphOf(int generation) => string.Create(CultureInfo.InvariantCulture, $"chunks/{generation}");

    /// <summary>A command that inserts a row; its first parameter is the generation.</summary>
    private SqliteCommand Insert(string table, int generation, string[] columns, string returned)
    {
        var command = Command(
            $"INSERT INTO {table} (generation, {string.Join(", ", columns)}) VALUES ($generation, ${string.Join(", $", columns)}) "
            + $"RETURNING {returned}",
            generation);
        foreach (var column in columns)
            command.Parameters.Add(new SqliteParameter { ParameterName = "$" + column });
        return command;
    }

    private static object Run(SqliteCommand insert, params ReadOnlySpan<object?> values)
    {
        for (int i = 0; i < values.Length; i++)
            insert.Parameters[i + 1].Value = values[i] ?? DBNull.Value;
        return insert.ExecuteScalar()!;
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
        Text(reader, 7),
        Text(reader, 9));

    private static string? Text(SqliteDataReader reader, int column) => reader.IsDBNull(column) ? null : reader.GetString(column);
}
