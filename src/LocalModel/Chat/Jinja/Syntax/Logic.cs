namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>and</c> and <c>or</c>: the operand that decides.</summary>
internal sealed class Logic : Expression
{
    private readonly IReadOnlyList<Expression> operands;
    private readonly bool decisive;

    /// <param name="operands">Two or more.</param>
    /// <param name="isOr">The first true one decides, else the first false one.</param>
    public Logic(IReadOnlyList<Expression> operands, bool isOr) => (this.operands, decisive) = (Holding(operands), isOr);

    protected override object Compute(Rendering run, Scope scope)
    {
        for (int i = 0; i < operands.Count - 1; i++)
            if (operands[i].Evaluate(run, scope) is var value && Python.IsTrue(value) == decisive)
                return value;
        return operands[^1].Evaluate(run, scope);
    }
}
