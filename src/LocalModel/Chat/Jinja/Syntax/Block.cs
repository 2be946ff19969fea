namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>block name</c>: rendered where it stands; it sees the outermost variables only, unless it is scoped.</summary>
internal sealed class Block(string name, IReadOnlyList<Statement> body, bool isScoped, int line) : Statement(line)
{
    public string Name => name;

    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        run.Run(body, new Scope(isScoped ? scope : run.Root), output);
        return Flow.Next;
    }

    /// <summary>The text of the block, for <c>self.name()</c>.</summary>
    public object Render(Rendering run) => run.Capture(body, new Scope(run.Root));
}
