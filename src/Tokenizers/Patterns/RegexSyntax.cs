namespace Kotonoha.Tokenizers;

/// <summary>Whose interpretation of a pattern applies where regular-expression engines differ.</summary>
internal enum RegexDialect
{
    /// <summary>
    /// Oniguruma's own syntax, which the patterns of tokenizer.json are written in: <c>^</c> and <c>$</c> hold at every line, <c>(?m)</c>
    /// lets the dot match line ends, a quantifier after an interval repeats it.
    /// </summary>
    Oniguruma,

    /// <summary>
    /// That of Rust's <c>fancy-regex</c>, which tiktoken's <c>pat_str</c> is written in: <c>^</c> and <c>$</c> hold at the ends of the text
    /// unless <c>(?m)</c> is on, <c>(?s)</c> lets the dot match line ends, <c>{1,3}+</c> is possessive.
    /// </summary>
    Rust,
}

/// <summary>A part of a parsed pattern.</summary>
internal abstract record RegexNode
{
    /// <summary>One code point of a set.</summary>
    public sealed record Set(CodePointSet CodePoints) : RegexNode;

    /// <summary>One part after the other; none is the empty match.</summary>
    public sealed record Sequence(IReadOnlyList<RegexNode> Parts) : RegexNode;

    /// <summary>The first of several that leads to a match.</summary>
    public sealed record Choice(IReadOnlyList<RegexNode> Options) : RegexNode;

    /// <summary>A part several times; <see cref="int.MaxValue"/> stands for no upper limit.</summary>
    public sealed record Repeat(RegexNode Body, int Min, int Max, RegexGreed Greed) : RegexNode;

    /// <summary>A part whose first match is kept.</summary>
    public sealed record Atomic(RegexNode Body) : RegexNode;

    /// <summary>A condition on what stands after or before the place.</summary>
    public sealed record Look(RegexNode Body, bool IsBehind, bool IsNegative) : RegexNode;

    /// <summary>A condition on the place.</summary>
    public sealed record Anchor(RegexAnchor Kind) : RegexNode;
}

/// <summary>Conditions on a place in the text.</summary>
internal enum RegexAnchor
{
    /// <summary>The start of the text.</summary>
    TextStart,

    /// <summary>The end of the text.</summary>
    TextEnd,

    /// <summary>The end of the text, or before the line end that closes it.</summary>
    LastLineEnd,

    /// <summary>The start of the text, or after a line end that is not the text's last character.</summary>
    LineStart,

    /// <summary>The end of the text, or before a line end.</summary>
    LineEnd,

    /// <summary>Between a word character and another one or an end.</summary>
    WordBoundary,

    /// <summary>Not between a word character and another one or an end.</summary>
    NoWordBoundary,
}

/// <summary>How much a repetition takes.</summary>
internal enum RegexGreed
{
    /// <summary>As much as possible, and gives back.</summary>
    Greedy,

    /// <summary>As little as possible.</summary>
    Lazy,

    /// <summary>As much as possible, and gives nothing back.</summary>
    Possessive,
}
