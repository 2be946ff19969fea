namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>not value</c>.</summary>
internal sealed class Not : Expression
{
    private readonly Expression operand;

    public Not(Expression operand) => this.operand = Holding(operand);

    protected override object Compute(Rendering run, Scope scope) => Numbers.Box(!Python.IsTrue(operand.Evaluate(run, scope)));
}
