namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's <c>None</c>.</summary>
internal sealed class PyNone
{
    public static readonly PyNone Value = new();

    private PyNone()
    {
    }
}

/// <summary>A list, tuple or dictionary; it knows how deep it nests, so that no walk over it can be endless.</summary>
internal abstract class PyContainer
{
    /// <summary>1 for a container of plain values.</summary>
    public int Depth { get; private set; } = 1;

    protected void Contains(object value)
    {
        if (value is PyContainer { Depth: var depth } && depth >= Depth)
            Depth = depth < TemplateLimits.MaxDataDepth
                ? depth + 1
                : throw Fail.Limit($"Lists and dictionaries lie more than {TemplateLimits.MaxDataDepth} deep inside one another.");
    }
}

/// <summary>A list or a tuple. Templates cannot change either.</summary>
internal abstract class PySequence : PyContainer
{
    protected PySequence(IReadOnlyList<object> items)
    {
        Items = items;
        for (int i = 0; i < items.Count; i++)
            Contains(items[i]);
    }

    public IReadOnlyList<object> Items { get; }

    public int Count => Items.Count;

    /// <summary>A sequence of the same kind.</summary>
    public abstract PySequence With(IReadOnlyList<object> items);
}

/// <summary>A Python list.</summary>
internal sealed class PyList(IReadOnlyList<object> items) : PySequence(items)
{
    public override PySequence With(IReadOnlyList<object> items) => new PyList(items);
}

/// <summary>A Python tuple.</summary>
/// <param name="items">The items.</param>
/// <param name="names">The names of the items as attributes, for the groups of <c>groupby</c>.</param>
internal sealed class PyTuple(IReadOnlyList<object> items, string[]? names = null) : PySequence(items)
{
    public string[]? Names => names;

    public override PySequence With(IReadOnlyList<object> items) => new PyTuple(items);
}

/// <summary>A Python range.</summary>
internal sealed class PyRange(long start, long stop, long step)
{
    public long Start => start;

    public long Stop => stop;

    public long Step => step;

    public int Count { get; } = CountOf(start, stop, step);

    public object this[int index] => Numbers.Box(start + index * step);

    private static int CountOf(long start, long stop, long step)
    {
        if (step == 0)
            throw Fail.Value("range() arg 3 must not be zero");
        Int128 distance = step > 0 ? (Int128)stop - start : (Int128)start - stop;
        var count = distance <= 0 ? 0 : (distance - 1) / Int128.Abs(step) + 1;
        return count <= TemplateLimits.MaxRange
            ? (int)count
            : throw Fail.Limit($"Range too big. The sandbox blocks ranges larger than {TemplateLimits.MaxRange}.");
    }
}

/// <summary>
/// A Python dictionary: in order of insertion, keys equal as in Python. Filled by its creator, never changed by a template.
/// </summary>
internal sealed class PyDict(PyEquality equality) : PyContainer
{
    private readonly OrderedDictionary<object, object> _entries = new(equality);

    public int Count => _entries.Count;

    public IReadOnlyList<object> Keys => [.. _entries.Keys];

    public IEnumerable<KeyValuePair<object, object>> Entries => _entries;

    /// <summary>Sets a value; a key that exists keeps its place and its first spelling.</summary>
    public void Set(object key, object value)
    {
        Contains(key);
        Contains(value);
        _entries[key] = value;
    }

    public void Set(string key, object value) => Set(new PyString(key), value);

    public bool TryGet(object key, out object value)
    {
        if (_entries.TryGetValue(key, out var found))
        {
            value = found;
            return true;
        }

        value = PyNone.Value;
        return false;
    }

    public object? Get(string key) => _entries.GetValueOrDefault(new PyString(key));

    public PyDict Copy()
    {
        var copy = new PyDict(equality);
        foreach (var (key, value) in _entries)
            copy.Set(key, value);
        return copy;
    }
}

/// <summary>What <c>keys()</c>, <c>values()</c> and <c>items()</c> of a dictionary return.</summary>
internal sealed class PyDictView(PyDict dict, string kind)
{
    /// <summary><c>keys</c>, <c>values</c> or <c>items</c>.</summary>
    public string Kind => kind;

    public int Count => dict.Count;

    public PyDict Dict => dict;

    public IEnumerable<object> Items => kind switch
    {
        "keys" => dict.Entries.Select(e => e.Key),
        "values" => dict.Entries.Select(e => e.Value),
        _ => dict.Entries.Select(e => (object)new PyTuple([e.Key, e.Value])),
    };
}

/// <summary>An iterator or generator: its items can be taken once.</summary>
internal sealed class PyIterator(IEnumerable<object> items, string typeName = "generator")
{
    private readonly IEnumerator<object> _source = items.GetEnumerator();

    public string TypeName => typeName;

    public bool TryNext(out object item)
    {
        // Iterators over iterators may be nested without end.
        Meter.CheckStack();
        if (_source.MoveNext())
        {
            item = _source.Current;
            return true;
        }

        item = PyNone.Value;
        return false;
    }

    public IEnumerable<object> Rest()
    {
        while (TryNext(out var item))
            yield return item;
    }
}
