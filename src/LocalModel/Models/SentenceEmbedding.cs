using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>
/// What sentence-transformers does with the hidden states: pooling, then its other modules. A text is processed alone and in the order of
/// its tokens, so that the vector does not depend on its neighbours.
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

/// <summary>A module of sentence-transformers after pooling.</summary>
internal interface IEmbeddingStep
{
    /// <summary>The components that come out when this many go in.</summary>
    int Outputs(int inputs);

    /// <summary>Changes a vector or makes a new one from it.</summary>
    float[] Apply(float[] vector);
}

/// <summary>A linear layer with an activation: y = f(W x + b).</summary>
/// <param name="weight">[outputs, inputs].</param>
/// <param name="bias">[outputs], or null.</param>
/// <param name="inputs">The components that go in.</param>
/// <param name="activation">f: none, tanh, relu or sigmoid.</param>
internal sealed class DenseStep(float[] weight, float[]? bias, int inputs, Activation activation) : IEmbeddingStep
{
    private readonly int _outputs = weight.Length / inputs;

    /// <inheritdoc/>
    public int Outputs(int count)
        => count == inputs
            ? _outputs
            : throw new ArgumentException($"a Dense module takes vectors of {inputs} components, but gets {count}.");

    /// <inheritdoc/>
    public float[] Apply(float[] vector)
    {
        var result = new float[_outputs];
        for (int o = 0; o < _outputs; o++)
        {
            var row = weight.AsSpan(o * inputs, inputs);
            double product = bias is null ? 0 : bias[o];
            for (int i = 0; i < row.Length; i++)
                product += (double)row[i] * vector[i];
            float sum = (float)product;
            result[o] = activation switch
            {
                Activation.None => sum,
                Activation.Tanh => MathF.Tanh(sum),
                Activation.Relu => Math.Max(sum, 0),
                Activation.Sigmoid => 1 / (1 + MathF.Exp(-sum)),
                _ => throw new InvalidOperationException($"{activation} is no activation of a Dense module."),
            };
        }

        return result;
    }
}

/// <summary>Normalises a vector to length one.</summary>
internal sealed class NormalizeStep : IEmbeddingStep
{
    /// <inheritdoc/>
    public int Outputs(int inputs) => inputs;

    /// <inheritdoc/>
    public float[] Apply(float[] vector)
    {
        Normalize(vector);
        return vector;
    }

    /// <summary>Normalises a vector to length one; zeros stay.</summary>
    public static void Normalize(Span<float> vector)
    {
        double squares = 0;
        foreach (float x in vector)
            squares += (double)x * x;
        if (squares == 0)
            return;
        double factor = 1 / Math.Sqrt(squares);
        for (int c = 0; c < vector.Length; c++)
            vector[c] = (float)(vector[c] * factor);
    }
}

/// <summary>
/// How sentence-transformers makes one vector from the vectors of a text's tokens. Several together are put side by side in the order of
/// this list.
/// </summary>
public enum TokenPooling
{
    /// <summary>The first token's.</summary>
    Cls,

    /// <summary>The largest value of each component.</summary>
    Max,

    /// <summary>The mean.</summary>
    Mean,

    /// <summary>The sum divided by the square root of the number of tokens.</summary>
    MeanSqrtLength,

    /// <summary>The mean, token i (from 1) counting i times.</summary>
    WeightedMean,

    /// <summary>The last token's.</summary>
    LastToken,
}
