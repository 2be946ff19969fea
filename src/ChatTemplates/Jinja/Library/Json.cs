using System.Globalization;
using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's <c>json.dumps</c>, as transformers gives it to templates by the name of <c>tojson</c>.</summary>
internal static class Json
{
    public static object Dump(Rendering run, object?[] a)
    {
        var writer = new Writer(run)
        {
            EnsureAscii = a[1] is { } ascii && Python.IsTrue(ascii),
            Indent = a[2] switch
            {
                null or PyNone => null,
                PyString text => text,
                var width when Numbers.TryIndex(width, out long count) => Blanks(run, count),
                _ => throw Fail.Type("indent must be a number or a string"),
            },
            SortKeys = a[4] is { } sort && Python.IsTrue(sort),
        };
        writer.ItemSeparator = new PyString(writer.Indent is null ? ", " : ",");
        writer.KeySeparator = new PyString(": ");
        if (a[3] is not (null or PyNone))
        {
            var separators = Python.ToList(a[3]!, run.Meter);
            if (separators.Count != 2)
                throw Fail.Value("separators must be a pair of texts");
            (writer.ItemSeparator, writer.KeySeparator) = (StringMethods.Text(separators[0]), StringMethods.Text(separators[1]));
        }

        writer.Write(a[0]!, 0);
        return writer.Text.ToText();
    }

    private static PyString Blanks(Rendering run, long count)
    {
        run.Meter.Text(Math.Max(0, count));
        return new PyString(new string(' ', (int)Math.Max(0, count)));
    }

    private sealed class Writer(Rendering run)
    {
        public TextBuilder Text { get; } = new(run.Meter);

        public bool EnsureAscii { get; init; }

        public bool SortKeys { get; init; }

        public PyString? Indent { get; init; }

        public PyString ItemSeparator { get; set; } = PyString.Empty;

        public PyString KeySeparator { get; set; } = PyString.Empty;

        public void Write(object value, int level)
        {
            run.Meter.Step();
            switch (value)
            {
                case PyString text:
                    WriteText(text);
                    break;
                case PyNone:
                    Text.Append("null");
                    break;
                case bool flag:
                    Text.Append(flag ? "true" : "false");
                    break;
                case long number:
                    Text.Append(number.ToString(CultureInfo.InvariantCulture));
                    break;
                case BigInteger number:
                    Text.Append(Numbers.Text(number));
                    break;
                case double number:
                    Text.Append(Real(number));
                    break;
                case PySequence sequence:
                    WriteSequence(sequence, level);
                    break;
                case PyDict dict:
                    WriteDict(dict, level);
                    break;
                default:
                    throw Fail.Type($"Object of type {Python.TypeName(value)} is not JSON serializable");
            }
        }

        private static string Real(double number)
            => double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity" : Numbers.Repr(number);

        private void WriteSequence(PySequence sequence, int level)
        {
            if (sequence.Count == 0)
            {
                Text.Append("[]");
                return;
            }

            Text.Append('[');
            for (int i = 0; i < sequence.Count; i++)
            {
                if (i > 0)
                    Text.Append(ItemSeparator);
                NewLine(level + 1);
                Write(sequence.Items[i], level + 1);
            }

            NewLine(level);
            Text.Append(']');
        }

        private void WriteDict(PyDict dict, int level)
        {
            if (dict.Count == 0)
            {
                Text.Append("{}");
                return;
            }

            Text.Append('{');
            bool first = true;
            foreach (var (key, value) in SortKeys ? Sorted(dict) : dict.Entries)
            {
                if (!first)
                    Text.Append(ItemSeparator);
                first = false;
                NewLine(level + 1);
                switch (key)
                {
                    case PyString text:
                        WriteText(text);
                        break;
                    case PyNone or bool or long or double or BigInteger:
                        Text.Append('"');
                        Write(key, level);
                        Text.Append('"');
                        break;
                    default:
                        throw Fail.Type($"keys must be str, int, float, bool or None, not {Python.TypeName(key)}");
                }

                Text.Append(KeySeparator);
                Write(value, level + 1);
            }

            NewLine(level);
            Text.Append('}');
        }

        private IEnumerable<KeyValuePair<object, object>> Sorted(PyDict dict)
        {
            var items = new PyList([.. new PyDictView(dict, "items").Items]);
            var byKey = new Arguments([items], [("attribute", Numbers.Box(0L)), ("case_sensitive", Numbers.True)]);
            var sorted = (PyList)Filters.Get("sort").Call(run, byKey);
            return sorted.Items.Cast<PyTuple>().Select(p => KeyValuePair.Create(p.Items[0], p.Items[1]));
        }

        private void NewLine(int level)
        {
            if (Indent is null)
                return;
            Text.Append('\n');
            for (int i = 0; i < level; i++)
                Text.Append(Indent);
        }

        private void WriteText(PyString value)
        {
            var text = value.Text;
            Text.Append('"');
            int plain = 0;
            for (int i = 0; i < text.Length; i++)
            {
                char c = text[i];
                if (c >= ' ' && c != '"' && c != '\\' && (c < 128 || !EnsureAscii))
                    continue;
                Text.Append(value, plain, i);
                plain = i + 1;
                var escaped = c switch
                {
                    '"' => "\\\"",
                    '\\' => "\\\\",
                    '\n' => "\\n",
                    '\r' => "\\r",
                    '\t' => "\\t",
                    '\b' => "\\b",
                    '\f' => "\\f",
                    _ => string.Create(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"),
                };
                Text.Append(escaped, value.IsData(i));
            }

            Text.Append(value, plain, text.Length);
            Text.Append('"');
        }
    }
}
