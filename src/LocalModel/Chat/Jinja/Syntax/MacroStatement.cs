namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>macro name(parameters)</c>.</summary>
internal sealed class MacroStatement(MacroBody body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        scope.Set(body.Name, new Macro(body, scope));
        return Flow.Next;
    }
}
