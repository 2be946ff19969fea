namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>Python's <c>None</c>.</summary>
internal sealed class PyNone
{
    public static readonly PyNone Value = new();

    private PyNone()
    {
    }
}
