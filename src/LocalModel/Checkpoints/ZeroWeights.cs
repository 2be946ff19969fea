using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Checkpoints;

/// <summary>Weights of a fresh model: all there, all zero, in float32.</summary>
public sealed class ZeroWeights : IWeightSource
{
    /// <inheritdoc/>
    public string Path => "(a fresh model)";

    /// <inheritdoc/>
    public bool Contains(string name) => true;

    /// <inheritdoc/>
    public Parameter Take(string name, params ReadOnlySpan<int> shape) => new(name, shape);

    /// <inheritdoc/>
    public void Dispose()
    {
    }
}
