namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value(arguments)</c>.</summary>
internal sealed class Call : Expression
{
    private readonly Expression target;
    private readonly ArgumentList arguments;
    private readonly int line;

    public Call(Expression target, ArgumentList arguments, int line)
    {
        (this.target, this.arguments, this.line) = (Holding(target), arguments, line);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    /// <summary>The call of a call block.</summary>
    public object EvaluateWith(Rendering run, Scope scope, object caller) => Invoke(run, scope, caller);

    protected override object Compute(Rendering run, Scope scope) => Invoke(run, scope, null);

    private object Invoke(Rendering run, Scope scope, object? caller)
    {
        var value = target.Evaluate(run, scope);
        if (value is Undefined missing)
            throw missing.Used();
        if (value is not Callable callable)
            throw Fail.Type($"'{Python.TypeName(value)}' object is not callable");
        var given = arguments.Evaluate(run, scope, null, caller);
        run.Line = line;
        return callable.Call(run, given);
    }
}
