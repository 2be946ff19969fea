namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A part of a template that is executed.</summary>
/// <param name="line">Its line, from 1; 0 where none is told.</param>
internal abstract class Statement(int line)
{
    public int Line => line;

    public abstract Flow Execute(Rendering run, Scope scope, TextBuilder output);
}
