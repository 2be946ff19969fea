using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// Where a model's weights come from: zeros for a fresh one, a Hugging Face folder, a GGUF file. A model file asks for each weight by the
/// name that transformers gives it (<c>model.layers.0.self_attn.q_proj.weight</c>); the source knows how its files spell it, and in which
/// format it is kept.
/// </summary>
internal interface IWeightSource : IDisposable
{
    /// <summary>The folder or file, for error texts.</summary>
    string Path { get; }

    /// <summary>Whether the source has a weight.</summary>
    /// <param name="name">The name in transformers' spelling.</param>
    bool Contains(string name);

    /// <summary>
    /// A weight as a new parameter, which belongs to the caller; read, mapped or raised to float32 as the source was opened for.
    /// </summary>
    /// <param name="name">The name in transformers' spelling.</param>
    /// <param name="shape">The dimensions, outermost first.</param>
    /// <exception cref="CheckpointException">The source has no such weight, or it has another shape or a type that cannot be
    /// used.</exception>
    Parameter Take(string name, params ReadOnlySpan<int> shape);
}

/// <summary>Weights of a fresh model: all there, all zero, in float32.</summary>
internal sealed class ZeroWeights : IWeightSource
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

/// <summary>The weights of another source; each one that is taken is reported.</summary>
/// <param name="inner">The other source, which is disposed with this one.</param>
/// <param name="total">How many weights it has.</param>
/// <param name="progress">Told about each weight, as the stage <c>load</c>.</param>
internal sealed class ReportedWeights(IWeightSource inner, int total, IProgress<ProgressReport> progress) : IWeightSource
{
    private int _taken;

    /// <inheritdoc/>
    public string Path => inner.Path;

    /// <inheritdoc/>
    public bool Contains(string name) => inner.Contains(name);

    /// <inheritdoc/>
    public Parameter Take(string name, params ReadOnlySpan<int> shape)
    {
        var parameter = inner.Take(name, shape);
        progress.Report(new ProgressReport("load", ++_taken, Math.Max(total, _taken), name));
        return parameter;
    }

    /// <inheritdoc/>
    public void Dispose() => inner.Dispose();
}
