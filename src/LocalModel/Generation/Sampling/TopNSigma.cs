namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Removes tokens whose logit lies more than n standard deviations below the best (Tang et al., 2024).</summary>
internal sealed class TopNSigma(float n) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        double sum = 0, squares = 0;
        int count = 0;
        float maximum = float.NegativeInfinity;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
            {
                maximum = Math.Max(maximum, x);
                sum += x;
                count++;
            }

        if (count == 0)
            return;
        double mean = sum / count;
        foreach (float x in logits)
            if (x > float.NegativeInfinity)
                squares += (x - mean) * (x - mean);
        double least = maximum - n * Math.Sqrt(squares / count);
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] < least)
                logits[id] = float.NegativeInfinity;
    }
}
