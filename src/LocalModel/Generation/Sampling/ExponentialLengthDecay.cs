namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>From a start length on, the end tokens gain |x| · (factor^(length - start) - 1).</summary>
internal sealed class ExponentialLengthDecay(int start, double factor, IReadOnlyList<int> endTokens) : LogitsProcessor
{
    private readonly int[] endTokens = [.. endTokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length <= start)
            return;
        foreach (int id in endTokens)
            if (logits[id] > float.NegativeInfinity)
                logits[id] += (float)(Math.Abs(logits[id]) * (Math.Pow(factor, ids.Length - start) - 1));
    }
}
