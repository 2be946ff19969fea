using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The methods of Python's <c>str</c> that chat templates use.</summary>
internal static class StringMethods
{
    public static readonly Dictionary<string, Method> All = Method.Table(
        new Method("upper", "/", (run, o, _) => Upper((PyString)o, run.Meter)),
        new Method("lower", "/", (run, o, _) => Lower((PyString)o, run.Meter)),
        new Method("capitalize", "/", (run, o, _) => Capitalize((PyString)o, run.Meter)),
        new Method("title", "/", (run, o, _) => Title((PyString)o, run.Meter)),
        new Method("strip", "/ chars=", (run, o, a) => Strip((PyString)o, a[0], true, true, run.Meter)),
        new Method("lstrip", "/ chars=", (run, o, a) => Strip((PyString)o, a[0], true, false, run.Meter)),
        new Method("rstrip", "/ chars=", (run, o, a) => Strip((PyString)o, a[0], false, true, run.Meter)),
        new Method("split", "sep= maxsplit=", (run, o, a) => Split((PyString)o, a[0], a[1], fromEnd: false, run.Meter)),
        new Method("rsplit", "sep= maxsplit=", (run, o, a) => Split((PyString)o, a[0], a[1], fromEnd: true, run.Meter)),
        new Method("splitlines", "keepends=", (run, o, a) => Lines((PyString)o, a[0] is { } keep && Python.IsTrue(keep), run.Meter)),
        new Method("partition", "/ sep", (run, o, a) => Partition((PyString)o, Text(a[0]!), fromEnd: false, run.Meter)),
        new Method("rpartition", "/ sep", (run, o, a) => Partition((PyString)o, Text(a[0]!), fromEnd: true, run.Meter)),
        new Method("replace", "/ old new count=", (run, o, a) => Replace((PyString)o, Text(a[0]!), Text(a[1]!), Count(a[2]), run.Meter)),
        new Method("join", "/ iterable", (run, o, a) => Join((PyString)o, a[0]!, run)),
        new Method("startswith", "/ prefix start= end=", (run, o, a) => Numbers.Box(Affix((PyString)o, a, atEnd: false, run.Meter))),
        new Method("endswith", "/ suffix start= end=", (run, o, a) => Numbers.Box(Affix((PyString)o, a, atEnd: true, run.Meter))),
        new Method("find", "/ sub start= end=", (run, o, a) => Numbers.Box((long)Find((PyString)o, a, last: false, run.Meter))),
        new Method("rfind", "/ sub start= end=", (run, o, a) => Numbers.Box((long)Find((PyString)o, a, last: true, run.Meter))),
        new Method("index", "/ sub start= end=", (run, o, a) => Found(Find((PyString)o, a, last: false, run.Meter))),
        new Method("rindex", "/ sub start= end=", (run, o, a) => Found(Find((PyString)o, a, last: true, run.Meter))),
        new Method("count", "/ sub start= end=", (run, o, a) => CountOf((PyString)o, a, run.Meter)),
        new Method("removeprefix", "/ prefix", (_, o, a) => WithoutPrefix((PyString)o, Text(a[0]!).Text)),
        new Method("removesuffix", "/ suffix", (_, o, a) => WithoutSuffix((PyString)o, Text(a[0]!).Text)),
        new Method("format", "/ * **", Format),
        new Method("isalpha", "/", (_, o, _) => Numbers.Box(Each(o, PyChar.IsAlpha))),
        new Method("isalnum", "/", (_, o, _) => Numbers.Box(Each(o, c => PyChar.IsAlpha(c) || PyChar.IsNumeric(c)))),
        new Method("isdigit", "/", (_, o, _) => Numbers.Box(Each(o, PyChar.IsDigit))),
        new Method("isnumeric", "/", (_, o, _) => Numbers.Box(Each(o, PyChar.IsNumeric))),
        new Method("isspace", "/", (_, o, _) => Numbers.Box(Each(o, PyChar.IsSpace))),
        new Method("isupper", "/", (_, o, _) => Numbers.Box(IsUpper((PyString)o))),
        new Method("islower", "/", (_, o, _) => Numbers.Box(IsLower((PyString)o))));

    public static PyString Text(object value)
        => value as PyString ?? throw Fail.Type(value, $"a string is required, not {Python.TypeName(value)}");

