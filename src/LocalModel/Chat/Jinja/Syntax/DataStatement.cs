namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Text outside of tags.</summary>
internal sealed class DataStatement(string text) : Statement(0)
{
    public override Flow Execute(Rendering run, Scope scope, TextBuilder output)
    {
        output.Append(text);
        return Flow.Next;
    }
}
