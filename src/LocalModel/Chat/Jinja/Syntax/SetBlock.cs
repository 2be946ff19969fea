namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>set target</c> … <c>endset</c>: the text of the block, filtered.</summary>
internal sealed class SetBlock(Target target, FilterExpression? filter, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = new TextBuilder(run.Meter);
        var inside = new Scope(scope);
        if (run.Run(body, inside, text) is var flow && flow != Flow.Next)
            return flow;
        object value = text.ToText(run.Autoescape);
        target.Assign(run, scope, filter?.Apply(run, inside, value) ?? value);
        return Flow.Next;
    }
}
