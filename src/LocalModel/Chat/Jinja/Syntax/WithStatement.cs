namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>with a = 1, b = 2</c>: a scope of its own; the values are computed outside of it.</summary>
internal sealed class WithStatement(IReadOnlyList<(Target Target, Expression Value)> variables, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var inside = new Scope(scope);
        foreach (var (target, value) in variables)
            target.Assign(run, inside, value.Evaluate(run, scope));
        return run.Run(body, inside, output);
    }
}
