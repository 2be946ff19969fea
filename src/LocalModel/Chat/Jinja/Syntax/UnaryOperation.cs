namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>-a</c> and <c>+a</c>.</summary>
internal sealed class UnaryOperation : Expression
{
    private readonly string sign;
    private readonly Expression operand;

    public UnaryOperation(string sign, Expression operand) => (this.sign, this.operand) = (sign, Holding(operand));

    protected override object Compute(Rendering run, Scope scope) => Operators.Unary(sign, operand.Evaluate(run, scope));
}
