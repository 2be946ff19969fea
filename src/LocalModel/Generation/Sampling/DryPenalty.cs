namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>"Don't repeat yourself": the longer the repeated run that a token would extend, the more it loses: multiplier · base^(length - allowed length).</summary>
internal sealed class DryPenalty(float multiplier, float @base, int allowedLength, IReadOnlyList<int> sequenceBreakers) : LogitsProcessor
{
    private const int MaximumMatch = 50;
    private readonly int[] breakers = [.. sequenceBreakers];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < 2 || breakers.AsSpan().Contains(ids[^1]))
            return;
        int last = ids.Length - 1;
        for (int i = 0; i < last; i++)
        {
            if (ids[i] != ids[last])
                continue;
            int length = 1;
            while (length < MaximumMatch && i - length >= 0 && ids[i - length] == ids[last - length] && !breakers.AsSpan().Contains(ids[i - length]))
                length++;
            ref int longest = ref scratch.Counts[ids[i + 1]];
            longest = Math.Max(longest, length);
        }

        foreach (int id in ids)
        {
            int length = scratch.Counts[id];
            scratch.Counts[id] = 0;
            if (length > 0 && length >= allowedLength)
                logits[id] -= (float)(multiplier * Math.Pow(@base, length - allowedLength));
        }
    }
}
