namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>One step of a compiled pattern.</summary>
/// <param name="Operation">What is done.</param>
internal readonly record struct RegexInstruction(RegexOperation Operation)
{
    /// <summary>The code points that are taken.</summary>
    public CodePointSet? Set { get; init; }

    /// <summary>Where to go on: the first branch of a split, the target of a jump, what follows a part that is run by itself.</summary>
    public int Target { get; init; }

    /// <summary>The second branch of a split.</summary>
    public int Other { get; init; }

    /// <summary>The fewest code points: of a repetition, or that a look behind reaches back.</summary>
    public int Min { get; init; }

    /// <summary>The most code points.</summary>
    public int Max { get; init; }

    public RegexGreed Greed { get; init; }

    public RegexAnchor Anchor { get; init; }

    public bool IsNegative { get; init; }

    /// <summary>The number of the loop, or of the instruction among those whose failures are remembered.</summary>
    public int Slot { get; init; }
}
