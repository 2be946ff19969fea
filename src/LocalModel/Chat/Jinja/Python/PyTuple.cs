namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A Python tuple.</summary>
/// <param name="items">The items.</param>
/// <param name="names">The names of the items as attributes, for the groups of <c>groupby</c>.</param>
internal sealed class PyTuple(IReadOnlyList<object> items, string[]? names = null) : PySequence(items)
{
    public string[]? Names => names;

    public override PySequence With(IReadOnlyList<object> items) => new PyTuple(items);
}
