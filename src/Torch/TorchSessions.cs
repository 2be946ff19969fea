using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Tensors;
using static TorchSharp.torch;
using Tensor = Kotonoha.LocalModel.Tensors.Tensor;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>Runs models forward on a device of torch's.</summary>
internal sealed class TorchInferenceSession : InferenceSession
{
    private readonly TorchWeights _weights;
    private readonly TorchPass _pass;
    private readonly bool _ownsWeights;
    private readonly List<TorchKvCache> _caches = [];

    /// <summary>Creates a session.</summary>
    /// <param name="weights">Gives the device's copies of parameters.</param>
    /// <param name="ownsWeights">Whether the session disposes them.</param>
    public TorchInferenceSession(TorchWeights weights, bool ownsWeights = true)
    {
        _weights = weights;
        _ownsWeights = ownsWeights;
        _pass = new TorchPass(weights.Settings, weights, isTraining: false);
    }

    public override string Description => _weights.Settings.Description;

    public override long MemoryBytes => _weights.Bytes + _pass.MemoryBytes + _caches.Sum(c => c.Bytes);

    public override IReadOnlyList<string> Load(IReadOnlyList<Parameter> parameters)
    {
        foreach (var parameter in parameters)
            _weights.Get(parameter, withGradient: false);
        var quantized = parameters.Where(p => p.Format.IsQuantized()).ToArray();
        if (quantized.Length == 0)
            return [];
        long stored = quantized.Sum(p => p.Bytes);
        long raised = quantized.Sum(p => (long)p.Length) * (_weights.Settings.Type == ScalarType.BFloat16 ? 2 : 4);
        return
        [
            FormattableString.Invariant($"{_weights.Settings.Name} has no products with quantised weights: {quantized.Length} weights of ")
                + FormattableString.Invariant($"{stored >> 20:N0} MB are held as {raised >> 20:N0} MB of ")
                + $"{(_weights.Settings.Type == ScalarType.BFloat16 ? "bfloat16" : "single precision")}."
        ];
    }

    public override Pass Begin(CancellationToken cancellationToken = default)
    {
        _pass.Begin(cancellationToken);
        return _pass;
    }

    public override KvCache CreateCache(KvShape shape, int capacityTokens)
    {
        var cache = new TorchKvCache(_weights.Settings, shape, capacityTokens);
        _caches.Add(cache);
        return cache;
    }

    public override Exception? Explain(Exception exception)
        => TorchErrors.OutOfMemory(exception, _weights.Settings, $"weights {_weights.Bytes >> 20:N0} MB, key/value cache "
            + $"{_caches.Sum(c => c.Bytes) >> 20:N0} MB. Lower CacheTokens or ContextLength, or use a smaller model or bf16.");

    public override void Dispose()
    {
        _pass.Dispose();
        foreach (var cache in _caches)
            cache.Dispose();
        if (_ownsWeights)
            _weights.Dispose();
    }
}

/// <summary>
/// Trains on a device of torch's. All weights lie one after another in one vector, and so do gradients and moments, so that clipping and
/// AdamW are a few operations on long vectors; torch's autograd adds to views of them.
/// </summary>
internal sealed class TorchTrainingSession : TrainingSession
{
    // Parts begin at whole cache lines, which vector loads of the kernels like.
    private const int Alignment = 64;

    // Five vectors of single precision in the second and third level of a processor's cache.
    private const int CachedElements = 1 << 17;

    private readonly TorchSettings _settings;
    private readonly Dictionary<Parameter, (long Offset, Values Leaf, Values Plain)> _places = [];
    private readonly Values _all;
    private readonly Values _gradients;
    private readonly Values _first;
    private readonly Values _second;
    private readonly TrainedWeights _weights;
    private readonly TorchPass _pass;
    private readonly TorchInferenceSession _evaluation;
    private readonly long _matrices;
    private long _length;

