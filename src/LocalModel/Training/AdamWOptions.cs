namespace Kotonoha.LocalModel.Training;

/// <summary>The settings of the AdamW optimiser; the defaults are nanoGPT's.</summary>
public sealed record AdamWOptions
{
    /// <summary>How slowly the mean of the gradients forgets.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>How slowly the mean of the squared gradients forgets.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>What is added to the denominator.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>The decoupled weight decay of tensors of two and more dimensions (embeddings too); the others have none.</summary>
    public double WeightDecay { get; init; } = 0.1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfNegative(Beta1);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Beta1, 1.0);
        ArgumentOutOfRangeException.ThrowIfNegative(Beta2);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(Beta2, 1.0);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(Epsilon);
        ArgumentOutOfRangeException.ThrowIfNegative(WeightDecay);
    }
}
