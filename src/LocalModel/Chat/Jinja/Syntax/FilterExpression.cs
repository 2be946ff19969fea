namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>value | filter(arguments)</c>.</summary>
internal sealed class FilterExpression : Expression
{
    private readonly Expression? value;
    private readonly string name;
    private readonly ArgumentList arguments;

    /// <param name="value">What is filtered; null where a block's text is.</param>
    /// <param name="name">The filter.</param>
    /// <param name="arguments">Its further arguments.</param>
    public FilterExpression(Expression? value, string name, ArgumentList arguments)
    {
        (this.value, this.name, this.arguments) = (value, name, arguments);
        if (value is not null)
            Holding(value);
        foreach (var part in arguments.Parts)
            Holding(part);
    }

    /// <summary>Applies the filters to the text of a block.</summary>
    public object Apply(Rendering run, Scope scope, object text)
    {
        var input = value switch { null => text, FilterExpression inner => inner.Apply(run, scope, text), _ => value.Evaluate(run, scope) };
        return Filters.Get(name).Call(run, arguments.Evaluate(run, scope, input));
    }

    protected override object Compute(Rendering run, Scope scope)
        => Filters.Get(name).Call(run, arguments.Evaluate(run, scope, value!.Evaluate(run, scope)));
}
