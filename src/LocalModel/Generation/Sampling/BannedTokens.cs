namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Bans tokens while the sequence's length is in [from, until): the end tokens below a minimum length, or tokens that are never wanted.</summary>
internal sealed class BannedTokens(IReadOnlyList<int> tokens, int from = 0, int until = int.MaxValue) : LogitsProcessor
{
    private readonly int[] tokens = [.. tokens];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        if (ids.Length < from || ids.Length >= until)
            return;
        foreach (int id in tokens)
            logits[id] = float.NegativeInfinity;
    }
}
