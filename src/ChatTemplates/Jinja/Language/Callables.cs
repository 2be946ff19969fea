namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The arguments of one call.</summary>
/// <param name="Positional">By place.</param>
/// <param name="Named">By name, each once.</param>
internal sealed record Arguments(IReadOnlyList<object> Positional, IReadOnlyList<(string Name, object Value)> Named);

/// <summary>The parameters of a built-in function, and how arguments find them.</summary>
internal sealed class Signature
{
    private readonly string _name;
    private readonly string[] _parameters;
    private readonly int _required;
    private readonly bool _takesMore;
    private readonly bool _takesMoreNamed;
    private readonly bool _positionalOnly;

    /// <param name="name">The function.</param>
    /// <param name="parameters">
    /// The parameters with blanks between them: <c>x</c> is required, <c>x=</c> is not, <c>*</c> takes the further arguments as one list,
    /// <c>**</c> the further named ones as pairs, and a <c>/</c> in front refuses names.
    /// </param>
    public Signature(string name, string parameters)
    {
        _name = name;
        var words = parameters.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        _positionalOnly = words.Remove("/");
        _takesMore = words.Remove("*");
        _takesMoreNamed = words.Remove("**");
        _required = words.Count(w => !w.EndsWith('='));
        _parameters = [.. words.Select(w => w.TrimEnd('='))];
    }

    /// <summary>One value per parameter, null for those that were not given; then the further arguments.</summary>
    public object?[] Bind(Arguments arguments)
    {
        var values = new object?[_parameters.Length + (_takesMore ? 1 : 0) + (_takesMoreNamed ? 1 : 0)];
        int given = arguments.Positional.Count;
        if (given > _parameters.Length && !_takesMore)
            throw Fail.Type($"{_name}() takes at most {_parameters.Length} argument(s) but {given} were given");
        for (int i = 0; i < Math.Min(given, _parameters.Length); i++)
            values[i] = arguments.Positional[i];
        int next = _parameters.Length;
        if (_takesMore)
            values[next++] = new PyTuple([.. arguments.Positional.Skip(_parameters.Length)]);
        List<(string, object)>? more = _takesMoreNamed ? [] : null;
        foreach (var (key, value) in arguments.Named)
        {
            int place = _positionalOnly ? -1 : Array.IndexOf(_parameters, key);
            if (place < 0)
            {
                if (more is null)
                    throw Fail.Type($"{_name}() got an unexpected keyword argument '{key}'");
                more.Add((key, value));
                continue;
            }

            if (values[place] is not null)
                throw Fail.Type($"{_name}() got multiple values for argument '{key}'");
            values[place] = value;
        }

        if (more is not null)
            values[next] = more;
        for (int i = 0; i < _required; i++)
            if (values[i] is null)
                throw Fail.Type($"{_name}() missing required argument: '{_parameters[i]}'");
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
    private readonly Signature _signature = new(name, parameters);

    public override string Name => name;

    /// <summary>It is a class in Python: <c>dict</c>, <c>namespace</c>.</summary>
    public bool IsType => isType;

    public override object Call(Rendering run, Arguments arguments) => body(run, _signature.Bind(arguments));
}

/// <summary>A method of a built-in type.</summary>
internal sealed class Method(string name, string parameters, Func<Rendering, object, object?[], object> body)
{
    private readonly Signature _signature = new(name, parameters);

    public string Name => name;

    /// <summary>Methods by their names.</summary>
    public static Dictionary<string, Method> Table(params Method[] methods) => methods.ToDictionary(m => m.Name, StringComparer.Ordinal);

    public object Call(Rendering run, object owner, Arguments arguments) => body(run, owner, _signature.Bind(arguments));
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
            values[i] ??= standard >= 0
                ? body.Defaults[standard].Evaluate(run, inside)
                : new Undefined($"parameter '{name}' was not provided");
            inside.Set(name, values[i]!);
        }

