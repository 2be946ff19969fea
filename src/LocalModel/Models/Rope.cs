using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>How a model's rotary frequencies are stretched past the context that it was trained on.</summary>
public enum RopeScalingKind
{
    /// <summary><c>linear</c>: all frequencies are divided by the factor (arXiv:2306.15595).</summary>
    Linear,

    /// <summary><c>dynamic</c>: past the trained context the base grows with the length of the sequence (NTK-aware).</summary>
    Dynamic,

    /// <summary><c>llama3</c>: low frequencies are divided by the factor, high ones stay, those between are blended.</summary>
    Llama3,

    /// <summary><c>yarn</c>: as llama3 with a ramp over the pairs, and a factor on cosines and sines (arXiv:2309.00071).</summary>
    Yarn,

    /// <summary><c>longrope</c>: each pair has its own divisor, one list for short and one for long sequences (arXiv:2402.13753).</summary>
    LongRope,
}

/// <summary>
/// The scaling of rotary frequencies, as <c>rope_parameters</c> (or the older <c>rope_scaling</c>) of a config gives it (that file's names
/// in brackets).
/// </summary>
public sealed record RopeScaling
{
    /// <summary>The kind (<c>rope_type</c>).</summary>
    public required RopeScalingKind Kind { get; init; }

    /// <summary>How many times longer the context becomes (<c>factor</c>).</summary>
    public double Factor { get; init; } = 1;

    /// <summary>
    /// The context that the model was trained on (<c>original_max_position_embeddings</c>); null for the model's context.
    /// </summary>
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
            throw new UnsupportedModelException(
                $"rope scaling: original_max_position_embeddings {OriginalContextLength} must be positive.");
        if (Kind == RopeScalingKind.Llama3 && !(LowFrequencyFactor > 0 && HighFrequencyFactor > LowFrequencyFactor))
            throw new UnsupportedModelException($"rope scaling: high_freq_factor {HighFrequencyFactor} must be greater than "
                + $"low_freq_factor {LowFrequencyFactor}, and both positive.");
        if (Kind == RopeScalingKind.Yarn && !(BetaSlow > 0 && BetaFast >= BetaSlow))
            throw new UnsupportedModelException(
                $"rope scaling: beta_fast {BetaFast} must be at least beta_slow {BetaSlow}, and both positive.");
        if (AttentionFactor is { } attention && !(attention > 0 && double.IsFinite(attention)))
            throw new UnsupportedModelException($"rope scaling: attention_factor {attention} must be positive.");
        if (Kind != RopeScalingKind.LongRope)
            return;
        foreach (var (factors, name) in ((IReadOnlyList<double>, string)[])[(ShortFactors, "short_factor"), (LongFactors, "long_factor")])
            if (factors.Count != pairs || factors.Any(f => !(f > 0 && double.IsFinite(f))))
                throw new UnsupportedModelException(
                    $"rope scaling: {name} must have {pairs} positive numbers, one for each pair of a head.");
    }
}

/// <summary>What the angles of rotary positions are computed from.</summary>
/// <param name="Theta">The base of the frequencies.</param>
/// <param name="Width">The features of a head that turn, from its first; even.</param>
/// <param name="ContextLength">The positions of the model.</param>
/// <param name="Scaling">How the frequencies are stretched, or null.</param>
internal readonly record struct RotarySettings(double Theta, int Width, int ContextLength, RopeScaling? Scaling)
{
    /// <summary>What each pair's frequency is also divided by; null or empty for nothing.</summary>
    public IReadOnlyList<double>? FrequencyFactors { get; init; }

    /// <summary>Whether neighbouring features turn together.</summary>
    public bool IsInterleaved { get; init; }

    /// <summary>The context that the model was trained on.</summary>
    public int OriginalContextLength => Scaling?.OriginalContextLength ?? ContextLength;
}

/// <summary>
/// The rotary frequencies of a model under its scaling, as transformers computes them (<c>modeling_rope_utils</c>), in double precision.
/// </summary>
internal static class RopeFrequencies
{
    /// <summary>The table by which a model rotates its queries and keys.</summary>
    public static RotaryTable Table(RotarySettings settings)
    {
        if (settings.Scaling is not { } scaling)
            return new RotaryTable(Divided(Plain(settings.Theta, settings.Width), settings.FrequencyFactors), settings.IsInterleaved);
        int original = settings.OriginalContextLength;
        double scale = AttentionFactor(scaling, original);
        var usual = Of(0);
        if (scaling.Kind == RopeScalingKind.Dynamic)
            // others for every length
            return new RotaryTable(usual, settings.ContextLength, (length, frequencies) => Dynamic(settings, scaling, length, frequencies));
        if (scaling.Kind != RopeScalingKind.LongRope)
            return usual;
        return new RotaryTable(usual, original, Of(int.MaxValue));

        RotaryTable Of(int length) => new(Scaled(settings, scaling, length), settings.IsInterleaved, scale);
    }

