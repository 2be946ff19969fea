using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>A pass that records each call on a tape and then walks it backwards (reverse-mode differentiation).</summary>
internal sealed unsafe class CpuTrainingPass : CpuPass
{
    private readonly ulong _seed;
    private TapeEntry[] _tape = new TapeEntry[256];
    private int _recorded;
    private ulong _step;
    private ulong _drawn;
    private bool _isStretch;

    /// <summary>Creates a pass on a backend; <see cref="Begin"/> starts it.</summary>
    /// <param name="backend">The device that runs the operations.</param>
    /// <param name="seed">What random numbers (dropout) depend on, together with the step and the place in the model.</param>
    public CpuTrainingPass(Backend backend, ulong seed = 0)
        : base(backend) => _seed = seed;

    /// <inheritdoc/>
    public override bool IsTraining => true;

    /// <summary>Whether layers are run once more when they are differentiated, instead of keeping their tensors until then.</summary>
    public bool Recompute { get; init; }

    /// <summary>Starts anew: every tensor made before becomes invalid.</summary>
    /// <param name="step">The training step; the same step draws the same random numbers.</param>
    /// <param name="microBatch">The part of the step, where gradients are accumulated over several.</param>
    public void Begin(long step, int microBatch = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(step);
        ArgumentOutOfRangeException.ThrowIfNegative(microBatch);
        _step = ((ulong)step << 20) + (ulong)microBatch;
        _recorded = 0;
        _drawn = 0;
        _isStretch = false;
        Arena.Reset();
    }

    /// <summary>Adds the derivative of a loss to the gradients of the parameters that it depends on.</summary>
    /// <param name="loss">A (1, 1) tensor.</param>
    /// <param name="gradients">Where the gradients are added; parameters that are not in it are left out.</param>
    /// <param name="factor">What the loss is multiplied by (1 / micro-batches, or 1 / counted tokens after a sum).</param>
    public void Backward(Tensor loss, Gradients gradients, float factor = 1)
    {
        ArgumentNullException.ThrowIfNull(gradients);
        if (loss.Length != 1)
            throw new ArgumentException("The loss must be a single value.", nameof(loss));
        var start = Arena.GradientToWrite(loss, out _);
        if (!start.Exists)
            throw new ArgumentException("The loss depends on no parameter.", nameof(loss));
        Backend.Fill(start, factor);
        BackwardFrom(0, gradients);
    }

    /// <inheritdoc/>
    private protected override bool Recomputes => Recompute && !_isStretch;

    /// <inheritdoc/>
    private protected override Tensor LayerCore(Tensor hidden, Func<Tensor, Tensor> layer)
    {
        var mark = Arena.Mark();
        int recorded = _recorded;
        ulong drawn = _drawn;
        _isStretch = true;
        var output = Arena.ReleaseKeeping(mark, layer(hidden));
        _isStretch = false;
        _recorded = recorded;
        Record(new TapeEntry { Operation = Operation.Layer, Output = output, A = hidden, Key = drawn, Layer = layer });
        return output;
    }

    // Walks the tape back to a place, and takes it back.
    private void BackwardFrom(int first, Gradients gradients)
    {
        while (_recorded > first)
        {
            // A copy: a layer that is run once more writes on the tape behind it.
            var entry = _tape[--_recorded];
            if (!Arena.NeedsGradient(entry.Output))
                continue;
            var gradient = Arena.GradientToRead(entry.Output);
            if (gradient.Exists)
                Backward(in entry, gradient, gradients);
        }
    }

    private void LayerBackward(in TapeEntry entry, View gradient, Gradients gradients)
    {
        var mark = Arena.Mark();
        int first = _recorded;
        Arena.BeginStretch();
        _isStretch = true;
        _drawn = entry.Key;
        var output = entry.Layer!(entry.A);
        _isStretch = false;
        Backend.Copy(gradient, Arena.GradientToWrite(output, out bool accumulate), 1, accumulate);
        BackwardFrom(first, gradients);
        Arena.Release(mark);
    }

    private protected override void Record(in TapeEntry entry)
    {
        if (_recorded == _tape.Length)
            Array.Resize(ref _tape, _recorded * 2);
        _tape[_recorded++] = entry;
    }

    private protected override ulong NextKey() => CounterRandom.Key(_seed, _step, _drawn++);

