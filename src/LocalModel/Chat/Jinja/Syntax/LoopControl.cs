namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>break</c> and <c>continue</c>.</summary>
internal sealed class LoopControl(Flow flow, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output) => flow;
}
