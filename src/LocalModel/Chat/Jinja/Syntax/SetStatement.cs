namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>set target = value</c>.</summary>
internal sealed class SetStatement(Target target, Expression value, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        target.Assign(run, scope, value.Evaluate(run, scope));
        return Flow.Next;
    }
}
