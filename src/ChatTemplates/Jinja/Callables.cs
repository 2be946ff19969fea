namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The arguments of one call.</summary>
/// <param name="Positional">By place.</param>
/// <param name="Named">By name, each once.</param>
internal sealed record Arguments(IReadOnlyList<object> Positional, IReadOnlyList<(string Name, object Value)> Named);

/// <summary>The parameters of a built-in function, and how arguments find them.</summary>
internal sealed class Signature
{
    private readonly string name;
    private readonly string[] parameters;
    private readonly int required;
    private readonly bool takesMore;
    private readonly bool takesMoreNamed;
    private readonly bool positionalOnly;

    /// <param name="name">The function.</param>
    /// <param name="parameters">
    /// The parameters with blanks between them: <c>x</c> is required, <c>x=</c> is not, <c>*</c> takes the further arguments as one list, <c>**</c> the
    /// further named ones as pairs, and a <c>/</c> in front refuses names.
    /// </param>
    public Signature(string name, string parameters)
    {
        this.name = name;
        var words = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        positionalOnly = words.Remove("/");
        takesMore = words.Remove("*");
        takesMoreNamed = words.Remove("**");
        required = words.Count(w => !w.EndsWith('='));
        this.parameters = [.. words.Select(w => w.TrimEnd('='))];
    }

    /// <summary>One value a parameter, null for those that were not given; then the further arguments.</summary>
    public object?[] Bind(Arguments arguments)
    {
        var values = new object?[parameters.Length + (takesMore ? 1 : 0) + (takesMoreNamed ? 1 : 0)];
        int given = arguments.Positional.Count;
        if (given > parameters.Length && !takesMore)
            throw Fail.Type($"{name}() takes at most {parameters.Length} argument(s) but {given} were given");
        for (int i = 0; i < Math.Min(given, parameters.Length); i++)
            values[i] = arguments.Positional[i];
        int next = parameters.Length;
        if (takesMore)
            values[next++] = new PyTuple([.. arguments.Positional.Skip(parameters.Length)]);
        List<(string, object)>? more = takesMoreNamed ? [] : null;
        foreach (var (key, value) in arguments.Named)
        {
            int place = positionalOnly ? -1 : Array.IndexOf(parameters, key);
            if (place < 0)
            {
                if (more is null)
                    throw Fail.Type($"{name}() got an unexpected keyword argument '{key}'");
                more.Add((key, value));
                continue;
            }

            if (values[place] is not null)
                throw Fail.Type($"{name}() got multiple values for argument '{key}'");
            values[place] = value;
        }

        if (more is not null)
            values[next] = more;
        for (int i = 0; i < required; i++)
            if (values[i] is null)
                throw Fail.Type($"{name}() missing required argument: '{parameters[i]}'");
        return values;
    }
}

/// <summary>A value that can be called.</summary>
internal abstract class Callable
{
    public abstract string Name { get; }

    public abstract object Call(Rendering run, Arguments arguments);
}

/// <summary>A built-in function, filter or test.</summary>
internal sealed class Function(string name, string parameters, Func<Rendering, object?[], object> body, bool isType = false) : Callable
{
    private readonly Signature signature = new(name, parameters);

    public override string Name => name;

    /// <summary>It is a class in Python: <c>dict</c>, <c>namespace</c>.</summary>
    public bool IsType => isType;

    public override object Call(Rendering run, Arguments arguments) => body(run, signature.Bind(arguments));
}

/// <summary>A method of a built-in type.</summary>
internal sealed class Method(string name, string parameters, Func<Rendering, object, object?[], object> body)
{
    private readonly Signature signature = new(name, parameters);

    public string Name => name;

    public object Call(Rendering run, object owner, Arguments arguments) => body(run, owner, signature.Bind(arguments));
}

/// <summary>A method of one value.</summary>
internal sealed class BoundMethod(object owner, Method method) : Callable
{
    public object Owner => owner;

    public Method Method => method;

    public override string Name => method.Name;

    public override object Call(Rendering run, Arguments arguments) => method.Call(run, owner, arguments);
}

/// <summary>A macro, or the body of a call block, with the scope where it was made.</summary>
internal sealed class Macro(MacroBody body, Scope scope) : Callable
{
    public override string Name => body.Name;

    public MacroBody Body => body;