    private void Backward(in TapeEntry entry, View gradient, Gradients gradients)
    {
        int* integers = (int*)entry.Integers;
        switch (entry.Operation)
        {
            case Operation.FromParameter:
                Backend.FromParameterBackward(gradient, gradients.Pointer(entry.Weight));
                return;
            case Operation.Embedding:
                Backend.EmbeddingBackward(integers, gradient, gradients.Pointer(entry.Weight));
                return;
            case Operation.Layer:
                LayerBackward(in entry, gradient, gradients);
                return;
        }

        bool accumulate;
        if (entry.Operation is Operation.Linear)
        {
            var written = Arena.GradientToWrite(entry.A, out accumulate);
            Backend.LinearBackward(
                Arena.View(entry.A), entry.Weight!, (LinearLayout)entry.Kind, gradient, written, accumulate,
                gradients.Pointer(entry.Weight), gradients.Pointer(entry.Bias));
            return;
        }

        if (entry.Operation is Operation.Attention)
        {
            AttentionBackward(in entry, gradient);
            return;
        }

        // Every other operation differentiates with respect to A, and perhaps B.
        var x = Arena.View(entry.A);
        var xGradient = Arena.GradientToWrite(entry.A, out accumulate);
        switch (entry.Operation)
        {
            case Operation.LayerNorm:
                Backend.LayerNormBackward(x, entry.Weight, entry.Number, gradient, xGradient, accumulate, gradients.Pointer(entry.Weight),
                    gradients.Pointer(entry.Bias));
                return;
            case Operation.RmsNorm:
                Backend.RmsNormBackward(x, entry.Weight, entry.Number, entry.SecondNumber, gradient, xGradient, accumulate,
                    gradients.Pointer(entry.Weight));
                return;
            case Operation.Binary:
                BinaryBackward(in entry, gradient, xGradient, accumulate);
                return;
            case Operation.MatMul:
                MatMulBackward(in entry, gradient, xGradient, accumulate);
                return;
            case Operation.Gated:
                var upGradient = Arena.GradientToWrite(entry.B, out bool accumulateUp);
                Backend.GatedBackward((Activation)entry.Kind, x, Arena.View(entry.B), gradient, xGradient, accumulate, upGradient,
                    accumulateUp);
                return;
            case Operation.ConcatColumns:
                int left = x.Columns;
                if (xGradient.Exists)
                    Backend.Copy(Part(gradient, 0, left), xGradient, 1, accumulate);
                var right = Arena.GradientToWrite(entry.B, out bool accumulateRight);
                if (right.Exists)
                    Backend.Copy(Part(gradient, left, right.Columns), right, 1, accumulateRight);
                return;
        }

        if (!xGradient.Exists)
            return;
        var y = Arena.View(entry.Output);
        switch (entry.Operation)
        {
            case Operation.Copy:
                Backend.Copy(gradient, xGradient, entry.Number, accumulate);
                break;
            case Operation.Apply:
                Backend.ApplyBackward(
                    (ElementFunction)entry.Kind, entry.Number, entry.SecondNumber, x, y, gradient, xGradient, accumulate);
                break;
            case Operation.Activate:
                Backend.ActivateBackward((Activation)entry.Kind, x, gradient, xGradient, accumulate);
                break;
            case Operation.SoftCap:
                Backend.SoftCapBackward(entry.Number, x, gradient, xGradient, accumulate);
                break;
            case Operation.Softmax:
                Backend.SoftmaxBackward(y, gradient, xGradient, accumulate);
                break;
            case Operation.LogSoftmax:
                Backend.LogSoftmaxBackward(y, gradient, xGradient, accumulate);
                break;
            case Operation.LogSumExp:
                Backend.LogSumExpBackward(x, y, gradient, xGradient, accumulate);
                break;
            case Operation.RowSum:
                Backend.RowSumBackward(gradient, xGradient, accumulate);
                break;
            case Operation.Sum:
                Backend.SumBackward(gradient, entry.Number, xGradient, accumulate);
                break;
            case Operation.Rotary:
                Rotary(gradient, entry.Rotary!, entry.Queries, integers, entry.Count, inverse: true, xGradient, accumulate);
                break;
            case Operation.Dropout:
                Backend.Dropout(gradient, entry.Number, entry.Key, xGradient, accumulate);
                break;
            case Operation.SelectRows:
                if (!accumulate)
                    Backend.Fill(xGradient, 0);
                Backend.SelectRowsBackward(integers, gradient, xGradient);
                break;
            case Operation.PickColumns:
                if (!accumulate)
                    Backend.Fill(xGradient, 0);
                Backend.PickColumnsBackward(integers, gradient, xGradient);
                break;
            case Operation.CrossEntropy:
                Backend.CrossEntropyBackward(x, integers, Optional(entry.B), entry.CrossEntropy, gradient, xGradient, accumulate);
                break;
            case Operation.Pool:
                Backend.PoolBackward((Pooling)entry.Kind, x, entry.Queries!, gradient, xGradient, accumulate);
                break;
            case Operation.L2Normalize:
                Backend.L2NormalizeBackward(x, entry.Number, gradient, xGradient, accumulate);
                break;
            default:
                throw new InvalidOperationException($"The operation {entry.Operation} has no derivative.");
        }
    }

