namespace Kotonoha.Rag.Chunking;

/// <summary>A range of a text.</summary>
/// <param name="Start">Where it starts, in UTF-16 units.</param>
/// <param name="End">Where it ends (exclusive).</param>
public readonly record struct TextSpan(int Start, int End)
{
    /// <summary>How long it is, in UTF-16 units.</summary>
    public int Length => End - Start;
}
