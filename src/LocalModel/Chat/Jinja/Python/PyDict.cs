namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A Python dictionary: in order of insertion, keys equal as in Python. Filled by who makes it, never changed by a template.</summary>
internal sealed class PyDict(PyEquality equality) : PyContainer
{
    private readonly OrderedDictionary<object, object> entries = new(equality);

    public int Count => entries.Count;

    public IReadOnlyList<object> Keys => [.. entries.Keys];

    public IReadOnlyList<object> Values => [.. entries.Values];

    public IEnumerable<KeyValuePair<object, object>> Entries => entries;

    /// <summary>Sets a value; a key that is there keeps its place and its first spelling.</summary>
    public void Set(object key, object value)
    {
        Contains(key);
        Contains(value);
        entries[key] = value;
    }

    public void Set(string key, object value) => Set(new PyString(key), value);

    public bool TryGet(object key, out object value)
    {
        if (entries.TryGetValue(key, out var found))
        {
            value = found;
            return true;
        }

        value = PyNone.Value;
        return false;
    }

    public object? Get(string key) => entries.GetValueOrDefault(new PyString(key));

    public PyDict Copy()
    {
        var copy = new PyDict(equality);
        foreach (var (key, value) in entries)
            copy.Set(key, value);
        return copy;
    }
}
