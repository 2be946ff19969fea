namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The variable <c>self</c>: the blocks of the template.</summary>
internal sealed class TemplateReference
{
    public static readonly TemplateReference Value = new();

    private TemplateReference()
    {
    }

    public static bool TryGet(Rendering run, string name, out object value)
    {
        bool found = run.Blocks.TryGetValue(name, out var block);
        value = found ? new Function(name, "", (inner, _) => block!.Render(inner)) : PyNone.Value;
        return found;
    }
}
