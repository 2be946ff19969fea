namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>a, b</c>.</summary>
internal sealed class TupleExpression : Expression
{
    public TupleExpression(IReadOnlyList<Expression> items) => Items = Holding(items);

    public IReadOnlyList<Expression> Items { get; }

    protected override object Compute(Rendering run, Scope scope) => new PyTuple(EvaluateAll(Items, run, scope));

    public static object[] EvaluateAll(IReadOnlyList<Expression> items, Rendering run, Scope scope)
    {
        var values = new object[items.Count];
        for (int i = 0; i < values.Length; i++)
            values[i] = items[i].Evaluate(run, scope);
        run.Meter.Items(values.Length);
        return values;
    }
}
