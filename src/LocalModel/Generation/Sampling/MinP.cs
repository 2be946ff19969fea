namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Removes tokens whose probability is below min-p times that of the best (Nguyen et al., 2024).</summary>
internal sealed class MinP(float minP, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        float maximum = Softmax.Of(logits).Maximum;
        if (float.IsNegativeInfinity(maximum))
            return;
        int kept = 0;
        foreach (float x in logits)
            if (Keeps(x, maximum))
                kept++;
        if (kept < minTokensToKeep)
        {
            var sorted = scratch.SortDescending(logits);
            TopP.KeepFirst(logits, sorted, Math.Min(minTokensToKeep, sorted.Length), scratch);
            return;
        }

        for (int id = 0; id < logits.Length; id++)
            if (!Keeps(logits[id], maximum))
                logits[id] = float.NegativeInfinity;
    }

    private bool Keeps(float x, float maximum) => x > float.NegativeInfinity && Math.Exp((double)x - maximum) >= minP;
}
