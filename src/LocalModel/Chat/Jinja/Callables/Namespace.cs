namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The one value that templates can change: attributes that outlive the scope where they are set.</summary>
internal sealed class Namespace
{
    private readonly List<(PyString Name, object Value)> attributes = [];
    private readonly Dictionary<string, int> places = new(StringComparer.Ordinal);

    public bool TryGet(string name, out object value)
    {
        bool found = places.TryGetValue(name, out int place);
        value = found ? attributes[place].Value : PyNone.Value;
        return found;
    }

    public void Set(object name, object value, Rendering run)
    {
        run.Meter.Items(1);
        if (name is not PyString text)
            throw Fail.Type($"A namespace has texts as names of its attributes, not {Python.TypeName(name)}.");
        if (text.Text.StartsWith('_'))
            throw Fail.Security($"Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{text.Text}'. Please rename the attribute.");
        if (places.TryGetValue(text.Text, out int place))
        {
            attributes[place] = (attributes[place].Name, value);
            return;
        }

        places.Add(text.Text, attributes.Count);
        attributes.Add((text, value));
    }

    public PyDict ToDict(Meter meter)
    {
        var dict = new PyDict(new PyEquality(meter));
        foreach (var (name, value) in attributes)
            dict.Set(name, value);
        return dict;
    }
}