    public override object Call(Rendering run, Arguments arguments)
    {
        var inside = new Scope(scope);
        var named = arguments.Named.ToList();
        int place = 0, parameters = body.Parameters.Count;
        bool foundCaller = parameters == arguments.Positional.Count && body.Parameters.Contains("caller");
        var values = new object?[parameters];
        for (; place < Math.Min(parameters, arguments.Positional.Count); place++)
            values[place] = arguments.Positional[place];
        for (; place < parameters; place++)
        {
            var name = body.Parameters[place];
            int given = named.FindIndex(n => n.Name == name);
            foundCaller |= name == "caller";
            if (given < 0)
                continue;
            values[place] = named[given].Value;
            named.RemoveAt(given);
        }

        if (body.UsesCaller && !foundCaller)
        {
            int given = named.FindIndex(n => n.Name == "caller");
            inside.Set("caller", given < 0 || named[given].Value is PyNone ? new Undefined("No caller defined") : named[given].Value);
            if (given >= 0)
                named.RemoveAt(given);
        }

        if (body.UsesKwargs)
        {
            var rest = run.NewDict();
            foreach (var (name, value) in named)
                rest.Set(name, value);
            inside.Set("kwargs", rest);
        }
        else if (named.Count > 0)
        {
            throw Fail.Type($"macro '{Name}' takes no keyword argument '{named[0].Name}'");
        }

        if (body.UsesVarargs)
            inside.Set("varargs", new PyTuple([.. arguments.Positional.Skip(parameters)]));
        else if (arguments.Positional.Count > parameters)
            throw Fail.Type($"macro '{Name}' takes not more than {parameters} argument(s)");

        for (int i = 0; i < parameters; i++)
        {
            int standard = i - (parameters - body.Defaults.Count);
            var name = body.Parameters[i];
            inside.Set(name, values[i] ?? (standard >= 0 ? body.Defaults[standard].Evaluate(run, inside) : new Undefined($"parameter '{name}' was not provided")));
        }

        return run.Capture(body.Body, inside);
    }
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopContext : Callable
{
    private static readonly object Nothing = new();

    private readonly object iterable;
    private readonly Meter meter;
    private readonly Func<object, object>? recurse;
    private IEnumerator<object> source;
    private object before = Nothing;
    private object current = Nothing;
    private object after = Nothing;
    private object? lastChanged;
    private long length = -1;

    public LoopContext(object iterable, int depth, Meter meter, Func<object, object>? recurse)
    {
        (this.iterable, Depth0, this.meter, this.recurse) = (iterable, depth, meter, recurse);
        source = Python.Iterate(iterable, meter).GetEnumerator();
    }

    public override string Name => "loop";

    public int Depth0 { get; }

    public long Index0 { get; private set; } = -1;

    public bool IsLast => ReferenceEquals(Peek(), Nothing);

    public long Length
    {
        get
        {
            if (length >= 0)
                return length;
            if (iterable is not PyIterator)
                return length = Python.Length(iterable, meter);
            var rest = new List<object>();
            while (source.MoveNext())
                rest.Add(source.Current);
            meter.Items(rest.Count);
            source = rest.GetEnumerator();
            return length = rest.Count + Index0 + 1 + (ReferenceEquals(after, Nothing) ? 0 : 1);
        }
    }

    public object Previous => Index0 == 0 ? new Undefined("there is no previous item") : before;

    public object Following => ReferenceEquals(Peek(), Nothing) ? new Undefined("there is no next item") : after;

    public bool MoveNext(out object item)
    {
        if (!ReferenceEquals(after, Nothing))
            (item, after) = (after, Nothing);
        else if (source.MoveNext())
            item = source.Current;
        else
        {
            item = Nothing;
            return false;
        }

        Index0++;
        (before, current) = (current, item);
        return true;
    }

    /// <summary>The items that are still to come; whoever takes them takes them from the loop.</summary>
    public IEnumerable<object> Rest()
    {
        while (MoveNext(out var item))
            yield return new PyTuple([item, this]);
    }

    public object Cycle(PyTuple values)
        => values.Count == 0 ? throw Fail.Type("no items for cycling given") : values.Items[(int)(Index0 % values.Count)];

    public bool Changed(PyTuple values, PyEquality equality)
    {
        if (lastChanged is not null && equality.AreEqual(lastChanged, values))
            return false;
        lastChanged = values;
        return true;
    }

    public override object Call(Rendering run, Arguments arguments)
    {
        if (recurse is null)
            throw Fail.Type("The loop must have the 'recursive' marker to be called recursively.");
        if (arguments.Positional.Count != 1 || arguments.Named.Count > 0)
            throw Fail.Type("loop() takes one argument, the items of the inner loop");
        return recurse(arguments.Positional[0]);
    }

    private object Peek()
    {
        if (ReferenceEquals(after, Nothing) && source.MoveNext())
            after = source.Current;
        return after;
    }
}

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

/// <summary>Gives nothing the first time it is called and its separator after that.</summary>
internal sealed class Joiner(object separator) : Callable
{
    private bool used;

    public override string Name => "joiner";

    public override object Call(Rendering run, Arguments arguments)
    {
        if (arguments.Positional.Count + arguments.Named.Count > 0)
            throw Fail.Type("a joiner takes no arguments");
        if (used)
            return separator;
        used = true;
        return PyString.Empty;
    }
}

/// <summary>Gives its items one after the other, over and over.</summary>
internal sealed class Cycler(PyTuple items)
{
    private int place;

    public object Current => items.Items[place];

    public object Next()
    {
        var item = Current;
        place = (place + 1) % items.Count;
        return item;
    }

    public void Reset() => place = 0;
}

/// <summary>The variable <c>self</c>: the blocks of the template.</summary>
internal sealed class TemplateReference
{
    public static readonly TemplateReference Value = new();

    private TemplateReference()
    {
    }

    public static bool TryGet(Rendering run, string name, out object value)
    {
        bool found = run.Blocks.TryGetValue(name, out var block);
        value = found ? new Function(name, "", (inner, _) => block!.Render(inner)) : PyNone.Value;
        return found;
    }
}
