namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary><c>include</c>, <c>import</c>, <c>from</c> and <c>extends</c>: a chat template stands alone.</summary>
internal sealed class OtherTemplate(string tag, int line) : Statement(line)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
        => throw Fail.Security($"A chat template cannot {tag} another template.");
}
