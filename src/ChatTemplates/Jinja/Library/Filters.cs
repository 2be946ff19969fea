namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The filters of Jinja2 3.1.6 that chat templates use, with transformers' <c>tojson</c>.</summary>
internal static partial class Filters
{
    private static readonly Dictionary<string, Function> All = Table();

    public static bool Exists(string name) => All.ContainsKey(name);

    public static Function Get(string name) => All.TryGetValue(name, out var filter) ? filter : throw Fail.Type(Unknown(name));

    /// <summary>The message about a filter that is not there.</summary>
    public static string Unknown(string name) => $"No filter named '{name}'{LeftOut.NoteOnFilter(name)}.";

    private static Dictionary<string, Function> Table()
    {
        var table = new Dictionary<string, Function>(StringComparer.Ordinal);
        void Add(string names, string parameters, Func<Rendering, object?[], object> filter)
        {
            foreach (var name in names.Split(' '))
                table.Add(name, new Function(name, parameters, filter));
        }

        Add("abs", "/ value", (_, a) => Abs(Undefined.Checked(a[0]!)));
        Add("attr", "obj name", (_, a) => Attributes.GetAttributeOnly(a[0]!, StringMethods.Text(a[1]!)));
        Add("capitalize", "s", (run, a) => StringMethods.Capitalize(Soft(a[0]!, run), run.Meter));
        Add("count length", "/ obj", (run, a) => Numbers.Box(Python.Length(a[0]!, run.Meter)));
        Add("d default", "value default_value= boolean=", (_, a) => Default(a));
        Add("dictsort", "value case_sensitive= by= reverse=", DictSort);
        Add("e escape", "/ s", (run, a) => Soft(a[0]!, run).Escaped(run.Meter));
        Add("first", "seq", First);
        Add("float", "value default=", (_, a) => ToFloat(a[0]!) ?? a[1] ?? 0.0);
        Add("format", "/ value *", (run, a) => PercentFormat.Format(Soft(a[0]!, run), a[1]!, run));
        Add("groupby", "value attribute default= case_sensitive=", GroupBy);
        Add("indent", "s width= first= blank=", Indent);
        Add("int", "value default= base=", (_, a) => ToInteger(a[0]!, a[2]) ?? a[1] ?? Numbers.Box(0L));
        Add("items", "value", (run, a) => new PyIterator(Items(a[0]!, run.Meter)));
        Add("join", "value d= attribute=", Join);
        Add("last", "seq", Last);
        Add("list", "value", (run, a) => new PyList(Python.ToList(a[0]!, run.Meter)));
        Add("lower", "s", (run, a) => StringMethods.Lower(Soft(a[0]!, run), run.Meter));
        Add("map", "/ value * **", (run, a) => new PyIterator(Map(run, a)));
        Add("max", "value case_sensitive= attribute=", (run, a) => Extreme(run, a, largest: true));
        Add("min", "value case_sensitive= attribute=", (run, a) => Extreme(run, a, largest: false));
        Add("reject", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: false, wanted: false)));
        Add("rejectattr", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: true, wanted: false)));
        Add("replace", "s old new count=", Replace);
        Add("reverse", "value", Reverse);
        Add("round", "value precision= method=", Round);
        Add("safe", "value", (run, a) => Soft(a[0]!, run).AsMarkup());
        Add("select", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: false, wanted: true)));
        Add("selectattr", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: true, wanted: true)));
        Add("sort", "value reverse= case_sensitive= attribute=", Sort);
        Add("string", "/ object", (run, a) => Soft(a[0]!, run));
        Add("sum", "iterable attribute= start=", Sum);
        Add("title", "s", (run, a) => Title(Soft(a[0]!, run), run));
        Add("tojson", "value ensure_ascii= indent= separators= sort_keys=", Json.Dump);
        Add("trim", "value chars=", (run, a) => StringMethods.Strip(Soft(a[0]!, run), a[1], true, true, run.Meter));
        Add("truncate", "s length= killwords= end= leeway=", Truncate);
        Add("unique", "value case_sensitive= attribute=", (run, a) => new PyIterator(Unique(run, a)));
        Add("upper", "s", (run, a) => StringMethods.Upper(Soft(a[0]!, run), run.Meter));
        Add("wordwrap", "s width= break_long_words= wrapstring= break_on_hyphens=", WordWrapper.Wrap);
        return table;
    }

    // A text stays as it is, anything else becomes its text.
    private static PyString Soft(object value, Rendering run) => value as PyString ?? Python.Str(value, run.Meter);

    private static bool Flag(object? value) => value is not null && Python.IsTrue(value);

    private static object Abs(object value)
    {
        if (!Numbers.IsNumber(value))
            throw Fail.Type($"bad operand type for abs(): '{Python.TypeName(value)}'");
        bool isNegative = Numbers.Compare(value, Numbers.Box(0L)) < 0 || value is double number && double.IsNegative(number);
        return isNegative ? Numbers.Negate(value) : Operators.Unary("+", value);
    }

    private static object Default(object?[] a)
        => a[0] is Undefined || (Flag(a[2]) && !Python.IsTrue(a[0]!)) ? a[1] ?? PyString.Empty : a[0]!;

    private static IEnumerable<object> Items(object value, Meter meter) => value switch
    {
        PyDict dict => Python.Iterate(new PyDictView(dict, "items"), meter),
        Undefined => [],
        _ => throw Fail.Type("Can only get item pairs from a mapping."),
    };

    private static object Replace(Rendering run, object?[] a)
    {
        PyString text = Soft(a[0]!, run), old = Soft(a[1]!, run), replacement = Soft(a[2]!, run);
        long count = a[3] is null or PyNone ? -1 : StringMethods.Integer(a[3]!);
        return StringMethods.Replace(text.AsPlain(), old, replacement, count, run.Meter);
    }

    // Words begin after blanks, hyphens and opening brackets.
    private static PyString Title(PyString text, Rendering run)
    {
        var result = new TextBuilder(run.Meter);
        var source = text.Text;
        for (int at = 0; at < source.Length;)
        {
            bool separators = IsSeparator(source[at]);
            int end = at;
            while (end < source.Length && IsSeparator(source[end]) == separators)
                end++;
            int first = char.IsHighSurrogate(source[at]) && at + 1 < end ? at + 2 : at + 1;
            result.Append(StringMethods.Upper(text.Part(at, first), run.Meter));
            result.Append(StringMethods.Lower(text.Part(first, end), run.Meter));
            at = end;
        }

        return result.ToText();

        static bool IsSeparator(char c) => c is '-' or '(' or '{' or '[' or '<' || PyChar.IsSpace(c);
    }

    private static object Indent(Rendering run, object?[] a)
    {
        var text = StringMethods.Text(a[0]!);
        PyString indention;
        if (a[1] is PyString given)
        {
            indention = given;
        }
        else
        {
            long width = a[1] is null ? 4 : StringMethods.Integer(a[1]!);
            run.Meter.Text(Math.Max(0, width));
            indention = new PyString(new string(' ', (int)Math.Max(0, width)));
        }

        bool first = Flag(a[2]), blank = Flag(a[3]);
        if (text.IsMarkup)
            indention = indention.Escaped(run.Meter);
        var ended = (PyString)Operators.Binary("+", text, new PyString("\n", isMarkup: text.IsMarkup), run);
        var lines = StringMethods.Lines(ended, keepEnds: false, run.Meter).Items;
        var result = new TextBuilder(run.Meter);
        if (first)
            result.Append(indention);
        for (int i = 0; i < lines.Count; i++)
        {
            var line = (PyString)lines[i];
            if (i > 0)
            {
                result.Append('\n');
                if (blank || line.Text.Length > 0)
                    result.Append(indention);
            }

            result.Append(line);
        }

        return result.ToText(text.IsMarkup);
    }

    private static object Truncate(Rendering run, object?[] a)
    {
        long length = a[1] is null ? 255 : StringMethods.Integer(a[1]!);
        var end = a[3] is null ? new PyString("...") : StringMethods.Text(a[3]!);
        long leeway = a[4] is null or PyNone ? 5 : StringMethods.Integer(a[4]!);
        if (length < end.Length)
            throw Fail.Value($"expected length >= {end.Length}, got {length}");
        if (leeway < 0)
            throw Fail.Value($"expected leeway >= 0, got {leeway}");
        if (Python.Length(a[0]!, run.Meter) <= length + leeway)
            return a[0]!;
        var text = StringMethods.Text(a[0]!);
        var cut = text.Slice(0, (int)Math.Min(text.Length, length - end.Length));
        if (!Flag(a[2]) && cut.Text.LastIndexOf(' ') is >= 0 and var blank)
            cut = cut.Part(0, blank);
        return Operators.Binary("+", cut, end, run);
    }
}
