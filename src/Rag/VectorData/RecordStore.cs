using System.Globalization;
using Kotonoha.Rag.Stores;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.VectorData;

/// <summary>
/// Collections of records in one SQLite file, or in memory: rows in the file; keys, and what searches have asked for, in memory.
/// </summary>
/// <remarks>
/// Thread-safe. A write is one transaction, synced to disk before it is acknowledged; several processes may have the file open, and see
/// each other's writes.
/// </remarks>
internal sealed class RecordStore : IDisposable
{
    // A table with more dead slots than live ones is read anew, unless it is tiny.
    private const int MinDeadSlots = 1024;

    // What stands for the version of the file where memory may not be what it holds: it is read again at the next call.
    private const long Diverged = -1;

    private const string Tables =
        """
        CREATE TABLE IF NOT EXISTS collections (number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL);
        CREATE UNIQUE INDEX IF NOT EXISTS collections_by_name ON collections (name);
        CREATE TABLE IF NOT EXISTS records (
            number INTEGER PRIMARY KEY, collection INTEGER NOT NULL, key TEXT NOT NULL, data BLOB NOT NULL);
        CREATE UNIQUE INDEX IF NOT EXISTS records_by_key ON records (collection, key);
        CREATE TABLE IF NOT EXISTS record_vectors (
            record INTEGER NOT NULL, property TEXT NOT NULL, data BLOB NOT NULL, PRIMARY KEY (record, property)) WITHOUT ROWID;
        """;

    private readonly SqliteFile _file;

    // Held in this order; see EmbeddedStore.
    private readonly Lock _writing = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<string, RecordTable> _tables = new(StringComparer.Ordinal);
    private long _dataVersion = Diverged;
    private bool _disposed;

    private RecordStore(SqliteFile file) => _file = file;

    public string Location => _file.Path;

    /// <summary>How often a collection has been read into memory.</summary>
    public int Loads { get; private set; }

    public static RecordStore Open(string? path, int busyTimeoutSeconds)
        => new(SqliteFile.Open(path, createIfMissing: true, busyTimeoutSeconds, Tables));

    public List<string> Names() => Locked(() => Column("SELECT name FROM collections ORDER BY name"));

    public bool Exists(string name) => Locked(() => NumberOf(name) is not null);

    public void Create(string name)
        => Written(() => _file.Execute("INSERT INTO collections (name) VALUES ($name) ON CONFLICT DO NOTHING", ("$name", name)));

    public void Drop(string name) => Written(() =>
    {
        if (NumberOf(name) is not { } number)
            return;
        using var transaction = _file.Begin();
        _file.Execute(
            """
            DELETE FROM record_vectors WHERE record IN (SELECT number FROM records WHERE collection = $collection);
            DELETE FROM records WHERE collection = $collection;
            DELETE FROM graphs WHERE owner LIKE $owner;
            DELETE FROM collections WHERE number = $collection
            """,
            ("$collection", number),
            ("$owner", string.Create(CultureInfo.InvariantCulture, $"records/{number}/%")));
        Commit(transaction);
        _tables.Remove(name);
    });

    /// <summary>Reads records by their keys, in the order of the keys; those that are not there are left out.</summary>
    public List<StoredRecord> Read(string name, IEnumerable<string> keys, bool withVectors) => Locked(() =>
    {
        long collection = Number(name);
        var records = new List<StoredRecord>();
        foreach (var key in keys)
            if (ReadRecord(
                "collection = $collection AND key = $key", withVectors, ("$collection", collection), ("$key", key)) is { } record)
                records.Add(record);
        return records;
    });

    /// <summary>Writes records, new ones and new values; the last one of a key counts.</summary>
    public void Write(string name, IReadOnlyList<RecordWrite> records)
    {
        var last = new Dictionary<string, RecordWrite>(StringComparer.Ordinal);
        foreach (var record in records)
        {
            last.Remove(record.Key);
            last.Add(record.Key, record);
        }

        Change(name, [.. last.Keys], [.. last.Values]);
    }

    /// <summary>Deletes records; unknown keys are passed over.</summary>
    public void Delete(string name, IReadOnlyList<string> keys) => Change(name, [.. keys.Distinct(StringComparer.Ordinal)], []);

