using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>Runs models forward on the processor.</summary>
/// <param name="backend">The kernels.</param>
/// <param name="ownsBackend">Whether the session disposes them.</param>
internal sealed class CpuInferenceSession(Backend backend, bool ownsBackend = false) : InferenceSession
{
    private readonly CpuInferencePass _pass = new(backend);

    public override string Description => backend.Description;

    public override long MemoryBytes => _pass.MemoryBytes;

    public override Pass Begin(CancellationToken cancellationToken = default)
    {
        _pass.Begin(cancellationToken);
        return _pass;
    }

    public override KvCache CreateCache(KvShape shape, int capacityTokens) => new BlockKvCache(shape, capacityTokens);

    public override void Dispose()
    {
        _pass.Dispose();
        if (ownsBackend)
            backend.Dispose();
    }
}

/// <summary>
/// Trains on the processor: gradients and moments are float32 in native memory, weights are changed where the model has them. In steady
/// state a step allocates nothing on the managed heap.
/// </summary>
internal sealed unsafe class CpuTrainingSession : TrainingSession
{
    private readonly Backend _backend;
    private readonly bool _ownsBackend;
    private readonly CpuTrainingPass _pass;
    private readonly CpuInferenceSession _evaluation;
    private readonly Gradients _moment1;
    private readonly Gradients _moment2;

    /// <summary>Creates a session with gradients and moments of zero.</summary>
    /// <param name="parameters">The parameters to train.</param>
    /// <param name="backend">The kernels.</param>
    /// <param name="seed">What random numbers depend on, together with the step and the place in the model.</param>
    /// <param name="ownsBackend">Whether the session disposes the kernels.</param>
    /// <param name="recompute">Whether layers are run once more when they are differentiated.</param>
    public CpuTrainingSession(
        IReadOnlyList<Parameter> parameters, Backend backend, ulong seed = 0, bool ownsBackend = false, bool recompute = false)
        : base(parameters)
    {
        _backend = backend;
        _ownsBackend = ownsBackend;
        _pass = new CpuTrainingPass(backend, seed) { Recompute = recompute };
        _evaluation = new CpuInferenceSession(backend);
        Gradients = new Gradients(parameters);

        // Moments have the layout of gradients.
        _moment1 = new Gradients(parameters);
        _moment2 = new Gradients(parameters);
    }

    /// <summary>The gradients.</summary>
    public Gradients Gradients { get; }

    public override InferenceSession Evaluation => _evaluation;

    public override Pass Begin(long step, int microBatch = 0)
    {
        _pass.Begin(step, microBatch);
        return _pass;
    }

    public override void Backward(Tensor loss, float factor = 1) => _pass.Backward(loss, Gradients, factor);

    public override void ZeroGradients() => Gradients.Zero();

    public override double GradientNorm() => Math.Sqrt(_backend.SumOfSquares(Gradients));

    public override void Update(in AdamWFactors matrices, in AdamWFactors vectors)
    {
        for (int i = 0; i < Parameters.Count; i++)
            Update(i, in Parameters[i].Shape.Length >= 2 ? ref matrices : ref vectors);
    }

    public override void Update(int index, in AdamWFactors factors)
    {
        var parameter = Parameters[index];
        _backend.AdamW(parameter, Gradients.Pointer(parameter), _moment1.Pointer(parameter), _moment2.Pointer(parameter), in factors);
        parameter.Changed();
    }

    public override void OnHost(HostVisit visit)
    {
        foreach (var parameter in Parameters)
            visit(parameter, parameter.Values, Gradients[parameter]);
    }

    public override void ReadGradient(Parameter parameter, Span<float> destination) => Gradients[parameter].CopyTo(destination);

    public override void ReadMoment(Parameter parameter, Moments moment, Span<float> destination)
        => Of(moment)[parameter].CopyTo(destination);

    public override void WriteMoment(Parameter parameter, Moments moment, ReadOnlySpan<float> values)
        => values.CopyTo(Of(moment)[parameter]);

    public override void Dispose()
    {
        _pass.Dispose();
        _evaluation.Dispose();
        Gradients.Dispose();
        _moment1.Dispose();
        _moment2.Dispose();
        if (_ownsBackend)
            _backend.Dispose();
    }

    private Gradients Of(Moments moment) => moment == Moments.First ? _moment1 : _moment2;
}
