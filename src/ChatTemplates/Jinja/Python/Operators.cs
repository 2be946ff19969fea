using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's operators on the values of templates.</summary>
internal static class Operators
{
    public static object Binary(string sign, object left, object right, Rendering run)
    {
        if (left is Undefined missing)
            throw missing.Used();
        if (right is Undefined other && !(left is PyString && sign == "%"))
            throw other.Used();
        bool numbers = Numbers.IsNumber(left) && Numbers.IsNumber(right);
        switch (sign)
        {
            case "+":
                return numbers ? Numbers.Add(left, right) : Add(left, right, run);
            case "-" when numbers:
                return Numbers.Subtract(left, right);
            case "*":
                return numbers ? Numbers.Multiply(left, right) : Repeat(left, right, run.Meter);
            case "/" when numbers:
                return Numbers.Divide(left, right);
            case "//" when numbers:
                return Numbers.FloorDivide(left, right);
            case "%" when left is PyString format:
                return PercentFormat.Format(format, right, run);
            case "%" when numbers:
                return Numbers.Modulo(left, right);
            case "**" when numbers:
                return Numbers.Power(left, right);
            default:
                throw Fail.Operands(sign, left, right);
        }
    }

    public static object Unary(string sign, object value)
    {
        if (value is Undefined missing)
            throw missing.Used();
        if (!Numbers.IsNumber(value))
            throw Fail.Type($"bad operand type for unary {sign}: '{Python.TypeName(value)}'");
        return sign == "-" ? Numbers.Negate(value) : value is bool ? Numbers.Box(Numbers.ToBig(value)) : value;
    }

    public static bool Compare(string sign, object left, object right, PyEquality equality)
    {
        switch (sign)
        {
            case "==":
                return equality.AreEqual(left, right);
            case "!=":
                return !equality.AreEqual(left, right) || left is double number && double.IsNaN(number);
            case "in":
                return Python.Contains(right, left, equality);
            case "notin":
                return !Python.Contains(right, left, equality);
            default:
                return Order(sign, left, right, equality);
        }
    }

    /// <summary><c>left &lt; right</c>, for sorting.</summary>
    public static bool IsLess(object left, object right, PyEquality equality) => Order("<", left, right, equality);

    private static bool Order(string sign, object left, object right, PyEquality equality)
    {
        if (left is Undefined missing)
            throw missing.Used();
        if (right is Undefined other)
            throw other.Used();
        equality.Meter.Step();
        switch (left, right)
        {
            case (PyString a, PyString b):
                equality.Meter.Work(Math.Min(a.Text.Length, b.Text.Length));
                return Holds(sign, CompareText(a.Text, b.Text));
            case (PyList a, PyList b):
                return Order(sign, a.Items, b.Items, equality);
            case (PyTuple a, PyTuple b):
                return Order(sign, a.Items, b.Items, equality);
            default:
                if (!Numbers.IsNumber(left) || !Numbers.IsNumber(right))
                    throw Fail.Type(
                        $"'{sign}' not supported between instances of '{Python.TypeName(left)}' and '{Python.TypeName(right)}'");
                int order = Numbers.Compare(left, right);
                return order != 2 && Holds(sign, order);
        }
    }

    // By code points, which is not the order of UTF-16 units.
    private static int CompareText(string a, string b)
    {
        int i = a.AsSpan().CommonPrefixLength(b);
        if (i == a.Length || i == b.Length)
            return a.Length.CompareTo(b.Length);
        char x = a[i], y = b[i];
        return char.IsSurrogate(x) == char.IsSurrogate(y) ? x.CompareTo(y) : char.IsSurrogate(x) ? 1 : -1;
    }

    private static bool Order(string sign, IReadOnlyList<object> a, IReadOnlyList<object> b, PyEquality equality)
    {
        for (int i = 0; i < Math.Min(a.Count, b.Count); i++)
            if (!equality.AreEqual(a[i], b[i]))
                return Order(sign, a[i], b[i], equality);
        return Holds(sign, a.Count.CompareTo(b.Count));
    }

    private static bool Holds(string sign, int order) => sign switch
    {
        "<" => order < 0,
        "<=" => order <= 0,
        ">" => order > 0,
        _ => order >= 0,
    };

    private static object Add(object left, object right, Rendering run)
    {
        switch (left, right)
        {
            case (PyString a, PyString b):
                if (a.IsMarkup != b.IsMarkup)
                    (a, b) = (a.Escaped(run.Meter), b.Escaped(run.Meter));
                if (b.Text.Length == 0)
                    return a;
                if (a.Text.Length == 0)
                    return b;
                var text = new TextBuilder(run.Meter);
                text.Append(a);
                text.Append(b);
                return text.ToText(a.IsMarkup);
            case (PyList a, PyList b):
                return a.With(Joined(a.Items, b.Items, run.Meter));
            case (PyTuple a, PyTuple b):
                return a.With(Joined(a.Items, b.Items, run.Meter));
            case (PyString, _):
                throw Fail.Type($"can only concatenate str (not \"{Python.TypeName(right)}\") to str");
            case (PySequence, _):
                var kind = Python.TypeName(left);
                throw Fail.Type($"can only concatenate {kind} (not \"{Python.TypeName(right)}\") to {kind}");
            default:
                throw Fail.Operands("+", left, right);
        }
    }

