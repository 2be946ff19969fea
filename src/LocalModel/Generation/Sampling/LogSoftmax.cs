namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Turns logits into log-probabilities.</summary>
internal sealed class LogSoftmax : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var softmax = Softmax.Of(logits);
        if (float.IsNegativeInfinity(softmax.Maximum))
            return;
        for (int id = 0; id < logits.Length; id++)
            logits[id] = (float)softmax.LogProbability(logits[id]);
    }
}