    /// <summary>Creates a session with gradients and moments of zero.</summary>
    /// <param name="parameters">The parameters to train, whose values are taken over.</param>
    /// <param name="settings">Device and type.</param>
    /// <param name="seed">What random numbers depend on.</param>
    public TorchTrainingSession(IReadOnlyList<Parameter> parameters, TorchSettings settings, ulong seed)
        : base(parameters)
    {
        _settings = settings;
        var offsets = new Dictionary<Parameter, long>();
        foreach (var parameter in parameters.Where(p => p.Shape.Length >= 2))
            Place(parameter);
        _matrices = _length;
        foreach (var parameter in parameters.Where(p => p.Shape.Length < 2))
            Place(parameter);
        try
        {
            _all = Zeros();
            _gradients = Zeros();
            _first = Zeros();
            _second = Zeros();
        }
        catch (Exception exception) when (Explain(exception) is { } typed)
        {
            throw typed;
        }

        foreach (var (parameter, offset) in offsets)
        {
            var values = new float[parameter.Length];
            parameter.Read(values);
            Write(_all, offset, values);
            long[] shape = [.. parameter.Shape.ToArray().Select(d => (long)d)];
            var plain = View(_all, offset, shape);
            var leaf = plain.detach().requires_grad_(true).DetachFromDisposeScope();
            using (var gradient = View(_gradients, offset, shape))
                leaf.grad = gradient;
            _places.Add(parameter, (offset, leaf, plain));
        }

        _weights = new TrainedWeights(settings, _places);
        _pass = new TorchPass(settings, _weights, isTraining: true, seed);
        _evaluation = new TorchInferenceSession(_weights, ownsWeights: false);

        void Place(Parameter parameter)
        {
            if (!offsets.TryAdd(parameter, _length))
                throw new ArgumentException($"Parameter '{parameter.Name}' occurs twice.", nameof(parameters));
            _length += (parameter.Length + Alignment - 1L) / Alignment * Alignment;
        }

        Values Zeros() => zeros(Math.Max(_length, 1), ScalarType.Float32, settings.Device).DetachFromDisposeScope();
    }

    public override InferenceSession Evaluation => _evaluation;

    public override Pass Begin(long step, int microBatch = 0)
    {
        _pass.Begin(step, microBatch);
        return _pass;
    }

    public override void Backward(Tensor loss, float factor = 1)
    {
        if (loss.Length != 1)
            throw new ArgumentException("The loss must be a single value.", nameof(loss));
        var value = _pass[loss];
        if (!value.requires_grad)
            throw new ArgumentException("The loss depends on no parameter.", nameof(loss));
        using var scaled = value.mul(factor);
        _pass.ReleaseAllBut(loss);
        scaled.backward();
    }

    // torch's in-place operations return a handle of their own.
    public override void ZeroGradients() => _gradients.zero_().Dispose();

    public override double GradientNorm()
    {
        using var norm = _gradients.norm();
        Span<float> value = stackalloc float[1];
        norm.CopyTo(value);
        return value[0];
    }

    public override void Update(in AdamWFactors matrices, in AdamWFactors vectors)
    {
        Part(0, _matrices, in matrices);
        Part(_matrices, _length, in vectors);

        // On the processor, piece by piece: what one operation writes is still in the cache when the next one reads it.
        void Part(long start, long end, in AdamWFactors factors)
        {
            long step = _settings.Device.type == TorchSharp.DeviceType.CPU ? CachedElements : Math.Max(1, end - start);
            for (; start < end; start += step)
                Update(start, Math.Min(step, end - start), in factors);
        }
    }

    public override void Update(int index, in AdamWFactors factors)
    {
        var parameter = Parameters[index];
        Update(_places[parameter].Offset, parameter.Length, in factors);
    }

    public override void OnHost(HostVisit visit)
    {
        foreach (var parameter in Parameters)
        {
            float[] weights = new float[parameter.Length], gradient = new float[parameter.Length];
            Read(_all, parameter, weights);
            Read(_gradients, parameter, gradient);
            visit(parameter, weights, gradient);
            Write(_all, _places[parameter].Offset, weights);
        }
    }

