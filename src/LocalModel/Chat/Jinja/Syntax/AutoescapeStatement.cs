namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>autoescape</c>: values are escaped as HTML, or not, inside.</summary>
internal sealed class AutoescapeStatement(Expression value, IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        bool before = run.Autoescape;
        run.Autoescape = Python.IsTrue(value.Evaluate(run, scope));
        var flow = run.Run(body, new Scope(scope), output);
        run.Autoescape = before;
        return flow;
    }
}
