using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Reduction = Kotonoha.LocalModel.Tensors.Reduction;
using Tensor = Kotonoha.LocalModel.Tensors.Tensor;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// A pass whose operations are torch's. Every tensor is a torch tensor of two dimensions that the pass owns: torch's dispose scopes belong
/// to one thread, so they are not used. A training pass differentiates with torch's autograd.
/// </summary>
/// <remarks>
/// Activations have the type of the settings. Sums over rows, softmaxes and losses are computed and returned in single precision; an
/// operation that multiplies with weights turns its input back.
/// </remarks>
internal sealed partial class TorchPass : Pass
{
    private static long _lastGeneration;

    private readonly TorchSettings _settings;
    private readonly TorchWeights _weights;
    private readonly List<Values?> _tensors = [];
    private readonly Dictionary<Parameter, Values> _casts = [];
    private readonly Dictionary<Batch, BatchLayout> _layouts = [];
    private readonly ulong _seed;
    private CancellationToken _cancellation;
    private float[] _host = [];
    private long _generation = Interlocked.Increment(ref _lastGeneration);
    private ulong _randomKey;
    private bool _seeded;

    /// <summary>Creates a pass.</summary>
    /// <param name="settings">Device and type.</param>
    /// <param name="weights">Gives the device's copy of a parameter.</param>
    /// <param name="isTraining">Whether weights have gradients and dropout is active.</param>
    /// <param name="seed">What random numbers depend on.</param>
    public TorchPass(TorchSettings settings, TorchWeights weights, bool isTraining, ulong seed = 0)
    {
        _settings = settings;
        _weights = weights;
        _seed = seed;
        IsTraining = isTraining;
    }

    /// <inheritdoc/>
    public override bool IsTraining { get; }

    /// <inheritdoc/>
    public override long MemoryBytes
    {
        get
        {
            long sum = 0;
            foreach (var tensor in _tensors)
                sum += tensor is null ? 0 : tensor.NumberOfElements * tensor.ElementSize;
            return sum;
        }
    }

    /// <summary>Starts a pass that runs forward alone.</summary>
    public void Begin(CancellationToken cancellationToken)
    {
        _cancellation = cancellationToken;
        Clear();
    }

