namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>generation</c> … <c>endgeneration</c>: what the assistant says.</summary>
internal sealed class GenerationBlock(IReadOnlyList<Statement> body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        var text = run.Capture(body, new Scope(scope));

        // As in transformers, the place counts what the whole rendering has written so far.
        int start = run.Output.Length;
        run.Generated.Add((start, start + text.Text.Length));
        output.Append(text);
        return Flow.Next;
    }
}
