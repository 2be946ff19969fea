namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value if test else other</c>.</summary>
internal sealed class Conditional : Expression
{
    private static readonly Undefined Missing = new("the inline if-expression evaluated to false and no else section was defined.");

    private readonly Expression test;
    private readonly Expression value;
    private readonly Expression? other;

    public Conditional(Expression test, Expression value, Expression? other)
    {
        (this.test, this.value, this.other) = (Holding(test), Holding(value), other);
        if (other is not null)
            Holding(other);
    }

    protected override object Compute(Rendering run, Scope scope)
        => Python.IsTrue(test.Evaluate(run, scope)) ? value.Evaluate(run, scope) : other?.Evaluate(run, scope) ?? Missing;
}
