namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Mirostat 2: cuts the distribution so that the surprise of the chosen tokens stays near a target (Basu et al., 2020). One instance a sequence.</summary>
/// <param name="target">The surprise aimed at, in bits.</param>
/// <param name="learningRate">How fast the cut follows.</param>
internal sealed class Mirostat(double target, double learningRate)
{
    /// <summary>The greatest surprise that is let through, in bits; it starts at twice the target and moves with every draw.</summary>
    public double Limit { get; private set; } = 2 * target;

    /// <summary>Draws a token by inverse CDF in descending order of probability, and moves the limit.</summary>
    /// <param name="logits">One score a token.</param>
    /// <param name="u">A number in [0, 1).</param>
    /// <param name="scratch">Working memory.</param>
    public int Next(ReadOnlySpan<float> logits, double u, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        var sorted = scratch.SortDescending(logits);
        var weights = scratch.Weights.AsSpan(0, sorted.Length);
        int kept = 0;
        double sum = 0;
        foreach (ulong key in sorted)
        {
            double logProbability = softmax.LogProbability(logits[SamplingScratch.IdOf(key)]);
            if (kept > 0 && -logProbability / Math.Log(2) > Limit)
                break;
            sum += weights[kept++] = Math.Exp(logProbability);
        }

        int rank = TokenSampler.InverseCdf(weights[..kept], u);
        double surprise = -Math.Log2(weights[rank] / sum);
        Limit -= learningRate * (surprise - target);
        return SamplingScratch.IdOf(sorted[rank]);
    }
}
