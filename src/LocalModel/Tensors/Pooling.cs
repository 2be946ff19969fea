namespace Kotonoha.LocalModel.Tensors;

/// <summary>How the tokens of a sequence become one row.</summary>
public enum Pooling
{
    /// <summary>The mean over tokens; zero for an empty sequence.</summary>
    Mean,

    /// <summary>The sum over tokens.</summary>
    Sum,

    /// <summary>The largest value of each column.</summary>
    Max,

    /// <summary>The first token.</summary>
    First,

    /// <summary>The last token.</summary>
    Last,
}
