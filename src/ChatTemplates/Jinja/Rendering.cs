namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>One rendering of a template: what it has used, where it is, what it has written.</summary>
internal sealed class Rendering
{
    public Rendering(Meter meter, Func<DateTime> clock)
    {
        (Meter, Clock) = (meter, clock);
        Equality = new PyEquality(meter);
        Output = new TextBuilder(meter);
    }

    public Meter Meter { get; }

    public PyEquality Equality { get; }

    /// <summary>The text of the whole rendering.</summary>
    public TextBuilder Output { get; }

    /// <summary>The local time that <c>strftime_now</c> reads.</summary>
    public Func<DateTime> Clock { get; }

    /// <summary>The outermost variables.</summary>
    public Scope Root { get; } = new(null);

    /// <summary>The line of the statement or call that runs.</summary>
    public int Line { get; set; } = 1;

    /// <summary>What <c>generation</c> blocks wrote, in UTF-16 units of the output.</summary>
    public List<(int Start, int End)> Generated { get; } = [];

    public PyDict NewDict() => new(Equality);

    /// <summary>Runs statements whose text becomes a value.</summary>
    public PyString Capture(IReadOnlyList<Statement> body, Scope scope)
    {
        var text = new TextBuilder(Meter);
        Run(body, scope, text);
        return text.ToText();
    }

    public Flow Run(IReadOnlyList<Statement> body, Scope scope, TextBuilder output)
    {
        Meter.Enter();
        for (int i = 0; i < body.Count; i++)
        {
            var statement = body[i];
            Meter.Step();
            if (statement.Line > 0)
                Line = statement.Line;
            var flow = statement.Execute(this, scope, output);
            if (flow != Flow.Next)
            {
                Meter.Leave();
                return flow;
            }
        }

        Meter.Leave();
        return Flow.Next;
    }
}

/// <summary>What a template rendered.</summary>
/// <param name="Text">The text, and which parts of it come from the conversation.</param>
/// <param name="Generated">What <c>generation</c> blocks wrote, in UTF-16 units.</param>
/// <param name="Steps">The steps it took.</param>
internal sealed record RenderedTemplate(PyString Text, IReadOnlyList<(int Start, int End)> Generated, long Steps);

/// <summary>The variables of one block; names that are not here are looked up outside it.</summary>
internal sealed class Scope(Scope? outer)
{
    private const int SearchedOneByOne = 8;

    private (string Name, object Value)[] _variables = [];
    private Dictionary<string, int>? _places;
    private int _count;

    public Scope? Outer => outer;

    public void Set(string name, object value)
    {
        int place = PlaceOf(name);
        if (place >= 0)
        {
            _variables[place].Value = value;
            return;
        }

        if (_count == _variables.Length)
            Array.Resize(ref _variables, Math.Max(4, _count * 2));
        _variables[_count] = (name, value);
        if (_places is not null)
            _places.Add(name, _count);
        _count++;
        if (_places is null && _count > SearchedOneByOne)
        {
            _places = new Dictionary<string, int>(StringComparer.Ordinal);
            for (int i = 0; i < _count; i++)
                _places.Add(_variables[i].Name, i);
        }
    }

    public bool TryGet(string name, out object value)
    {
        for (var scope = this; scope is not null; scope = scope.Outer)
        {
            int place = scope.PlaceOf(name);
            if (place < 0)
                continue;
            value = scope._variables[place].Value;
            return true;
        }

        value = PyNone.Value;
        return false;
    }

    private int PlaceOf(string name)
    {
        if (_places is not null)
            return _places.TryGetValue(name, out int place) ? place : -1;
        for (int i = 0; i < _count; i++)
            if (ReferenceEquals(_variables[i].Name, name) || _variables[i].Name == name)
                return i;
        return -1;
    }
}

/// <summary>Stands for a value that is not there: it prints as nothing and fails when it is used.</summary>
internal sealed class Undefined(string message, ChatTemplateError error = ChatTemplateError.Undefined)
{
    public static Undefined Name(string name) => new($"'{name}' is undefined{LeftOut.NoteOnGlobal(name)}");

    public static Undefined Attribute(object owner, object name)
        => new(name is PyString text
            ? owner is PyNone
                ? $"'None' has no attribute '{text.Text}'"
                : $"'{Python.TypeName(owner)} object' has no attribute '{text.Text}'{LeftOut.NoteOnAttribute(owner, text.Text)}"
            : $"{Python.TypeName(owner)} object has no element {Python.ShortRepr(name)}");

    /// <summary>A part of the interpreter that templates must not reach.</summary>
    public static Undefined Unsafe(object owner, string name)
        => new($"access to attribute '{name}' of '{Python.TypeName(owner)}' object is unsafe.", ChatTemplateError.Security);

    /// <summary>The value, which must be there.</summary>
    public static object Checked(object value) => value is Undefined missing ? throw missing.Used() : value;

    public ChatTemplateException Used() => new(error, message);
}

/// <summary>The errors of templates; the interpreter adds the line.</summary>
internal static class Fail
{
    public static ChatTemplateException Syntax(string message, int line) => new(ChatTemplateError.Syntax, message, line);

    public static ChatTemplateException Type(string message) => new(ChatTemplateError.Type, message);

    /// <summary>A value is of the wrong type, or it is not there at all.</summary>
    public static ChatTemplateException Type(object value, string message) => value is Undefined missing ? missing.Used() : Type(message);

    public static ChatTemplateException Value(string message) => new(ChatTemplateError.Value, message);

    public static ChatTemplateException Security(string message) => new(ChatTemplateError.Security, message);

    public static ChatTemplateException Raised(string message) => new(ChatTemplateError.Raised, message);

    public static ChatTemplateException Conversation(string message, Exception? inner = null)
        => new(ChatTemplateError.Conversation, message, inner: inner);

    public static ChatTemplateException Limit(string message) => new(ChatTemplateError.Limit, message);

    public static ChatTemplateException Operands(string sign, object left, object right)
        => Type($"unsupported operand type(s) for {sign}: '{Python.TypeName(left)}' and '{Python.TypeName(right)}'");
}
