namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A Python list.</summary>
internal sealed class PyList(IReadOnlyList<object> items) : PySequence(items)
{
    public override PySequence With(IReadOnlyList<object> items) => new PyList(items);
}
