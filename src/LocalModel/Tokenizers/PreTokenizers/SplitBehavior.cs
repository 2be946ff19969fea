namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>What becomes of the matches at which text is split.</summary>
internal enum SplitBehavior
{
    /// <summary>Matches are dropped.</summary>
    Removed,

    /// <summary>Every match is a piece.</summary>
    Isolated,

    /// <summary>A match goes with what stands before it.</summary>
    MergedWithPrevious,

    /// <summary>A match goes with what stands behind it.</summary>
    MergedWithNext,

    /// <summary>Matches that touch are one piece.</summary>
    Contiguous,
}
