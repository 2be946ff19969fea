using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>The rotary frequencies of a model under its scaling, as transformers computes them (<c>modeling_rope_utils</c>), in double precision.</summary>
internal static class RopeFrequencies
{
    /// <summary>The table that a model turns its queries and keys by.</summary>
    public static RotaryTable Table(LlamaConfig config)
    {
        if (config.RopeScaling is not { } scaling)
            return new RotaryTable(Divided(Plain(config.RopeTheta, config.HeadWidth), config.RopeFrequencyFactors), config.RotaryInterleaved);
        int original = scaling.OriginalContextLength ?? config.ContextLength;
        double scale = AttentionFactor(scaling, original);
        var usual = Of(0);
        if (scaling.Kind == RopeScalingKind.Dynamic)
            return new RotaryTable(usual, config.ContextLength, (length, frequencies) => Dynamic(config, scaling, length, frequencies)); // others for every length
        if (scaling.Kind != RopeScalingKind.LongRope)
            return usual;
        var longer = Of(int.MaxValue);
        return new RotaryTable(usual, original, _ => longer);

        RotaryTable Of(int length)
        {
            var frequencies = Scaled(scaling, config.RopeTheta, config.HeadWidth, original, length);
            return new RotaryTable(Divided(frequencies, config.RopeFrequencyFactors), config.RotaryInterleaved, scale);
        }
    }

    /// <summary>The frequencies of a scaling that does not depend on the length, one a pair.</summary>
    public static double[] Scaled(LlamaConfig config)
        => Divided(Scaled(config.RopeScaling!, config.RopeTheta, config.HeadWidth, config.RopeScaling!.OriginalContextLength ?? config.ContextLength, 0), config.RopeFrequencyFactors);

    /// <summary>What YaRN multiplies cosines and sines by (Peng et al. 2023, arXiv:2309.00071, section 3.4).</summary>
    public static double YarnAttention(double factor, double weight = 1) => factor <= 1 ? 1 : 0.1 * weight * Math.Log(factor) + 1;

    private static double[] Scaled(RopeScaling scaling, double theta, int width, int original, int length)
    {
        var frequencies = Plain(theta, width);
        switch (scaling.Kind)
        {
            case RopeScalingKind.Linear:
                return Array.ConvertAll(frequencies, f => f / scaling.Factor);
            case RopeScalingKind.Dynamic:
                return frequencies;
            case RopeScalingKind.Llama3:
                return Array.ConvertAll(frequencies, f => Llama3(f, scaling, original));
            case RopeScalingKind.Yarn:
                return Yarn(frequencies, scaling, theta, width, original);
            default:
                return Divided(frequencies, length > original ? scaling.LongFactors : scaling.ShortFactors);
        }
    }

    // The base grows with the sequence.
    private static void Dynamic(LlamaConfig config, RopeScaling scaling, int length, Span<double> frequencies)
    {
        int context = config.ContextLength, width = config.HeadWidth;
        double stretch = scaling.Factor * Math.Max(length, context) / context - (scaling.Factor - 1);
        Plain(config.RopeTheta * Math.Pow(stretch, width / (width - 2.0)), width, frequencies);
        for (int p = 0; p < config.RopeFrequencyFactors.Count; p++)
            frequencies[p] /= config.RopeFrequencyFactors[p];
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

    private static double AttentionFactor(RopeScaling scaling, int original)
    {
        if (scaling.Kind is not (RopeScalingKind.Yarn or RopeScalingKind.LongRope))
            return 1;
        if (scaling.AttentionFactor is { } given)
            return given;
        double factor = scaling.Factor;
        if (scaling.Kind == RopeScalingKind.LongRope)
            return factor <= 1 ? 1 : Math.Sqrt(1 + Math.Log(factor) / Math.Log(original));
        return scaling.MScale != 0 && scaling.MScaleAllDimensions != 0 ? YarnAttention(factor, scaling.MScale) / YarnAttention(factor, scaling.MScaleAllDimensions) : YarnAttention(factor);
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

    private static double[] Divided(double[] frequencies, IReadOnlyList<double> divisors)
    {
        for (int p = 0; p < divisors.Count; p++)
            frequencies[p] /= divisors[p];
        return frequencies;
    }
}
