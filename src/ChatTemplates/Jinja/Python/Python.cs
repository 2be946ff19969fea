using System.Globalization;
using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's protocols: truth, text, length, iteration, membership, items.</summary>
internal static class Python
{
    private const int ShortReprLength = 80;

    public static string TypeName(object value) => value switch
    {
        PyString text => text.IsMarkup ? "Markup" : "str",
        long or BigInteger => "int",
        double => "float",
        bool => "bool",
        PyNone => "NoneType",
        PyList => "list",
        PyTuple => "tuple",
        PyDict => "dict",
        PyDictView view => "dict_" + view.Kind,
        PyRange => "range",
        PyIterator iterator => iterator.TypeName,
        Undefined => "Undefined",
        Namespace => "Namespace",
        Macro => "Macro",
        LoopContext => "LoopContext",
        Joiner => "Joiner",
        BoundMethod => "builtin_function_or_method",
        Function { IsType: true } => "type",
        _ => "function",
    };

    public static bool IsTrue(object value) => value switch
    {
        bool flag => flag,
        PyString text => text.Text.Length > 0,
        PyNone or Undefined => false,
        long or double or BigInteger => !Numbers.IsZero(value),
        PySequence sequence => sequence.Count > 0,
        PyDict dict => dict.Count > 0,
        PyDictView view => view.Count > 0,
        PyRange range => range.Count > 0,
        LoopContext loop => loop.Length > 0,
        _ => true,
    };

    public static PyString Str(object value, Meter meter)
    {
        if (value is PyString text)
            return text.AsPlain();
        if (value is Undefined)
            return PyString.Empty;
        var builder = new TextBuilder(meter);
        WriteRepr(builder, value);
        return builder.ToText();
    }

    public static void WriteStr(TextBuilder into, object value)
    {
        if (value is PyString text)
            into.Append(text);
        else if (value is not Undefined)
            WriteRepr(into, value);
    }

    public static PyString Repr(object value, Meter meter)
    {
        var builder = new TextBuilder(meter);
        WriteRepr(builder, value);
        return builder.ToText();
    }

    /// <summary><c>repr</c> for a message.</summary>
    public static string ShortRepr(object value)
    {
        if (value is PyContainer or Namespace)
            return $"a {TypeName(value)}";
        var text = Repr(value, new Meter()).Text;
        return text.Length <= ShortReprLength ? text : text[..ShortReprLength] + "…";
    }

