namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>A list, tuple or dictionary; it knows how deep it nests, so that no walk over it can be endless.</summary>
internal abstract class PyContainer
{
    /// <summary>1 for a container of plain values.</summary>
    public int Depth { get; private set; } = 1;

    protected void Contains(object value)
    {
        if (value is PyContainer { Depth: var depth } && depth >= Depth)
            Depth = depth < TemplateLimits.MaxDataDepth
                ? depth + 1
                : throw Fail.Limit($"Lists and dictionaries lie more than {TemplateLimits.MaxDataDepth} deep inside one another.");
    }
}