    /// <summary>Starts a pass of a training step.</summary>
    public void Begin(long step, int microBatch)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegative(microBatch);
        _randomKey = ((ulong)step << 20) + (ulong)microBatch;
        Clear();
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        Clear();
        _generation = 0;
    }

    /// <inheritdoc/>
    private protected override Tensor NextLayerCore(Tensor hidden)
    {
        if (IsTraining)
            return hidden;
        _cancellation.ThrowIfCancellationRequested();
        var kept = this[hidden];
        foreach (var tensor in _tensors)
            if (!ReferenceEquals(tensor, kept))
                tensor?.Dispose();
        _tensors.Clear();
        _generation = Interlocked.Increment(ref _lastGeneration);
        return Own(kept);
    }

    /// <summary>
    /// Gives back every tensor but one before it is differentiated: what the derivative needs autograd holds itself, and gives back as it
    /// goes.
    /// </summary>
    /// <param name="loss">The one, which stays readable.</param>
    public void ReleaseAllBut(Tensor loss)
    {
        for (int slot = 0; slot < _tensors.Count; slot++)
            if (slot != loss.Slot)
            {
                _tensors[slot]?.Dispose();
                _tensors[slot] = null;
            }

        foreach (var cast in _casts.Values)
            cast.Dispose();
        _casts.Clear();
    }

    /// <inheritdoc/>
    public override ReadOnlySpan<float> Read(Tensor tensor)
    {
        int length = checked((int)tensor.Length);
        if (_host.Length < length)
            _host = new float[length];
        var values = _host.AsSpan(0, length);
        this[tensor].CopyTo(values);
        return values;
    }

    /// <summary>The torch tensor of a handle.</summary>
    public Values this[Tensor tensor]
        => (tensor.Stamp == _generation ? _tensors[tensor.Slot] : null)
            ?? throw new InvalidOperationException("This tensor is not valid any more: its pass has begun anew, or a loss was "
                + "differentiated (or it belongs to another pass). Read what is needed before that.");

    private protected override Tensor ConstantCore(ReadOnlySpan<float> values, int rows, int columns)
        => Own(tensor(values.ToArray(), [rows, columns], device: _settings.Device));

    private protected override Tensor FromParameterCore(Parameter parameter)
        => Own(Weight(parameter).view(-1, parameter.Shape.IsEmpty ? 1 : parameter.Shape[^1]));

    private protected override double ReadScalarCore(Tensor tensor)
    {
        Span<float> value = stackalloc float[1];
        this[tensor].CopyTo(value);
        return value[0];
    }

    private protected override Tensor ReshapeCore(Tensor x, int rows, int columns) => Own(this[x].reshape(rows, columns));

    private protected override Tensor ColumnsCore(Tensor x, int start, int count) => Own(this[x].narrow(1, start, count));

    private protected override Tensor ConcatColumnsCore(Tensor a, Tensor b)
    {
        var (left, right) = (this[a], this[b]);
        if (left.dtype == right.dtype)
            return Own(cat([left, right], 1));
        using var same = right.to(left.dtype);
        return Own(cat([left, same], 1));
    }

    private protected override Tensor SelectRowsCore(Tensor x, ReadOnlySpan<int> rows)
    {
        using var index = Upload(rows);
        return Own(this[x].index_select(0, index));
    }

    private protected override Tensor PickColumnsCore(Tensor x, ReadOnlySpan<int> columns)
    {
        using var flat = Upload(columns);
        using var index = flat.view(-1, 1);
        return Own(this[x].gather(1, index));
    }

    private protected override Tensor BinaryCore(BinaryOperation operation, Tensor a, Tensor b) => Own(operation switch
    {
        BinaryOperation.Add => this[a].add(this[b]),
        BinaryOperation.Subtract => this[a].sub(this[b]),
        BinaryOperation.Multiply => this[a].mul(this[b]),
        BinaryOperation.Divide => this[a].div(this[b]),
        BinaryOperation.Minimum => this[a].minimum(this[b]),
        BinaryOperation.Maximum => this[a].maximum(this[b]),
        _ => throw new ArgumentOutOfRangeException(nameof(operation)),
    });

    private protected override Tensor ApplyCore(ElementFunction function, Tensor x, float least, float most) => Own(function switch
    {
        ElementFunction.Exp => this[x].exp(),
        ElementFunction.Log => this[x].log(),
        ElementFunction.Clamp => this[x].clamp(least, most),
        _ => throw new ArgumentOutOfRangeException(nameof(function)),
    });

    private protected override Tensor DetachCore(Tensor x) => Own(this[x].detach());

    private protected override Tensor ScaleCore(Tensor x, float factor) => Own(this[x].mul(factor));

    private protected override Tensor ActivateCore(Tensor x, Activation activation) => Own(Activated(this[x], activation));

    private protected override Tensor SoftCapCore(Tensor x, float cap) => Own(SoftCapped(this[x], cap));

    private protected override Tensor GatedCore(Tensor gate, Tensor up, Activation activation)
    {
        if (activation == Activation.None)
            return Own(this[gate].mul(this[up]));
        using var activated = Activated(this[gate], activation);
        return Own(activated.mul(this[up]));
    }

    private protected override Tensor DropoutCore(Tensor x, float probability)
    {
        SeedRandom();
        return Own(functional.dropout(this[x], probability, training: true));
    }

    private protected override Tensor SoftmaxCore(Tensor x) => Own(this[x].softmax(1, ScalarType.Float32));

    private protected override Tensor LogSoftmaxCore(Tensor x) => Own(this[x].log_softmax(1, ScalarType.Float32));

    private protected override Tensor LogSumExpCore(Tensor x)
    {
        using var exact = this[x].to(ScalarType.Float32);
        return Own(exact.logsumexp(1, keepdim: true));
    }

    private protected override Tensor RowSumCore(Tensor x) => Own(this[x].sum(1, keepdim: true, ScalarType.Float32));

    private protected override Tensor L2NormalizeCore(Tensor x, float epsilon)
    {
        using var exact = this[x].to(ScalarType.Float32);
        return Own(functional.normalize(exact, 2, 1, epsilon));
    }

    private protected override Tensor SumCore(Tensor x, float factor)
    {
        using var sum = this[x].sum(ScalarType.Float32);
        using var scaled = sum.mul(factor);
        return Own(scaled.view(1, 1));
    }

    private protected override Tensor PoolCore(Tensor x, Batch batch, Pooling pooling)
    {
        var layout = LayoutOf(batch);
        int width = x.Columns;
        switch (pooling)
        {
            case Pooling.First or Pooling.Last:
                // An empty sequence has no token to take: it gives zeros.
                using (var rows = Upload(layout.Ends(pooling == Pooling.Last)))
                using (var chosen = this[x].index_select(0, rows))
                using (var filled = layout.Filled(_settings, chosen.dtype))
                    return Own(chosen.mul(filled));
            case Pooling.Max:
                var parts = new List<Values>();
                try
                {
                    foreach (var (start, length) in layout.Sequences)
                    {
                        using var rows = this[x].narrow(0, start, length);
                        if (length == 0)
                        {
                            parts.Add(zeros(1, width, rows.dtype, _settings.Device));
                            continue;
                        }

                        var (values, indexes) = rows.max(0, keepdim: true);
                        indexes.Dispose();
                        parts.Add(values);
                    }

                    return Own(cat(parts, 0));
                }
                finally
                {
                    foreach (var part in parts)
                        part.Dispose();
                }

            default:
                using (var exact = this[x].to(ScalarType.Float32))
                using (var sums = zeros(batch.Sequences, width, ScalarType.Float32, _settings.Device))
                using (var owner = Upload(layout.SequenceOfRow()))
                {
                    var sum = sums.index_add(0, owner, exact, 1);
                    if (pooling == Pooling.Sum)
                        return Own(sum);
                    using (sum)
                    using (var inverse = tensor(layout.InverseLengths(), [batch.Sequences, 1], device: _settings.Device))
                        return Own(sum.mul(inverse));
                }
        }
    }

    // Rows are taken from the weight as it is kept, so that gradients of rows that occur often are added in full precision.
    private protected override Tensor EmbeddingCore(Parameter table, ReadOnlySpan<int> ids)
    {
        using var index = Upload(ids);
        var rows = _weights.Get(table, IsTraining).index_select(0, index);
        if (rows.dtype == _settings.Type)
            return Own(rows);
        using (rows)
            return Own(rows.to(_settings.Type));
    }

    private protected override Tensor LinearCore(Tensor x, Parameter weight, Parameter? bias, LinearLayout layout, int columns)
    {
        var w = Weight(weight);
        var b = bias is null ? null : Weight(bias);
        var input = this[x];
        using var cast = input.dtype == w.dtype ? null : input.to(w.dtype);
        input = cast ?? input;
        if (layout == LinearLayout.OutIn)
            return Own(functional.linear(input, w, b));
        return Own(b is null ? input.mm(w) : addmm(b, input, w, 1, 1));
    }

    private protected override Tensor LayerNormCore(Tensor x, Parameter? weight, Parameter? bias, float epsilon)
    {
        var input = this[x];
        using var cast = input.dtype == _settings.Type ? null : input.to(_settings.Type);
        return Own(functional.layer_norm(cast ?? input, [x.Columns], weight is null ? null : Weight(weight),
            bias is null ? null : Weight(bias), epsilon));
    }

    private protected override Tensor RmsNormCore(Tensor x, Parameter? weight, float epsilon, float weightOffset)
    {
        using var exact = this[x].to(ScalarType.Float32);
        using var squares = exact.square();
        using var mean = squares.mean([1], keepdim: true);
        using var shifted = mean.add(epsilon);
        using var factor = shifted.rsqrt();
        using var normalized = exact.mul(factor);
        using var typed = normalized.to(_settings.Type);
        if (weight is null)
            return Own(typed.alias());
        using var offset = weightOffset == 0 ? null : Weight(weight).add(weightOffset);
        return Own(typed.mul(offset ?? Weight(weight)));
    }

    private protected override Tensor MatMulCore(Tensor a, Tensor b, bool transposeA, bool transposeB)
    {
        var (left, right) = (this[a], this[b]);
        using var cast = right.dtype == left.dtype ? null : right.to(left.dtype);
        using var x = transposeA ? left.t() : left.alias();
        using var y = transposeB ? (cast ?? right).t() : (cast ?? right).alias();
        return Own(x.mm(y));
    }

    private protected override Tensor CrossEntropyCore(
        Tensor logits, ReadOnlySpan<int> targets, in CrossEntropyOptions options, Tensor classWeights)
    {
        using var exact = this[logits].to(ScalarType.Float32);
        using var classes = Upload(targets);
        using var weights = classWeights.Exists ? this[classWeights].view(-1) : null;
        bool none = options.Reduction == Reduction.Mean && !targets.ContainsAnyExcept(options.IgnoreIndex);
        var reduction = options.Reduction switch
        {
            Reduction.None => torch.nn.Reduction.None,
            Reduction.Sum => torch.nn.Reduction.Sum,
            _ => none ? torch.nn.Reduction.Sum : torch.nn.Reduction.Mean,
        };
        using var loss = functional.cross_entropy(exact, classes, weights, options.IgnoreIndex, reduction, options.LabelSmoothing);
        return Own(loss.view(-1, 1));
    }

    private protected override Tensor RotaryCore(
        Tensor x, RotaryTable table, ReadOnlySpan<int> positions, Batch? batch, int headWidth)
    {
        if (batch is not null)
        {
            var (cosines, sines) = LayoutOf(batch).Turns(_weights, table);
            return Rotated(x, table, cosines, sines, headWidth);
        }

        using var index = Upload(positions);
        var (allCosines, allSines) = _weights.Turns(table, Largest(positions) + 1);
        using var rowCosines = allCosines.index_select(0, index);
        using var rowSines = allSines.index_select(0, index);
        return Rotated(x, table, rowCosines, rowSines, headWidth);
    }

    // x · cos + (the other half of each pair) · (∓sin): the sign lies in the table.
    private Tensor Rotated(Tensor x, RotaryTable table, Values cosines, Values sines, int headWidth)
    {
        int width = table.RotaryWidth, heads = x.Columns / headWidth;
        using var input = this[x].reshape(x.Rows, heads, headWidth);
        using var turning = width == headWidth ? input.alias() : input.narrow(2, 0, width);
        using var cos = cosines.view(x.Rows, 1, width);
        using var sin = sines.view(x.Rows, 1, width);
        using var other = OtherHalf(turning, table.Interleaved, width / 2);
        using var kept = turning.mul(cos);
        using var turned = kept.addcmul(other, sin, 1);
        if (width == headWidth)
            return Own(turned.view(x.Rows, x.Columns));
        using var rest = input.narrow(2, width, headWidth - width);
        using var whole = cat([turned, rest], 2);
        return Own(whole.view(x.Rows, x.Columns));
    }

    private static Values OtherHalf(Values x, bool interleaved, int pairs)
    {
        if (interleaved)
        {
            using var paired = x.reshape(x.shape[0], x.shape[1], pairs, 2);
            using var flipped = paired.flip(3);
            return flipped.reshape(x.shape[0], x.shape[1], 2 * pairs);
        }

        using var first = x.narrow(2, 0, pairs);
        using var second = x.narrow(2, pairs, pairs);
        return cat([second, first], 2);
    }

    private static Values Activated(Values x, Activation activation)
    {
        switch (activation)
        {
            case Activation.None:
                return x.alias();
            case Activation.Gelu:
                return functional.gelu(x);
            case Activation.GeluTanh:
                return functional.gelu(x, TorchSharp.Modules.GELU.Approximate.tanh);
            case Activation.QuickGelu:
                using (var scaled = x.mul(1.702f))
                using (var gate = scaled.sigmoid())
                    return x.mul(gate);
            case Activation.Silu:
                return functional.silu(x);
            case Activation.Relu:
                return x.relu();
            case Activation.ReluSquared:
                using (var positive = x.relu())
                    return positive.square();
            case Activation.Tanh:
                return x.tanh();
            case Activation.Sigmoid:
                return x.sigmoid();
            case Activation.Softplus:
                return functional.softplus(x);
            default:
                throw new ArgumentOutOfRangeException(nameof(activation));
        }
    }

    private static Values SoftCapped(Values x, float cap)
    {
        using var scaled = x.mul(1 / cap);
        using var bounded = scaled.tanh();
        return bounded.mul(cap);
    }

    private static int Largest(ReadOnlySpan<int> values)
    {
        int largest = 0;
        foreach (int value in values)
            largest = Math.Max(largest, value);
        return largest;
    }

    // A parameter in the type of activations; the copy lives as long as the pass, so that its gradient is formed once.
    private Values Weight(Parameter parameter)
    {
        var weight = _weights.Get(parameter, IsTraining);
        if (weight.dtype == _settings.Type)
            return weight;
        ref var cast = ref CollectionsMarshal.GetValueRefOrAddDefault(_casts, parameter, out bool exists);
        if (!exists)
            cast = weight.to(_settings.Type).DetachFromDisposeScope();
        return cast!;
    }

    private Tensor Own(Values values)
    {
        _tensors.Add(values.DetachFromDisposeScope());
        return new Tensor(_tensors.Count - 1, _generation, (int)values.shape[0], (int)values.shape[1]);
    }

    private Values Upload(ReadOnlySpan<int> values) => Indexes.Upload(values, _settings.Device);

    private BatchLayout LayoutOf(Batch batch)
    {
        if (!_layouts.TryGetValue(batch, out var layout))
            _layouts.Add(batch, layout = new BatchLayout(batch));
        return layout;
    }

    // libtorch has one generator for each device of the process; it is touched only where something is random.
    private void SeedRandom()
    {
        if (_seeded)
            return;
        manual_seed((long)(CounterRandom.Key(_seed, _randomKey, 0) >> 1));
        _seeded = true;
    }

    private void Clear()
    {
        foreach (var tensor in _tensors)
            tensor?.Dispose();
        _tensors.Clear();
        foreach (var cast in _casts.Values)
            cast.Dispose();
        _casts.Clear();
        foreach (var layout in _layouts.Values)
            layout.Dispose();
        _layouts.Clear();
        _seeded = false;
        _generation = Interlocked.Increment(ref _lastGeneration);
    }
}

/// <summary>Copies between torch tensors and the host.</summary>
internal static class HostCopy
{
    /// <summary>Copies the elements of a tensor of any device and floating type, row after row.</summary>
    public static void CopyTo(this Values tensor, Span<float> destination)
    {
        using var plain = tensor.detach();
        using var host = plain.to(ScalarType.Float32, CPU);
        using var dense = host.contiguous();
        MemoryMarshal.Cast<byte, float>(dense.bytes).CopyTo(destination);
    }

    /// <summary>A tensor of the host's numbers on a device.</summary>
    public static Values ToDevice(float[] values, ReadOnlySpan<long> shape, ScalarType type, torch.Device device)
    {
        using var host = tensor(values, shape);
        return host.to(type, device, copy: true).DetachFromDisposeScope();
    }
}
