namespace Kotonoha.ChatTemplates.Jinja;

// Filters over lists and dictionaries.
internal static partial class Filters
{
    private static object First(Rendering run, object?[] a)
        => Python.Iterate(a[0]!, run.Meter).FirstOrDefault() ?? new Undefined("No first item, sequence was empty.");

    private static object Last(Rendering run, object?[] a) => a[0] switch
    {
        PyIterator or LoopContext => throw Fail.Type($"'{Python.TypeName(a[0]!)}' object is not reversible"),
        _ => Python.ToList(a[0]!, run.Meter) is { Count: > 0 } items ? items[^1] : new Undefined("No last item, sequence was empty."),
    };

    private static object Reverse(Rendering run, object?[] a)
    {
        if (a[0] is PyString text)
            return Python.Slice(text, null, null, Numbers.Box(-1L), run.Meter);
        if (!Python.IsIterable(a[0]!))
            throw Fail.Type("argument must be iterable");
        var items = Python.ToList(a[0]!, run.Meter);
        items.Reverse();
        return a[0] is PyIterator ? new PyList(items) : new PyIterator(items, "reversed");
    }

    private static PyList DictSort(Rendering run, object?[] a)
    {
        var by = a[2] is null ? "key" : StringMethods.Text(a[2]!).Text;
        if (by is not ("key" or "value"))
            throw Fail.Value("You can only sort by either \"key\" or \"value\"");
        if (Undefined.Checked(a[0]!) is not PyDict dict)
            throw Fail.Type($"'{Python.TypeName(a[0]!)}' object has no attribute 'items'");
        bool caseSensitive = Flag(a[1]);
        run.Meter.Items(dict.Count * 3L);
        object Key(object pair) => Cased(((PyTuple)pair).Items[by == "key" ? 0 : 1], caseSensitive, run);
        return new PyList(Sorted(run, [.. new PyDictView(dict, "items").Items], Key, Flag(a[3])));
    }

    private static PyList Sort(Rendering run, object?[] a)
    {
        bool caseSensitive = Flag(a[2]);
        var paths = a[3] is PyString text
            ? text.Text.Split(',').Select(p => Path(new PyString(p))).ToArray()
            : [Path(a[3] ?? PyNone.Value)];
        object Key(object item) => new PyList([.. paths.Select(p => Cased(Walk(item, p, null), caseSensitive, run))]);
        return new PyList(Sorted(run, Python.ToList(a[0]!, run.Meter), Key, Flag(a[1])));
    }

    private static object GroupBy(Rendering run, object?[] a)
    {
        var path = Path(a[1]!);
        bool caseSensitive = Flag(a[3]);
        var standard = a[2] is null or PyNone ? null : a[2];
        object Key(object item) => Cased(Walk(item, path, standard), caseSensitive, run);
        var groups = new List<object>();
        var group = new List<object>();
        object? key = null;
        foreach (var item in Sorted(run, Python.ToList(a[0]!, run.Meter), Key, reverse: false))
        {
            var own = Key(item);
            if (key is not null && !run.Equality.AreEqual(key, own))
            {
                groups.Add(Group());
                group = [];
            }

            key = own;
            group.Add(item);
        }

        if (group.Count > 0)
            groups.Add(Group());
        return new PyList(groups);

        object Group() => new PyTuple([Walk(group[0], path, standard), new PyList(group)], ["grouper", "list"]);
    }

    private static IEnumerable<object> Unique(Rendering run, object?[] a)
    {
        var path = Path(a[2] ?? PyNone.Value);
        bool caseSensitive = Flag(a[1]);
        var seen = new HashSet<object>(run.Equality);
        foreach (var item in Python.Iterate(a[0]!, run.Meter))
            if (seen.Add(Cased(Walk(item, path, null), caseSensitive, run)))
            {
                run.Meter.Items(1);
                yield return item;
            }
    }

    private static object Extreme(Rendering run, object?[] a, bool largest)
    {
        var path = Path(a[2] ?? PyNone.Value);
        bool caseSensitive = Flag(a[1]);
        object? best = null, bestKey = null;
        foreach (var item in Python.Iterate(a[0]!, run.Meter))
        {
            var key = Cased(Walk(item, path, null), caseSensitive, run);
            if (bestKey is null || Operators.Compare(largest ? ">" : "<", key, bestKey, run.Equality))
                (best, bestKey) = (item, key);
        }

        return best ?? new Undefined("No aggregated item, sequence was empty.");
    }

    private static object Sum(Rendering run, object?[] a)
    {
        var path = a[1] is null or PyNone ? null : Path(a[1]!);
        var total = a[2] ?? Numbers.Box(0L);
        if (total is PyString)
            throw Fail.Type("sum() can't sum strings [use ''.join(seq) instead]");
        foreach (var item in Python.Iterate(a[0]!, run.Meter))
            total = Operators.Binary("+", total, path is null ? item : Walk(item, path, null), run);
        return total;
    }