    private static object[] Joined(IReadOnlyList<object> a, IReadOnlyList<object> b, Meter meter)
    {
        meter.Items((long)a.Count + b.Count);
        return [.. a, .. b];
    }

    private static object Repeat(object left, object right, Meter meter)
    {
        var (value, factor) = Numbers.TryIndex(left, out long count) ? (right, count)
            : Numbers.TryIndex(right, out count) ? (left, count)
            : (null, 0);
        factor = Math.Max(0, factor);
        switch (value)
        {
            case PyString text:
                meter.Text(text.Text.Length == 0 ? 0 : factor > TemplateLimits.MaxTextLength ? factor : text.Text.Length * factor);
                var builder = new TextBuilder(meter);
                for (long i = 0; i < factor && text.Text.Length > 0; i++)
                    builder.Append(text);
                return builder.ToText(text.IsMarkup);
            case PySequence sequence:
                meter.Items(sequence.Count == 0 ? 0 : factor > TemplateLimits.MaxItems ? factor : sequence.Count * factor);
                var items = new List<object>();
                for (long i = 0; i < factor && sequence.Count > 0; i++)
                    items.AddRange(sequence.Items);
                return sequence.With(items);
            default:
                throw left is PyString or PySequence
                    ? Fail.Type($"can't multiply sequence by non-int of type '{Python.TypeName(right)}'")
                    : Fail.Operands("*", left, right);
        }
    }
}

/// <summary>
/// Python's <c>==</c> and <c>hash</c>: 1, 1.0 and true are equal, texts are compared ordinally, containers by their items.
/// </summary>
internal sealed class PyEquality(Meter meter) : IEqualityComparer<object>
{
    public Meter Meter => meter;

    bool IEqualityComparer<object>.Equals(object? x, object? y) => AreEqual(x!, y!);

    public int GetHashCode(object value)
    {
        meter.Step();
        switch (value)
        {
            case PyString text:
                meter.Work(text.Text.Length);
                return string.GetHashCode(text.Text);
            case bool or long or BigInteger or double:
                double number = Numbers.ToDouble(value, overflow: true);
                return number.GetHashCode();
            case PyTuple tuple:
                var hash = default(HashCode);
                foreach (var item in tuple.Items)
                    hash.Add(GetHashCode(item));
                return hash.ToHashCode();
            case PyList or PyDict or PyDictView:
                throw Fail.Type($"unhashable type: '{Python.TypeName(value)}'");
            case Undefined:
                return 1;
            default:
                return RuntimeHelpers.GetHashCode(value);
        }
    }

    public bool AreEqual(object x, object y)
    {
        meter.Step();
        if (ReferenceEquals(x, y))
            return x is not double number || !double.IsNaN(number);
        switch (x, y)
        {
            case (PyString a, PyString b):
                meter.Work(Math.Min(a.Text.Length, b.Text.Length));
                return a.Text == b.Text;
            case (PyNone, PyNone) or (Undefined, Undefined):
                return true;
            case (bool or long or BigInteger or double, bool or long or BigInteger or double):
                return Numbers.Compare(x, y) == 0;
            case (PyList a, PyList b):
                return AreEqual(a.Items, b.Items);
            case (PyTuple a, PyTuple b):
                return AreEqual(a.Items, b.Items);
            case (PyDict a, PyDict b):
                return AreEqual(a, b);
            case (PyRange a, PyRange b):
                return a.Count == b.Count && (a.Count == 0 || (a.Start == b.Start && (a.Count == 1 || a.Step == b.Step)));
            case (PyDictView { Kind: not "values" } a, PyDictView { Kind: not "values" } b):
                return a.Kind == b.Kind && a.Count == b.Count
                    && a.Dict.Entries.All(e => b.Dict.TryGet(e.Key, out var other) && (a.Kind == "keys" || AreEqual(e.Value, other)));
            case (BoundMethod a, BoundMethod b):
                return ReferenceEquals(a.Owner, b.Owner) && a.Method == b.Method;
            default:
                return false;
        }
    }

    private bool AreEqual(IReadOnlyList<object> a, IReadOnlyList<object> b)
    {
        if (a.Count != b.Count)
            return false;
        for (int i = 0; i < a.Count; i++)
            if (!ReferenceEquals(a[i], b[i]) && !AreEqual(a[i], b[i]))
                return false;
        return true;
    }

    private bool AreEqual(PyDict a, PyDict b)
    {
        if (a.Count != b.Count)
            return false;
        foreach (var (key, value) in a.Entries)
            if (!b.TryGet(key, out var other) || (!ReferenceEquals(value, other) && !AreEqual(value, other)))
                return false;
        return true;
    }
}
