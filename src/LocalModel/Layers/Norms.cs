using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>Layer normalisation (arXiv:1607.06450).</summary>
/// <param name="Weight">[width].</param>
/// <param name="Bias">[width].</param>
/// <param name="Epsilon">What is added to the variance.</param>
internal sealed record LayerNorm(Parameter Weight, Parameter Bias, float Epsilon)
{
    /// <summary>(rows, width) -> (rows, width).</summary>
    public Tensor Forward(Pass pass, Tensor x) => pass.LayerNorm(x, Weight, Bias, Epsilon);
}

/// <summary>Root-mean-square normalisation (arXiv:1910.07467).</summary>
/// <param name="Weight">[width].</param>
/// <param name="Epsilon">What is added to the mean square.</param>
/// <param name="WeightOffset">What is added to the weight: 1 for Gemma, which stores it as a difference from one.</param>
internal sealed record RmsNorm(Parameter Weight, float Epsilon, float WeightOffset = 0)
{
    /// <summary>(rows, width) -> (rows, width).</summary>
    public Tensor Forward(Pass pass, Tensor x) => pass.RmsNorm(x, Weight, Epsilon, WeightOffset);

    /// <summary>Each head by itself: (rows, heads · width) -> (rows, heads · width).</summary>
    public Tensor ForwardByHead(Pass pass, Tensor x)
    {
        int width = Weight.Length;
        var heads = pass.Reshape(x, x.Rows * (x.Columns / width), width);
        return pass.Reshape(Forward(pass, heads), x.Rows, x.Columns);
    }
}
