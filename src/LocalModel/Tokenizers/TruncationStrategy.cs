namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>Which text of a pair gives way when both together are too long.</summary>
public enum TruncationStrategy
{
    /// <summary>The longer one first, until both are of one length.</summary>
    LongestFirst,

    /// <summary>Only the first.</summary>
    OnlyFirst,

    /// <summary>Only the second.</summary>
    OnlySecond,
}
