namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value is test</c>.</summary>
internal sealed class TestExpression : Expression
{
    private readonly Expression value;
    private readonly string name;
    private readonly ArgumentList arguments;

    public TestExpression(Expression value, string name, ArgumentList arguments)
    {
        (this.value, this.name, this.arguments) = (Holding(value), name, arguments);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    protected override object Compute(Rendering run, Scope scope)
        => Tests.Get(name).Call(run, arguments.Evaluate(run, scope, value.Evaluate(run, scope)));
}
