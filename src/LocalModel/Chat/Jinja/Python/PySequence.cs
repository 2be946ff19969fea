namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A list or a tuple. Templates cannot change either.</summary>
internal abstract class PySequence : PyContainer
{
    protected PySequence(IReadOnlyList<object> items)
    {
        Items = items;
        for (int i = 0; i < items.Count; i++)
            Contains(items[i]);
    }

    public IReadOnlyList<object> Items { get; }

    public int Count => Items.Count;

    /// <summary>A sequence of the same kind.</summary>
    public abstract PySequence With(IReadOnlyList<object> items);
}
