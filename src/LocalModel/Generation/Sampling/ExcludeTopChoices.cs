namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>XTC: of the tokens that reach a probability, removes all but the least probable, when there are at least two.</summary>
internal sealed class ExcludeTopChoices(float threshold) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        var sorted = scratch.SortDescending(logits);
        int reaching = 0;
        while (reaching < sorted.Length && Math.Exp(softmax.LogProbability(logits[SamplingScratch.IdOf(sorted[reaching])])) >= threshold)
            reaching++;
        for (int rank = 0; rank < reaching - 1; rank++)
            logits[SamplingScratch.IdOf(sorted[rank])] = float.NegativeInfinity;
    }
}
