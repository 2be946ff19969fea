using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>A linear layer, x · W + b, with what an active adapter adds to it.</summary>
/// <param name="Weight">[out, in], or [in, out] by <paramref name="Layout"/>.</param>
/// <param name="Bias">[out], or null.</param>
/// <param name="Layout">How the weight lies in memory.</param>
internal sealed record Linear(Parameter Weight, Parameter? Bias = null, LinearLayout Layout = LinearLayout.OutIn)
{
    /// <summary>The active adapter, or null.</summary>
    public LowRankAdapter? Adapter { get; set; }

    /// <summary>(rows, in) -> (rows, out).</summary>
    public Tensor Forward(Pass pass, Tensor x)
        => Adapter is { } adapter
            ? adapter.Forward(pass, x, pass.Linear(x, Weight, null, Layout), Bias)
            : pass.Linear(x, Weight, Bias, Layout);
}

/// <summary>
/// What an adapter adds to a linear layer: B A x (LoRA, arXiv:2106.09685), and with DoRA (arXiv:2402.09353) a factor on each output.
/// </summary>
/// <param name="Down">A: [rank, in].</param>
/// <param name="Up">B times the scaling: [out, rank].</param>
/// <param name="OutputScale">DoRA's magnitude over the length of each output's weights: [out]; null for LoRA.</param>
internal sealed record LowRankAdapter(Parameter Down, Parameter Up, Parameter? OutputScale) : IDisposable
{
    /// <summary>(rows, in) and the layer's own product (rows, out) -> (rows, out).</summary>
    public Tensor Forward(Pass pass, Tensor x, Tensor product, Parameter? bias)
    {
        var y = pass.Add(product, pass.Linear(pass.Linear(x, Down), Up));
        if (OutputScale is not null)
            y = pass.Multiply(y, pass.FromParameter(OutputScale));
        return bias is null ? y : pass.Add(y, pass.FromParameter(bias));
    }

    public void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
        OutputScale?.Dispose();
    }
}