    public static long Integer(object value)
        => Numbers.TryIndex(value, out long index)
            ? index
            : throw Fail.Type(value, $"'{Python.TypeName(value)}' object cannot be interpreted as an integer");

    public static PyString Upper(PyString text, Meter meter) => Mapped(text, meter, (_, _, c, into) => PyCase.Upper(c, into));

    public static PyString Lower(PyString text, Meter meter) => Mapped(text, meter, PyCase.Lower);

    public static PyString Capitalize(PyString text, Meter meter)
        => Mapped(text, meter, (source, i, c, into) =>
        {
            if (i == 0)
                PyCase.Title(c, into);
            else
                PyCase.Lower(source, i, c, into);
        });

    public static bool IsUpper(PyString text) => HasCase(text, PyChar.IsUpper, c => PyChar.IsLower(c) || PyChar.IsTitle(c));

    public static bool IsLower(PyString text) => HasCase(text, PyChar.IsLower, c => PyChar.IsUpper(c) || PyChar.IsTitle(c));

    public static PyString Strip(PyString text, object? characters, bool left, bool right, Meter meter)
    {
        Func<int, bool> goes = PyChar.IsSpace;
        if (characters is not (null or PyNone))
        {
            var set = Text(characters).Text.EnumerateRunes().Select(r => r.Value).ToHashSet();
            meter.Work(set.Count);
            goes = set.Contains;
        }

        var source = text.Text;
        int start = 0, end = source.Length;
        while (left && start < end)
        {
            int next = start;
            if (!goes(CodePoints.Next(source, ref next)))
                break;
            start = next;
        }

        while (right && end > start)
        {
            int width = end - start > 1 && char.IsLowSurrogate(source[end - 1]) && char.IsHighSurrogate(source[end - 2]) ? 2 : 1;
            if (!goes(width == 2 ? char.ConvertToUtf32(source[end - 2], source[end - 1]) : source[end - 1]))
                break;
            end -= width;
        }

        meter.Text(end - start);
        return text.Part(start, end);
    }

    public static PyString Replace(PyString text, PyString old, PyString replacement, long count, Meter meter)
    {
        var source = text.Text;
        var result = new TextBuilder(meter);
        if (old.Text.Length == 0)
        {
            for (int i = 0; i <= text.Length; i++)
            {
                if (count < 0 || i < count)
                    result.Append(replacement);
                if (i < text.Length)
                    result.Append(text, text.PlaceOf(i), text.PlaceOf(i + 1));
            }

            return result.ToText(text.IsMarkup);
        }

        int at = 0;
        for (long done = 0; count < 0 || done < count; done++)
        {
            int found = source.IndexOf(old.Text, at, StringComparison.Ordinal);
            if (found < 0)
                break;
            result.Append(text, at, found);
            result.Append(replacement);
            at = found + old.Text.Length;
        }

        if (at == 0)
        {
            meter.Work(source.Length);
            return text;
        }

        result.Append(text, at, source.Length);
        return result.ToText(text.IsMarkup);
    }

    public static PyList Lines(PyString text, bool keepEnds, Meter meter)
    {
        var parts = new List<object>();
        var source = text.Text;
        for (int at = 0; at < source.Length;)
        {
            int end = at;
            while (end < source.Length && !PyChar.IsLineEnd(source[end]))
                end++;
            int behind = end >= source.Length ? end : string.CompareOrdinal(source, end, "\r\n", 0, 2) == 0 ? end + 2 : end + 1;
            parts.Add(text.Part(at, keepEnds ? behind : end));
            at = behind;
        }

        return Parts(parts, text, meter);
    }

