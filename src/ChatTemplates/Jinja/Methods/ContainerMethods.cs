using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The methods of lists, tuples, dictionaries and of what loops and cyclers are; those that would change a value are refused elsewhere.</summary>
internal static class ContainerMethods
{
    public static readonly Dictionary<string, Method> OfList = NumberMethods.Table(
        new Method("copy", "/", (run, o, _) => Copy((PySequence)o, run)),
        new Method("count", "/ x", (run, o, a) => Count(((PySequence)o).Items, a[0]!, run)),
        new Method("index", "/ x start= stop=", (run, o, a) => Index((PySequence)o, a, run)));

    public static readonly Dictionary<string, Method> OfTuple = NumberMethods.Table(
        new Method("count", "/ x", (run, o, a) => Count(((PySequence)o).Items, a[0]!, run)),
        new Method("index", "/ x start= stop=", (run, o, a) => Index((PySequence)o, a, run)));

    public static readonly Dictionary<string, Method> OfRange = NumberMethods.Table(
        new Method("count", "/ x", (run, o, a) => Count([.. Python.Iterate(o, run.Meter)], a[0]!, run)),
        new Method("index", "/ x", (run, o, a) => Index(new PyTuple([.. Python.Iterate(o, run.Meter)]), [a[0], null, null], run)));

    public static readonly Dictionary<string, Method> OfBytes = NumberMethods.Table(
        new Method("decode", "encoding= errors=", (run, o, _) => Decode(((PyBytes)o).Value, run.Meter)),
        new Method("hex", "/", (run, o, _) => new PyString(Convert.ToHexStringLower(((PyBytes)o).Value))));

    public static readonly Dictionary<string, Method> OfDict = NumberMethods.Table(
        new Method("get", "/ key default=", (_, o, a) => ((PyDict)o).TryGet(a[0]!, out var value) ? value : a[1] ?? PyNone.Value),
        new Method("items", "/", (_, o, _) => new PyDictView((PyDict)o, "items")),
        new Method("keys", "/", (_, o, _) => new PyDictView((PyDict)o, "keys")),
        new Method("values", "/", (_, o, _) => new PyDictView((PyDict)o, "values")),
        new Method("copy", "/", (run, o, _) => CopyDict((PyDict)o, run)),
        new Method("fromkeys", "/ iterable value=", (run, _, a) => FromKeys(run, a)));

    public static readonly Dictionary<string, Method> OfDictType = NumberMethods.Table(
        new Method("fromkeys", "/ iterable value=", (run, _, a) => FromKeys(run, a)));

    public static readonly Dictionary<string, Method> OfCycler = NumberMethods.Table(
        new Method("next", "", (_, o, _) => ((Cycler)o).Next()),
        new Method("reset", "", (_, o, _) => Reset((Cycler)o)));

    public static readonly Dictionary<string, Method> OfLoop = NumberMethods.Table(
        new Method("cycle", "/ *", (_, o, a) => ((LoopContext)o).Cycle((PyTuple)a[0]!)),
        new Method("changed", "/ *", (run, o, a) => Numbers.Box(((LoopContext)o).Changed((PyTuple)a[0]!, run.Equality))));

    private static PySequence Copy(PySequence list, Rendering run)
    {
        run.Meter.Items(list.Count);
        return list.With(list.Items);
    }

    private static PyDict CopyDict(PyDict dict, Rendering run)
    {
        run.Meter.Items(dict.Count * 2L);
        return dict.Copy();
    }

    private static object Count(IReadOnlyList<object> items, object value, Rendering run) => Numbers.Box((long)items.Count(i => run.Equality.AreEqual(i, value)));

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

    private static PyDict FromKeys(Rendering run, object?[] arguments)
    {
        var dict = run.NewDict();
        foreach (var key in Python.Iterate(arguments[0]!, run.Meter))
            dict.Set(key, arguments[1] ?? PyNone.Value);
        run.Meter.Items(dict.Count * 2L);
        return dict;
    }

    private static PyNone Reset(Cycler cycler)
    {
        cycler.Reset();
        return PyNone.Value;
    }

    private static PyString Decode(byte[] bytes, Meter meter)
    {
        meter.Text(bytes.Length);
        return PyString.FromData(System.Text.Encoding.UTF8.GetString(bytes));
    }
}

/// <summary>The methods of int and float.</summary>
internal static class NumberMethods
{
    public static readonly Dictionary<string, Method> OfInt = Table(
        new Method("bit_length", "/", (_, o, _) => Numbers.Box((long)BigInteger.Abs(Numbers.ToBig(o)).GetBitLength())),
        new Method("bit_count", "/", (_, o, _) => Numbers.Box((long)BigInteger.PopCount(BigInteger.Abs(Numbers.ToBig(o))))),
        new Method("conjugate", "/", (_, o, _) => Numbers.Box(Numbers.ToBig(o))),
        new Method("as_integer_ratio", "/", (_, o, _) => new PyTuple([Numbers.Box(Numbers.ToBig(o)), Numbers.Box(1L)])));

    public static readonly Dictionary<string, Method> OfFloat = Table(
        new Method("is_integer", "/", (_, o, _) => Numbers.Box((double)o == Math.Floor((double)o) && double.IsFinite((double)o))),
        new Method("conjugate", "/", (_, o, _) => o));

    internal static Dictionary<string, Method> Table(params Method[] methods) => methods.ToDictionary(m => m.Name, StringComparer.Ordinal);
}
