namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The names that every template sees beside its variables.</summary>
internal static class Globals
{
    private static readonly Dictionary<string, object> All = new(StringComparer.Ordinal)
    {
        ["range"] = new Function("range", "/ start stop= step=", (_, a) => Range(a)),
        ["dict"] = new Function("dict", "/ source= **", MakeDict, isType: true),
        ["namespace"] = new Function("namespace", "/ source= **", MakeNamespace, isType: true),
        ["joiner"] = new Function("joiner", "sep=", (_, a) => new Joiner(a[0] ?? new PyString(", ")), isType: true),
        ["raise_exception"] = new Function("raise_exception", "message", (run, a) => throw Fail.Raised(Python.Str(a[0]!, run.Meter).Text)),
        ["strftime_now"] = new Function("strftime_now", "format", (run, a) => TimeFormat.Format(StringMethods.Text(a[0]!), run)),
    };

    public static bool TryGet(string name, out object value)
    {
        bool found = All.TryGetValue(name, out var known);
        value = known ?? PyNone.Value;
        return found;
    }

    private static PyRange Range(object?[] arguments)
    {
        long first = StringMethods.Integer(arguments[0]!);
        return arguments[1] is null
            ? new PyRange(0, first, 1)
            : new PyRange(first, StringMethods.Integer(arguments[1]!), arguments[2] is null ? 1 : StringMethods.Integer(arguments[2]!));
    }

    private static object MakeDict(Rendering run, object?[] arguments)
    {
        var dict = run.NewDict();
        foreach (var (key, value) in Pairs(run, arguments))
            dict.Set(key, value);
        run.Meter.Items(dict.Count * 2L);
        return dict;
    }

    private static object MakeNamespace(Rendering run, object?[] arguments)
    {
        var space = new Namespace();
        foreach (var (key, value) in Pairs(run, arguments))
            space.Set(key, value, run);
        return space;
    }

    // What dict() takes: a mapping or pairs, then names.
    private static IEnumerable<(object Key, object Value)> Pairs(Rendering run, object?[] arguments)
    {
        if (arguments[0] is PyDict source)
        {
            foreach (var (key, value) in source.Entries)
                yield return (key, value);
        }
        else if (arguments[0] is { } items)
        {
            if (items is Undefined missing)
                throw missing.Used();
            foreach (var item in Python.Iterate(items, run.Meter))
            {
                var pair = Python.ToList(item, run.Meter);
                if (pair.Count != 2)
                    throw Fail.Value($"dictionary update sequence element has length {pair.Count}; 2 is required");
                yield return (pair[0], pair[1]);
            }
        }

        foreach (var (name, value) in (List<(string, object)>)arguments[1]!)
            yield return (new PyString(name), value);
    }
}
