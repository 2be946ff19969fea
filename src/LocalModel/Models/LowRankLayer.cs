using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Models;

/// <summary>What an adapter adds to one linear layer: B A x (LoRA, arXiv:2106.09685), and with DoRA (arXiv:2402.09353) a factor on each output.</summary>
/// <param name="down">A: [rank, in].</param>
/// <param name="up">B times the scaling: [out, rank].</param>
/// <param name="outputScale">DoRA's magnitude over the length of each output's weights: [out]; null for LoRA.</param>
internal sealed class LowRankLayer(Parameter down, Parameter up, Parameter? outputScale) : IDisposable
{
    public Tensor Apply(Pass pass, Tensor x, Tensor product, Parameter? bias)
    {
        var y = pass.Add(product, pass.Linear(pass.Linear(x, down), up));
        if (outputScale is not null)
            y = pass.Multiply(y, pass.FromParameter(outputScale));
        return bias is null ? y : pass.Add(y, pass.FromParameter(bias));
    }

    public void Dispose()
    {
        down.Dispose();
        up.Dispose();
        outputScale?.Dispose();
    }
}
