using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Kotonoha.Foundation;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>The CPU: float32 activations, kernels for the widest vectors there are, a pool of threads.</summary>
/// <remarks>
/// A row gives the same bits alone and among others, on one thread and on many; between vector widths the last bits may differ. Rare
/// operations run on the reference loops. May be shared by passes that run one after another.
/// </remarks>
internal sealed unsafe class CpuBackend : ReferenceBackend<float>
{
    /// <summary>The environment variable that sets the number of threads.</summary>
    public const string ThreadsVariable = "KOTONOHA_THREADS";

    private readonly WorkerPool _pool;
    private readonly CpuKernels _kernels;
    private float* _raised;
    private int _raisedLength;
    private byte* _table;
    private long _tableBytes;

    /// <summary>Creates the backend.</summary>
    /// <param name="threads">How many threads compute, the caller included; 0 for the value of <c>KOTONOHA_THREADS</c>, or else one a
    /// core.</param>
    /// <exception cref="KotonohaException"><c>KOTONOHA_THREADS</c> is not a positive whole number.</exception>
    public CpuBackend(int threads = 0)
        : this(threads, Vector512.IsHardwareAccelerated ? 512 : Vector256.IsHardwareAccelerated ? 256 : 128)
    {
    }

    internal CpuBackend(int threads, int vectorBits)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(threads);
        _pool = new WorkerPool(threads > 0 ? threads : DefaultThreads());
        _kernels = vectorBits switch
        {
            512 => new CpuKernels<Simd512, Vector512<float>>(_pool),
            256 => new CpuKernels<Simd256, Vector256<float>>(_pool),
            _ => new CpuKernels<Simd128, Vector128<float>>(_pool),
        };
    }

    /// <summary>Ends the threads and frees the memory of a backend that nobody disposed.</summary>
    ~CpuBackend()
    {
        _pool?.Stop();
        NativeMemory.Free(_table);
        NativeMemory.AlignedFree(_raised);
    }

    /// <summary>How many threads compute, the caller included.</summary>
    public int Threads => _pool.Threads;

    /// <summary>
    /// Whether activations stay in single precision before quantised weights too. Otherwise they are rounded to 8 bits for such products,
    /// which are then done in whole numbers: several times faster, and as far from exact as llama.cpp's.
    /// </summary>
    public bool IsExact { get; init; }

    /// <inheritdoc/>
    public override string Description => $"CPU, {Threads} {(Threads == 1 ? "thread" : "threads")}, {_kernels.Name}";

    /// <inheritdoc/>
    public override void Dispose()
    {
        _pool.Dispose();
        NativeMemory.Free(_table);
        _table = null;
        _tableBytes = 0;
        base.Dispose();
    }

    internal override void AdamW(Parameter weight, float* gradient, float* moment1, float* moment2, in AdamWFactors factors)
        => OptimizerKernels.AdamW(_pool, weight.Pointer, gradient, moment1, moment2, weight.Length, in factors);

    internal override double SumOfSquares(Gradients gradients) => OptimizerKernels.SumOfSquares(_pool, gradients.Memory, gradients.Length);

    internal override void Copy(View source, View target, float factor, bool accumulate)
        => _kernels.Copy(source, target, factor, accumulate);

    internal override void Embedding(Parameter table, int* ids, View output)
    {
        for (int r = 0; r < output.Rows; r++)
            table.ReadStoredRow(ids[r], new Span<float>(Row(output, r), output.Columns));
    }

    internal override void EmbeddingBackward(int* ids, View outputGradient, float* tableGradient)
    {
        if (tableGradient is not null)
            _kernels.EmbeddingBackward(ids, outputGradient, tableGradient);
    }

    internal override void Linear(View x, Parameter weight, Parameter? bias, LinearLayout layout, View output)
    {
        var product = Product(x, 1, x.Columns, output, accumulate: false);
        bool rowsAreOutputs = layout == LinearLayout.OutIn != weight.IsStoredTransposed;
        if (weight.Format == DataType.Float32)
        {
            product.B = (float*)weight.Address;
            product.BStride = weight.RowElements;
            product.BTransposed = rowsAreOutputs;
        }
        else if (rowsAreOutputs && weight.Format.IsQuantized() && !IsExact)
        {
            var quantized = new QuantizedArguments
            {
                A = x.Float,
                ARow = x.Stride,
                Stored = weight.Address,
                StoredStride = weight.RowBytes,
                Format = weight.Format,
                C = output.Float,
                CStride = output.Stride,
                M = output.Rows,
                N = output.Columns,
                K = x.Columns,
                Bias = Pointer(bias),
            };
            _kernels.Gemm(ref quantized);
            return;
        }
        else if (rowsAreOutputs)
        {
            product.Stored = weight.Address;
            product.StoredStride = weight.RowBytes;
            product.Format = weight.Format;
            product.BTransposed = true;
        }
        else
        {
            throw new InvalidOperationException($"The weight '{weight.Name}' is stored as {weight.Format.Name()} with its inputs "
                + "outermost; such products need single precision. Load the model with its weights raised to single precision.");
        }

        product.Bias = Pointer(bias);
        _kernels.Gemm(ref product);
    }

    // The weight's rows in single precision; valid until the next call.
    private float* Raised(Parameter weight)
    {
        if (_raisedLength < weight.Length)
        {
            NativeMemory.AlignedFree(_raised);
            _raised = (float*)NativeMemory.AlignedAlloc((nuint)(weight.Length + 16) * sizeof(float), 64);
            _raisedLength = weight.Length;
        }

        var target = (nint)_raised;
        Parallel.For(0, weight.Length / weight.RowElements, new ParallelOptions { MaxDegreeOfParallelism = Threads }, row =>
            weight.ReadStoredRow(row, new Span<float>((float*)target + (long)row * weight.RowElements, weight.RowElements)));
        return _raised;
    }

    internal override void LinearBackward(
        View x, Parameter weight, LinearLayout layout, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient)
    {
        int inputs = x.Columns, outputs = outputGradient.Columns;
        bool inOut = layout == LinearLayout.InOut;
        if (xGradient.Exists)
        {
            var product = Product(outputGradient, 1, outputs, xGradient, accumulate);
            if (weight.Format == DataType.Float32)
            {
                bool stored = inOut != weight.IsStoredTransposed;
                product.B = (float*)weight.Address;
                product.BTransposed = stored;
                product.BStride = stored ? outputs : inputs;
            }
            else
            {
                // A frozen weight under an adapter.
                product.B = Raised(weight);
                product.BStride = weight.RowElements;
            }

            _kernels.Gemm(ref product);
        }

        if (weightGradient is not null)
        {
            // Xᵀ dY, or its transpose: the inner dimension is the rows.
            View left = inOut ? x : outputGradient, right = inOut ? outputGradient : x;
            var target = new View(weightGradient, left.Columns, right.Columns, right.Columns);
            var product = Product(left, left.Stride, x.Rows, target, accumulate: true);
            product.ARow = 1;
            product.B = right.Float;
            product.BStride = right.Stride;
            _kernels.Gemm(ref product);
        }

        if (biasGradient is not null)
            _kernels.ColumnSum(outputGradient, biasGradient);
    }

    internal override void MatMul(View a, bool transposeA, View b, bool transposeB, View output, bool accumulate)
    {
        var product = Product(a, transposeA ? a.Stride : 1, transposeA ? a.Rows : a.Columns, output, accumulate);
        if (transposeA)
            product.ARow = 1;
        product.B = b.Float;
        product.BTransposed = transposeB;
        product.BStride = b.Stride;
        _kernels.Gemm(ref product);
    }

    internal override void LayerNorm(View x, Parameter? weight, Parameter? bias, float epsilon, View output)
        => _kernels.LayerNorm(x, Pointer(weight), Pointer(bias), epsilon, false, 0, output);

    internal override void LayerNormBackward(
        View x, Parameter? weight, float epsilon, View outputGradient, View xGradient, bool accumulate, float* weightGradient,
        float* biasGradient)
        => _kernels.LayerNormBackward(x, Pointer(weight), epsilon, false, 0, outputGradient, xGradient, accumulate, weightGradient,
            biasGradient);

    internal override void RmsNorm(View x, Parameter? weight, float epsilon, float weightOffset, View output)
        => _kernels.LayerNorm(x, Pointer(weight), null, epsilon, true, weightOffset, output);

    internal override void RmsNormBackward(
        View x, Parameter? weight, float epsilon, float weightOffset, View outputGradient, View xGradient, bool accumulate,
        float* weightGradient)
        => _kernels.LayerNormBackward(x, Pointer(weight), epsilon, true, weightOffset, outputGradient, xGradient, accumulate,
            weightGradient, null);

    internal override void Binary(BinaryOperation operation, View a, View b, View output)
    {
        if (operation is BinaryOperation.Minimum or BinaryOperation.Maximum || !_kernels.Binary(operation, a, b, output))
            base.Binary(operation, a, b, output);
    }

    internal override void BinaryBackward(
        BinaryOperation operation, View a, View b, View outputGradient, View aGradient, bool accumulateA, View bGradient, bool accumulateB)
    {
        bool same = a.Rows == b.Rows && a.Columns == b.Columns;
        if (!same || operation is not (BinaryOperation.Add or BinaryOperation.Multiply))
        {
            base.BinaryBackward(operation, a, b, outputGradient, aGradient, accumulateA, bGradient, accumulateB);
            return;
        }

        if (aGradient.Exists && operation == BinaryOperation.Add)
            _kernels.Copy(outputGradient, aGradient, 1, accumulateA);
        else if (aGradient.Exists)
            _kernels.MultiplyBackward(b, outputGradient, aGradient, accumulateA);
        if (bGradient.Exists && operation == BinaryOperation.Add)
            _kernels.Copy(outputGradient, bGradient, 1, accumulateB);
        else if (bGradient.Exists)
            _kernels.MultiplyBackward(a, outputGradient, bGradient, accumulateB);
    }

    internal override void Activate(Activation activation, View x, View output)
    {
        if (activation == Activation.Softplus)
            base.Activate(activation, x, output);
        else
            _kernels.Activate(activation, x, output);
    }

    internal override void ActivateBackward(Activation activation, View x, View outputGradient, View xGradient, bool accumulate)
        => _kernels.ActivateBackward(activation, x, outputGradient, xGradient, accumulate);

    internal override void SoftCap(float cap, View x, View output) => _kernels.SoftCap(cap, x, output);

    internal override void Rotary(View x, RotaryTable table, int* positions, int headWidth, bool inverse, View output, bool accumulate)
    {
        if (!table.KeepsTurns || x.Rows == 0)
        {
            base.Rotary(x, table, positions, headWidth, inverse, output, accumulate);
            return;
        }

        int last = 0;
        for (int r = 0; r < x.Rows; r++)
            last = Math.Max(last, positions[r]);
        fixed (float* turns = table.Turns(last + 1))
            _kernels.Rotary(x, turns, table.RotaryWidth / 2, positions, headWidth, table.Interleaved, inverse, output, accumulate);
    }

    internal override void Gated(Activation activation, View gate, View up, View output)
    {
        if (activation == Activation.Softplus)
            base.Gated(activation, gate, up, output);
        else
            _kernels.Gated(activation, gate, up, output);
    }

    internal override void GatedBackward(
        Activation activation, View gate, View up, View outputGradient, View gateGradient, bool accumulateGate, View upGradient,
        bool accumulateUp)
    {
        if (activation == Activation.Softplus)
            base.GatedBackward(activation, gate, up, outputGradient, gateGradient, accumulateGate, upGradient, accumulateUp);
        else
            _kernels.GatedBackward(activation, gate, up, outputGradient, gateGradient, accumulateGate, upGradient, accumulateUp);
    }

    internal override void Softmax(View x, View output) => _kernels.Softmax(x, output, logarithm: false);

    internal override void LogSoftmax(View x, View output) => _kernels.Softmax(x, output, logarithm: true);

    internal override void Dropout(View x, float probability, ulong key, View output, bool accumulate)
        => _kernels.Dropout(x, probability, key, output, accumulate);

    internal override void CrossEntropy(View logits, int* targets, View classWeights, CrossEntropyOptions options, View output)
    {
        if (options.LabelSmoothing != 0 || classWeights.Exists)
        {
            base.CrossEntropy(logits, targets, classWeights, options, output);
            return;
        }

        bool each = options.Reduction == Reduction.None;
        float* losses = each ? output.Float : (float*)Table((long)logits.Rows * sizeof(float));
        _kernels.CrossEntropy(logits, targets, options.IgnoreIndex, losses);
        if (each)
            return;
        double total = 0;
        for (int r = 0; r < logits.Rows; r++)
            total += losses[r];
        *output.Float = (float)(options.Reduction == Reduction.Mean ? total * MeanFactor(targets, logits.Rows, default, options) : total);
    }

    internal override void CrossEntropyBackward(
        View logits, int* targets, View classWeights, CrossEntropyOptions options, View outputGradient, View logitsGradient,
        bool accumulate)
    {
        if (options.LabelSmoothing != 0 || classWeights.Exists)
        {
            base.CrossEntropyBackward(logits, targets, classWeights, options, outputGradient, logitsGradient, accumulate);
            return;
        }

        float factor = options.Reduction == Reduction.Mean ? MeanFactor(targets, logits.Rows, default, options) : 1;
        int stride = options.Reduction == Reduction.None ? 1 : 0;
        _kernels.CrossEntropyBackward(logits, targets, options.IgnoreIndex, outputGradient.Float, stride, factor, logitsGradient,
            accumulate);
    }

    internal override void Attention(in AttentionCall call)
    {
        if (call.Queries.HasCache)
            StoreInCache(in call);
        fixed (int* queryStarts = call.Queries.SequenceStarts, keyStarts = call.Keys.SequenceStarts, offsets = call.Queries.QueryOffsets)
        {
            var arguments = Arguments(in call, queryStarts, keyStarts, offsets);
            _kernels.Attention(ref arguments);
        }
    }

    internal override void AttentionBackward(in AttentionCall call, in AttentionGradients gradients)
    {
        if (call.Options.SoftCap > 0 || call.Bias.Exists)
        {
            base.AttentionBackward(in call, in gradients);
            return;
        }

        Clear(gradients.Query, gradients.AccumulateQuery);
        Clear(gradients.Key, gradients.AccumulateKey);
        Clear(gradients.Value, gradients.AccumulateValue);
        fixed (int* queryStarts = call.Queries.SequenceStarts, keyStarts = call.Keys.SequenceStarts, offsets = call.Queries.QueryOffsets)
        {
            var arguments = Arguments(in call, queryStarts, keyStarts, offsets);
            arguments.OutputGradient = gradients.Output;
            arguments.QueryGradient = gradients.Query;
            arguments.KeyGradient = gradients.Key;
            arguments.ValueGradient = gradients.Value;
            _kernels.AttentionBackward(ref arguments);
        }
    }

    private static float* Pointer(Parameter? parameter) => parameter is null ? null : parameter.Pointer;

    // A (rows of x, or columns where the stride of the inner dimension says so) times something that the caller fills in.
    private static GemmArguments Product(View a, int innerStride, int inner, View c, bool accumulate) => new()
    {
        A = a.Float,
        ARow = a.Stride,
        AInner = innerStride,
        K = inner,
        C = c.Float,
        CStride = c.Stride,
        M = c.Rows,
        N = c.Columns,
        Accumulate = accumulate,
    };

    private static int DefaultThreads()
    {
        var text = Environment.GetEnvironmentVariable(ThreadsVariable);
        if (string.IsNullOrEmpty(text))
            return Environment.ProcessorCount;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int threads) && threads > 0)
            return threads;
        throw new KotonohaException($"The environment variable {ThreadsVariable} is '{text}'; it must be a positive whole number.");
    }

    private AttentionArguments Arguments(in AttentionCall call, int* queryStarts, int* keyStarts, int* offsets)
    {
        int sequences = call.Queries.Sequences, blocks = 0;
        for (int s = 0; s < sequences; s++)
            blocks += call.Cached(s)?.Blocks.Length ?? 0;
        nint* keyBlocks = (nint*)Table(2L * blocks * sizeof(nint) + 2L * sequences * sizeof(int));
        nint* valueBlocks = keyBlocks + blocks;
        int* firstBlocks = (int*)(valueBlocks + blocks);
        int* keyCounts = firstBlocks + sequences;
        int next = 0;
        for (int s = 0; s < sequences; s++)
        {
            var cached = call.Cached(s);
            keyCounts[s] = KeyCount(in call, s);
            firstBlocks[s] = cached is null ? -1 : next;
            if (cached is null)
                continue;
            foreach (int block in cached.Blocks)
            {
                keyBlocks[next] = (nint)cached.Blocked.Keys(block, call.Options.Layer, 0);
                valueBlocks[next++] = (nint)cached.Blocked.Values(block, call.Options.Layer, 0);
            }
        }

        return new AttentionArguments
        {
            Query = call.Query,
            Key = call.Key,
            Value = call.Value,
            Bias = call.Bias,
            Output = call.Output,
            Sequences = sequences,
            Heads = call.Options.Heads,
            KeyHeads = call.Options.KeyHeads,
            KeyWidth = call.KeyWidth,
            ValueWidth = call.ValueWidth,
            LongestKeys = LongestKeys(in call),
            LongestQueries = LongestQueries(in call),
            Causal = call.Options.Causal,
            Window = call.Options.Window,
            Scale = call.Scale,
            SoftCap = call.Options.SoftCap,
            Dropout = call.Options.Dropout,
            DropoutThreshold = CounterRandom.Threshold(call.Options.Dropout),
            DropoutKey = call.DropoutKey,
            QueryStarts = queryStarts,
            KeyStarts = keyStarts,
            QueryOffsets = offsets,
            KeyCounts = keyCounts,
            FirstBlocks = firstBlocks,
            KeyBlocks = keyBlocks,
            ValueBlocks = valueBlocks,
        };
    }

    // A little native memory for one call, kept for the next.
    private void* Table(long bytes)
    {
        if (bytes > _tableBytes)
        {
            NativeMemory.Free(_table);
            _tableBytes = Math.Max(bytes, 2 * _tableBytes);
            _table = (byte*)NativeMemory.Alloc((nuint)_tableBytes);
        }

        return _table;
    }
}
