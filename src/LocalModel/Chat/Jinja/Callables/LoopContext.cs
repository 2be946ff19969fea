namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The variable <c>loop</c>.</summary>
internal sealed class LoopContext : Callable
{
    private static readonly object Nothing = new();

    private readonly object iterable;
    private readonly Meter meter;
    private readonly Func<object, object>? recurse;
    private IEnumerator<object> source;
    private object before = Nothing;
    private object current = Nothing;
    private object after = Nothing;
    private object? lastChanged;
    private long length = -1;

    public LoopContext(object iterable, int depth, Meter meter, Func<object, object>? recurse)
    {
        (this.iterable, Depth0, this.meter, this.recurse) = (iterable, depth, meter, recurse);
        source = Python.Iterate(iterable, meter).GetEnumerator();
    }

    public override string Name => "loop";

    public int Depth0 { get; }

    public long Index0 { get; private set; } = -1;

    public bool IsLast => ReferenceEquals(Peek(), Nothing);

    public long Length
    {
        get
        {
            if (length >= 0)
                return length;
            if (iterable is not PyIterator)
                return length = Python.Length(iterable, meter);
            var rest = new List<object>();
            while (source.MoveNext())
                rest.Add(source.Current);
            meter.Items(rest.Count);
            source = rest.GetEnumerator();
            return length = rest.Count + Index0 + 1 + (ReferenceEquals(after, Nothing) ? 0 : 1);
        }
    }

    public object Previous => Index0 == 0 ? new Undefined("there is no previous item") : before;

    public object Following => ReferenceEquals(Peek(), Nothing) ? new Undefined("there is no next item") : after;

    public bool MoveNext(out object item)
    {
        if (!ReferenceEquals(after, Nothing))
            (item, after) = (after, Nothing);
        else if (source.MoveNext())
            item = source.Current;
        else
        {
            item = Nothing;
            return false;
        }

        Index0++;
        (before, current) = (current, item);
        return true;
    }

    /// <summary>The items that are still to come; whoever takes them takes them from the loop.</summary>
    public IEnumerable<object> Rest()
    {
        while (MoveNext(out var item))
            yield return new PyTuple([item, this]);
    }

    public object Cycle(PyTuple values)
        => values.Count == 0 ? throw Fail.Type("no items for cycling given") : values.Items[(int)(Index0 % values.Count)];

    public bool Changed(PyTuple values, PyEquality equality)
    {
        if (lastChanged is not null && equality.AreEqual(lastChanged, values))
            return false;
        lastChanged = values;
        return true;
    }

    public override object Call(Rendering run, Arguments arguments)
    {
        if (recurse is null)
            throw Fail.Type("The loop must have the 'recursive' marker to be called recursively.");
        if (arguments.Positional.Count != 1 || arguments.Named.Count > 0)
            throw Fail.Type("loop() takes one argument, the items of the inner loop");
        return recurse(arguments.Positional[0]);
    }

    private object Peek()
    {
        if (ReferenceEquals(after, Nothing) && source.MoveNext())
            after = source.Current;
        return after;
    }
}
