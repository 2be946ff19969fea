namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The filter <c>pprint</c>: Python's <c>pprint.pformat</c> with 80 columns and sorted keys.</summary>
internal static class PrettyPrinter
{
    private const int Columns = 80;

    public static object Print(object value, Rendering run)
    {
        var result = new TextBuilder(run.Meter);
        Write(result, value, 0, 0, run, 0);
        return result.ToText();
    }

    private static void Write(TextBuilder into, object value, int indent, int allowance, Rendering run, int level)
    {
        run.Meter.Work(indent);
        var flat = new TextBuilder(run.Meter);
        WriteFlat(flat, value, run);
        var text = flat.ToText();
        if (text.Length <= Columns - indent - allowance)
        {
            into.Append(text);
            return;
        }

        switch (value)
        {
            case PyDict { Count: > 0 } dict:
                into.Append('{');
                var entries = Sorted(dict, run);
                for (int i = 0; i < entries.Count; i++)
                {
                    var pair = (PyTuple)entries[i];
                    var key = new TextBuilder(run.Meter);
                    WriteFlat(key, pair.Items[0], run);
                    var keyText = key.ToText();
                    into.Append(keyText);
                    into.Append(": ");
                    bool last = i == entries.Count - 1;
                    Write(into, pair.Items[1], indent + 1 + keyText.Length + 2, last ? allowance + 1 : 1, run, level + 1);
                    if (!last)
                        Next(into, indent + 1);
                }

                into.Append('}');
                break;
            case PySequence { Count: > 0 } sequence:
                into.Append(sequence is PyList ? '[' : '(');
                string close = sequence is PyList ? "]" : sequence.Count == 1 ? ",)" : ")";
                for (int i = 0; i < sequence.Count; i++)
                {
                    bool last = i == sequence.Count - 1;
                    Write(into, sequence.Items[i], indent + 1, last ? allowance + close.Length : 1, run, level + 1);
                    if (!last)
                        Next(into, indent + 1);
                }

                into.Append(close);
                break;
            case PyString { Length: > 0 } words:
                WriteWords(into, words, indent, allowance, run, level);
                break;
            default:
                into.Append(text);
                break;
        }
    }

    // A long text becomes one literal a line, cut behind white space.
    private static void WriteWords(TextBuilder into, PyString text, int indent, int allowance, Rendering run, int level)
    {
        var lines = StringMethods.Lines(text, keepEnds: true, run.Meter).Items;
        if (level == 0)
            (indent, allowance) = (indent + 1, allowance + 1);
        var literals = new List<PyString>();
        for (int i = 0; i < lines.Count; i++)
        {
            var line = (PyString)lines[i];
            var whole = Python.Repr(line, run.Meter);
            int width = Columns - indent;
            if (i == lines.Count - 1)
                width -= allowance;
            if (whole.Length <= width)
            {
                literals.Add(whole);
                continue;
            }

            int start = 0, end = 0;
            var source = line.Text;
            while (end < source.Length)
            {
                int next = end;
                while (next < source.Length && !PyChar.IsSpace(source[next]))
                    next++;
                while (next < source.Length && PyChar.IsSpace(source[next]))
                    next++;
                bool lastPart = next >= source.Length && i == lines.Count - 1;
                if (end > start && Python.Repr(line.Part(start, next), run.Meter).Length > Columns - indent - (lastPart ? allowance : 0))
                {
                    literals.Add(Python.Repr(line.Part(start, end), run.Meter));
                    start = end;
                }

                end = next;
            }

            if (start < source.Length)
                literals.Add(Python.Repr(line.Part(start, source.Length), run.Meter));
        }

        bool brackets = level == 0 && literals.Count > 1;
        if (brackets)
            into.Append('(');
        for (int i = 0; i < literals.Count; i++)
        {
            if (i > 0)
            {
                into.Append('\n');
                into.Append(' ', indent);
            }

            into.Append(literals[i]);
        }

        if (brackets)
            into.Append(')');
    }

    private static void Next(TextBuilder into, int indent)
    {
        into.Append(",\n");
        into.Append(' ', indent);
    }

    private static void WriteFlat(TextBuilder into, object value, Rendering run)
    {
        run.Meter.Step();
        switch (value)
        {
            case PyDict dict:
                into.Append('{');
                bool first = true;
                foreach (PyTuple pair in Sorted(dict, run))
                {
                    if (!first)
                        into.Append(", ");
                    first = false;
                    WriteFlat(into, pair.Items[0], run);
                    into.Append(": ");
                    WriteFlat(into, pair.Items[1], run);
                }

                into.Append('}');
                break;
            case PySequence sequence:
                into.Append(sequence is PyList ? '[' : '(');
                for (int i = 0; i < sequence.Count; i++)
                {
                    if (i > 0)
                        into.Append(", ");
                    WriteFlat(into, sequence.Items[i], run);
                }

                into.Append(sequence is PyList ? "]" : sequence.Count == 1 ? ",)" : ")");
                break;
            default:
                Python.WriteRepr(into, value);
                break;
        }
    }

    // By key; keys that cannot be compared are ordered by the names of their types.
    private static List<object> Sorted(PyDict dict, Rendering run)
    {
        var items = new PyDictView(dict, "items").Items.Cast<PyTuple>().ToList();
        items.Sort((x, y) => Compare(x.Items[0], y.Items[0], run));
        return [.. items];
    }

    private static int Compare(object x, object y, Rendering run)
    {
        run.Meter.Step();
        if (x is PyString a && y is PyString b)
            return Operators.CompareText(a.Text, b.Text);
        if (Numbers.IsNumber(x) && Numbers.IsNumber(y) && Numbers.Compare(x, y) is var order && order != 2)
            return order;
        return string.CompareOrdinal(Python.TypeName(x), Python.TypeName(y));
    }
}