    /// <summary>Reads the records that pass a filter, in an order.</summary>
    /// <param name="name">The collection.</param>
    /// <param name="filter">The filter.</param>
    /// <param name="order">The columns to sort by; equal ones, and all without it, come in the order of their keys.</param>
    /// <param name="skip">How many to pass over.</param>
    /// <param name="top">How many at most.</param>
    /// <param name="withVectors">Whether to read vectors too.</param>
    public List<StoredRecord> Read(
        string name, RecordFilter filter, IReadOnlyList<(RecordColumn Column, bool Ascending)> order, int skip, int top, bool withVectors)
    {
        var slots = Searched(name, [.. filter.Columns, .. order.Select(entry => entry.Column)], null, null, table =>
        {
            var found = (filter.Evaluate(table) ?? table.Live).StartingAt(0).ToArray();
            var columns = order.Select(entry => (Values: table.Values(entry.Column), entry.Ascending)).ToArray();
            Array.Sort(found, (x, y) =>
            {
                foreach (var (values, ascending) in columns)
                    if (RecordValues.Compare(values[x], values[y]) is not 0 and var compared)
                        return ascending ? compared : -compared;
                return string.CompareOrdinal(table.KeyOf(x), table.KeyOf(y));
            });
            return found.Skip(skip).Take(top).Select(slot => (table.RowOf(slot), 0.0)).ToList();
        });
        return [.. ReadRows(slots, withVectors).Select(pair => pair.Record)];
    }

    /// <summary>Finds records and reads them.</summary>
    /// <param name="name">The collection.</param>
    /// <param name="filter">Which records, or null for all.</param>
    /// <param name="vectors">The vectors that are searched.</param>
    /// <param name="terms">The text property that is searched, or null.</param>
    /// <param name="search">The search, in memory; gives slots and scores.</param>
    /// <param name="withVectors">Whether to read vectors too.</param>
    public List<(StoredRecord Record, double Score)> Search(
        string name,
        RecordFilter? filter,
        VectorColumn vectors,
        string? terms,
        Func<RecordTable, SlotSet?, IEnumerable<(int Slot, double Score)>> search,
        bool withVectors)
        => ReadRows(
            Searched(name, filter?.Columns ?? [], vectors, terms, table
                => search(table, filter?.Evaluate(table)).Select(entry => (table.RowOf(entry.Slot), entry.Score)).ToList()),
            withVectors);

    public void Dispose()
    {
        using var writing = _writing.EnterScope();
        lock (_gate)
        {
            if (_disposed)
                return;
            foreach (var table in _tables.Values)
                SaveGraphs(table, all: true);
            _disposed = true;
            _file.Dispose();
        }
    }

    private void Change(string name, List<string> removed, List<RecordWrite> added)
    {
        RecordTable? changed = null;
        using var writing = _writing.EnterScope();
        Written(() =>
        {
            using var transaction = _file.Begin();
            Refresh();
            var table = Table(name);
            removed.RemoveAll(key => !table.Contains(key));
            var old = new Dictionary<string, Dictionary<string, object?>>(StringComparer.Ordinal);
            foreach (var key in removed)
            {
                if (table.HasTerms)
                    old[key] = (ReadRecord(
                        "collection = $collection AND key = $key", false, ("$collection", table.Collection), ("$key", key))
                        ?? throw new InvalidDataException($"the record '{key}' is there, and cannot be found by its key")).Values;
                _file.Execute(
                    """
                    DELETE FROM record_vectors WHERE record = (SELECT number FROM records WHERE collection = $collection AND key = $key);
                    DELETE FROM records WHERE collection = $collection AND key = $key
                    """,
                    ("$collection", table.Collection),
                    ("$key", key));
            }

            var rows = added.ConvertAll(record => Insert(table.Collection, record));
            Commit(transaction);
            Hold(table.Gate, () =>
            {
                foreach (var key in removed)
                    table.Remove(key, old.GetValueOrDefault(key));
                for (int i = 0; i < added.Count; i++)
                    table.Add(added[i], rows[i]);
            });
            if (table.DeadCount > Math.Max(MinDeadSlots, table.Live.Count))
            {
                SaveGraphs(table, all: true);
                _tables.Remove(name);
            }

            changed = table;
        });
        Link(changed!);
    }

