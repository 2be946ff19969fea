namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Removes tokens below a fixed probability (epsilon sampling), or below min(ε, sqrt(ε)·exp(-entropy)) (eta sampling; Hewitt et al., 2022).</summary>
internal sealed class ProbabilityCutoff(float epsilon, bool entropyAware, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        double limit = entropyAware ? Math.Min(epsilon, Math.Sqrt(epsilon) * Math.Exp(-softmax.Entropy(logits))) : epsilon;
        float alwaysKept = TopK.KthLargest(logits, minTokensToKeep, scratch);
        for (int id = 0; id < logits.Length; id++)
            if (logits[id] < alwaysKept && Math.Exp(softmax.LogProbability(logits[id])) < limit)
                logits[id] = float.NegativeInfinity;
    }
}
