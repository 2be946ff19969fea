using System.Globalization;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Python's <c>==</c> and <c>hash</c>: 1, 1.0 and true are equal, texts are compared ordinally, containers by their items.</summary>
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
            case PyBytes bytes:
                return bytes.Value.Length;
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
            case (PyBytes a, PyBytes b):
                return a.Value.AsSpan().SequenceEqual(b.Value);
            case (PyDictView { Kind: not "values" } a, PyDictView { Kind: not "values" } b):
                return a.Kind == b.Kind && a.Count == b.Count && a.Dict.Entries.All(e => b.Dict.TryGet(e.Key, out var other) && (a.Kind == "keys" || AreEqual(e.Value, other)));
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