    private long Insert(long collection, RecordWrite record)
    {
        using var command = _file.Command(
            "INSERT INTO records (collection, key, data) VALUES ($collection, $key, $data) RETURNING number",
            ("$collection", collection),
            ("$key", record.Key),
            ("$data", RecordValues.Write(record.Values)));
        long row = (long)command.ExecuteScalar()!;
        foreach (var (property, vector) in record.Vectors)
            _file.Execute(
                "INSERT INTO record_vectors VALUES ($record, $property, $data)",
                ("$record", row),
                ("$property", property),
                ("$data", SqliteFile.Bytes<float>(vector)));
        return row;
    }

    /// <summary>Searches what is in memory of a collection, as it is in the file now; other searches go on beside it.</summary>
    private List<(long Row, double Score)> Searched(
        string name,
        IReadOnlyList<RecordColumn> columns,
        VectorColumn? vectors,
        string? terms,
        Func<RecordTable, List<(long Row, double Score)>> search)
    {
        var table = Enter();
        if (table.Vectors.Any(entry => entry.Index.NeedsLink))
        {
            // Only what another process wrote, or a file that has never been searched, waits here.
            table.Gate.ExitReadLock();
            lock (_writing)
                Link(table);
            table = Enter();
        }

        try
        {
            return search(table);
        }
        finally
        {
            table.Gate.ExitReadLock();
        }

        RecordTable Enter() => Locked(() =>
        {
            var found = Table(name);
            // The rows in the file fit the slots as long as none is dead.
            if (found.DeadCount > 0 && !HasAll(found, columns, vectors, terms))
            {
                SaveGraphs(found, all: true);
                _tables.Remove(name);
                found = Table(name);
            }

            Require(found, columns, vectors, terms);
            found.Gate.EnterReadLock();
            return found;
        });
    }

    private static bool HasAll(RecordTable table, IReadOnlyList<RecordColumn> columns, VectorColumn? vectors, string? terms)
        => columns.All(table.Has) && (vectors is null || table.Has(vectors)) && (terms is null || table.HasTermsOf(terms));

    /// <summary>Sees to it that what a search looks at is in memory.</summary>
    private void Require(RecordTable table, IReadOnlyList<RecordColumn> columns, VectorColumn? vectors, string? terms)
    {
        if (HasAll(table, columns, vectors, terms))
            return;
        Hold(table.Gate, () =>
        {
            foreach (var column in columns.Where(column => !table.Has(column)).Distinct().ToArray())
                table.Load(column, Records(table.Collection));
            if (terms is not null && !table.HasTermsOf(terms))
                table.LoadTerms(terms, Records(table.Collection));
            if (vectors is not null && !table.Has(vectors))
                table.Load(vectors, VectorsOf(table.Collection, vectors.Name), _file.ReadGraph(GraphOf(table, vectors)));
        });
    }

    private RecordTable Table(string name)
    {
        if (_tables.TryGetValue(name, out var table))
            return table;
        Loads++;
        table = new RecordTable(Number(name));
        foreach (var (key, row) in Rows(table.Collection))
            table.AddRow(key, row);
        return _tables[name] = table;
    }

    private List<(string Key, long Row)> Rows(long collection)
    {
        using var command = _file.Command(
            "SELECT key, number FROM records WHERE collection = $collection ORDER BY number", ("$collection", collection));
        using var reader = command.ExecuteReader();
        var rows = new List<(string Key, long Row)>();
        while (reader.Read())
            rows.Add((reader.GetString(0), reader.GetInt64(1)));
        return rows;
    }

    private IEnumerable<StoredRecord> Records(long collection)
    {
        using var command = _file.Command(
            "SELECT key, data FROM records WHERE collection = $collection ORDER BY number", ("$collection", collection));
        using var reader = command.ExecuteReader();
        while (reader.Read())
            yield return new StoredRecord(reader.GetString(0), RecordValues.Read(reader.GetFieldValue<byte[]>(1)), null);
    }

    private IEnumerable<(long Row, float[]? Vector)> VectorsOf(long collection, string property)
    {
        using var command = _file.Command(
            """
            SELECT r.number, v.data FROM records r LEFT JOIN record_vectors v ON v.record = r.number AND v.property = $property
            WHERE r.collection = $collection ORDER BY r.number
            """,
            ("$collection", collection),
            ("$property", property));
        using var reader = command.ExecuteReader();
        while (reader.Read())
            yield return (reader.GetInt64(0), reader.IsDBNull(1) ? null : SqliteFile.Values<float>(reader, 1));
    }

