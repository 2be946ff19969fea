namespace Kotonoha.LocalModel.Tensors;

/// <summary>How a loss over rows becomes one number.</summary>
public enum Reduction
{
    /// <summary>The mean over counted rows (weighted, where classes have weights).</summary>
    Mean,

    /// <summary>The sum.</summary>
    Sum,

    /// <summary>One value a row.</summary>
    None,
}
