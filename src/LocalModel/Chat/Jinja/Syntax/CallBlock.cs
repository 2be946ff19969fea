namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>call(parameters) macro(arguments)</c>: the macro may call the block's body as <c>caller</c>.</summary>
internal sealed class CallBlock(Call call, MacroBody body, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        Python.WriteStr(output, call.EvaluateWith(run, scope, new Macro(body, scope)));
        return Flow.Next;
    }
}
