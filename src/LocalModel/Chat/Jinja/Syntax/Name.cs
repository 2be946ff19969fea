namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A variable.</summary>
internal sealed class Name(string text) : Expression
{
    public string Text => text;

    protected override object Compute(Rendering run, Scope scope)
        => scope.TryGet(text, out var value) ? value : Globals.TryGet(text, out value) ? value : Undefined.Name(text);
}