    /// <summary>The frequencies of a scaling that does not depend on the length, one per pair.</summary>
    public static double[] Scaled(RotarySettings settings) => Scaled(settings, settings.Scaling!, 0);

    /// <summary>What YaRN multiplies cosines and sines by (Peng et al. 2023, arXiv:2309.00071, section 3.4).</summary>
    public static double YarnAttention(double factor, double weight = 1) => factor <= 1 ? 1 : 0.1 * weight * Math.Log(factor) + 1;

    private static double[] Scaled(RotarySettings settings, RopeScaling scaling, int length)
    {
        int original = settings.OriginalContextLength;
        var frequencies = Plain(settings.Theta, settings.Width);
        return Divided(
            scaling.Kind switch
            {
                RopeScalingKind.Linear => Array.ConvertAll(frequencies, f => f / scaling.Factor),
                RopeScalingKind.Dynamic => frequencies,
                RopeScalingKind.Llama3 => Array.ConvertAll(frequencies, f => Llama3(f, scaling, original)),
                RopeScalingKind.Yarn => Yarn(frequencies, scaling, settings.Theta, settings.Width, original),
                _ => Divided(frequencies, length > original ? scaling.LongFactors : scaling.ShortFactors),
            },
            settings.FrequencyFactors);
    }

    // The base grows with the sequence.
    private static void Dynamic(RotarySettings settings, RopeScaling scaling, int length, Span<double> frequencies)
    {
        int context = settings.ContextLength, width = settings.Width;
        double stretch = scaling.Factor * Math.Max(length, context) / context - (scaling.Factor - 1);
        Plain(settings.Theta * Math.Pow(stretch, width / (width - 2.0)), width, frequencies);
        for (int p = 0; p < (settings.FrequencyFactors?.Count ?? 0); p++)
            frequencies[p] /= settings.FrequencyFactors![p];
    }

    private static double Llama3(double frequency, RopeScaling scaling, int original)
    {
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < original / scaling.HighFrequencyFactor)
            return frequency;
        if (wavelength > original / scaling.LowFrequencyFactor)
            return frequency / scaling.Factor;
        double kept = (original / wavelength - scaling.LowFrequencyFactor) / (scaling.HighFrequencyFactor - scaling.LowFrequencyFactor);
        return (1 - kept) * frequency / scaling.Factor + kept * frequency;
    }

    private static double[] Yarn(double[] frequencies, RopeScaling scaling, double theta, int width, int original)
    {
        double low = Pair(scaling.BetaFast), high = Pair(scaling.BetaSlow);
        if (scaling.Truncate)
            (low, high) = (Math.Floor(low), Math.Ceiling(high));
        (low, high) = (Math.Max(low, 0), Math.Min(high, width - 1));
        if (low == high)
            high += 0.001;
        var scaled = new double[frequencies.Length];
        for (int p = 0; p < scaled.Length; p++)
        {
            double divided = Math.Clamp((p - low) / (high - low), 0, 1);
            scaled[p] = frequencies[p] / scaling.Factor * divided + frequencies[p] * (1 - divided);
        }

        return scaled;

        // The pair that turns this often within the trained context.
        double Pair(double turns) => width * Math.Log(original / (turns * 2 * Math.PI)) / (2 * Math.Log(theta));
    }

    /// <summary>What cosines and sines are multiplied by.</summary>
    /// <param name="scaling">The scaling.</param>
    /// <param name="original">The context that the model was trained on.</param>
    public static double AttentionFactor(RopeScaling scaling, int original)
    {
        if (scaling.Kind is not (RopeScalingKind.Yarn or RopeScalingKind.LongRope))
            return 1;
        if (scaling.AttentionFactor is { } given)
            return given;
        double factor = scaling.Factor;
        if (scaling.Kind == RopeScalingKind.LongRope)
            return factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(original));
        return scaling.MScale != 0 && scaling.MScaleAllDimensions != 0
            ? YarnAttention(factor, scaling.MScale) / YarnAttention(factor, scaling.MScaleAllDimensions)
            : YarnAttention(factor);
    }

    private static double[] Plain(double theta, int width)
    {
        var frequencies = new double[width / 2];
        Plain(theta, width, frequencies);
        return frequencies;
    }

    private static void Plain(double theta, int width, Span<double> frequencies)
    {
        for (int p = 0; p < frequencies.Length; p++)
            frequencies[p] = Math.Pow(theta, -2.0 * p / width);
    }

    private static double[] Divided(double[] frequencies, IReadOnlyList<double>? divisors)
    {
        for (int p = 0; p < (divisors?.Count ?? 0); p++)
            frequencies[p] /= divisors![p];
        return frequencies;
    }
}
