namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A value that can be called.</summary>
internal abstract class Callable
{
    public abstract string Name { get; }

    public abstract object Call(Rendering run, Arguments arguments);
}
