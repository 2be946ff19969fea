namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>-a</c> and <c>+a</c>.</summary>
internal sealed class UnaryOperation : Expression
{
    private readonly string sign;
    private readonly Expression operand;

    public UnaryOperation(string sign, Expression operand) => (this.sign, this.operand) = (sign, Holding(operand));

    public override bool IsConstant => operand.IsConstant;

    /// <summary>The number of <c>-number</c>.</summary>
    public Constant? NegatedConstant => sign == "-" && operand is Constant { Value: long or double or System.Numerics.BigInteger } number ? number : null;

    protected override object Compute(Rendering run, Scope scope) => Operators.Unary(sign, operand.Evaluate(run, scope));
}
