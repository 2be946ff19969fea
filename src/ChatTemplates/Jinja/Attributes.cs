namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Attributes and items as the sandbox gives them: the data, and the methods that change nothing.</summary>
internal static class Attributes
{
    // What every Python object has and no template may reach.
    private static readonly HashSet<string> Internals = new(StringComparer.Ordinal)
    {
        "__class__", "__delattr__", "__dir__", "__doc__", "__eq__", "__format__", "__ge__", "__getattribute__", "__getstate__", "__gt__", "__hash__",
        "__init__", "__init_subclass__", "__le__", "__lt__", "__ne__", "__new__", "__reduce__", "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__",
        "__str__", "__subclasshook__",
    };

    private static readonly HashSet<string> ContainerInternals = new(StringComparer.Ordinal)
    {
        "__len__", "__getitem__", "__contains__", "__iter__", "__add__", "__mul__", "__rmul__", "__mod__", "__getnewargs__", "__setitem__", "__delitem__",
        "__reversed__", "__or__", "__ior__", "__ror__", "__iadd__", "__imul__", "__class_getitem__",
    };

    private static readonly HashSet<string> FunctionInternals = new(StringComparer.Ordinal)
    {
        "__call__", "__globals__", "__code__", "__closure__", "__defaults__", "__kwdefaults__", "__dict__", "__module__", "__name__", "__qualname__", "__self__",
        "__annotations__", "__builtins__", "__get__", "__wrapped__", "__mro__", "__base__", "__bases__", "__subclasses__", "mro",
    };

    private static readonly HashSet<string> ListChanges = new(StringComparer.Ordinal) { "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove" };
    private static readonly HashSet<string> DictChanges = new(StringComparer.Ordinal) { "clear", "pop", "popitem", "setdefault", "update" };

    /// <summary><c>value.name</c>: the attribute, else the item, else undefined.</summary>
    public static object GetAttribute(object owner, PyString name, Rendering run)
    {
        if (owner is Undefined missing)
            throw missing.Used();
        return TryAttribute(owner, name.Text, run, out var value) || Python.TryItem(owner, name, out value) ? value : Undefined.Attribute(owner, name);
    }

    /// <summary><c>value[key]</c>: the item, else the attribute, else undefined.</summary>
    public static object GetItem(object owner, object key, Rendering run)
    {
        if (owner is Undefined missing)
            throw missing.Used();
        return Python.TryItem(owner, key, out var value) || (key is PyString name && TryAttribute(owner, name.Text, run, out value)) ? value : Undefined.Attribute(owner, key);
    }

    /// <summary>The attribute alone; an internal one is found as an undefined value that fails when it is used.</summary>
    public static bool TryAttribute(object owner, string name, Rendering run, out object value)
    {
        if (owner is Namespace space && space.TryGet(name, out value))
            return true;
        if (owner is TemplateReference && TemplateReference.TryGet(run, name, out value))
            return true;
        if (IsRefused(owner, name))
        {
            value = Undefined.Unsafe(owner, name);
            return true;
        }

        if (MethodsOf(owner)?.GetValueOrDefault(name) is { } method)
        {
            value = new BoundMethod(owner, method);
            return true;
        }

        var property = Property(owner, name, run);
        value = property ?? PyNone.Value;
        return property is not null;
    }

    private static bool IsRefused(object owner, string name)
    {
        if (name.StartsWith('_') || name == "mro")
            return Internals.Contains(name)
                || (owner is PyContainer or PyString or PyRange or PyDictView or PyBytes && ContainerInternals.Contains(name))
                || (owner is Callable && FunctionInternals.Contains(name))
                || (owner is TemplateReference or Namespace && name.StartsWith('_'));
        return (owner is PyList && ListChanges.Contains(name)) || (owner is PyDict && DictChanges.Contains(name));
    }

    private static Dictionary<string, Method>? MethodsOf(object owner) => owner switch
    {
        PyString => StringMethods.All,
        PyDict => ContainerMethods.OfDict,
        PyList => ContainerMethods.OfList,
        PyTuple => ContainerMethods.OfTuple,
        PyRange => ContainerMethods.OfRange,
        PyBytes => ContainerMethods.OfBytes,
        Cycler => ContainerMethods.OfCycler,
        LoopContext => ContainerMethods.OfLoop,
        double => NumberMethods.OfFloat,
        _ when Numbers.IsInteger(owner) => NumberMethods.OfInt,
        Function { IsType: true, Name: "dict" } => ContainerMethods.OfDictType,
        _ => null,
    };

    private static object? Property(object owner, string name, Rendering run) => (owner, name) switch
    {
        (LoopContext loop, "index") => Numbers.Box(loop.Index0 + 1),
        (LoopContext loop, "index0") => Numbers.Box(loop.Index0),
        (LoopContext loop, "revindex") => Numbers.Box(loop.Length - loop.Index0),
        (LoopContext loop, "revindex0") => Numbers.Box(loop.Length - loop.Index0 - 1),
        (LoopContext loop, "first") => Numbers.Box(loop.Index0 == 0),
        (LoopContext loop, "last") => Numbers.Box(loop.IsLast),
        (LoopContext loop, "length") => Numbers.Box(loop.Length),
        (LoopContext loop, "depth") => Numbers.Box((long)loop.Depth0 + 1),
        (LoopContext loop, "depth0") => Numbers.Box((long)loop.Depth0),
        (LoopContext loop, "previtem") => loop.Previous,
        (LoopContext loop, "nextitem") => loop.Following,
        (PyTuple { Names: { } names } tuple, _) when Array.IndexOf(names, name) is >= 0 and var place => tuple.Items[place],
        (Macro macro, "name") => new PyString(macro.Name),
        (Macro macro, "arguments") => new PyTuple([.. macro.Body.Parameters.Select(p => new PyString(p))]),
        (Macro macro, "caller") => Numbers.Box(macro.Body.UsesCaller),
        (Macro macro, "catch_kwargs") => Numbers.Box(macro.Body.UsesKwargs),
        (Macro macro, "catch_varargs") => Numbers.Box(macro.Body.UsesVarargs),
        (Cycler cycler, "current") => cycler.Current,
        (PyRange range, "start") => Numbers.Box(range.Start),
        (PyRange range, "stop") => Numbers.Box(range.Stop),
        (PyRange range, "step") => Numbers.Box(range.Step),
        (PyDictView view, "mapping") => view.Dict,
        (double or long or bool or System.Numerics.BigInteger, "real") => owner is bool ? Numbers.Box(Numbers.ToBig(owner)) : owner,
        (double, "imag") => 0.0,
        (long or bool or System.Numerics.BigInteger, "imag") => Numbers.Box(0L),
        (long or bool or System.Numerics.BigInteger, "numerator") => Numbers.Box(Numbers.ToBig(owner)),
        (long or bool or System.Numerics.BigInteger, "denominator") => Numbers.Box(1L),
        _ => null,
    };
}
