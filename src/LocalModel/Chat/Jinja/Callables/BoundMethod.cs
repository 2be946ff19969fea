namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A method of one value.</summary>
internal sealed class BoundMethod(object owner, Method method) : Callable
{
    public object Owner => owner;

    public Method Method => method;

    public override string Name => method.Name;

    public override object Call(Rendering run, Arguments arguments) => method.Call(run, owner, arguments);
}
