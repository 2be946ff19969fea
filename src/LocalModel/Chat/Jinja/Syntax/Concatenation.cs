namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>a ~ b</c>.</summary>
internal sealed class Concatenation : Expression
{
    private readonly IReadOnlyList<Expression> operands;

    public Concatenation(IReadOnlyList<Expression> operands) => this.operands = Holding(operands);

    protected override object Compute(Rendering run, Scope scope)
    {
        var values = TupleExpression.EvaluateAll(operands, run, scope);
        bool markup = run.Autoescape && values.Any(v => v is PyString { IsMarkup: true });
        var text = new TextBuilder(run.Meter);
        foreach (var value in values)
            if (markup)
                text.Append(Html.Escape(value as PyString ?? Python.Str(value, run.Meter), run.Meter));
            else
                Python.WriteStr(text, value);
        return text.ToText(markup);
    }
}
