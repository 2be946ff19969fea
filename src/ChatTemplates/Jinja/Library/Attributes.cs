namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Attributes and items as the sandbox gives them: the data, and the methods that change nothing.</summary>
internal static class Attributes
{
    private static readonly HashSet<string> ListChanges = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"];
    private static readonly HashSet<string> DictChanges = ["clear", "pop", "popitem", "setdefault", "update"];

    /// <summary><c>value.name</c>: the attribute, otherwise the item, otherwise undefined.</summary>
    public static object GetAttribute(object owner, PyString name)
    {
        if (owner is Undefined missing)
            throw missing.Used();
        return TryAttribute(owner, name.Text, out var value) || Python.TryItem(owner, name, out value) ? value : Missing(owner, name);
    }

    /// <summary><c>value[key]</c>: the item, otherwise the attribute, otherwise undefined.</summary>
    public static object GetItem(object owner, object key)
    {
        if (owner is Undefined missing)
            throw missing.Used();
        return Python.TryItem(owner, key, out var value) || (key is PyString name && TryAttribute(owner, name.Text, out value))
            ? value
            : Missing(owner, key);
    }

    /// <summary>The attribute alone.</summary>
    public static object GetAttributeOnly(object owner, PyString name)
    {
        if (owner is Undefined missing)
            throw missing.Used();
        return TryAttribute(owner, name.Text, out var value) ? value : Missing(owner, name);
    }

    private static bool TryAttribute(object owner, string name, out object value)
    {
        if (owner is Namespace space && space.TryGet(name, out value))
            return true;
        bool changes = (owner is PyList && ListChanges.Contains(name)) || (owner is PyDict && DictChanges.Contains(name));
        var found = changes ? Undefined.Unsafe(owner, name)
            : MethodsOf(owner)?.GetValueOrDefault(name) is { } method ? new BoundMethod(owner, method)
            : Property(owner, name);
        value = found ?? PyNone.Value;
        return found is not null;
    }

    // Python's internals print as nothing; using one violates the sandbox, as using a method that changes a list or dictionary does.
    private static Undefined Missing(object owner, object key)
        => key is PyString { Text: var name } && name.StartsWith("__", StringComparison.Ordinal)
            ? Undefined.Unsafe(owner, name)
            : Undefined.Attribute(owner, key);

    private static Dictionary<string, Method>? MethodsOf(object owner) => owner switch
    {
        PyString => StringMethods.All,
        PyDict => ContainerMethods.OfDict,
        PyList => ContainerMethods.OfList,
        PyTuple => ContainerMethods.OfTuple,
        LoopContext => ContainerMethods.OfLoop,
        _ => null,
    };

    private static object? Property(object owner, string name) => (owner, name) switch
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
        _ => null,
    };
}
