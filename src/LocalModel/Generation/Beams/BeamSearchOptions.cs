namespace Kotonoha.LocalModel.Generation.Beams;

/// <summary>Settings of beam search, with the meaning they have in Hugging Face's <c>generate</c>.</summary>
public sealed record BeamSearchOptions
{
    /// <summary>How many beams run side by side. Default 4.</summary>
    public int BeamCount { get; init; } = 4;

    /// <summary>A finished hypothesis scores its summed log-probability / (new tokens ^ penalty): above 0 favours long ones. Default 1.</summary>
    public float LengthPenalty { get; init; } = 1;

    /// <summary>When to stop early.</summary>
    public EarlyStopping EarlyStopping { get; init; }

    /// <summary>How many hypotheses are returned, best first; at most <see cref="BeamCount"/>. Default 1.</summary>
    public int ReturnCount { get; init; } = 1;

    /// <summary>Checks the values.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A value is out of range.</exception>
    public void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BeamCount, 1, nameof(BeamCount));
        ArgumentOutOfRangeException.ThrowIfLessThan(ReturnCount, 1, nameof(ReturnCount));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ReturnCount, BeamCount, nameof(ReturnCount));
        if (!float.IsFinite(LengthPenalty))
            throw new ArgumentOutOfRangeException(nameof(LengthPenalty), LengthPenalty, "LengthPenalty must be a finite number.");
    }
}
