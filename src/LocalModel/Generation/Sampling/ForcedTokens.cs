namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Leaves only the given tokens, with logit 0, when the sequence has exactly the given length.</summary>
internal sealed class ForcedTokens(IReadOnlyList<int> tokens, int length) : LogitsProcessor
{
    private readonly int[] tokens = [.. tokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length != length)
            return;
        logits.Fill(float.NegativeInfinity);
        foreach (int id in tokens)
            logits[id] = 0;
    }
}
