namespace Kotonoha.LocalModel.Chat.Jinja;

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
