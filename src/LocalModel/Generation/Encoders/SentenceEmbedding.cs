namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>
/// What sentence-transformers does with the hidden states: pooling, then its other modules. A text is worked on alone and in the order of its tokens, so
/// that the vector does not depend on its neighbours.
/// </summary>
/// <param name="width">The width of the hidden states.</param>
/// <param name="poolings">The poolings, put side by side.</param>
/// <param name="steps">What follows.</param>
internal sealed class SentenceEmbedding(int width, IReadOnlyList<TokenPooling> poolings, IReadOnlyList<IEmbeddingStep> steps)
{
    // What sentence-transformers puts in place of tokens that do not count.
    private const float MaskedValue = -1e9f;
    private const float LeastWeight = 1e-9f;

    /// <summary>The components of a vector.</summary>
    public int Dimensions { get; } = steps.Aggregate(width * poolings.Count, (dimensions, step) => step.Outputs(dimensions));

    /// <summary>Makes the vector of a text.</summary>
    /// <param name="hidden">(tokens, width).</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="excluded">The leading tokens that do not count (the prompt's); the first token's pooling takes it all the same.</param>
    public float[] Pool(ReadOnlySpan<float> hidden, int tokens, int excluded)
    {
        var vector = new float[width * poolings.Count];
        excluded = Math.Min(excluded, tokens);
        for (int i = 0; i < poolings.Count; i++)
            Pool(poolings[i], hidden, tokens, excluded, vector.AsSpan(i * width, width));
        foreach (var step in steps)
            vector = step.Apply(vector);
        return vector;
    }

    private void Pool(TokenPooling pooling, ReadOnlySpan<float> hidden, int tokens, int excluded, Span<float> result)
    {
        switch (pooling)
        {
            case TokenPooling.Cls:
                hidden[..width].CopyTo(result);
                return;
            case TokenPooling.LastToken:
                if (excluded < tokens)
                    hidden.Slice((tokens - 1) * width, width).CopyTo(result);
                return;
            case TokenPooling.Max:
                result.Fill(MaskedValue);
                for (int t = excluded; t < tokens; t++)
                {
                    var row = hidden.Slice(t * width, width);
                    for (int c = 0; c < result.Length; c++)
                        result[c] = Math.Max(result[c], row[c]);
                }

                return;
        }

        float weights = 0;
        for (int t = excluded; t < tokens; t++)
        {
            var row = hidden.Slice(t * width, width);
            float weight = pooling == TokenPooling.WeightedMean ? t + 1 : 1;
            for (int c = 0; c < result.Length; c++)
                result[c] += weight * row[c];
            weights += weight;
        }

        weights = Math.Max(weights, LeastWeight);
        float divisor = pooling == TokenPooling.MeanSqrtLength ? MathF.Sqrt(weights) : weights;
        foreach (ref float x in result)
            x /= divisor;
    }
}
