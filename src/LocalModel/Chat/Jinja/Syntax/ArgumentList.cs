namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The arguments of a call as they are written.</summary>
internal sealed class ArgumentList(
    IReadOnlyList<Expression> positional, IReadOnlyList<(string Name, Expression Value)> named, Expression? morePositional, Expression? moreNamed)
{
    public static readonly ArgumentList None = new([], [], null, null);

    public IEnumerable<Expression> Parts
        => positional.Concat(named.Select(n => n.Value)).Concat(morePositional is null ? [] : [morePositional]).Concat(moreNamed is null ? [] : [moreNamed]);

    /// <param name="run">The rendering.</param>
    /// <param name="scope">Where the call stands.</param>
    /// <param name="first">The value that a filter or test is applied to; null for none.</param>
    /// <param name="caller">What a call block passes.</param>
    public Arguments Evaluate(Rendering run, Scope scope, object? first = null, object? caller = null)
    {
        var values = new List<object>(positional.Count + 1);
        if (first is not null)
            values.Add(first);
        foreach (var argument in positional)
            values.Add(argument.Evaluate(run, scope));
        if (morePositional is not null)
            values.AddRange(Python.Iterate(morePositional.Evaluate(run, scope), run.Meter));
        run.Meter.Items(values.Count);
        if (named.Count == 0 && moreNamed is null && caller is null)
            return new Arguments(values, []);
        var pairs = new List<(string, object)>();
        foreach (var (name, value) in named)
            Add(pairs, name, value.Evaluate(run, scope));
        if (caller is not null)
            Add(pairs, "caller", caller);
        if (moreNamed is not null)
        {
            if (moreNamed.Evaluate(run, scope) is not PyDict dict)
                throw Fail.Type("argument after ** must be a mapping");
            foreach (var (key, value) in dict.Entries)
                Add(pairs, key is PyString text ? text.Text : throw Fail.Type("keywords must be strings"), value);
        }

        return new Arguments(values, pairs);
    }

    private static void Add(List<(string Name, object)> pairs, string name, object value)
    {
        if (pairs.Exists(p => p.Name == name))
            throw Fail.Type($"got multiple values for keyword argument '{name}'");
        pairs.Add((name, value));
    }
}
