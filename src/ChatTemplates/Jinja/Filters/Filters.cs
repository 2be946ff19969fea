using System.Globalization;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The filters of Jinja2 3.1.6, with transformers' <c>tojson</c>.</summary>
internal static partial class Filters
{
    private static readonly Dictionary<string, Function> All = Table();

    public static bool Exists(string name) => All.ContainsKey(name);

    public static Function Get(string name) => All.TryGetValue(name, out var filter) ? filter : throw Fail.Type($"No filter named '{name}'.");

    private static Dictionary<string, Function> Table()
    {
        var table = new Dictionary<string, Function>(StringComparer.Ordinal);
        void Add(string names, string parameters, Func<Rendering, object?[], object> filter)
        {
            foreach (var name in names.Split(' '))
                table.Add(name, new Function(name, parameters, filter));
        }

        Add("abs", "/ value", (_, a) => Numbers.IsNumber(Used(a[0]!)) ? Numbers.Compare(a[0]!, Numbers.Box(0L)) < 0 || a[0] is double d && double.IsNegative(d) ? Numbers.Negate(a[0]!) : Operators.Unary("+", a[0]!) : throw Fail.Type($"bad operand type for abs(): '{Python.TypeName(a[0]!)}'"));
        Add("attr", "obj name", (run, a) => AttributeOf(run, a[0]!, StringMethods.Text(a[1]!)));
        Add("batch", "value linecount fill_with=", (run, a) => new PyIterator(Batch(run, a[0]!, StringMethods.Integer(a[1]!), a[2])));
        Add("capitalize", "s", (run, a) => StringMethods.Capitalize(Soft(a[0]!, run), run.Meter));
        Add("center", "value width=", (run, a) => StringMethods.Pad(Soft(a[0]!, run), a[1] is null ? 80 : StringMethods.Integer(a[1]!), null, '^', run.Meter));
        Add("count length", "/ obj", (run, a) => Numbers.Box(Python.Length(a[0]!, run.Meter)));
        Add("d default", "value default_value= boolean=", (_, a) => a[0] is Undefined || (a[2] is { } flag && Python.IsTrue(flag) && !Python.IsTrue(a[0]!)) ? a[1] ?? PyString.Empty : a[0]!);
        Add("dictsort", "value case_sensitive= by= reverse=", DictSort);
        Add("e escape", "/ s", (run, a) => Html.Escape(a[0] as PyString ?? Python.Str(a[0]!, run.Meter), run.Meter));
        Add("filesizeformat", "value binary=", (run, a) => FileSize(run, a));
        Add("first", "seq", (run, a) => Python.Iterate(a[0]!, run.Meter).FirstOrDefault() ?? new Undefined("No first item, sequence was empty."));
        Add("float", "value default=", (_, a) => ToFloat(a[0]!) ?? a[1] ?? 0.0);
        Add("forceescape", "value", (run, a) => Html.Escape(Python.Str(a[0]!, run.Meter), run.Meter));
        Add("format", "/ value * **", Format);
        Add("groupby", "value attribute default= case_sensitive=", GroupBy);
        Add("indent", "s width= first= blank=", Indent);
        Add("int", "value default= base=", (_, a) => ToInteger(a[0]!, a[2] is null ? 10 : StringMethods.Integer(a[2]!)) ?? a[1] ?? Numbers.Box(0L));
        Add("items", "value", (run, a) => new PyIterator(a[0] is PyDict dict ? Python.Iterate(new PyDictView(dict, "items"), run.Meter) : a[0] is Undefined ? [] : throw Fail.Type("Can only get item pairs from a mapping.")));
        Add("join", "value d= attribute=", Join);
        Add("last", "seq", Last);
        Add("list", "value", (run, a) => new PyList(Python.ToList(a[0]!, run.Meter)));
        Add("lower", "s", (run, a) => StringMethods.Lower(Soft(a[0]!, run), run.Meter));
        Add("map", "/ value * **", (run, a) => new PyIterator(Map(run, a[0]!, (PyTuple)a[1]!, (List<(string, object)>)a[2]!)));
        Add("max", "value case_sensitive= attribute=", (run, a) => Extreme(run, a, largest: true));
        Add("min", "value case_sensitive= attribute=", (run, a) => Extreme(run, a, largest: false));
        Add("pprint", "value", (run, a) => PrettyPrinter.Print(a[0]!, run));
        Add("random", "seq", (run, a) => Python.Length(a[0]!, run.Meter) is > 0 and var n && Python.TryItem(a[0]!, Numbers.Box(Random.Shared.NextInt64(n)), out var item) ? item : new Undefined("No random item, sequence was empty."));
        Add("reject", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: false, wanted: false)));
        Add("rejectattr", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: true, wanted: false)));
        Add("replace", "s old new count=", (run, a) => Replace(run, a));
        Add("reverse", "value", Reverse);
        Add("round", "value precision= method=", Round);
        Add("safe", "value", (run, a) => (a[0] as PyString ?? Python.Str(a[0]!, run.Meter)).AsMarkup());
        Add("select", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: false, wanted: true)));
        Add("selectattr", "/ value * **", (run, a) => new PyIterator(Select(run, a, byAttribute: true, wanted: true)));
        Add("slice", "value slices fill_with=", (run, a) => new PyIterator(Slices(run, a[0]!, StringMethods.Integer(a[1]!), a[2])));
        Add("sort", "value reverse= case_sensitive= attribute=", Sort);
        Add("string", "/ object", (run, a) => Soft(a[0]!, run));
        Add("striptags", "value", (run, a) => Html.StripTags(Python.Str(a[0]!, run.Meter), run.Meter));
        Add("sum", "iterable attribute= start=", Sum);
        Add("title", "s", (run, a) => Title(Soft(a[0]!, run), run));
        Add("tojson", "value ensure_ascii= indent= separators= sort_keys=", Json.Dump);
        Add("trim", "value chars=", (run, a) => StringMethods.Strip(Soft(a[0]!, run), a[1], true, true, run.Meter));
        Add("truncate", "s length= killwords= end= leeway=", Truncate);
        Add("unique", "value case_sensitive= attribute=", (run, a) => new PyIterator(Unique(run, a)));
        Add("upper", "s", (run, a) => StringMethods.Upper(Soft(a[0]!, run), run.Meter));
        Add("urlencode", "value", UrlEncode);
        Add("urlize", "value trim_url_limit= nofollow= target= rel= extra_schemes=", Urlizer.Urlize);
        Add("wordcount", "s", (run, a) => WordCount(Soft(a[0]!, run), run.Meter));
        Add("wordwrap", "s width= break_long_words= wrapstring= break_on_hyphens=", WordWrapper.Wrap);
        Add("xmlattr", "d autospace=", XmlAttributes);
        return table;
    }

    private static object Used(object value) => value is Undefined missing ? throw missing.Used() : value;

    // A text stays as it is, anything else becomes its text.
    private static PyString Soft(object value, Rendering run) => value as PyString ?? Python.Str(value, run.Meter);

    private static bool Flag(object? value, bool standard = false) => value is null ? standard : Python.IsTrue(value);

    private static object Format(Rendering run, object?[] a)
    {
        var values = (PyTuple)a[1]!;
        var named = (List<(string Name, object Value)>)a[2]!;
        if (values.Count > 0 && named.Count > 0)
            throw Fail.Type("can't handle positional and keyword arguments at the same time");
        if (named.Count == 0)
            return PercentFormat.Format(Soft(a[0]!, run), values, run);
        var dict = run.NewDict();
        foreach (var (name, value) in named)
            dict.Set(name, value);
        return PercentFormat.Format(Soft(a[0]!, run), dict, run);
    }

    private static object AttributeOf(Rendering run, object value, PyString name)
    {
        if (value is Undefined missing)
            throw missing.Used();
        return Attributes.TryAttribute(value, name.Text, run, out var found) ? found : Undefined.Attribute(value, name);
    }

    private static object Replace(Rendering run, object?[] a)
    {
        PyString text = Soft(a[0]!, run), old = Soft(a[1]!, run), replacement = Soft(a[2]!, run);
        long count = a[3] is null or PyNone ? -1 : StringMethods.Integer(a[3]!);
        if (!run.Autoescape)
            return StringMethods.Replace(text.AsPlain(), old, replacement, count, run.Meter);
        if (old.IsMarkup || (replacement.IsMarkup && !text.IsMarkup))
            text = Html.Escape(text, run.Meter);
        return StringMethods.Replace(text, old, text.IsMarkup ? Html.Escape(replacement, run.Meter) : replacement, count, run.Meter);
    }

    // Words begin behind blanks, hyphens and opening brackets.
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

    private static object WordCount(PyString text, Meter meter)
    {
        long count = 0;
        bool inWord = false;
        meter.Work(text.Text.Length);
        for (int i = 0; i < text.Text.Length;)
        {
            bool word = PyChar.IsWord(Foundation.Unicode.CodePoints.Next(text.Text, ref i));
            if (word && !inWord)
                count++;
            inWord = word;
        }

        return Numbers.Box(count);
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
            indention = Html.Escape(indention, run.Meter);
        var ended = (PyString)Operators.Binary("+", text, new PyString("\n").WithMarkup(text.IsMarkup), run);
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

    private static PyString XmlAttributes(Rendering run, object?[] a)
    {
        if (Used(a[0]!) is not PyDict dict)
            throw Fail.Type($"'{Python.TypeName(a[0]!)}' object has no attribute 'items'");
        var result = new TextBuilder(run.Meter);
        foreach (var (key, value) in dict.Entries)
        {
            if (value is PyNone or Undefined)
                continue;
            var name = StringMethods.Text(key);
            if (name.Text.AsSpan().IndexOfAny(" \t\n\r\f\v/>=") >= 0)
                throw Fail.Value($"Invalid character in attribute name: {Python.ShortRepr(key)}");
            if (result.Length > 0 || Flag(a[1], true))
                result.Append(' ');
            result.Append(Html.Escape(name, run.Meter));
            result.Append("=\"");
            result.Append(Html.Escape(value as PyString ?? Python.Str(value, run.Meter), run.Meter));
            result.Append('"');
        }

        return result.ToText(run.Autoescape);
    }

    private static PyString UrlEncode(Rendering run, object?[] a)
    {
        var result = new TextBuilder(run.Meter);
        if (a[0] is PyString || !Python.IsIterable(a[0]!))
        {
            Quote(result, Soft(a[0]!, run), forQuery: false);
            return result.ToText();
        }

        var pairs = a[0] is PyDict dict ? new PyDictView(dict, "items") : a[0]!;
        foreach (var item in Python.Iterate(pairs, run.Meter))
        {
            var pair = Python.ToList(item, run.Meter);
            if (pair.Count != 2)
                throw Fail.Value("urlencode needs pairs of name and value");
            if (result.Length > 0)
                result.Append('&');
            Quote(result, Soft(pair[0], run), forQuery: true);
            result.Append('=');
            Quote(result, Soft(pair[1], run), forQuery: true);
        }

        return result.ToText();
    }

    private static void Quote(TextBuilder into, PyString text, bool forQuery)
    {
        for (int i = 0; i < text.Text.Length;)
        {
            int start = i;
            int codePoint = Foundation.Unicode.CodePoints.Next(text.Text, ref i);
            if (codePoint < 128 && (char.IsAsciiLetterOrDigit((char)codePoint) || "_.-~".Contains((char)codePoint) || (codePoint == '/' && !forQuery)))
                into.Append(text, start, i);
            else if (codePoint == ' ' && forQuery)
                into.Append("+", text.IsData(start));
            else
                foreach (byte b in System.Text.Encoding.UTF8.GetBytes(text.Text[start..i]))
                    into.Append(string.Create(CultureInfo.InvariantCulture, $"%{b:X2}"), text.IsData(start));
        }
    }
}
