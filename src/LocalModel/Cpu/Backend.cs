using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// The kernels of the processor: one method for each operation and one for its derivative. A backend may be shared by passes that run one
/// after another, not by passes that run at the same time.
/// </summary>
/// <remarks>
/// Views hold elements of the backend's own type; parameters and their gradients hold float32 (or the parameter's format). "accumulate"
/// says whether a gradient is added to (true) or overwritten (false); gradients of parameters are always added to. A view without memory is
/// not wanted.
/// </remarks>
internal abstract unsafe class Backend : IDisposable
{
    private protected Backend()
    {
    }

    /// <summary>The device, for logs: device, instruction set, threads.</summary>
    public abstract string Description { get; }

    internal abstract int ElementSize { get; }

    /// <inheritdoc/>
    public virtual void Dispose() => GC.SuppressFinalize(this);

    /// <summary>One AdamW step of a weight; moments and gradient have its layout.</summary>
    internal virtual void AdamW(Parameter weight, float* gradient, float* moment1, float* moment2, in AdamWFactors factors)
        => OptimizerKernels.AdamW(null, weight.Pointer, gradient, moment1, moment2, weight.Length, in factors);

    /// <summary>The sum of the squares of all gradients, in double precision.</summary>
    internal virtual double SumOfSquares(Gradients gradients) => OptimizerKernels.SumOfSquares(null, gradients.Memory, gradients.Length);

    internal abstract void Write(ReadOnlySpan<float> values, View target);

    internal abstract void Read(View source, Span<float> values);

    /// <summary>The host's own sight of dense float32 memory, if there is one.</summary>
    internal abstract bool TryGetSpan(View source, out ReadOnlySpan<float> values);

    internal abstract double ReadScalar(View source);

    internal abstract void Fill(View target, float value);

    /// <summary>target (+)= factor · source; either may be a part of wider rows.</summary>
    internal abstract void Copy(View source, View target, float factor, bool accumulate);

    internal abstract void FromParameter(Parameter parameter, View target);

    internal abstract void FromParameterBackward(View gradient, float* parameterGradient);

    internal abstract void Embedding(Parameter table, int* ids, View output);

    internal abstract void EmbeddingBackward(int* ids, View outputGradient, float* tableGradient);

    internal abstract void Linear(View x, Parameter weight, Parameter? bias, LinearLayout layout, View output);

    internal abstract void LinearBackward(
        View x, Parameter weight, LinearLayout layout, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient);

    /// <summary>output (+)= op(a) · op(b), where op transposes if asked to.</summary>
    internal abstract void MatMul(View a, bool transposeA, View b, bool transposeB, View output, bool accumulate);

    internal abstract void LayerNorm(View x, Parameter? weight, Parameter? bias, float epsilon, View output);

    internal abstract void LayerNormBackward(
        View x, Parameter? weight, float epsilon, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient);

    internal abstract void RmsNorm(View x, Parameter? weight, float epsilon, float weightOffset, View output);

    internal abstract void RmsNormBackward(
        View x, Parameter? weight, float epsilon, float weightOffset, View outputGradient, View xGradient, bool accumulate,
        float* weightGradient);

    /// <summary>b may have one row or one column, which then counts for all.</summary>
    internal abstract void Binary(BinaryOperation operation, View a, View b, View output);

    internal abstract void BinaryBackward(
        BinaryOperation operation, View a, View b, View outputGradient, View aGradient, bool accumulateA, View bGradient, bool accumulateB);

    /// <summary>The numbers are the bounds of a clamp.</summary>
    internal abstract void Apply(ElementFunction function, float least, float most, View x, View output);

    internal abstract void ApplyBackward(
        ElementFunction function, float least, float most, View x, View output, View outputGradient, View xGradient, bool accumulate);

    internal abstract void Activate(Activation activation, View x, View output);

    internal abstract void ActivateBackward(Activation activation, View x, View outputGradient, View xGradient, bool accumulate);

    internal abstract void SoftCap(float cap, View x, View output);

    internal abstract void SoftCapBackward(float cap, View x, View outputGradient, View xGradient, bool accumulate);

    /// <summary>activation(gate) · up; gate and up may be parts of wider rows.</summary>
    internal abstract void Gated(Activation activation, View gate, View up, View output);

    internal abstract void GatedBackward(
        Activation activation, View gate, View up, View outputGradient, View gateGradient, bool accumulateGate, View upGradient,
        bool accumulateUp);

    internal abstract void Softmax(View x, View output);

    internal abstract void SoftmaxBackward(View output, View outputGradient, View xGradient, bool accumulate);

