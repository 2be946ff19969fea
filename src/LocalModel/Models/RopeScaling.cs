namespace Kotonoha.LocalModel.Models;

/// <summary>The scaling of rotary frequencies, as <c>rope_parameters</c> (or the older <c>rope_scaling</c>) of a config says (that file's names in brackets).</summary>
public sealed record RopeScaling
{
    /// <summary>The kind (<c>rope_type</c>).</summary>
    public required RopeScalingKind Kind { get; init; }

    /// <summary>How many times longer the context becomes (<c>factor</c>).</summary>
    public double Factor { get; init; } = 1;

    /// <summary>The context that the model was trained on (<c>original_max_position_embeddings</c>); null for the model's context.</summary>
    public int? OriginalContextLength { get; init; }

    /// <summary>llama3: wavelengths over original / this are divided by the factor (<c>low_freq_factor</c>).</summary>
    public double LowFrequencyFactor { get; init; } = 1;

    /// <summary>llama3: wavelengths under original / this stay (<c>high_freq_factor</c>).</summary>
    public double HighFrequencyFactor { get; init; } = 4;

    /// <summary>yarn, longrope: what cosines and sines are multiplied by (<c>attention_factor</c>); null to compute it.</summary>
    public double? AttentionFactor { get; init; }

    /// <summary>yarn: pairs that turn more often than this in the trained context stay (<c>beta_fast</c>).</summary>
    public double BetaFast { get; init; } = 32;

    /// <summary>yarn: pairs that turn less often than this are divided by the factor (<c>beta_slow</c>).</summary>
    public double BetaSlow { get; init; } = 1;

    /// <summary>yarn: a part of the computed attention factor (<c>mscale</c>); 0 for none.</summary>
    public double MScale { get; init; }

    /// <summary>yarn: a part of the computed attention factor (<c>mscale_all_dim</c>); 0 for none.</summary>
    public double MScaleAllDimensions { get; init; }

    /// <summary>yarn: whether the borders of the ramp are rounded outwards to whole pairs (<c>truncate</c>).</summary>
    public bool Truncate { get; init; } = true;

    /// <summary>longrope: the divisor of each pair up to the trained context (<c>short_factor</c>).</summary>
    public IReadOnlyList<double> ShortFactors { get; init; } = [];

    /// <summary>longrope: the divisor of each pair past the trained context (<c>long_factor</c>).</summary>
    public IReadOnlyList<double> LongFactors { get; init; } = [];

    /// <summary>Checks that the settings are possible and fit together.</summary>
    /// <param name="pairs">The pairs of a head.</param>
    /// <exception cref="UnsupportedModelException">They are not.</exception>
    internal void Validate(int pairs)
    {
        if (!(Factor >= 1) || !double.IsFinite(Factor))
            throw new UnsupportedModelException($"rope scaling: factor {Factor} must be at least 1.");
        if (OriginalContextLength is <= 0)
            throw new UnsupportedModelException($"rope scaling: original_max_position_embeddings {OriginalContextLength} must be positive.");
        if (Kind == RopeScalingKind.Llama3 && !(LowFrequencyFactor > 0 && HighFrequencyFactor > LowFrequencyFactor))
            throw new UnsupportedModelException($"rope scaling: high_freq_factor {HighFrequencyFactor} must be greater than low_freq_factor {LowFrequencyFactor}, and both positive.");
        if (Kind == RopeScalingKind.Yarn && !(BetaSlow > 0 && BetaFast >= BetaSlow))
            throw new UnsupportedModelException($"rope scaling: beta_fast {BetaFast} must be at least beta_slow {BetaSlow}, and both positive.");
        if (AttentionFactor is { } attention && !(attention > 0 && double.IsFinite(attention)))
            throw new UnsupportedModelException($"rope scaling: attention_factor {attention} must be positive.");
        if (Kind != RopeScalingKind.LongRope)
            return;
        foreach (var (factors, name) in ((IReadOnlyList<double>, string)[])[(ShortFactors, "short_factor"), (LongFactors, "long_factor")])
            if (factors.Count != pairs || factors.Any(f => !(f > 0 && double.IsFinite(f))))
                throw new UnsupportedModelException($"rope scaling: {name} must have {pairs} positive numbers, one for each pair of a head.");
    }
}