    private static object Join(Rendering run, object?[] a)
    {
        var path = a[2] is null or PyNone ? null : Path(a[2]!);
        var separator = a[1] is null ? PyString.Empty : Soft(a[1]!, run);
        var items = Python.Iterate(a[0]!, run.Meter).Select(i => path is null ? i : Walk(i, path, null));
        var result = new TextBuilder(run.Meter);
        bool first = true;
        foreach (var item in items)
        {
            if (!first)
                result.Append(separator);
            first = false;
            Python.WriteStr(result, item);
        }

        return result.ToText();
    }

    private static IEnumerable<object> Map(Rendering run, object?[] a)
    {
        var value = a[0]!;
        var arguments = (PyTuple)a[1]!;
        var named = (List<(string Name, object Value)>)a[2]!;
        if (!Python.IsTrue(value))
            yield break;
        Func<object, object> map;
        if (arguments.Count == 0 && named.Exists(n => n.Name == "attribute"))
        {
            var path = Path(named.Find(n => n.Name == "attribute").Value);
            var standard = named.Find(n => n.Name == "default").Value;
            if (named.Find(n => n.Name is not ("attribute" or "default")) is { Name: { } unknown })
                throw Fail.Type($"Unexpected keyword argument '{unknown}'");
            map = item => Walk(item, path, standard is PyNone ? null : standard);
        }
        else
        {
            if (arguments.Count == 0)
                throw Fail.Type("map requires a filter argument");
            var filter = Get(StringMethods.Text(arguments.Items[0]).Text);
            map = item => filter.Call(run, new Arguments([item, .. arguments.Items.Skip(1)], named));
        }

        foreach (var item in Python.Iterate(value, run.Meter))
            yield return map(item);
    }

    private static IEnumerable<object> Select(Rendering run, object?[] a, bool byAttribute, bool wanted)
    {
        var value = a[0]!;
        var arguments = (PyTuple)a[1]!;
        var named = (List<(string, object)>)a[2]!;
        if (!Python.IsTrue(value))
            yield break;
        if (byAttribute && arguments.Count == 0)
            throw Fail.Type("Missing parameter for attribute name");
        var path = byAttribute ? Path(arguments.Items[0]) : null;
        int used = byAttribute ? 1 : 0;
        var test = arguments.Count > used ? Tests.Get(StringMethods.Text(arguments.Items[used]).Text) : null;
        object[] rest = [.. arguments.Items.Skip(used + 1)];
        foreach (var item in Python.Iterate(value, run.Meter))
        {
            var looked = path is null ? item : Walk(item, path, null);
            bool holds = Python.IsTrue(test is null ? looked : test.Call(run, new Arguments([looked, .. rest], named)));
            if (holds == wanted)
                yield return item;
        }
    }

    // "a.b.0" as the keys to follow; no keys for None.
    private static object[] Path(object attribute) => attribute switch
    {
        PyNone => [],
        PyString text => [.. text.Text.Split('.').Select(Step)],
        _ => [attribute],
    };

    private static object Step(string key)
        => key.Length > 0 && key.All(c => PyChar.IsDigit(c)) && Numbers.ParseInteger(key, 10) is { } index ? index : new PyString(key);

    private static object Walk(object item, object[] path, object? standard)
    {
        foreach (var key in path)
        {
            item = Attributes.GetItem(item, key);
            if (standard is not null && item is Undefined)
                item = standard;
        }

        return item;
    }

    private static object Cased(object value, bool caseSensitive, Rendering run)
        => value is PyString text && !caseSensitive ? StringMethods.Lower(text, run.Meter) : value;

    // Stable, as Python sorts; in reverse too. By merging, so that a comparison that contradicts itself does no harm.
    private static List<object> Sorted(Rendering run, List<object> items, Func<object, object> key, bool reverse)
    {
        run.Meter.Items(items.Count * 2L);
        var pairs = items.Select(i => (Key: key(i), Item: i)).ToArray();
        var other = new (object Key, object Item)[pairs.Length];
        for (int width = 1; width < pairs.Length; width *= 2)
        {
            for (int start = 0; start < pairs.Length; start += 2 * width)
            {
                int middle = Math.Min(start + width, pairs.Length), end = Math.Min(start + 2 * width, pairs.Length);
                int left = start, right = middle;
                for (int at = start; at < end; at++)
                {
                    bool takeRight = left >= middle || (right < end && (reverse
                        ? Operators.IsLess(pairs[left].Key, pairs[right].Key, run.Equality)
                        : Operators.IsLess(pairs[right].Key, pairs[left].Key, run.Equality)));
                    other[at] = takeRight ? pairs[right++] : pairs[left++];
                }
            }

            (pairs, other) = (other, pairs);
        }

        return [.. pairs.Select(p => p.Item)];
    }
}
