using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// A pass on the processor: tensors lie in an <see cref="Arena"/>, a <see cref="Backend"/> computes, and a training pass writes each call
/// on a tape.
/// </summary>
internal abstract unsafe class CpuPass : Pass
{
    private float[] _hostCopy = [];
    private RotaryTable.Buffer?[] _rotary = [];

    private protected CpuPass(Backend backend)
    {
        ArgumentNullException.ThrowIfNull(backend);
        Backend = backend;
        Arena = new Arena(backend.ElementSize);
    }

    /// <summary>The kernels.</summary>
    public Backend Backend { get; }

    /// <inheritdoc/>
    public sealed override long MemoryBytes => Arena.CapacityBytes;

    internal Arena Arena { get; }

    /// <inheritdoc/>
    public override void Dispose() => Arena.Dispose();

    /// <inheritdoc/>
    public sealed override ReadOnlySpan<float> Read(Tensor tensor)
    {
        var view = Arena.View(tensor);
        if (Backend.TryGetSpan(view, out var span))
            return span;
        int length = checked((int)view.Length);
        if (_hostCopy.Length < length)
            _hostCopy = new float[length];
        Backend.Read(view, _hostCopy.AsSpan(0, length));
        return _hostCopy.AsSpan(0, length);
    }

    private protected View Optional(Tensor tensor) => tensor.Exists ? Arena.View(tensor) : default;

    private protected View Part(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * Backend.ElementSize, view.Rows, count, view.Stride);

    private protected abstract void Record(in TapeEntry entry);

    /// <summary>The key of the next operation that draws random numbers.</summary>
    private protected abstract ulong NextKey();

    private protected sealed override double ReadScalarCore(Tensor tensor) => Backend.ReadScalar(Arena.View(tensor));

    private protected sealed override Tensor ConstantCore(ReadOnlySpan<float> values, int rows, int columns)
    {
        var output = Arena.Allocate(rows, columns, needsGradient: false);
        Backend.Write(values, Arena.View(output));
        return output;
    }

