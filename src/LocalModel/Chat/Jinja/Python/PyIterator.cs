namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>An iterator or generator: its items can be taken once.</summary>
internal sealed class PyIterator(IEnumerable<object> items, string typeName = "generator")
{
    private readonly IEnumerator<object> source = items.GetEnumerator();

    public string TypeName => typeName;

    public bool TryNext(out object item)
    {
        // Iterators over iterators may be nested without end.
        Meter.CheckStack();
        if (source.MoveNext())
        {
            item = source.Current;
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
