namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>{key: value}</c>.</summary>
internal sealed class DictExpression : Expression
{
    private readonly IReadOnlyList<Expression> keys;
    private readonly IReadOnlyList<Expression> values;

    public DictExpression(IReadOnlyList<Expression> keys, IReadOnlyList<Expression> values)
        => (this.keys, this.values) = (Holding(keys), Holding(values));

    protected override object Compute(Rendering run, Scope scope)
    {
        var dict = run.NewDict();
        run.Meter.Items(keys.Count * 2);
        for (int i = 0; i < keys.Count; i++)
        {
            var key = keys[i].Evaluate(run, scope);
            dict.Set(key, values[i].Evaluate(run, scope));
        }

        return dict;
    }
}
