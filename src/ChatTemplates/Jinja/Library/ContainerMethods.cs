namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The methods of lists, tuples, dictionaries and loops; those that would change a value are refused elsewhere.</summary>
internal static class ContainerMethods
{
    public static readonly Dictionary<string, Method> OfList = Method.Table(
        new Method("copy", "/", (run, o, _) => Copy((PyList)o, run)),
        new Method("count", "/ x", (run, o, a) => Count((PySequence)o, a[0]!, run)),
        new Method("index", "/ x start= stop=", (run, o, a) => Index((PySequence)o, a, run)));

    public static readonly Dictionary<string, Method> OfTuple = Method.Table(
        new Method("count", "/ x", (run, o, a) => Count((PySequence)o, a[0]!, run)),
        new Method("index", "/ x start= stop=", (run, o, a) => Index((PySequence)o, a, run)));

    public static readonly Dictionary<string, Method> OfDict = Method.Table(
        new Method("get", "/ key default=", (_, o, a) => ((PyDict)o).TryGet(a[0]!, out var value) ? value : a[1] ?? PyNone.Value),
        new Method("items", "/", (_, o, _) => new PyDictView((PyDict)o, "items")),
        new Method("keys", "/", (_, o, _) => new PyDictView((PyDict)o, "keys")),
        new Method("values", "/", (_, o, _) => new PyDictView((PyDict)o, "values")),
        new Method("copy", "/", (run, o, _) => Copy((PyDict)o, run)));

    public static readonly Dictionary<string, Method> OfLoop = Method.Table(
        new Method("cycle", "/ *", (_, o, a) => ((LoopContext)o).Cycle((PyTuple)a[0]!)),
        new Method("changed", "/ *", (run, o, a) => Numbers.Box(((LoopContext)o).Changed((PyTuple)a[0]!, run.Equality))));

    private static PySequence Copy(PyList list, Rendering run)
    {
        run.Meter.Items(list.Count);
        return list.With(list.Items);
    }

    private static PyDict Copy(PyDict dict, Rendering run)
    {
        run.Meter.Items(dict.Count * 2L);
        return dict.Copy();
    }

    private static object Count(PySequence list, object value, Rendering run)
        => Numbers.Box((long)list.Items.Count(i => run.Equality.AreEqual(i, value)));

    private static object Index(PySequence list, object?[] arguments, Rendering run)
    {
        long start = Bound(arguments[1], 0, list.Count), stop = Bound(arguments[2], list.Count, list.Count);
        for (long i = start; i < stop; i++)
            if (run.Equality.AreEqual(list.Items[(int)i], arguments[0]!))
                return Numbers.Box(i);
        throw Fail.Value($"{Python.ShortRepr(arguments[0]!)} is not in list");
    }

    private static long Bound(object? value, long missing, int count)
    {
        if (value is null)
            return missing;
        if (!Numbers.TryIndex(value, out long index))
            throw Fail.Type("slice indices must be integers");
        return Math.Clamp(index < 0 ? index + count : index, 0, count);
    }
}
