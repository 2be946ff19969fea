using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Stores;

/// <summary>
/// An SQLite file of ours, or a database in memory: how it is opened, what its errors mean, and the graphs of its vectors. Not thread-safe:
/// whoever has it guards it.
/// </summary>
internal sealed class SqliteFile : IDisposable
{
    // "KTNH": tells our files from other SQLite files.
    private const int ApplicationId = 0x4b544e48;

    /// <summary>What stands for the path of a database in memory.</summary>
    public const string InMemory = ":memory:";

    private readonly SqliteConnection _connection;

    private SqliteFile(string path, SqliteConnection connection)
    {
        Path = path;
        _connection = connection;
    }

    /// <summary>The file's path, for messages.</summary>
    public string Path { get; }

    /// <summary>Opens a file and makes its tables where they are missing.</summary>
    /// <param name="path">The file, or null for a database in memory.</param>
    /// <param name="createIfMissing">Whether a missing file is created.</param>
    /// <param name="busyTimeoutSeconds">How long a write waits for another process.</param>
    /// <param name="tables">The SQL that makes the tables.</param>
    public static SqliteFile Open(string? path, bool createIfMissing, int busyTimeoutSeconds, string tables)
    {
        if (!createIfMissing && !File.Exists(path))
            throw new StoreException(StoreError.Missing, $"There is no knowledge file '{path}'. {StoreException.HowToIngest}");
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = path ?? InMemory,
            Mode = path is null ? SqliteOpenMode.Memory
                : createIfMissing ? SqliteOpenMode.ReadWriteCreate : SqliteOpenMode.ReadWrite,
            DefaultTimeout = busyTimeoutSeconds,
            Pooling = false,
        }.ToString());
        var file = new SqliteFile(path ?? InMemory, connection);
        try
        {
            file.Guard(() =>
            {
                connection.Open();
                file.Prepare(tables);
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
        catch (Exception exception) when (exception is InvalidDataException or FormatException or JsonException or InvalidCastException
            or OverflowException or (InvalidOperationException and not ObjectDisposedException))
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

    public SqliteCommand Command(string text, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        foreach (var (name, value) in parameters)
            command.Parameters.AddWithValue(name, value ?? DBNull.Value);
        return command;
    }

    public void Execute(string text, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var command = Command(text, parameters);
        command.ExecuteNonQuery();
    }

    /// <summary>The parts of a graph; none where none has been stored.</summary>
    public List<byte[]> ReadGraph(string owner)
    {
        using var command = Command("SELECT data FROM graphs WHERE owner = $owner ORDER BY part", ("$owner", owner));
        using var reader = command.ExecuteReader();
        var parts = new List<byte[]>();
        while (reader.Read())
            parts.Add(reader.GetFieldValue<byte[]>(0));
        return parts;
    }

    /// <summary>Stores a graph in place of what was stored for its owner; nothing is stored for no parts.</summary>
    public void WriteGraph(string owner, IReadOnlyList<byte[]> parts)
    {
        Execute("DELETE FROM graphs WHERE owner = $owner", ("$owner", owner));
        for (int part = 0; part < parts.Count; part++)
            Execute(
                "INSERT INTO graphs (owner, part, data) VALUES ($owner, $part, $data)",
                ("$owner", owner),
                ("$part", part),
                ("$data", parts[part]));
    }

    public static byte[] Bytes<T>(ReadOnlySpan<T> values)
        where T : unmanaged
        => MemoryMarshal.AsBytes(values).ToArray();

    public static T[] Values<T>(SqliteDataReader reader, int column)
        where T : unmanaged
    {
        var bytes = reader.GetFieldValue<byte[]>(column);
        if (bytes.Length % Unsafe.SizeOf<T>() != 0)
            throw new InvalidDataException("A blob has a wrong length.");
        return MemoryMarshal.Cast<byte, T>(bytes).ToArray();
    }

    public static TermVector Terms(SqliteDataReader reader, int firstColumn)
        => TermVector.FromParts(Values<uint>(reader, firstColumn), Values<int>(reader, firstColumn + 1));

    public void Dispose() => _connection.Dispose();

    private void Prepare(string tables)
    {
        using (var check = Command("SELECT (SELECT count(*) FROM sqlite_master), (SELECT application_id FROM pragma_application_id)"))
        using (var reader = check.ExecuteReader())
        {
            reader.Read();
            if (reader.GetInt64(0) > 0 && reader.GetInt64(1) != ApplicationId)
                throw new StoreException(
                    StoreError.Foreign, $"'{Path}' is an SQLite file, but not a knowledge file of Kotonoha. Choose another path.");
        }

        Execute("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
        using var transaction = Begin();
        Execute($"PRAGMA application_id = {ApplicationId}");
        Execute(tables);
        Execute(
            """
            CREATE TABLE IF NOT EXISTS graphs (
                number INTEGER PRIMARY KEY, owner TEXT NOT NULL, part INTEGER NOT NULL, data BLOB NOT NULL);
            CREATE UNIQUE INDEX IF NOT EXISTS graphs_by_owner ON graphs (owner, part)
            """);
        transaction.Commit();
    }
}
