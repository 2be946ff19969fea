namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>a + b</c> and its like.</summary>
internal sealed class BinaryOperation : Expression
{
    private readonly string sign;
    private readonly Expression left;
    private readonly Expression right;

    public BinaryOperation(string sign, Expression left, Expression right)
        => (this.sign, this.left, this.right) = (sign, Holding(left), Holding(right));

    public override bool IsConstant => left.IsConstant && right.IsConstant;

    protected override object Compute(Rendering run, Scope scope)
    {
        var first = left.Evaluate(run, scope);
        return Operators.Binary(sign, first, right.Evaluate(run, scope), run);
    }
}
