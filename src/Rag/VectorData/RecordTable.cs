using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.VectorData;

/// <summary>A record as it is written: its key as text, the values of its data properties, its vectors, by storage names.</summary>
internal sealed record RecordWrite(string Key, Dictionary<string, object?> Values, Dictionary<string, float[]> Vectors);

/// <summary>A record as it was stored; without its vectors unless they were asked for.</summary>
internal sealed record StoredRecord(string Key, Dictionary<string, object?> Values, Dictionary<string, float[]>? Vectors);

/// <summary>How a vector property is indexed.</summary>
/// <param name="Name">The name that it is stored under.</param>
/// <param name="Dimension">The vectors' width.</param>
/// <param name="Measure">How they are compared.</param>
/// <param name="Exact">Whether every vector is looked at; null: while they are few.</param>
internal sealed record VectorColumn(string Name, int Dimension, VectorMeasure Measure, bool? Exact);

/// <summary>
/// What is in memory of a collection: which records there are, by slots in the order of their rows, and the columns, terms and vectors that
/// have been asked for. A removed record's slot is left dead until the table is read anew.
/// </summary>
/// <remarks>Searches run beside each other; a change waits for them, holding <see cref="Gate"/> for writing.</remarks>
internal sealed class RecordTable(long collection)
{
    private readonly List<long> _rows = [];
    private readonly List<string> _keys = [];
    private readonly Dictionary<string, int> _slotByKey = new(StringComparer.Ordinal);
    private readonly Dictionary<RecordColumn, ValueColumn> _columns = [];
    private readonly Dictionary<string, TermIndex> _terms = new(StringComparer.Ordinal);
    private readonly Dictionary<VectorColumn, VectorIndex> _vectors = [];

    public ReaderWriterLockSlim Gate { get; } = new();

    /// <summary>The collection's number in the file.</summary>
    public long Collection { get; } = collection;

    /// <summary>The slots of the records that are there.</summary>
    public SlotSet Live { get; } = new();

    public int DeadCount => _rows.Count - Live.Count;

    /// <summary>Whether terms have to be known to remove a record.</summary>
    public bool HasTerms => _terms.Count > 0;

    public IEnumerable<(VectorColumn Column, VectorIndex Index)> Vectors => _vectors.Select(pair => (pair.Key, pair.Value));

    public string KeyOf(int slot) => _keys[slot];

    public long RowOf(int slot) => _rows[slot];

    public bool Contains(string key) => _slotByKey.ContainsKey(key);

    public bool Has(RecordColumn column) => _columns.ContainsKey(column);

    public bool HasTermsOf(string property) => _terms.ContainsKey(property);

    public bool Has(VectorColumn column) => _vectors.ContainsKey(column);

    /// <summary>
    /// Adds a record's key and row; what is indexed of it is added by the other methods, or by <see cref="Add"/> at once.
    /// </summary>
    public int AddRow(string key, long row)
    {
        int slot = _rows.Count;
        if (!_slotByKey.TryAdd(key, slot))
            throw new InvalidDataException($"The key '{key}' is there twice.");
        _rows.Add(row);
        _keys.Add(key);
        Live.Add(slot);
        return slot;
    }

    /// <summary>Adds a record to all that is in memory.</summary>
    public void Add(RecordWrite record, long row)
    {
        AddRow(record.Key, row);
        foreach (var (column, values) in _columns)
            values.Add(ValueOf(column, record.Key, record.Values));
        foreach (var (property, terms) in _terms)
            terms.Add(TermsOf(record.Values, property));
        foreach (var (column, index) in _vectors)
            AddVector(index, column, record.Vectors.GetValueOrDefault(column.Name), row);
    }

    /// <summary>Removes a record.</summary>
    /// <param name="key">Its key; unknown ones are passed over.</param>
    /// <param name="values">Its values, where <see cref="HasTerms"/>.</param>
    public void Remove(string key, Dictionary<string, object?>? values)
    {
        if (!_slotByKey.Remove(key, out int slot))
            return;
        Live.Remove(slot);
        foreach (var column in _columns.Values)
            column.Remove(slot);
        foreach (var (property, terms) in _terms)
            terms.Remove(TermsOf(values!, property));
        foreach (var index in _vectors.Values)
            index.Remove(slot);
    }

    /// <summary>Begins to keep a column's values.</summary>
    /// <param name="column">The column.</param>
    /// <param name="records">All records in the order of their slots.</param>
    public void Load(RecordColumn column, IEnumerable<StoredRecord> records)
    {
        var values = new ValueColumn();
        foreach (var record in records)
            values.Add(ValueOf(column, record.Key, record.Values));
        _columns.Add(column, values);
    }

