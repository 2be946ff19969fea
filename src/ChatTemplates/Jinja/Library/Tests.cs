namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The tests of Jinja2: what may follow <c>is</c>.</summary>
internal static class Tests
{
    private static readonly Dictionary<string, Function> All = Table();

    public static bool Exists(string name) => All.ContainsKey(name);

    public static Function Get(string name) => All.TryGetValue(name, out var test) ? test : throw Fail.Type($"No test named '{name}'.");

    private static Dictionary<string, Function> Table()
    {
        var table = new Dictionary<string, Function>(StringComparer.Ordinal);
        void Add(string names, string parameters, Func<Rendering, object?[], bool> test)
        {
            foreach (var name in names.Split(' '))
                table.Add(name, new Function(name, parameters, (run, a) => Numbers.Box(test(run, a))));
        }

        void Order(string names, string sign) => Add(names, "/ a b", (run, a) => Operators.Compare(sign, a[0]!, a[1]!, run.Equality));

        Add("odd", "value", (run, a) => IsRest(a[0]!, Numbers.Box(2L), 1, run));
        Add("even", "value", (run, a) => IsRest(a[0]!, Numbers.Box(2L), 0, run));
        Add("divisibleby", "value num", (run, a) => IsRest(a[0]!, a[1]!, 0, run));
        Add("defined", "value", (_, a) => a[0] is not Undefined);
        Add("undefined", "value", (_, a) => a[0] is Undefined);
        Add("filter", "value", (run, a) => NameOf(run, a[0]!) is { } name && Filters.Exists(name));
        Add("test", "value", (run, a) => NameOf(run, a[0]!) is { } name && Exists(name));
        Add("none", "value", (_, a) => a[0] is PyNone);
        Add("boolean", "value", (_, a) => a[0] is bool);
        Add("false", "value", (_, a) => a[0] is false);
        Add("true", "value", (_, a) => a[0] is true);
        Add("integer", "value", (_, a) => a[0] is long or System.Numerics.BigInteger);
        Add("float", "value", (_, a) => a[0] is double);
        Add("lower", "value", (run, a) => StringMethods.IsLower(Python.Str(a[0]!, run.Meter)));
        Add("upper", "value", (run, a) => StringMethods.IsUpper(Python.Str(a[0]!, run.Meter)));
        Add("string", "value", (_, a) => a[0] is PyString);
        Add("mapping", "value", (_, a) => a[0] is PyDict);
        Add("number", "value", (_, a) => Numbers.IsNumber(a[0]!));
        Add("sequence", "value", (_, a) => a[0] is PyString or PySequence or PyDict or PyRange or Undefined);
        Add("iterable", "value", (_, a) => Python.IsIterable(a[0]!));
        Add("callable", "value", (_, a) => a[0] is Callable or Undefined);
        Add("sameas", "value other", (_, a) => IsSame(a[0]!, a[1]!));
        Add("escaped", "value", (_, a) => a[0] is PyString { IsMarkup: true });
        Add("in", "value seq", (run, a) => Python.Contains(a[1]!, a[0]!, run.Equality));
        Order("== eq equalto", "==");
        Order("!= ne", "!=");
        Order("> gt greaterthan", ">");
        Order(">= ge", ">=");
        Order("< lt lessthan", "<");
        Order("<= le", "<=");
        return table;
    }

    // The names are keys of a table: what cannot be a key is an error.
    private static string? NameOf(Rendering run, object value)
    {
        _ = run.Equality.GetHashCode(value);
        return (value as PyString)?.Text;
    }

    private static bool IsRest(object value, object divisor, long rest, Rendering run)
        => run.Equality.AreEqual(Operators.Binary("%", value, divisor, run), Numbers.Box(rest));

    private static bool IsSame(object value, object other) => (value, other) switch
    {
        (bool a, bool b) => a == b,
        (long a, long b) => a == b,
        (PyString a, PyString b) => a.Text == b.Text && a.IsMarkup == b.IsMarkup,
        (PyTuple { Count: 0 }, PyTuple { Count: 0 }) => true,
        _ => ReferenceEquals(value, other),
    };
}
