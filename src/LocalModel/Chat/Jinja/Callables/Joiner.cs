namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Gives nothing the first time it is called and its separator after that.</summary>
internal sealed class Joiner(object separator) : Callable
{
    private bool used;

    public override string Name => "joiner";

    public override object Call(Rendering run, Arguments arguments)
    {
        if (arguments.Positional.Count + arguments.Named.Count > 0)
            throw Fail.Type("a joiner takes no arguments");
        if (used)
            return separator;
        used = true;
        return PyString.Empty;
    }
}