    internal abstract void LogSoftmax(View x, View output);

    internal abstract void LogSoftmaxBackward(View output, View outputGradient, View xGradient, bool accumulate);

    internal abstract void LogSumExp(View x, View output);

    internal abstract void LogSumExpBackward(View x, View output, View outputGradient, View xGradient, bool accumulate);

    internal abstract void RowSum(View x, View output);

    internal abstract void RowSumBackward(View outputGradient, View xGradient, bool accumulate);

    internal abstract void Sum(View x, float factor, View output);

    internal abstract void SumBackward(View outputGradient, float factor, View xGradient, bool accumulate);

    internal abstract void Attention(in AttentionCall call);

    internal abstract void AttentionBackward(in AttentionCall call, in AttentionGradients gradients);

    /// <summary>output (+)= x with each head's pairs turned by the angles of the positions, or back again.</summary>
    internal abstract void Rotary(View x, RotaryTable table, int* positions, int headWidth, bool inverse, View output, bool accumulate);

    internal abstract void SelectRows(View x, int* rows, View output);

    /// <summary>Adds each row of the gradient to the row of x that it came from.</summary>
    internal abstract void SelectRowsBackward(int* rows, View outputGradient, View xGradient);

    internal abstract void PickColumns(View x, int* columns, View output);

    internal abstract void PickColumnsBackward(int* columns, View outputGradient, View xGradient);

    /// <summary>output (+)= x · mask / (1 − probability). The same call on gradients is the derivative.</summary>
    internal abstract void Dropout(View x, float probability, ulong key, View output, bool accumulate);

    /// <summary>Targets of IgnoreIndex are left out; classWeights may have no memory.</summary>
    internal abstract void CrossEntropy(View logits, int* targets, View classWeights, CrossEntropyOptions options, View output);

    internal abstract void CrossEntropyBackward(
        View logits, int* targets, View classWeights, CrossEntropyOptions options, View outputGradient, View logitsGradient,
        bool accumulate);

    internal abstract void Pool(Pooling pooling, View x, Batch batch, View output);

    internal abstract void PoolBackward(Pooling pooling, View x, Batch batch, View outputGradient, View xGradient, bool accumulate);

    internal abstract void L2Normalize(View x, float epsilon, View output);

    internal abstract void L2NormalizeBackward(View x, float epsilon, View outputGradient, View xGradient, bool accumulate);
}

/// <summary>One attention: queries of a batch on keys of the same or another batch, or on the cached past of each sequence.</summary>
internal readonly struct AttentionCall
{
    /// <summary>(tokens, heads · key width), possibly a part of wider rows; so are keys and values.</summary>
    public View Query { get; init; }

    public View Key { get; init; }

    public View Value { get; init; }

    /// <summary>Added to the scores: (heads · longest query sequence, longest key sequence), or without memory.</summary>
    public View Bias { get; init; }

    /// <summary>(tokens, heads · value width).</summary>
    public View Output { get; init; }

    public Batch Queries { get; init; }

    public Batch Keys { get; init; }

    public AttentionOptions Options { get; init; }

    public ulong DropoutKey { get; init; }

    public int KeyWidth => Query.Columns / Options.Heads;

    public int ValueWidth => Value.Columns / Options.KeyHeads;

    /// <summary>The cached past of a sequence; null where it has none.</summary>
    public BlockKvSequence? Cached(int sequence) => Queries.Cached(sequence) switch
    {
        null => null,
        BlockKvSequence cached => cached,
        _ => throw new ArgumentException("The key/value cache belongs to another device."),
    };

    public float Scale => Options.Scale != 0 ? Options.Scale : 1f / MathF.Sqrt(KeyWidth);

    /// <summary>The keys that a query at a place may see: the first, and one past the last.</summary>
    public (int First, int End) Visible(int place, int keys)
    {
        if (!Options.Causal)
            return (0, keys);
        int end = Math.Min(keys, place + 1);
        int first = Options.Window > 0 ? Math.Max(0, place - Options.Window + 1) : 0;
        return (Math.Min(first, Math.Max(end, 0)), Math.Max(end, 0));
    }
}

/// <summary>The gradients of one attention; what is not wanted has no memory.</summary>
internal readonly struct AttentionGradients
{
    public View Output { get; init; }

    public View Query { get; init; }

    public View Key { get; init; }

    public View Value { get; init; }

    public View Bias { get; init; }

    public bool AccumulateQuery { get; init; }

    public bool AccumulateKey { get; init; }

    public bool AccumulateValue { get; init; }

    public bool AccumulateBias { get; init; }
}