        return run.Capture(body.Body, inside);
    }
}

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopContext : Callable
{
    private static readonly object Nothing = new();

    private readonly object _iterable;
    private readonly Meter _meter;
    private readonly Func<object, object>? _recurse;
    private IEnumerator<object> _source;
    private object _before = Nothing;
    private object _current = Nothing;
    private object _after = Nothing;
    private object? _lastChanged;
    private long _length = -1;

    public LoopContext(object iterable, int depth, Meter meter, Func<object, object>? recurse)
    {
        (_iterable, Depth0, _meter, _recurse) = (iterable, depth, meter, recurse);
        _source = Python.Iterate(iterable, meter).GetEnumerator();
    }

    public override string Name => "loop";

    public int Depth0 { get; }

    public long Index0 { get; private set; } = -1;

    public bool IsLast => ReferenceEquals(Peek(), Nothing);

    public long Length
    {
        get
        {
            if (_length >= 0)
                return _length;
            if (_iterable is not PyIterator)
                return _length = Python.Length(_iterable, _meter);
            var rest = new List<object>();
            while (_source.MoveNext())
                rest.Add(_source.Current);
            _meter.Items(rest.Count);
            _source = rest.GetEnumerator();
            return _length = rest.Count + Index0 + 1 + (ReferenceEquals(_after, Nothing) ? 0 : 1);
        }
    }

    public object Previous => Index0 == 0 ? new Undefined("there is no previous item") : _before;

    public object Following => ReferenceEquals(Peek(), Nothing) ? new Undefined("there is no next item") : _after;

    public bool MoveNext(out object item)
    {
        if (!ReferenceEquals(_after, Nothing))
            (item, _after) = (_after, Nothing);
        else if (_source.MoveNext())
            item = _source.Current;
        else
        {
            item = Nothing;
            return false;
        }

        Index0++;
        (_before, _current) = (_current, item);
        return true;
    }

    /// <summary>The items that are still to come; taking them takes them from the loop.</summary>
    public IEnumerable<object> Rest()
    {
        while (MoveNext(out var item))
            yield return new PyTuple([item, this]);
    }

    public object Cycle(PyTuple values)
        => values.Count == 0 ? throw Fail.Type("no items for cycling given") : values.Items[(int)(Index0 % values.Count)];

    public bool Changed(PyTuple values, PyEquality equality)
    {
        if (_lastChanged is not null && equality.AreEqual(_lastChanged, values))
            return false;
        _lastChanged = values;
        return true;
    }

    public override object Call(Rendering run, Arguments arguments)
    {
        if (_recurse is null)
            throw Fail.Type("The loop must have the 'recursive' marker to be called recursively.");
        if (arguments.Positional.Count != 1 || arguments.Named.Count > 0)
            throw Fail.Type("loop() takes one argument, the items of the inner loop");
        return _recurse(arguments.Positional[0]);
    }

    private object Peek()
    {
        if (ReferenceEquals(_after, Nothing) && _source.MoveNext())
            _after = _source.Current;
        return _after;
    }
}

/// <summary>The one value that templates can change: attributes that outlive the scope where they are set.</summary>
internal sealed class Namespace
{
    private readonly List<(PyString Name, object Value)> _attributes = [];
    private readonly Dictionary<string, int> _places = new(StringComparer.Ordinal);

    public bool TryGet(string name, out object value)
    {
        bool found = _places.TryGetValue(name, out int place);
        value = found ? _attributes[place].Value : PyNone.Value;
        return found;
    }

    public void Set(object name, object value, Rendering run)
    {
        run.Meter.Items(1);
        if (name is not PyString text)
            throw Fail.Type($"A namespace has texts as names of its attributes, not {Python.TypeName(name)}.");
        if (text.Text.StartsWith('_'))
            throw Fail.Security(
                $"Chat templates cannot store underscore-prefixed attributes on a namespace, but got '{text.Text}'. "
                + "Please rename the attribute.");
        if (_places.TryGetValue(text.Text, out int place))
        {
            _attributes[place] = (_attributes[place].Name, value);
            return;
        }

        _places.Add(text.Text, _attributes.Count);
        _attributes.Add((text, value));
    }

    public PyDict ToDict(Meter meter)
    {
        var dict = new PyDict(new PyEquality(meter));
        foreach (var (name, value) in _attributes)
            dict.Set(name, value);
        return dict;
    }
}

/// <summary>Gives nothing the first time it is called and its separator after that.</summary>
internal sealed class Joiner(object separator) : Callable
{
    private bool _used;

    public override string Name => "joiner";

    public override object Call(Rendering run, Arguments arguments)
    {
        if (arguments.Positional.Count + arguments.Named.Count > 0)
            throw Fail.Type("a joiner takes no arguments");
        if (_used)
            return separator;
        _used = true;
        return PyString.Empty;
    }
}
