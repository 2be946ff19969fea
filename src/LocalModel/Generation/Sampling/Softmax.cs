namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>What the filters need to know about softmax(logits), computed in double precision.</summary>
/// <param name="Maximum">The largest logit; minus infinity when every token was removed.</param>
/// <param name="LogSum">log of the sum of exp(x - Maximum).</param>
internal readonly record struct Softmax(float Maximum, double LogSum)
{
    /// <summary>Measures a row of logits.</summary>
    public static Softmax Of(ReadOnlySpan<float> logits)
    {
        float maximum = float.NegativeInfinity;
        foreach (float x in logits)
            maximum = Math.Max(maximum, x);
        if (float.IsNegativeInfinity(maximum))
            return new Softmax(maximum, 0);
        double sum = 0;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
                sum += Math.Exp((double)x - maximum);
        return new Softmax(maximum, Math.Log(sum));
    }

    /// <summary>The natural logarithm of a token's probability.</summary>
    public double LogProbability(float logit) => (double)logit - Maximum - LogSum;

    /// <summary>The entropy in nats.</summary>
    public double Entropy(ReadOnlySpan<float> logits)
    {
        double entropy = 0;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
            {
                double logProbability = LogProbability(x);
                entropy -= Math.Exp(logProbability) * logProbability;
            }

        return entropy;
    }
}
