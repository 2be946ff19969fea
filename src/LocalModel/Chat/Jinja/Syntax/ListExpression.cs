namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>[a, b]</c>.</summary>
internal sealed class ListExpression : Expression
{
    private readonly IReadOnlyList<Expression> items;

    public ListExpression(IReadOnlyList<Expression> items) => this.items = Holding(items);

    protected override object Compute(Rendering run, Scope scope) => new PyList(TupleExpression.EvaluateAll(items, run, scope));
}