    /// <summary>Reads found records; one that has been removed since it was found is left out.</summary>
    private List<(StoredRecord Record, double Score)> ReadRows(List<(long Row, double Score)> found, bool withVectors) => Locked(() =>
    {
        var records = new List<(StoredRecord Record, double Score)>(found.Count);
        foreach (var (row, score) in found)
            if (ReadRecord("number = $row", withVectors, ("$row", row)) is { } record)
                records.Add((record, score));
        return records;
    });

    private StoredRecord? ReadRecord(string where, bool withVectors, params ReadOnlySpan<(string Name, object? Value)> parameters)
    {
        using var command = _file.Command("SELECT number, key, data FROM records WHERE " + where, parameters);
        using var reader = command.ExecuteReader();
        if (!reader.Read())
            return null;
        var values = RecordValues.Read(reader.GetFieldValue<byte[]>(2));
        return new StoredRecord(reader.GetString(1), values, withVectors ? ReadVectors(reader.GetInt64(0)) : null);
    }

    private Dictionary<string, float[]> ReadVectors(long row)
    {
        using var command = _file.Command("SELECT property, data FROM record_vectors WHERE record = $row", ("$row", row));
        using var reader = command.ExecuteReader();
        var vectors = new Dictionary<string, float[]>(StringComparer.Ordinal);
        while (reader.Read())
            if (!vectors.TryAdd(reader.GetString(0), SqliteFile.Values<float>(reader, 1)))
                throw new InvalidDataException($"record {row} has two vectors '{reader.GetString(0)}'");
        return vectors;
    }

    private List<string> Column(string text)
    {
        using var command = _file.Command(text);
        using var reader = command.ExecuteReader();
        var values = new List<string>();
        while (reader.Read())
            values.Add(reader.GetString(0));
        return values;
    }

    private long? NumberOf(string name)
    {
        using var command = _file.Command("SELECT number FROM collections WHERE name = $name", ("$name", name));
        return (long?)command.ExecuteScalar();
    }

    private long Number(string name)
        => NumberOf(name) ?? throw new StoreException(
            StoreError.Missing, $"There is no collection '{name}' in '{Location}'. Create it first (EnsureCollectionExistsAsync).");

    /// <summary>Links the vectors that wait for it, beside searches.</summary>
    private void Link(RecordTable table)
    {
        bool linked = false;
        foreach (var (_, index) in table.Vectors)
            if (index.NeedsLink)
            {
                index.Link(table.Gate);
                linked = true;
            }

        if (linked)
            lock (_gate)
                SaveGraphs(table, all: false);
    }

    // Graphs are derived from the vectors, so that one which cannot be stored now is only linked again when the file is next opened.
    private void SaveGraphs(RecordTable table, bool all)
    {
        var unsaved = table.Vectors.Where(entry => all ? entry.Index.UnsavedCount > 0 : entry.Index.IsWorthSaving).ToArray();
        if (unsaved.Length == 0)
            return;
        try
        {
            _file.Guard(() =>
            {
                using var transaction = _file.Begin();
                foreach (var (column, index) in unsaved)
                    _file.WriteGraph(GraphOf(table, column), index.SaveGraph());
                transaction.Commit();
                return true;
            });
        }
        catch (StoreException)
        {
        }
    }

    private static string GraphOf(RecordTable table, VectorColumn column)
        => string.Create(CultureInfo.InvariantCulture, $"records/{table.Collection}/{column.Measure}/{column.Name}");

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

    private void Hold(ReaderWriterLockSlim gate, Action change)
    {
        gate.EnterWriteLock();
        try
        {
            change();
        }
        catch
        {
            _dataVersion = Diverged;
            throw;
        }
        finally
        {
            gate.ExitWriteLock();
        }
    }

    private T Locked<T>(Func<T> work)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _file.Guard(() =>
            {
                Refresh();
                return work();
            });
        }
    }

    private void Written(Action work)
    {
        using var writing = _writing.EnterScope();
        Locked(() =>
        {
            work();
            return true;
        });
    }

    // Another process has written.
    private void Refresh()
    {
        long version = _file.DataVersion();
        if (version == _dataVersion)
            return;
        _tables.Clear();
        _dataVersion = version;
    }
}
