namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Takes presence + frequency · count off the logit of every token that was generated (not of those in the prompt alone), as OpenAI's API defines it.</summary>
internal sealed class PresenceFrequencyPenalty(float presence, float frequency, int countFrom) : LogitsProcessor
{
    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        var counted = ids[Math.Min(countFrom, ids.Length)..];
        foreach (int id in counted)
            scratch.Counts[id]++;
        foreach (int id in counted)
        {
            int count = scratch.Counts[id];
            if (count > 0)
                logits[id] -= presence + frequency * count;
            scratch.Counts[id] = 0;
        }
    }
}
