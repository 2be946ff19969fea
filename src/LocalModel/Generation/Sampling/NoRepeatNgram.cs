namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Bans every token that would complete an n-gram that the sequence already holds.</summary>
internal sealed class NoRepeatNgram(int size) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < size)
            return;
        var tail = ids[(ids.Length - size + 1)..];
        for (int start = 0; start + size <= ids.Length; start++)
            if (ids.Slice(start, size - 1).SequenceEqual(tail))
                logits[ids[start + size - 1]] = float.NegativeInfinity;
    }
}
