namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A built-in function, filter or test.</summary>
internal sealed class Function(string name, string parameters, Func<Rendering, object?[], object> body, bool isType = false) : Callable
{
    private readonly Signature signature = new(name, parameters);

    public override string Name => name;

    /// <summary>It is a class in Python: <c>dict</c>, <c>namespace</c>.</summary>
    public bool IsType => isType;

    public override object Call(Rendering run, Arguments arguments) => body(run, signature.Bind(arguments));
}
