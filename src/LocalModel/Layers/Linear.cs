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

    /// <summary>The width of the rows that go in.</summary>
    public int Inputs => Weight.Shape[Layout == LinearLayout.OutIn ? 1 : 0];

    /// <summary>The width of the rows that come out.</summary>
    public int Outputs => Weight.Shape[Layout == LinearLayout.OutIn ? 0 : 1];

    /// <summary>(rows, in) -> (rows, out).</summary>
    public Tensor Forward(Pass pass, Tensor x)
        => Adapter is { } adapter
            ? adapter.Forward(pass, x, pass.Linear(x, Weight, null, Layout), Bias)
            : pass.Linear(x, Weight, Bias, Layout);
}

/// <summary>
/// What an adapter adds to a linear layer: B A x (LoRA, arXiv:2106.09685), and with DoRA (arXiv:2402.09353) a factor on each output.
/// </summary>
internal abstract class LowRankAdapter(Parameter down, Parameter up) : IDisposable
{
    /// <summary>A: [rank, in].</summary>
    public Parameter Down { get; } = down;

    /// <summary>B: [out, rank].</summary>
    public Parameter Up { get; } = up;

    /// <summary>(rows, in) and the layer's own product (rows, out) -> (rows, out).</summary>
    public abstract Tensor Forward(Pass pass, Tensor x, Tensor product, Parameter? bias);

    public virtual void Dispose()
    {
        Down.Dispose();
        Up.Dispose();
    }
}

/// <summary>An adapter that was read and is used: the scaling is part of B, the factors of DoRA are known.</summary>
/// <param name="down">A: [rank, in].</param>
/// <param name="up">B times the scaling: [out, rank].</param>
/// <param name="outputScale">DoRA's magnitude over the length of each output's weights: [out]; null for LoRA.</param>
internal sealed class FixedAdapter(Parameter down, Parameter up, Parameter? outputScale) : LowRankAdapter(down, up)
{
    public override Tensor Forward(Pass pass, Tensor x, Tensor product, Parameter? bias)
    {
        var y = pass.Add(product, pass.Linear(pass.Linear(x, Down), Up));
        if (outputScale is not null)
            y = pass.Multiply(y, pass.FromParameter(outputScale));
        return bias is null ? y : pass.Add(y, pass.FromParameter(bias));
    }

    public override void Dispose()
    {
        base.Dispose();
        outputScale?.Dispose();
    }
}

/// <summary>How strongly an adapter counts, as PEFT's settings have it.</summary>
/// <param name="Alpha">α: B A is multiplied by α / rank.</param>
/// <param name="RankStabilized">Whether it is α / √rank instead (rsLoRA, arXiv:2312.03732).</param>
/// <param name="Dropout">The probability with which elements of x are left out of the adapter's part in training.</param>
internal sealed record AdapterScaling(double Alpha, bool RankStabilized, float Dropout)
{
    /// <summary>The factor of B A.</summary>
    public float Of(int rank) => (float)(Alpha / (RankStabilized ? Math.Sqrt(rank) : rank));
}

/// <summary>An adapter that is trained. DoRA's lengths of outputs count as constants in the backward pass, as its authors
/// propose.</summary>
/// <param name="down">A: [rank, in].</param>
/// <param name="up">B: [out, rank].</param>
/// <param name="magnitude">DoRA's lengths of outputs: [out]; null for LoRA.</param>
/// <param name="scaling">The factor of B A.</param>
internal sealed class TrainedAdapter(Parameter down, Parameter up, Parameter? magnitude, AdapterScaling scaling) : LowRankAdapter(down, up)
{
    private readonly float _factor = scaling.Of(down.Shape[0]);
    private readonly float[] _inverseLengths = magnitude is null ? [] : new float[magnitude.Length];
    private double[]? _squares;

    public AdapterScaling Scaling { get; } = scaling;

    public Parameter? Magnitude { get; } = magnitude;

    /// <summary>What is trained.</summary>
    public IEnumerable<Parameter> Parameters => Magnitude is null ? [Down, Up] : [Down, Up, Magnitude];

    public override Tensor Forward(Pass pass, Tensor x, Tensor product, Parameter? bias)
    {
        var delta = pass.Linear(pass.Linear(pass.Dropout(x, Scaling.Dropout), Down), Up);
        var y = pass.Add(product, pass.Scale(delta, _factor));
        if (Magnitude is not null)
        {
            var lengths = pass.Constant(_inverseLengths, 1, _inverseLengths.Length);
            y = pass.Multiply(y, pass.Multiply(pass.FromParameter(Magnitude), lengths));
        }

        return bias is null ? y : pass.Add(y, pass.FromParameter(bias));
    }

    /// <summary>
    /// Computes the lengths of the outputs' weights anew, ‖W + s·B·A‖ = √(‖W‖² + 2s·B·(A·Wᵀ) + s²·B·(A·Aᵀ)·Bᵀ), without making the matrix.
    /// </summary>
    /// <param name="layer">The layer.</param>
    /// <param name="session">What runs the products.</param>
    public void Refresh(Linear layer, InferenceSession session)
    {
        if (Magnitude is null)
            return;
        int rank = Down.Shape[0], outputs = layer.Outputs;
        _squares ??= Squares(layer);
        var pass = session.Begin();
        var a = pass.FromParameter(Down);                                    // (rank, in)
        var products = pass.Linear(a, layer.Weight, null, layer.Layout);     // (rank, out)
        var gram = pass.MatMul(a, a, transposeB: true);                      // (rank, rank)
        float[] cross = pass.Read(products).ToArray(), inner = pass.Read(gram).ToArray();
        var b = new float[Up.Length];
        Up.Read(b);
        for (int o = 0; o < outputs; o++)
        {
            double sum = _squares[o];
            for (int k = 0; k < rank; k++)
            {
                double mixed = 0;
                for (int j = 0; j < rank; j++)
                    mixed += inner[k * rank + j] * (double)b[o * rank + j];
                sum += b[o * rank + k] * _factor * (2.0 * cross[k * outputs + o] + _factor * mixed);
            }

            _inverseLengths[o] = (float)(1 / Math.Sqrt(Math.Max(sum, float.Epsilon)));
        }
    }

    public override void Dispose()
    {
        base.Dispose();
        Magnitude?.Dispose();
    }

    /// <summary>The squared lengths of the outputs' weights.</summary>
    internal static double[] Squares(Linear layer)
    {
        var values = new float[layer.Weight.Length];
        layer.Weight.Read(values);
        var squares = new double[layer.Outputs];
        bool outIn = layer.Layout == LinearLayout.OutIn;
        for (int i = 0; i < values.Length; i++)
            squares[outIn ? i / layer.Inputs : i % layer.Outputs] += (double)values[i] * values[i];
        return squares;
    }
}
