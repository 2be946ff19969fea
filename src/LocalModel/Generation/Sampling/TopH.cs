namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Keeps the most probable tokens while their entropy stays within a share of the entropy of the hundred best (Top-H decoding, 2025).</summary>
internal sealed class TopH(float share, int candidates = TopH.DefaultCandidates) : LogitsProcessor
{
    public const int DefaultCandidates = 100;

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        float least = TopK.KthLargest(logits, candidates, scratch);
        var sorted = scratch.SortDescending(logits, least);
        sorted = sorted[..Math.Min(candidates, sorted.Length)];
        if (sorted.IsEmpty)
            return;
        float maximum = logits[SamplingScratch.IdOf(sorted[0])];
        double sum = 0;
        foreach (ulong key in sorted)
            sum += Math.Exp((double)logits[SamplingScratch.IdOf(key)] - maximum);
        double logSum = Math.Log(sum), entropy = 0;
        foreach (ulong key in sorted)
            entropy += Information(logits[SamplingScratch.IdOf(key)], maximum, logSum);
        double cumulative = Information(maximum, maximum, logSum);
        int kept = 1;
        while (kept < sorted.Length)
        {
            cumulative += Information(logits[SamplingScratch.IdOf(sorted[kept])], maximum, logSum);
            if (cumulative > share * entropy)
                break;
            kept++;
        }

        TopP.KeepFirst(logits, sorted, kept, scratch);
    }

    private static double Information(float logit, float maximum, double logSum)
    {
        double logProbability = (double)logit - maximum - logSum;
        return -Math.Exp(logProbability) * logProbability;
    }
}
