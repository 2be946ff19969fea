namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>filter name</c> … <c>endfilter</c>.</summary>
internal sealed class FilterBlock(FilterExpression filter, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = new TextBuilder(run.Meter);
        var inside = new Scope(scope);
        if (run.Run(body, inside, text) is var flow && flow != Flow.Next)
            return flow;
        Python.WriteStr(output, filter.Apply(run, inside, text.ToText(run.Autoescape)));
        return Flow.Next;
    }
}
