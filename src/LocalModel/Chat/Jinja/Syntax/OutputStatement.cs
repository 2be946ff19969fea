namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>{{ value }}</c>.</summary>
internal sealed class OutputStatement(IReadOnlyList<Expression> values, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        for (int i = 0; i < values.Count; i++)
        {
            var value = values[i].Evaluate(run, scope);
            if (run.Autoescape)
                output.Append(Html.Escape(value as PyString ?? Python.Str(value, run.Meter), run.Meter));
            else
                Python.WriteStr(output, value);
        }

        return Flow.Next;
    }
}