    private static object Split(PyString text, object? separator, object? limit, bool fromEnd, Meter meter)
    {
        long cuts = limit is null ? -1 : Integer(limit);
        if (separator is null or PyNone)
            return Parts(fromEnd && cuts >= 0 ? SplitWhiteFromEnd(text, cuts) : SplitWhite(text, cuts), text, meter);
        var by = Text(separator).Text;
        if (by.Length == 0)
            throw Fail.Value("empty separator");
        var parts = new List<object>();
        var source = text.Text;
        if (fromEnd)
        {
            int end = source.Length;
            for (long done = 0; cuts < 0 || done < cuts; done++)
            {
                int found = source.AsSpan(0, end).LastIndexOf(by, StringComparison.Ordinal);
                if (found < 0)
                    break;
                parts.Add(text.Part(found + by.Length, end));
                end = found;
            }

            parts.Add(text.Part(0, end));
            parts.Reverse();
        }
        else
        {
            int at = 0;
            for (long done = 0; cuts < 0 || done < cuts; done++)
            {
                int found = source.IndexOf(by, at, StringComparison.Ordinal);
                if (found < 0)
                    break;
                parts.Add(text.Part(at, found));
                at = found + by.Length;
            }

            parts.Add(text.Part(at, source.Length));
        }

        return Parts(parts, text, meter);
    }

    private static PyString Format(Rendering run, object format, object?[] arguments)
        => BraceFormat.Format((PyString)format, (PyTuple)arguments[0]!, (List<(string, object)>)arguments[1]!, run);

    private static PyString WithoutPrefix(PyString text, string prefix)
        => text.Text.StartsWith(prefix, StringComparison.Ordinal) ? text.Part(prefix.Length, text.Text.Length) : text;

    private static PyString WithoutSuffix(PyString text, string suffix)
        => text.Text.EndsWith(suffix, StringComparison.Ordinal) ? text.Part(0, text.Text.Length - suffix.Length) : text;

    private static PyString Title(PyString text, Meter meter)
    {
        bool inWord = false;
        return Mapped(text, meter, (source, i, c, into) =>
        {
            if (inWord)
                PyCase.Lower(source, i, c, into);
            else
                PyCase.Title(c, into);
            inWord = PyChar.IsUpper(c) || PyChar.IsLower(c) || PyChar.IsTitle(c);
        });
    }

    private static PyString Mapped(PyString text, Meter meter, Action<string, int, int, StringBuilder> map)
    {
        var result = new TextBuilder(meter);
        var source = text.Text;
        var buffer = new StringBuilder();
        for (int i = 0; i < source.Length;)
        {
            int start = i;
            int codePoint = CodePoints.Next(source, ref i);
            buffer.Clear();
            map(source, start, codePoint, buffer);
            foreach (var chunk in buffer.GetChunks())
                result.Append(chunk.Span, text.IsData(start));
        }

        return result.ToText(text.IsMarkup);
    }

    // The words between white space, cut at most the given number of times; negative for all.
    private static List<PyString> SplitWhite(PyString text, long limit)
    {
        var parts = new List<PyString>();
        var source = text.Text;
        int at = 0;
        while (true)
        {
            while (at < source.Length && PyChar.IsSpace(source[at]))
                at++;
            if (at >= source.Length)
                return parts;
            if (limit >= 0 && parts.Count >= limit)
            {
                parts.Add(text.Part(at, source.Length));
                return parts;
            }

            int start = at;
            while (at < source.Length && !PyChar.IsSpace(source[at]))
                at++;
            parts.Add(text.Part(start, at));
        }
    }

    private static List<object> SplitWhiteFromEnd(PyString text, long limit)
    {
        var parts = new List<object>();
        var source = text.Text;
        int end = source.Length;
        while (true)
        {
            while (end > 0 && PyChar.IsSpace(source[end - 1]))
                end--;
            if (end == 0)
                break;
            int start = end;
            if (parts.Count >= limit)
            {
                parts.Add(text.Part(0, end));
                break;
            }

            while (start > 0 && !PyChar.IsSpace(source[start - 1]))
                start--;
            parts.Add(text.Part(start, end));
            end = start;
        }

        parts.Reverse();
        return parts;
    }

    private static PyList Parts(IReadOnlyList<object> parts, PyString text, Meter meter)
    {
        meter.Items(parts.Count * 3L);
        meter.Text(text.Text.Length);
        return new PyList(parts);
    }

    private static PyTuple Partition(PyString text, PyString separator, bool fromEnd, Meter meter)
    {
        if (separator.Text.Length == 0)
            throw Fail.Value("empty separator");
        meter.Text(text.Text.Length);
        int found = fromEnd
            ? text.Text.LastIndexOf(separator.Text, StringComparison.Ordinal)
            : text.Text.IndexOf(separator.Text, StringComparison.Ordinal);
        if (found < 0)
            return new PyTuple(fromEnd ? [PyString.Empty, PyString.Empty, text] : [text, PyString.Empty, PyString.Empty]);
        int behind = found + separator.Text.Length;
        return new PyTuple([text.Part(0, found), text.Part(found, behind), text.Part(behind, text.Text.Length)]);
    }

