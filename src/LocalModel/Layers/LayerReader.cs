using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Layers;

/// <summary>
/// Builds layers from a source of weights, and keeps a list of what it took: a model's parameters in the order of its checkpoint.
/// </summary>
/// <param name="weights">The source.</param>
internal sealed class LayerReader(IWeightSource weights)
{
    /// <summary>The parameters, in the order in which they were taken.</summary>
    public List<Parameter> Parameters { get; } = [];

    /// <summary>The linear layers, which adapters may be attached to.</summary>
    public List<Linear> Linears { get; } = [];

    /// <summary>A parameter.</summary>
    public Parameter Parameter(string name, params ReadOnlySpan<int> shape)
    {
        var parameter = weights.Take(name, shape);
        Parameters.Add(parameter);
        return parameter;
    }

    /// <summary>A linear layer: <c>NAME.weight</c> [out, in] (or [in, out] by the layout) and <c>NAME.bias</c> [out].</summary>
    public Linear Linear(string name, int inputs, int outputs, bool bias = true, LinearLayout layout = LinearLayout.OutIn)
    {
        var weight = layout == LinearLayout.OutIn
            ? Parameter(name + ".weight", outputs, inputs)
            : Parameter(name + ".weight", inputs, outputs);
        return Linear(weight, bias ? Parameter(name + ".bias", outputs) : null, layout);
    }

    /// <summary>A linear layer of parameters that were taken already.</summary>
    public Linear Linear(Parameter weight, Parameter? bias = null, LinearLayout layout = LinearLayout.OutIn)
    {
        var linear = new Linear(weight, bias, layout);
        Linears.Add(linear);
        return linear;
    }

    /// <summary>An embedding: <c>NAME.weight</c> [rows, width].</summary>
    public Embedding Embedding(string name, int rows, int width) => new(Parameter(name + ".weight", rows, width));

    /// <summary>A layer norm: <c>NAME.weight</c> and <c>NAME.bias</c>, [width].</summary>
    public LayerNorm LayerNorm(string name, int width, float epsilon)
        => new(Parameter(name + ".weight", width), Parameter(name + ".bias", width), epsilon);

    /// <summary>A norm by the root mean square: <c>NAME.weight</c>, [width].</summary>
    public RmsNorm RmsNorm(string name, int width, float epsilon, float weightOffset = 0)
        => new(Parameter(name + ".weight", width), epsilon, weightOffset);
}