    private void BinaryBackward(in TapeEntry entry, View gradient, View aGradient, bool accumulateA)
    {
        // a and b may be the same tensor: what is written for b then adds to what is written for a.
        var bGradient = Arena.GradientToWrite(entry.B, out bool accumulateB);
        Backend.BinaryBackward(
            (BinaryOperation)entry.Kind, Arena.View(entry.A), Arena.View(entry.B), gradient, aGradient, accumulateA, bGradient,
            accumulateB);
    }

    private void MatMulBackward(in TapeEntry entry, View gradient, View aGradient, bool accumulateA)
    {
        bool transposeA = (entry.Kind & 1) != 0, transposeB = (entry.Kind & 2) != 0;
        var a = Arena.View(entry.A);
        var b = Arena.View(entry.B);
        if (aGradient.Exists && !transposeA)
            Backend.MatMul(gradient, false, b, !transposeB, aGradient, accumulateA);
        else if (aGradient.Exists)
            Backend.MatMul(b, transposeB, gradient, true, aGradient, accumulateA);
        var bGradient = Arena.GradientToWrite(entry.B, out bool accumulateB);
        if (bGradient.Exists && !transposeB)
            Backend.MatMul(a, !transposeA, gradient, false, bGradient, accumulateB);
        else if (bGradient.Exists)
            Backend.MatMul(gradient, true, a, transposeA, bGradient, accumulateB);
    }

    private void AttentionBackward(in TapeEntry entry, View gradient)
    {
        var query = Arena.GradientToWrite(entry.A, out bool accumulateQuery);
        var key = Arena.GradientToWrite(entry.B, out bool accumulateKey);
        var value = Arena.GradientToWrite(entry.C, out bool accumulateValue);
        var bias = Arena.GradientToWrite(entry.D, out bool accumulateBias);
        var call = Call(entry.A, entry.B, entry.C, entry.D, entry.Output, entry.Queries!, entry.Keys!, entry.Attention, entry.Key);
        Backend.AttentionBackward(in call, new AttentionGradients
        {
            Output = gradient,
            Query = query,
            Key = key,
            Value = value,
            Bias = bias,
            AccumulateQuery = accumulateQuery,
            AccumulateKey = accumulateKey,
            AccumulateValue = accumulateValue,
            AccumulateBias = accumulateBias,
        });
    }
}

/// <summary>One recorded call: the operation, what went in, what came out. Which fields mean something depends on the operation.</summary>
internal struct TapeEntry
{
    public Operation Operation;

    /// <summary>
    /// A <see cref="BinaryOperation"/>, <see cref="ElementFunction"/>, <see cref="Activation"/>, <see cref="LinearLayout"/>,
    /// <see cref="Tensors.Pooling"/>, or two bits of transposition.
    /// </summary>
    public int Kind;

    public int Count;
    public float Number;
    public float SecondNumber;
    public ulong Key;

    /// <summary>An int* into the arena.</summary>
    public nint Integers;

    public Tensor Output;
    public Tensor A;
    public Tensor B;
    public Tensor C;
    public Tensor D;
    public Parameter? Weight;
    public Parameter? Bias;
    public Batch? Queries;
    public Batch? Keys;
    public RotaryTable? Rotary;
    public AttentionOptions Attention;
    public CrossEntropyOptions CrossEntropy;

    /// <summary>Runs a layer once more.</summary>
    public Func<Tensor, Tensor>? Layer;
}

/// <summary>The operations that a training pass records.</summary>
internal enum Operation : byte
{
    Copy,
    Layer,
    FromParameter,
    Embedding,
    Linear,
    MatMul,
    LayerNorm,
    RmsNorm,
    Binary,
    Apply,
    Activate,
    SoftCap,
    Gated,
    Softmax,
    LogSoftmax,
    LogSumExp,
    RowSum,
    Sum,
    Attention,
    Rotary,
    SelectRows,
    PickColumns,
    Dropout,
    ConcatColumns,
    CrossEntropy,
    Pool,
    L2Normalize,
}
