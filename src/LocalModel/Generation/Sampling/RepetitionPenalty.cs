namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Makes every token that has occurred less likely: a positive logit is divided by the penalty, a negative one multiplied (Keskar et al., 2019, CTRL).</summary>
internal sealed class RepetitionPenalty(float penalty, int ignoreFirst = 0) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        scratch.ClearMarks();
        foreach (int id in ids[Math.Min(ignoreFirst, ids.Length)..])
            if (scratch.Mark(id))
                logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
    }
}
