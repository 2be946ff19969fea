namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>if</c> with its <c>elif</c> and <c>else</c> parts.</summary>
internal sealed class IfStatement(IReadOnlyList<(Expression Test, IReadOnlyList<Statement> Body)> branches, IReadOnlyList<Statement> otherwise, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        foreach (var (test, body) in branches)
            if (Python.IsTrue(test.Evaluate(run, scope)))
                return run.Run(body, scope, output);
        return otherwise.Count == 0 ? Flow.Next : run.Run(otherwise, scope, output);
    }
}
