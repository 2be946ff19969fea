namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>A part of a parsed pattern.</summary>
internal abstract record RegexNode
{
    /// <summary>One code point of a set.</summary>
    public sealed record Set(CodePointSet CodePoints) : RegexNode;

    /// <summary>One part after the other; none is the empty match.</summary>
    public sealed record Sequence(IReadOnlyList<RegexNode> Parts) : RegexNode;

    /// <summary>The first of several that leads to a match.</summary>
    public sealed record Choice(IReadOnlyList<RegexNode> Options) : RegexNode;

    /// <summary>A part several times; <see cref="int.MaxValue"/> is no upper limit.</summary>
    public sealed record Repeat(RegexNode Body, int Min, int Max, RegexGreed Greed) : RegexNode;

    /// <summary>A part whose first match is kept.</summary>
    public sealed record Atomic(RegexNode Body) : RegexNode;

    /// <summary>A condition on what stands behind or before the place.</summary>
    public sealed record Look(RegexNode Body, bool IsBehind, bool IsNegative) : RegexNode;

    /// <summary>A condition on the place.</summary>
    public sealed record Anchor(RegexAnchor Kind) : RegexNode;
}
