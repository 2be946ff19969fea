using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Generation.Encoders;

/// <summary>A linear layer with an activation: y = f(W x + b).</summary>
/// <param name="weight">[outputs, inputs].</param>
/// <param name="bias">[outputs], or null.</param>
/// <param name="inputs">The components that go in.</param>
/// <param name="activation">f: none, tanh, relu or sigmoid.</param>
internal sealed class DenseStep(float[] weight, float[]? bias, int inputs, Activation activation) : IEmbeddingStep
{
    private readonly int outputs = weight.Length / inputs;

    /// <inheritdoc/>
    public int Outputs(int count)
        => count == inputs ? outputs : throw new ArgumentException($"a Dense module takes vectors of {inputs} components, but gets {count}.");

    /// <inheritdoc/>
    public float[] Apply(float[] vector)
    {
        var result = new float[outputs];
        for (int o = 0; o < outputs; o++)
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