    private static void WriteRepr(TextBuilder into, object value)
    {
        into.Meter.Step();
        switch (value)
        {
            case PyString text:
                if (text.IsMarkup)
                    into.Append("Markup(");
                WriteRepr(into, text);
                if (text.IsMarkup)
                    into.Append(')');
                break;
            case bool flag:
                into.Append(flag ? "True" : "False");
                break;
            case long number:
                into.Append(number.ToString(CultureInfo.InvariantCulture));
                break;
            case BigInteger number:
                into.Append(Numbers.Text(number));
                break;
            case double number:
                into.Append(Numbers.Repr(number));
                break;
            case PyNone:
                into.Append("None");
                break;
            case Undefined:
                into.Append("Undefined");
                break;
            case PyList list:
                WriteItems(into, "[", list.Items, "]");
                break;
            case PyTuple tuple:
                WriteItems(into, "(", tuple.Items, tuple.Count == 1 ? ",)" : ")");
                break;
            case PyDict dict:
                WriteDict(into, dict);
                break;
            case PyDictView view:
                into.Append($"dict_{view.Kind}(");
                WriteItems(into, "[", [.. view.Items], "])");
                break;
            case PyRange range:
                var step = range.Step == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $", {range.Step}");
                into.Append(string.Create(CultureInfo.InvariantCulture, $"range({range.Start}, {range.Stop}{step})"));
                break;
            case Namespace space:
                into.Meter.Enter();
                into.Append("<Namespace ");
                WriteDict(into, space.ToDict(into.Meter));
                into.Append('>');
                into.Meter.Leave();
                break;
            case Macro macro:
                into.Append($"<Macro '{macro.Name}'>");
                break;
            case LoopContext loop:
                into.Append(string.Create(CultureInfo.InvariantCulture, $"<LoopContext {loop.Index0 + 1}/{loop.Length}>"));
                break;
            case Function { IsType: true } type:
                into.Append($"<class '{type.Name}'>");
                break;
            case BoundMethod method:
                into.Append($"<built-in method {method.Method.Name} of {TypeName(method.Owner)} object>");
                break;
            case Function function:
                into.Append($"<function {function.Name}>");
                break;
            default:
                into.Append($"<{TypeName(value)} object>");
                break;
        }
    }

    public static long Length(object value, Meter meter) => value switch
    {
        PyString text => text.Length,
        PySequence sequence => sequence.Count,
        PyDict dict => dict.Count,
        PyDictView view => view.Count,
        PyRange range => range.Count,
        Undefined => 0,
        LoopContext loop => loop.Length,
        _ => throw Fail.Type($"object of type '{TypeName(value)}' has no len()"),
    };

    public static bool IsIterable(object value)
        => value is PyString or PySequence or PyDict or PyDictView or PyRange or PyIterator or Undefined or LoopContext;

    /// <summary>The items of an iterable; each costs a step.</summary>
    public static IEnumerable<object> Iterate(object value, Meter meter) => value switch
    {
        PySequence sequence => Counted(sequence.Items, meter),
        PyString text => Characters(text, meter),
        PyDict dict => Counted(dict.Keys, meter),
        PyDictView view => Counted(view.Items, meter),
        PyRange range => Numbered(range, meter),
        PyIterator iterator => Counted(iterator.Rest(), meter),
        LoopContext loop => Counted(loop.Rest(), meter),
        Undefined => [],
        _ => throw Fail.Type($"'{TypeName(value)}' object is not iterable"),
    };

    public static List<object> ToList(object value, Meter meter)
    {
        var list = new List<object>();
        foreach (var item in Iterate(value, meter))
        {
            list.Add(item);
            if (list.Count > TemplateLimits.MaxItems)
                break;
        }

        meter.Items(list.Count);
        return list;
    }

    public static bool Contains(object container, object item, PyEquality equality)
    {
        switch (container)
        {
            case PyString text:
                if (item is not PyString part)
                    throw Fail.Type(item, $"'in <string>' requires string as left operand, not {TypeName(item)}");
                equality.Meter.Work(text.Text.Length);
                return text.Text.Contains(part.Text, StringComparison.Ordinal);
            case PyDict dict:
                return dict.TryGet(item, out _);
            case PyDictView { Kind: "keys" } view:
                return view.Dict.TryGet(item, out _);
            case PyRange range:
                return Numbers.IsNumber(item) && Iterate(range, equality.Meter).Any(i => equality.AreEqual(i, item));
            default:
                if (!IsIterable(container))
                    throw Fail.Type($"argument of type '{TypeName(container)}' is not iterable");
                foreach (var other in Iterate(container, equality.Meter))
                    if (ReferenceEquals(other, item) || equality.AreEqual(other, item))
                        return true;
                return false;
        }
    }

    /// <summary><c>value[key]</c>; false where Python raises a TypeError or a LookupError.</summary>
    public static bool TryItem(object value, object key, out object item)
    {
        item = PyNone.Value;
        switch (value)
        {
            case PyDict dict:
                return key is not (PyList or PyDict or PyDictView) && dict.TryGet(key, out item);
            case Undefined missing:
                throw missing.Used();
            case PySequence or PyString or PyRange when Numbers.TryIndex(key, out long index):
                long count = value switch { PySequence s => s.Count, PyString t => t.Length, _ => ((PyRange)value).Count };
                if (index < 0)
                    index += count;
                if (index < 0 || index >= count)
                    return false;
                item = value switch
                {
                    PySequence sequence => sequence.Items[(int)index],
                    PyString text => text.At((int)index),
                    _ => ((PyRange)value)[(int)index],
                };
                return true;
            default:
                return false;
        }
    }

    /// <summary><c>value[start:stop:step]</c>.</summary>
    public static object Slice(object value, object? start, object? stop, object? step, Meter meter)
    {
        if (value is Undefined missing)
            throw missing.Used();
        if (value is not (PySequence or PyString or PyRange))
            throw Fail.Type($"'{TypeName(value)}' object is not subscriptable");
        int count = (int)Length(value, meter);
        long by = Bound(step) ?? 1;
        if (by == 0)
            throw Fail.Value("slice step cannot be zero");
        long from = Clamp(Bound(start), by > 0 ? 0 : count - 1, count, by < 0);
        long to = Clamp(Bound(stop), by > 0 ? count : -1, count, by < 0);
        if (by == 1 && value is PyString whole)
        {
            meter.Text(Math.Max(0, to - from));
            return whole.Slice((int)from, (int)Math.Max(from, to));
        }

        var indexes = new List<int>();
        for (Int128 i = from; by > 0 ? i < to : i > to; i += by)
            indexes.Add((int)i);
        meter.Items(indexes.Count);
        switch (value)
        {
            case PyString text:
                var builder = new TextBuilder(meter);
                foreach (int i in indexes)
                    builder.Append(text, text.PlaceOf(i), text.PlaceOf(i + 1));
                return builder.ToText(text.IsMarkup);
            case PyRange range:
                return new PyRange(range.Start + from * range.Step, range.Start + to * range.Step, by * range.Step);
            default:
                var sequence = (PySequence)value;
                return sequence.With([.. indexes.Select(i => sequence.Items[i])]);
        }
    }

    private static long? Bound(object? value)
        => value is null or PyNone ? null
            : Numbers.TryIndex(value, out long index) ? index
            : throw Fail.Type(value, "slice indices must be integers or None or have an __index__ method");

    private static long Clamp(long? bound, long missing, int count, bool down)
    {
        if (bound is not { } value)
            return missing;
        if (value < 0)
            value = Math.Max(value + count, down ? -1 : 0);
        return Math.Min(value, down ? count - 1 : count);
    }

    private static IEnumerable<object> Counted(IEnumerable<object> items, Meter meter)
    {
        foreach (var item in items)
        {
            meter.Step();
            yield return item;
        }
    }

    private static IEnumerable<object> Characters(PyString text, Meter meter)
    {
        for (int i = 0; i < text.Length; i++)
        {
            meter.Step();
            yield return text.At(i).AsPlain();
        }
    }

    private static IEnumerable<object> Numbered(PyRange range, Meter meter)
    {
        for (int i = 0; i < range.Count; i++)
        {
            meter.Step();
            yield return range[i];
        }
    }

    private static void WriteItems(TextBuilder into, string open, IReadOnlyList<object> items, string close)
    {
        into.Append(open);
        for (int i = 0; i < items.Count; i++)
        {
            if (i > 0)
                into.Append(", ");
            WriteRepr(into, items[i]);
        }

        into.Append(close);
    }

    private static void WriteDict(TextBuilder into, PyDict dict)
    {
        into.Append('{');
        bool first = true;
        foreach (var (key, value) in dict.Entries)
        {
            if (!first)
                into.Append(", ");
            first = false;
            WriteRepr(into, key);
            into.Append(": ");
            WriteRepr(into, value);
        }

        into.Append('}');
    }

    private static void WriteRepr(TextBuilder into, PyString value)
    {
        var text = value.Text;
        char quote = text.Contains('\'', StringComparison.Ordinal) && !text.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        into.Append(quote);
        for (int i = 0; i < text.Length;)
        {
            bool data = value.IsData(i);
            int start = i;
            int codePoint = Foundation.Unicode.CodePoints.Next(text, ref i);
            var escaped = codePoint switch
            {
                '\\' => "\\\\",
                '\n' => "\\n",
                '\r' => "\\r",
                '\t' => "\\t",
                _ when codePoint == quote => "\\" + quote,
                _ when PyChar.IsPrintable(codePoint) => null,
                < 0x100 => string.Create(CultureInfo.InvariantCulture, $"\\x{codePoint:x2}"),
                < 0x10000 => string.Create(CultureInfo.InvariantCulture, $"\\u{codePoint:x4}"),
                _ => string.Create(CultureInfo.InvariantCulture, $"\\U{codePoint:x8}"),
            };
            if (escaped is null)
                into.Append(text.AsSpan(start, i - start), data);
            else
                into.Append(escaped, data);
        }

        into.Append(quote);
    }
}
