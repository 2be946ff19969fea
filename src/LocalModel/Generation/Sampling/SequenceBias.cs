namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>Adds a bias to the last token of a sequence where the tokens before it match; with one token it is a logit bias, with minus infinity a ban.</summary>
internal sealed class SequenceBias(IReadOnlyList<TokenSequenceBias> biases) : LogitsProcessor
{
    private readonly (int[] Tokens, float Bias)[] biases = [.. biases.Select(b => (b.Tokens.ToArray(), b.Bias))];

    public override void Apply(Span<float> logits, ReadOnlySpan<int> ids, SamplingScratch scratch)
    {
        foreach (var (tokens, bias) in biases)
            if (ids.EndsWith(tokens.AsSpan(0, tokens.Length - 1)))
                logits[tokens[^1]] += bias;
    }
}
