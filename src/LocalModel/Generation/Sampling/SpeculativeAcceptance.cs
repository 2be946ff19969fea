namespace Kotonoha.LocalModel.Generation.Sampling;

/// <summary>
/// Decides how many tokens that a small model proposed may stay, so that the tokens that come out are distributed as if the large model had drawn each one
/// (Leviathan et al., 2023; Chen et al., 2023).
/// </summary>
internal static class SpeculativeAcceptance
{
    /// <summary>Accepts tokens up to the first rejection, and draws the one after them.</summary>
    /// <param name="draft">The small model's distributions q, (proposed tokens, vocabulary).</param>
    /// <param name="target">The large model's distributions p, (proposed tokens + 1, vocabulary).</param>
    /// <param name="tokens">The proposed tokens.</param>
    /// <param name="uniforms">A number in [0, 1) for each of them.</param>
    /// <param name="finalUniform">A number in [0, 1) for the token after the accepted ones.</param>
    /// <param name="residual">Receives the distribution that this token is drawn from, (vocabulary).</param>
    /// <returns>How many of the proposed tokens stay, and the token that follows them.</returns>
    public static (int Accepted, int Next) Decide(
        ReadOnlySpan<float> draft, ReadOnlySpan<float> target, ReadOnlySpan<int> tokens, ReadOnlySpan<double> uniforms, double finalUniform, Span<double> residual)
    {
        int vocabulary = residual.Length, accepted = 0;
        while (accepted < tokens.Length && Accepts(draft[accepted * vocabulary + tokens[accepted]], target[accepted * vocabulary + tokens[accepted]], uniforms[accepted]))
            accepted++;

        var p = target.Slice(accepted * vocabulary, vocabulary);
        double sum = 0;
        if (accepted < tokens.Length)
        {
            var q = draft.Slice(accepted * vocabulary, vocabulary);
            for (int id = 0; id < vocabulary; id++)
                sum += residual[id] = Math.Max(0, (double)p[id] - q[id]);
        }

        // Where rounding leaves nothing of the difference, both distributions are the same.
        if (sum <= 0)
            for (int id = 0; id < vocabulary; id++)
                sum += residual[id] = p[id];
        for (int id = 0; id < vocabulary; id++)
            residual[id] /= sum;
        return (accepted, TokenSampler.InverseCdf(residual, finalUniform));
    }

    // u < min(1, p/q), without a division by zero.
    private static bool Accepts(double q, double p, double u) => u * q < p;
}
