using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>The fast kernels, written once for every vector width.</summary>
/// <remarks>
/// Sums over a row run in lanes (element c in lane c mod width), then across lanes in a fixed order; so they depend on the row alone. Sums
/// over rows (gradients of weights) run over fixed chunks of rows, then over the chunks.
/// </remarks>
internal sealed unsafe partial class CpuKernels<S, V> : CpuKernels
    where S : struct, ISimd<V>
    where V : struct
{
    private const int ElementsPerTask = 16 * 1024;
    private const int RowsPerChunk = 64;
    private readonly WorkerPool _pool;

    public CpuKernels(WorkerPool pool) => _pool = pool;

    public override string Name => S.Name;

    public override void Gemm(ref GemmArguments arguments) => Gemm<S, V>.Run(_pool, ref arguments);

    public override void Gemm(ref QuantizedArguments arguments) => QuantizedGemm<S, V>.Run(_pool, ref arguments);

    public override void ColumnSum(View x, float* sum)
    {
        var arguments = new RowArguments { A = x, Sums = sum };
        int tasks = (x.Columns + Gemm<S, V>.PanelWidth - 1) / Gemm<S, V>.PanelWidth;
        if (x.Length < ElementsPerTask)
            for (int task = 0; task < tasks; task++)
                ColumnSumTask(&arguments, task, 0);
        else
            _pool.Run(&ColumnSumTask, &arguments, tasks);
    }

    public override void Copy(View source, View target, float factor, bool accumulate)
    {
        var arguments = new RowArguments { A = source, B = target, Number = factor, Accumulate = accumulate };
        RunRows(&CopyTask, ref arguments, target);
    }

    public override void EmbeddingBackward(int* ids, View outputGradient, float* tableGradient)
    {
        // Threads split the columns: the rows of one id add up in the order of the batch.
        var arguments = new RowArguments { A = outputGradient, Integers = ids, Sums = tableGradient };
        int tasks = (outputGradient.Columns + Gemm<S, V>.PanelWidth - 1) / Gemm<S, V>.PanelWidth;
        _pool.Run(&EmbeddingBackwardTask, &arguments, tasks);
    }

    public override bool Binary(BinaryOperation operation, View a, View b, View output)
    {
        bool sameRows = b.Rows == a.Rows, row = b.Rows == 1;
        if (b.Columns != a.Columns || !(sameRows || row))
            return false;
        var arguments = new RowArguments { A = a, B = b, C = output, Kind = (int)operation, Stride = sameRows ? b.Stride : 0 };
        RunRows(&BinaryTask, ref arguments, a);
        return true;
    }

    public override void MultiplyBackward(View other, View outputGradient, View gradient, bool accumulate)
    {
        var arguments = new RowArguments { A = other, B = outputGradient, C = gradient, Accumulate = accumulate };
        RunRows(&MultiplyBackwardTask, ref arguments, gradient);
    }

    public override void Activate(Activation activation, View x, View output)
    {
        var arguments = new RowArguments { A = x, B = output, Kind = (int)activation };
        RunRows(&ActivateTask, ref arguments, x);
    }

    public override void ActivateBackward(Activation activation, View x, View outputGradient, View xGradient, bool accumulate)
    {
        var arguments = new RowArguments { A = x, B = outputGradient, C = xGradient, Kind = (int)activation, Accumulate = accumulate };
        RunRows(&ActivateBackwardTask, ref arguments, x);
    }

    public override void SoftCap(float cap, View x, View output)
    {
        var arguments = new RowArguments { A = x, B = output, Number = cap };
        RunRows(&SoftCapTask, ref arguments, x);
    }

    public override void Gated(Activation activation, View gate, View up, View output)
    {
        var arguments = new RowArguments { A = gate, B = up, C = output, Kind = (int)activation };
        RunRows(&GatedTask, ref arguments, gate);
    }

    public override void GatedBackward(
        Activation activation, View gate, View up, View outputGradient, View gateGradient, bool accumulateGate, View upGradient,
        bool accumulateUp)
    {
        var arguments = new RowArguments
        {
            A = gate,
            B = up,
            C = outputGradient,
            D = gateGradient,
            E = upGradient,
            Kind = (int)activation,
            Accumulate = accumulateGate,
            AccumulateToo = accumulateUp,
        };
        RunRows(&GatedBackwardTask, ref arguments, gate);
    }

    public override void Dropout(View x, float probability, ulong key, View output, bool accumulate)
    {
        var arguments = new RowArguments
        {
            A = x,
            B = output,
            Number = 1f / (1f - probability),
            Key = key,
            Threshold = CounterRandom.Threshold(probability),
            Accumulate = accumulate,
        };
        RunRows(&DropoutTask, ref arguments, x);
    }

    private static void ColumnSumTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int start = task * Gemm<S, V>.PanelWidth, end = Math.Min(g->A.Columns, start + Gemm<S, V>.PanelWidth);
        for (int c = start; c < end; c += S.Count)
        {
            V sum = S.Zero;
            float* x = g->A.Float + c;
            for (int r = 0; r < g->A.Rows; r++, x += g->A.Stride)
                sum = S.Add(sum, S.Load(x));
            AddPart(g->Sums + c, sum, end - c);
        }
    }

    private static void EmbeddingBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        int start = task * Gemm<S, V>.PanelWidth, end = Math.Min(g->A.Columns, start + Gemm<S, V>.PanelWidth);
        for (int r = 0; r < g->A.Rows; r++)
        {
            float* x = g->A.Float + (nint)r * g->A.Stride, target = g->Sums + (nint)g->Integers[r] * g->A.Columns;
            for (int c = start; c < end; c += S.Count)
                AddPart(target + c, S.Load(x + c), end - c);
        }
    }

    private static void CopyTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        V factor = S.Create(g->Number);
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* from = Row(g->A, r), to = Row(g->B, r);
            for (int c = 0; c < g->B.Columns; c += S.Count)
                Put(to + c, S.Multiply(factor, S.Load(from + c)), g->B.Columns - c, g->Accumulate);
        }
    }

    private static void BinaryTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
        {
            float* a = Row(g->A, r), b = g->B.Float + (nint)r * g->Stride, y = Row(g->C, r);
            for (int c = 0; c < g->A.Columns; c += S.Count)
            {
                V p = S.Load(a + c), q = S.Load(b + c);
                V value = (BinaryOperation)g->Kind switch
                {
                    BinaryOperation.Add => S.Add(p, q),
                    BinaryOperation.Subtract => S.Subtract(p, q),
                    BinaryOperation.Multiply => S.Multiply(p, q),
                    _ => S.Divide(p, q),
                };
                Put(y + c, value, g->A.Columns - c, false);
            }
        }
    }

    private static void MultiplyBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
                Put(Row(g->C, r) + c, S.Multiply(S.Load(Row(g->A, r) + c), S.Load(Row(g->B, r) + c)), g->A.Columns - c, g->Accumulate);
    }

    private static void ActivateTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
                Put(Row(g->B, r) + c, Value((Activation)g->Kind, S.Load(Row(g->A, r) + c)), g->A.Columns - c, false);
    }

    private static void ActivateBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
            {
                V slope = Slope((Activation)g->Kind, S.Load(Row(g->A, r) + c));
                Put(Row(g->C, r) + c, S.Multiply(S.Load(Row(g->B, r) + c), slope), g->A.Columns - c, g->Accumulate);
            }
    }

    private static void SoftCapTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        V cap = S.Create(g->Number);
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
                Put(Row(g->B, r) + c, S.Multiply(cap, VectorMath<S, V>.Tanh(S.Divide(S.Load(Row(g->A, r) + c), cap))), g->A.Columns - c,
                    false);
    }

    private static void GatedTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
                Put(Row(g->C, r) + c, S.Multiply(Value((Activation)g->Kind, S.Load(Row(g->A, r) + c)), S.Load(Row(g->B, r) + c)),
                    g->A.Columns - c, false);
    }

    private static void GatedBackwardTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
            {
                V x = S.Load(Row(g->A, r) + c), up = S.Load(Row(g->B, r) + c), upstream = S.Load(Row(g->C, r) + c);
                if (g->D.Exists)
                    Put(Row(g->D, r) + c, S.Multiply(S.Multiply(upstream, up), Slope((Activation)g->Kind, x)), g->A.Columns - c,
                        g->Accumulate);
                if (g->E.Exists)
                    Put(Row(g->E, r) + c, S.Multiply(upstream, Value((Activation)g->Kind, x)), g->A.Columns - c, g->AccumulateToo);
            }
    }

    private static void DropoutTask(void* pointer, int task, int worker)
    {
        var g = (RowArguments*)pointer;
        V scale = S.Create(g->Number);
        for (int r = First(g, task), end = End(g, task); r < end; r++)
            for (int c = 0; c < g->A.Columns; c += S.Count)
            {
                V kept = S.Kept(g->Key, (uint)((long)r * g->A.Columns + c), g->Threshold);
                Put(Row(g->B, r) + c, S.Multiply(S.Multiply(S.Load(Row(g->A, r) + c), scale), kept), g->A.Columns - c, g->Accumulate);
            }
    }

    // ---- activation functions

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Value(Activation activation, V x) => activation switch
    {
        Activation.GeluTanh => S.Multiply(x, VectorMath<S, V>.Sigmoid(GeluArgument(x))),
        Activation.Gelu => S.Multiply(x, VectorMath<S, V>.Normal(x, out _)),
        Activation.Silu => S.Multiply(x, VectorMath<S, V>.Sigmoid(x)),
        Activation.QuickGelu => S.Multiply(x, VectorMath<S, V>.Sigmoid(S.Multiply(x, S.Create(1.702f)))),
        Activation.Relu => S.Max(x, S.Zero),
        Activation.ReluSquared => S.Multiply(S.Max(x, S.Zero), S.Max(x, S.Zero)),
        Activation.Tanh => VectorMath<S, V>.Tanh(x),
        Activation.Sigmoid => VectorMath<S, V>.Sigmoid(x),
        _ => x,
    };

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Slope(Activation activation, V x)
    {
        V one = S.Create(1);
        switch (activation)
        {
            case Activation.GeluTanh:
                // x s(u): s + x s (1 − s) u'
                V s = VectorMath<S, V>.Sigmoid(GeluArgument(x));
                V inner = S.Fma(S.Multiply(x, x), S.Create(0.2140644488f), S.Create(1.5957691216f));
                return S.Fma(S.Multiply(S.Multiply(x, inner), s), S.Subtract(one, s), s);
            case Activation.Gelu:
                V cdf = VectorMath<S, V>.Normal(x, out V gauss);
                return S.Fma(S.Multiply(x, gauss), S.Create(0.3989422804f), cdf);
            case Activation.Silu:
                V g = VectorMath<S, V>.Sigmoid(x);
                return S.Fma(S.Multiply(x, g), S.Subtract(one, g), g);
            case Activation.QuickGelu:
                V q = VectorMath<S, V>.Sigmoid(S.Multiply(x, S.Create(1.702f)));
                return S.Fma(S.Multiply(S.Multiply(x, S.Create(1.702f)), q), S.Subtract(one, q), q);
            case Activation.Relu:
                return S.IfLess(S.Zero, x, one, S.Zero);
            case Activation.ReluSquared:
                return S.Multiply(S.Max(x, S.Zero), S.Create(2));
            case Activation.Tanh:
                V t = VectorMath<S, V>.Tanh(x);
                return S.Subtract(one, S.Multiply(t, t));
            case Activation.Sigmoid:
                V h = VectorMath<S, V>.Sigmoid(x);
                return S.Multiply(h, S.Subtract(one, h));
            case Activation.Softplus:
                return VectorMath<S, V>.Sigmoid(x);
            default:
                return one;
        }
    }

    // 0.5 (1 + tanh u) is the sigmoid of 2u, with u = √(2/π) (x + 0.044715 x³).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V GeluArgument(V x) => S.Multiply(x, S.Fma(S.Multiply(x, x), S.Create(0.0713548163f), S.Create(1.5957691216f)));

    // ---- rows and parts of vectors

    // Dense operands of one length are treated as one list of elements, cut into rows of a convenient width.
    private void RunRows(delegate*<void*, int, int, void> task, ref RowArguments arguments, View shape)
    {
        arguments.Rows = shape.Rows;
        arguments.RowsPerTask = Math.Max(1, ElementsPerTask / Math.Max(1, shape.Columns));
        fixed (RowArguments* pointer = &arguments)
            _pool.Run(task, pointer, (shape.Rows + arguments.RowsPerTask - 1) / arguments.RowsPerTask);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int First(RowArguments* g, int task) => task * g->RowsPerTask;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int End(RowArguments* g, int task) => Math.Min(g->Rows, (task + 1) * g->RowsPerTask);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float* Row(in View view, int row) => view.Float + (nint)row * view.Stride;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float* target, V value, int left, bool accumulate)
    {
        if (left >= S.Count)
            S.Store(accumulate ? S.Add(S.Load(target), value) : value, target);
        else
            PutPart(target, value, left, accumulate);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddPart(float* target, V value, int left) => Put(target, value, left, true);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void PutPart(float* target, V value, int count, bool accumulate)
    {
        float* part = stackalloc float[16];
        S.Store(value, part);
        for (int i = 0; i < count; i++)
            target[i] = accumulate ? target[i] + part[i] : part[i];
    }

    // The first count elements; what comes after them reads as the filler.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V Load(float* source, int left, float filler) => left >= S.Count ? S.Load(source) : LoadPart(source, left, filler);

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static V LoadPart(float* source, int count, float filler)
    {
        float* part = stackalloc float[16];
        for (int i = 0; i < S.Count; i++)
            part[i] = i < count ? source[i] : filler;
        return S.Load(part);
    }
}
