namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>a &lt; b &lt;= c</c>, <c>in</c> and <c>not in</c>.</summary>
internal sealed class Comparison : Expression
{
    private readonly Expression first;
    private readonly IReadOnlyList<(string Sign, Expression Operand)> rest;

    public Comparison(Expression first, IReadOnlyList<(string Sign, Expression Operand)> rest)
    {
        (this.first, this.rest) = (Holding(first), rest);
        foreach (var (_, operand) in rest)
            Holding(operand);
    }

    protected override object Compute(Rendering run, Scope scope)
    {
        var left = first.Evaluate(run, scope);
        foreach (var (sign, operand) in rest)
        {
            var right = operand.Evaluate(run, scope);
            if (!Operators.Compare(sign, left, right, run.Equality))
                return Numbers.False;
            left = right;
        }

        return Numbers.True;
    }
}