    /// <summary>Begins to keep the terms of a text property.</summary>
    public void LoadTerms(string property, IEnumerable<StoredRecord> records)
    {
        var terms = new TermIndex(averageLength: null);
        foreach (var record in records)
            terms.Add(TermsOf(record.Values, property));
        _terms.Add(property, terms);
    }

    /// <summary>Begins to keep the vectors of a property.</summary>
    public void Load(VectorColumn column, IEnumerable<(long Row, float[]? Vector)> vectors, IReadOnlyList<byte[]> graph)
    {
        var index = new VectorIndex(column.Dimension, column.Measure, column.Exact);
        foreach (var (row, vector) in vectors)
            AddVector(index, column, vector, row);
        index.LoadGraph(graph);
        _vectors.Add(column, index);
    }

    /// <summary>A column's values by slot.</summary>
    public IReadOnlyList<object?> Values(RecordColumn column) => _columns[column].Values;

    /// <summary>The records that have a value, or whose list has it among its elements.</summary>
    public SlotSet Find(RecordColumn column, object? value)
        => value is null ? new SlotSet() : _columns[column].Find(RecordValues.Comparable(value));

    /// <summary>The nearest records, best first; equal ones in the order of their keys.</summary>
    public List<ScoredSlot> SearchVectors(VectorColumn column, ReadOnlySpan<float> query, int limit, SlotSet? accepted)
    {
        var unit = column.Measure == VectorMeasure.Cosine ? VectorMath.Normalize(query) : query;
        return Best(_vectors[column].Search(unit, limit, accepted), limit);
    }

    /// <summary>The records with the greatest BM25 scores, best first.</summary>
    public List<ScoredSlot> SearchTerms(string property, TermVector query, int limit, SlotSet? accepted)
    {
        var found = new List<ScoredSlot>();
        var allowed = accepted ?? Live;
        _terms[property].Search(query, (slot, score) =>
        {
            if (allowed.Contains(slot))
                found.Add(new ScoredSlot(slot, score));
        });
        return Best(found, limit);
    }

    private List<ScoredSlot> Best(List<ScoredSlot> found, int limit)
    {
        found.Sort((x, y) => y.Score.CompareTo(x.Score) is not 0 and var byScore
            ? byScore
            : string.CompareOrdinal(_keys[x.Slot], _keys[y.Slot]));
        if (found.Count > limit)
            found.RemoveRange(limit, found.Count - limit);
        return found;
    }

    private static void AddVector(VectorIndex index, VectorColumn column, float[]? vector, long row)
    {
        if (vector is null)
        {
            index.Remove(index.Add(new float[column.Dimension], row, counts: false));
            return;
        }

        if (vector.Length != column.Dimension)
            throw new StoreException(
                StoreError.Mismatch,
                $"The property '{column.Name}' holds vectors of {vector.Length} dimensions and is declared with {column.Dimension}. Use "
                    + $"the "
                + "definition that the collection was written with, or delete the collection and write it anew.");
        index.Add(column.Measure == VectorMeasure.Cosine ? VectorMath.Normalize(vector) : vector, row);
    }

    private static object? ValueOf(RecordColumn column, string key, Dictionary<string, object?> values)
        => column.KeyType is { } type ? RecordValues.ParseKey(key, type) : values.GetValueOrDefault(column.Name);

    private static TermVector TermsOf(Dictionary<string, object?> values, string property)
        => TermVector.FromText(values.GetValueOrDefault(property) as string ?? "");

    /// <summary>A column's values by slot, and the slots of each value.</summary>
    private sealed class ValueColumn
    {
        private readonly List<object?> _values = [];
        private readonly Dictionary<object, SlotSet> _slots = [];

        public IReadOnlyList<object?> Values => _values;

        public void Add(object? value)
        {
            int slot = _values.Count;
            _values.Add(value);
            foreach (var item in Items(value))
            {
                if (!_slots.TryGetValue(item, out var set))
                    _slots.Add(item, set = new SlotSet());
                set.Add(slot);
            }
        }

        public void Remove(int slot)
        {
            foreach (var item in Items(_values[slot]))
            {
                _slots[item].Remove(slot);
                if (_slots[item].Count == 0)
                    _slots.Remove(item);
            }

            _values[slot] = null;
        }

        public SlotSet Find(object value) => _slots.GetValueOrDefault(value) ?? new SlotSet();

        private static IEnumerable<object> Items(object? value)
            => value switch
            {
                null => [],
                System.Collections.IList list => list.Cast<object?>().OfType<object>().Select(RecordValues.Comparable).Distinct(),
                _ => [RecordValues.Comparable(value)],
            };
    }
}