    private protected sealed override Tensor FromParameterCore(Parameter parameter)
    {
        int columns = parameter.Shape.IsEmpty ? 1 : parameter.Shape[^1];
        var output = Arena.Allocate(parameter.Length / columns, columns, IsTraining);
        Backend.FromParameter(parameter, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.FromParameter, Output = output, Weight = parameter });
        return output;
    }

    private protected sealed override Tensor ReshapeCore(Tensor x, int rows, int columns)
        => Arena.Reshape(Dense(x), rows, columns);

    private protected sealed override Tensor ColumnsCore(Tensor x, int start, int count)
        => Arena.Columns(x, start, count);

    private protected sealed override Tensor ConcatColumnsCore(Tensor a, Tensor b)
    {
        var output = Arena.Allocate(a.Rows, a.Columns + b.Columns, Wants(a) || Wants(b));
        var view = Arena.View(output);
        Backend.Copy(Arena.View(a), Part(view, 0, a.Columns), 1, accumulate: false);
        Backend.Copy(Arena.View(b), Part(view, a.Columns, b.Columns), 1, accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.ConcatColumns, Output = output, A = a, B = b });
        return output;
    }

    private protected sealed override Tensor SelectRowsCore(Tensor x, ReadOnlySpan<int> rows)
    {
        x = Dense(x);
        int* kept = Arena.Integers(rows);
        var output = Arena.Allocate(rows.Length, x.Columns, Wants(x));
        Backend.SelectRows(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.SelectRows, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    private protected sealed override Tensor PickColumnsCore(Tensor x, ReadOnlySpan<int> columns)
    {
        x = Dense(x);
        int* kept = Arena.Integers(columns);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.PickColumns(Arena.View(x), kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.PickColumns, Output = output, A = x, Integers = (nint)kept });
        return output;
    }

    private protected sealed override Tensor BinaryCore(BinaryOperation operation, Tensor a, Tensor b)
    {
        a = Dense(a);
        b = Dense(b);
        var output = Arena.Allocate(a.Rows, a.Columns, Wants(a) || Wants(b));
        Backend.Binary(operation, Arena.View(a), Arena.View(b), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Binary, Kind = (int)operation, Output = output, A = a, B = b });
        return output;
    }

    private protected sealed override Tensor ApplyCore(ElementFunction function, Tensor x, float least, float most)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Apply(function, least, most, Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Apply,
                Kind = (int)function,
                Output = output,
                A = x,
                Number = least,
                SecondNumber = most
            });
        return output;
    }

    private protected sealed override Tensor DetachCore(Tensor x)
    {
        var output = Arena.Allocate(x.Rows, x.Columns, needsGradient: false);
        Backend.Copy(Arena.View(x), Arena.View(output), 1, accumulate: false);
        return output;
    }

    private protected sealed override Tensor ScaleCore(Tensor x, float factor)
    {
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Copy(Arena.View(x), Arena.View(output), factor, accumulate: false);
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Copy, Output = output, A = x, Number = factor });
        return output;
    }

    private protected sealed override Tensor ActivateCore(Tensor x, Activation activation)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Activate(activation, Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Activate, Kind = (int)activation, Output = output, A = x });
        return output;
    }

    private protected sealed override Tensor SoftCapCore(Tensor x, float cap)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.SoftCap(cap, Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.SoftCap, Output = output, A = x, Number = cap });
        return output;
    }

    private protected sealed override Tensor GatedCore(Tensor gate, Tensor up, Activation activation)
    {
        var output = Arena.Allocate(gate.Rows, gate.Columns, Wants(gate) || Wants(up));
        Backend.Gated(activation, Arena.View(gate), Arena.View(up), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Gated, Kind = (int)activation, Output = output, A = gate, B = up });
        return output;
    }

    private protected sealed override Tensor DropoutCore(Tensor x, float probability)
    {
        x = Dense(x);
        ulong key = NextKey();
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Dropout(Arena.View(x), probability, key, Arena.View(output), accumulate: false);
        Record(new TapeEntry { Operation = Operation.Dropout, Output = output, A = x, Number = probability, Key = key });
        return output;
    }

    private protected sealed override Tensor SoftmaxCore(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.Softmax(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Softmax, Output = output, A = x });
        return output;
    }

    private protected sealed override Tensor LogSoftmaxCore(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.LogSoftmax(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.LogSoftmax, Output = output, A = x });
        return output;
    }

    private protected sealed override Tensor LogSumExpCore(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.LogSumExp(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.LogSumExp, Output = output, A = x });
        return output;
    }

    private protected sealed override Tensor RowSumCore(Tensor x)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, 1, Wants(x));
        Backend.RowSum(Arena.View(x), Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.RowSum, Output = output, A = x });
        return output;
    }

    private protected sealed override Tensor L2NormalizeCore(Tensor x, float epsilon)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Backend.L2Normalize(Arena.View(x), epsilon, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.L2Normalize, Output = output, A = x, Number = epsilon });
        return output;
    }

    private protected sealed override Tensor SumCore(Tensor x, float factor)
    {
        x = Dense(x);
        var output = Arena.Allocate(1, 1, Wants(x));
        Backend.Sum(Arena.View(x), factor, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Sum, Output = output, A = x, Number = factor });
        return output;
    }

    private protected sealed override Tensor PoolCore(Tensor x, Batch batch, Pooling pooling)
    {
        x = Dense(x);
        var output = Arena.Allocate(batch.Sequences, x.Columns, Wants(x));
        Backend.Pool(pooling, Arena.View(x), batch, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Pool, Kind = (int)pooling, Output = output, A = x, Queries = batch });
        return output;
    }

    private protected sealed override Tensor EmbeddingCore(Parameter table, ReadOnlySpan<int> ids)
    {
        int* kept = Arena.Integers(ids);
        var output = Arena.Allocate(ids.Length, table.Shape[1], IsTraining);
        Backend.Embedding(table, kept, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry { Operation = Operation.Embedding, Output = output, Weight = table, Integers = (nint)kept });
        return output;
    }

    private protected sealed override Tensor LinearCore(Tensor x, Parameter weight, Parameter? bias, LinearLayout layout, int columns)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, columns, IsTraining);
        Backend.Linear(Arena.View(x), weight, bias, layout, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Linear,
                Kind = (int)layout,
                Output = output,
                A = x,
                Weight = weight,
                Bias = bias
            });
        return output;
    }

    private protected sealed override Tensor LayerNormCore(Tensor x, Parameter? weight, Parameter? bias, float epsilon)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x) || (IsTraining && (weight ?? bias) is not null));
        Backend.LayerNorm(Arena.View(x), weight, bias, epsilon, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.LayerNorm,
                Output = output,
                A = x,
                Weight = weight,
                Bias = bias,
                Number = epsilon
            });
        return output;
    }

    private protected sealed override Tensor RmsNormCore(Tensor x, Parameter? weight, float epsilon, float weightOffset)
    {
        x = Dense(x);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x) || (IsTraining && weight is not null));
        Backend.RmsNorm(Arena.View(x), weight, epsilon, weightOffset, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.RmsNorm,
                Output = output,
                A = x,
                Weight = weight,
                Number = epsilon,
                SecondNumber = weightOffset
            });
        return output;
    }

    private protected sealed override Tensor MatMulCore(Tensor a, Tensor b, bool transposeA, bool transposeB)
    {
        a = Dense(a);
        b = Dense(b);
        var output = Arena.Allocate(transposeA ? a.Columns : a.Rows, transposeB ? b.Rows : b.Columns, Wants(a) || Wants(b));
        Backend.MatMul(Arena.View(a), transposeA, Arena.View(b), transposeB, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.MatMul,
                Kind = (transposeA ? 1 : 0) | (transposeB ? 2 : 0),
                Output = output,
                A = a,
                B = b
            });
        return output;
    }

    private protected sealed override Tensor CrossEntropyCore(
        Tensor logits, ReadOnlySpan<int> targets, in CrossEntropyOptions options, Tensor classWeights)
    {
        logits = Dense(logits);
        int* kept = Arena.Integers(targets);
        var output = Arena.Allocate(options.Reduction == Reduction.None ? logits.Rows : 1, 1, Wants(logits));
        Backend.CrossEntropy(Arena.View(logits), kept, Optional(classWeights), options, Arena.View(output));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.CrossEntropy,
                Output = output,
                A = logits,
                B = classWeights,
                Integers = (nint)kept,
                CrossEntropy = options
            });
        return output;
    }

    private protected sealed override Tensor AttentionCore(
        Tensor query, Tensor key, Tensor value, Batch batch, Batch keys, in AttentionOptions options, Tensor bias)
    {
        if (bias.Exists)
            bias = Dense(bias);
        int valueWidth = value.Columns / options.KeyHeads;
        bool wanted = Wants(query) || Wants(key) || Wants(value) || (bias.Exists && Wants(bias));
        var output = Arena.Allocate(query.Rows, options.Heads * valueWidth, wanted);
        ulong dropoutKey = options.Dropout > 0 ? NextKey() : 0;
        Backend.Attention(Call(query, key, value, bias, output, batch, keys, options, dropoutKey));
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Attention,
                Output = output,
                A = query,
                B = key,
                C = value,
                D = bias,
                Queries = batch,
                Keys = keys,
                Attention = options,
                Key = dropoutKey,
            });
        return output;
    }

    private protected sealed override Tensor RotaryCore(
        Tensor x, RotaryTable table, ReadOnlySpan<int> positions, Batch? batch, int headWidth)
    {
        if (!table.DependsOnLength)
            batch = null;
        int* kept = Arena.Integers(positions);
        var output = Arena.Allocate(x.Rows, x.Columns, Wants(x));
        Rotary(Arena.View(x), table, batch, kept, headWidth, inverse: false, Arena.View(output), accumulate: false);
        if (IsTraining)
            Record(new TapeEntry
            {
                Operation = Operation.Rotary,
                Output = output,
                A = x,
                Rotary = table,
                Queries = batch,
                Integers = (nint)kept,
                Count = headWidth
            });
        return output;
    }

    private protected AttentionCall Call(
        Tensor query, Tensor key, Tensor value, Tensor bias, Tensor output, Batch batch, Batch keys, AttentionOptions options,
        ulong dropoutKey)
        => new()
        {
            Query = Arena.View(query),
            Key = Arena.View(key),
            Value = Arena.View(value),
            Bias = Optional(bias),
            Output = Arena.View(output),
            Queries = batch,
            Keys = keys,
            Options = options,
            DropoutKey = dropoutKey,
        };

    /// <summary>Turns the rows, sequence by sequence where a batch is given.</summary>
    private protected void Rotary(
        View x, RotaryTable table, Batch? batch, int* positions, int headWidth, bool inverse, View output, bool accumulate)
    {
        if (batch is null)
        {
            Backend.Rotary(x, table, positions, headWidth, inverse, output, accumulate);
            return;
        }

        var starts = batch.SequenceStarts;
        if (_rotary.Length < batch.Sequences)
            Array.Resize(ref _rotary, batch.Sequences);
        for (int s = 0; s < batch.Sequences; s++)
            if (starts[s + 1] - starts[s] is > 0 and var rows)
                Backend.Rotary(Rows(x, starts[s], rows), table.ForLength(batch.RopeLength(s), ref _rotary[s]), positions + starts[s],
                    headWidth, inverse, Rows(output, starts[s], rows), accumulate);
    }
    // Operations that take dense rows only get a copy of a part of wider rows.
    private Tensor Dense(Tensor x) => Arena.View(x).Dense ? x : Scale(x, 1);

    private bool Wants(Tensor x) => IsTraining && Arena.NeedsGradient(x);

    private View Rows(View view, int start, int count)
        => new((byte*)view.Data + (nint)start * view.Stride * Backend.ElementSize, count, view.Columns, view.Stride);
}
