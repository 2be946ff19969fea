namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Nucleus sampling: keeps the smallest set of most probable tokens whose mass reaches p (Holtzman et al., 2020).</summary>
internal sealed class TopP(float p, int minTokensToKeep = 1) : LogitsProcessor
{
    // Tokens this far (in nats) below the best are only sorted when the ones above do not hold the mass.
    private const float FirstLook = 10;

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (p >= 1)
            return;
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        float floor = softmax.Maximum - FirstLook;
        while (true)
        {
            var sorted = scratch.SortDescending(logits, floor);
            bool complete = float.IsNegativeInfinity(floor);
            double before = 0;
            for (int rank = 0; rank < sorted.Length; rank++)
            {
                int id = SamplingScratch.IdOf(sorted[rank]);
                if (rank >= minTokensToKeep && before >= p)
                {
                    KeepFirst(logits, sorted, rank, scratch);
                    return;
                }

                before += Math.Exp(softmax.LogProbability(logits[id]));
            }

            if (complete || (before >= p && sorted.Length >= minTokensToKeep))
            {
                KeepFirst(logits, sorted, sorted.Length, scratch);
                return;
            }

            floor = float.NegativeInfinity;
        }
    }

    /// <summary>Removes every token but the first ones of a sorted list.</summary>
    internal static void KeepFirst(Span<float> logits, ReadOnlySpan<ulong> sorted, int count, SamplingScratch scratch)
    {
        scratch.ClearMarks();
        foreach (ulong key in sorted[..count])
            scratch.Mark(SamplingScratch.IdOf(key));
        for (int id = 0; id < logits.Length; id++)
            if (scratch.Mark(id))
                logits[id] = float.NegativeInfinity;
    }
}
