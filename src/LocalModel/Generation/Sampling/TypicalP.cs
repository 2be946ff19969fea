namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Locally typical sampling: keeps the tokens whose information is nearest to the entropy until their mass reaches p (Meister et al., 2023).</summary>
internal sealed class TypicalP(float mass, int minTokensToKeep = 1) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        double entropy = softmax.Entropy(logits);
        var distances = scratch.Values.AsSpan(0, logits.Length);
        for (int id = 0; id < logits.Length; id++)
            distances[id] = (float)Math.Abs(-softmax.LogProbability(logits[id]) - entropy);
        var sorted = scratch.SortAscending(logits, distances);
        int reached = 0;
        double sum = 0;
        foreach (ulong key in sorted)
        {
            sum += Math.Exp(softmax.LogProbability(logits[SamplingScratch.IdOf(key)]));
            if (sum >= mass)
                break;
            reached++;
        }

        float limit = distances[SamplingScratch.IdOf(sorted[Math.Min(reached, sorted.Length - 1)])];
        for (int rank = Math.Min(minTokensToKeep, sorted.Length); rank < sorted.Length; rank++)
        {
            int id = SamplingScratch.IdOf(sorted[rank]);
            if (distances[id] > limit)
                logits[id] = float.NegativeInfinity;
        }
    }
}