    public override void ReadGradient(Parameter parameter, Span<float> destination) => Read(_gradients, parameter, destination);

    public override void ReadMoment(Parameter parameter, Moments moment, Span<float> destination)
        => Read(moment == Moments.First ? _first : _second, parameter, destination);

    public override void WriteMoment(Parameter parameter, Moments moment, ReadOnlySpan<float> values)
        => Write(moment == Moments.First ? _first : _second, _places[parameter].Offset, values.ToArray());

    public override void Download()
    {
        foreach (var parameter in Parameters)
            Read(_all, parameter, parameter.Values);
    }

    public override Exception? Explain(Exception exception)
        => TorchErrors.OutOfMemory(exception, _settings, $"weights, gradients and moments {4 * _length * sizeof(float) >> 20:N0} MB; the "
            + "rest are the activations of a step. Lower BatchSize (and raise MicroBatches in its place) or ContextLength, or use bf16.");

    public override void Dispose()
    {
        _pass.Dispose();
        _evaluation.Dispose();
        _weights.Dispose();
        foreach (var (_, leaf, plain) in _places.Values)
        {
            leaf.grad = null;
            leaf.Dispose();
            plain.Dispose();
        }

        _places.Clear();
        _all.Dispose();
        _gradients.Dispose();
        _first.Dispose();
        _second.Dispose();
    }

    private static Values View(Values all, long offset, long[] shape)
    {
        long length = shape.Aggregate(1L, (product, d) => product * d);
        using var part = all.narrow(0, offset, length);
        return part.view(shape).DetachFromDisposeScope();
    }

    private void Write(Values all, long offset, float[] values)
    {
        using var part = all.narrow(0, offset, values.Length);
        using var host = tensor(values);
        part.copy_(host);
    }

    private void Read(Values all, Parameter parameter, Span<float> destination)
    {
        using var part = all.narrow(0, _places[parameter].Offset, parameter.Length);
        part.CopyTo(destination);
    }

    // In the order of operations of torch.optim.AdamW.
    private void Update(long start, long count, in AdamWFactors f)
    {
        using var weight = _all.narrow(0, start, count);
        using var gradient = _gradients.narrow(0, start, count);
        using var first = _first.narrow(0, start, count);
        using var second = _second.narrow(0, start, count);
        using var clipped = f.GradientScale == 1 ? null : gradient.mul_(f.GradientScale);
        using var shared = first.mul_(1 - f.OneMinusBeta1);
        using var firstNow = first.add_(gradient, f.OneMinusBeta1);
        using var faded = second.mul_(f.Beta2);
        using var secondNow = second.addcmul_(gradient, gradient, f.OneMinusBeta2);
        using var denominator = second.sqrt();
        using var corrected = denominator.mul_(f.InverseSquareRootCorrection2);
        using var safe = denominator.add_(f.Epsilon);
        using var decayed = weight.mul_(f.Decay);
        using var stepped = weight.addcdiv_(first, denominator, -f.StepSize);
    }

    /// <summary>The session's own weights; parameters that it does not train are copied as usual.</summary>
    private sealed class TrainedWeights(
        TorchSettings settings, Dictionary<Parameter, (long Offset, Values Leaf, Values Plain)> places)
        : TorchWeights(settings)
    {
        public override Values Get(Parameter parameter, bool withGradient)
            => places.TryGetValue(parameter, out var place) ? withGradient ? place.Leaf : place.Plain : base.Get(parameter, withGradient);
    }
}

/// <summary>Errors of libtorch that have a type of their own here.</summary>
internal static class TorchErrors
{
    /// <summary>The typed error of a device without memory; null for another error.</summary>
    public static DeviceMemoryException? OutOfMemory(Exception exception, TorchSettings settings, string holders)
        => exception is ExternalException
            && (exception.Message.Contains("out of memory", StringComparison.OrdinalIgnoreCase)
                || exception.Message.Contains("can't allocate memory", StringComparison.Ordinal))
            ? new DeviceMemoryException(settings.Name, holders, exception)
            : null;
}
