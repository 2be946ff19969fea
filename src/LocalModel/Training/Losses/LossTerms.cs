using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Training.Losses;

/// <summary>What the formulas of several losses have in common, in the operations of a pass.</summary>
internal static class LossTerms
{
    /// <summary>σ(x).</summary>
    public static Tensor Sigmoid(this Pass pass, Tensor x) => pass.Activate(x, Activation.Sigmoid);

    /// <summary>log σ(x) = −softplus(−x), which overflows nowhere.</summary>
    public static Tensor LogSigmoid(this Pass pass, Tensor x) => pass.Scale(pass.Activate(pass.Scale(x, -1), Activation.Softplus), -1);

    /// <summary>
    /// log(1 − eˣ) for x &lt; 0, as log tanh(−x/2) + softplus(x): neither an x near 0 nor a very negative one loses its digits.
    /// </summary>
    public static Tensor LogOneMinusExp(this Pass pass, Tensor x)
        => pass.Add(pass.Log(pass.Activate(pass.Scale(x, -0.5f), Activation.Tanh)), pass.Activate(x, Activation.Softplus));

    /// <summary>factor · x + offset.</summary>
    public static Tensor Affine(this Pass pass, Tensor x, float factor, float offset)
    {
        var scaled = factor == 1 ? x : pass.Scale(x, factor);
        return offset == 0 ? scaled : pass.Add(scaled, pass.Constant([offset], 1, 1));
    }

    /// <summary>x².</summary>
    public static Tensor Square(this Pass pass, Tensor x) => pass.Multiply(x, x);

    /// <summary>Numbers as a column: (values, 1).</summary>
    public static Tensor Column(this Pass pass, ReadOnlySpan<float> values) => pass.Constant(values, values.Length, 1);

    /// <summary>
    /// The sum of each row over the places where the mask is 1: (rows, 1). x may be a single column, which counts everywhere.
    /// </summary>
    public static Tensor MaskedRowSum(this Pass pass, Tensor x, Tensor mask) => pass.RowSum(pass.Multiply(mask, x));

    /// <summary>The mean of each row over the places where the mask is 1, 0 for a row without any: (rows, 1).</summary>
    public static Tensor MaskedRowMean(this Pass pass, Tensor x, Tensor mask)
        => pass.Divide(pass.MaskedRowSum(x, mask), pass.Clamp(pass.RowSum(mask), 1, float.PositiveInfinity));

    /// <summary>The mean over the places where the mask is 1: (1, 1).</summary>
    public static Tensor MaskedMean(this Pass pass, Tensor x, Tensor mask)
        => pass.Divide(pass.Sum(pass.Multiply(mask, x)), pass.Clamp(pass.Sum(mask), 1, float.PositiveInfinity));

    /// <summary>The values of a tensor, kept past the next operation.</summary>
    public static float[] Values(this Pass pass, Tensor x) => pass.Read(x).ToArray();

    /// <summary>Rows in a range: (count, columns).</summary>
    public static Tensor Rows(this Pass pass, Tensor x, int start, int count)
        => pass.SelectRows(x, [.. Enumerable.Range(start, count)]);
}
