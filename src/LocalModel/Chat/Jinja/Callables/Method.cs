namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A method of a built-in type.</summary>
internal sealed class Method(string name, string parameters, Func<Rendering, object, object?[], object> body)
{
    private readonly Signature signature = new(name, parameters);

    public string Name => name;

    public object Call(Rendering run, object owner, Arguments arguments) => body(run, owner, signature.Bind(arguments));
}