    private static PyString Join(PyString separator, object items, Rendering run)
    {
        var result = new TextBuilder(run.Meter);
        int index = 0;
        foreach (var item in Python.Iterate(items, run.Meter))
        {
            if (index > 0)
                result.Append(separator);
            if (item is PyString text)
                result.Append(separator.IsMarkup ? text.Escaped(run.Meter) : text);
            else if (separator.IsMarkup)
                result.Append(Python.Str(item, run.Meter).Escaped(run.Meter));
            else
                throw Fail.Type($"sequence item {index}: expected str instance, {Python.TypeName(item)} found");
            index++;
        }

        return result.ToText(separator.IsMarkup);
    }

    private static long Count(object? value) => value is null ? -1 : Integer(value);

    // The part of the text that a search looks at, by UTF-16 units; null where the bounds cross.
    private static (int Start, int End)? Bounds(PyString text, object? start, object? end)
    {
        long length = text.Length;
        long from = start is null or PyNone ? 0 : Integer(start), to = end is null or PyNone ? length : Integer(end);
        if (from < 0)
            from = Math.Max(0, from + length);
        if (to < 0)
            to = Math.Max(0, to + length);
        to = Math.Min(to, length);
        return from > to ? null : (text.PlaceOf((int)from), text.PlaceOf((int)to));
    }

    private static bool Affix(PyString text, object?[] arguments, bool atEnd, Meter meter)
    {
        if (Bounds(text, arguments[1], arguments[2]) is not var (start, end))
            return false;
        IReadOnlyList<object> candidates = arguments[0] is PyTuple tuple ? tuple.Items : [arguments[0]!];
        foreach (var candidate in candidates)
        {
            var affix = candidate as PyString ?? throw Fail.Type(
                candidate,
                $"{(atEnd ? "endswith" : "startswith")} first arg must be str or a tuple of str, not {Python.TypeName(candidate)}");
            meter.Work(affix.Text.Length);
            var part = text.Text.AsSpan(start, end - start);
            if (atEnd ? part.EndsWith(affix.Text, StringComparison.Ordinal) : part.StartsWith(affix.Text, StringComparison.Ordinal))
                return true;
        }

        return false;
    }

    private static int Find(PyString text, object?[] arguments, bool last, Meter meter)
    {
        var part = Text(arguments[0]!).Text;
        meter.Work(text.Text.Length);
        if (Bounds(text, arguments[1], arguments[2]) is not var (start, end))
            return -1;
        var span = text.Text.AsSpan(start, end - start);
        int found = last ? span.LastIndexOf(part, StringComparison.Ordinal) : span.IndexOf(part, StringComparison.Ordinal);
        return found < 0 ? -1 : text.IndexOf(start + found);
    }

    private static object Found(int index) => index >= 0 ? Numbers.Box((long)index) : throw Fail.Value("substring not found");

    private static object CountOf(PyString text, object?[] arguments, Meter meter)
    {
        var part = Text(arguments[0]!).Text;
        meter.Work(text.Text.Length);
        if (Bounds(text, arguments[1], arguments[2]) is not var (start, end))
            return Numbers.Box(0L);
        if (part.Length == 0)
            return Numbers.Box((long)text.IndexOf(end) - text.IndexOf(start) + 1);
        return Numbers.Box((long)text.Text.AsSpan(start, end - start).Count(part));
    }

    private static bool Each(object value, Func<int, bool> holds)
    {
        var text = ((PyString)value).Text;
        for (int i = 0; i < text.Length;)
            if (!holds(CodePoints.Next(text, ref i)))
                return false;
        return text.Length > 0;
    }

    private static bool HasCase(PyString text, Func<int, bool> wanted, Func<int, bool> other)
    {
        bool any = false;
        for (int i = 0; i < text.Text.Length;)
        {
            int codePoint = CodePoints.Next(text.Text, ref i);
            if (other(codePoint))
                return false;
            any |= wanted(codePoint);
        }

        return any;
    }
}
