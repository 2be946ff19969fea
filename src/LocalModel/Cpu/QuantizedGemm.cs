using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Products with quantised weights in whole numbers: activations are rounded to 8 bits with a scale for every group of a row, as the
/// weights' groups are; a group's sum is exact; scaled sums are added group after group from the first to the last. So a row gives the same
/// bits alone and among others, on any number of threads and with any instruction set that has a fused multiply-add.
/// </summary>
/// <remarks>
/// Memory: sixteen rows of weights at a time are unpacked to bytes and interleaved by fours (a panel, which stays in the nearest cache),
/// then all rows of activations pass over them. Weights are read once, in lines, where they lie. The scheme of scales is llama.cpp's (Q8_0,
/// Q8_1), the layout is not.
/// </remarks>
internal static unsafe class QuantizedGemm<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    private const int Outputs = 16;
    private const int InnerBlock = 1024;
    private const int RowStride = InnerBlock + 64;
    private const int MaxRows = 256;
    private const int SmallestGroup = 16;
    private const long MinimumParallelWork = 64 * 1024;

    // In floats: rows of quants, the panel, scales and minimums, sums.
    private const int QuantsSize = Outputs * RowStride / sizeof(float);
    private const int PanelSize = Outputs * RowStride / sizeof(float);
    private const int ScalesSize = Outputs * InnerBlock / SmallestGroup;

    public static void Run(WorkerPool pool, ref QuantizedArguments g)
    {
        g.Group = BlockUnpacker.GroupSize(g.Format);
        int groups = g.K / g.Group, panels = (g.N + Outputs - 1) / Outputs;
        bool parallel = pool.Threads > 1 && (long)g.M * g.N * g.K >= MinimumParallelWork;
        long quants = ((long)g.M * g.K / sizeof(float) + 15) / 16 * 16, scales = ((long)g.M * groups + 15) / 16 * 16;
        long shared = quants + 2 * scales;
        g.ScratchPerWorker = QuantsSize + PanelSize + 2 * ScalesSize + MaxRows * Outputs;
        float* memory = pool.Scratch(g.ScratchPerWorker + (shared + pool.Threads - 1) / pool.Threads + 16);
        g.Quants = (sbyte*)memory;
        g.Scales = memory + quants;
        g.Sums = g.Scales + scales;
        g.Scratch = memory + shared;
        g.PanelsPerTask = parallel ? Math.Max(1, panels / (8 * pool.Threads)) : panels;
        fixed (QuantizedArguments* arguments = &g)
        {
            if (parallel && g.M >= 8)
                pool.Run(&RoundRow, arguments, g.M);
            else
                for (int row = 0; row < g.M; row++)
                    RoundRow(arguments, row, 0);
            pool.Run(&Compute, arguments, (panels + g.PanelsPerTask - 1) / g.PanelsPerTask);
        }
    }

    // ---- activations to 8 bits

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RoundRow(void* arguments, int row, int worker)
    {
        var g = (QuantizedArguments*)arguments;
        float* x = g->A + row * g->ARow;
        sbyte* quants = g->Quants + (long)row * g->K;
        int groups = g->K / g->Group;
        float* scales = g->Scales + (long)row * groups, sums = g->Sums + (long)row * groups;
        for (int i = 0; i < groups; i++, x += g->Group, quants += g->Group)
        {
            var largest = Vector256.Max(Vector256.Abs(Vector256.Load(x)), Vector256.Abs(Vector256.Load(x + 8)));
            if (g->Group == 32)
                largest =
                    Vector256.Max(largest, Vector256.Max(Vector256.Abs(Vector256.Load(x + 16)), Vector256.Abs(Vector256.Load(x + 24))));
            var half = Vector128.Max(largest.GetLower(), largest.GetUpper());
            half = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(2, 3, 0, 1)));
            float most = Vector128.Max(half, Vector128.Shuffle(half, Vector128.Create(1, 0, 3, 2))).ToScalar();
            float scale = most / 127;
            var inverse = Vector256.Create(most > 0 ? 127 / most : 0);
            int sum = Round(x, inverse, quants);
            if (g->Group == 32)
                sum += Round(x + 16, inverse, quants + 16);
            scales[i] = scale;
            sums[i] = scale * sum;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Round(float* x, Vector256<float> inverse, sbyte* quants)
    {
        var first = Vector256.ConvertToInt32Native(Vector256.Round(Vector256.Load(x) * inverse));
        var second = Vector256.ConvertToInt32Native(Vector256.Round(Vector256.Load(x + 8) * inverse));
        var words = Vector256.Narrow(first, second);
        Vector128.Narrow(words.GetLower(), words.GetUpper()).Store(quants);
        return Vector256.Sum(first + second);
    }

    // ---- panels

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Compute(void* arguments, int task, int worker)
    {
        var g = (QuantizedArguments*)arguments;
        int panels = (g->N + Outputs - 1) / Outputs;
        int end = Math.Min(panels, (task + 1) * g->PanelsPerTask);
        float* memory = g->Scratch + worker * g->ScratchPerWorker;
        byte* rows = (byte*)memory;
        byte* panel = (byte*)(memory + QuantsSize);
        float* scales = memory + QuantsSize + PanelSize, minimums = scales + ScalesSize, sums = minimums + ScalesSize;
        int allGroups = g->K / g->Group, quads = g->Group / 4;
        for (int p = task * g->PanelsPerTask; p < end; p++)
        {
            int column = p * Outputs, columns = Math.Min(Outputs, g->N - column);
            for (int firstRow = 0; firstRow < g->M; firstRow += MaxRows)
            {
                int count = Math.Min(MaxRows, g->M - firstRow);
                for (int r = 0; r < count; r++)
                    for (int j = 0; j < Outputs; j++)
                        sums[r * Outputs + j] = g->Bias is null ? 0 : g->Bias[column + Math.Min(j, columns - 1)];
                for (int first = 0; first < g->K; first += InnerBlock)
                {
                    int inner = Math.Min(InnerBlock, g->K - first);
                    Unpack(g, column, columns, first, inner, rows, panel, scales, minimums);
                    sbyte* x = g->Quants + (long)firstRow * g->K + first;
                    float* xScales = g->Scales + (long)firstRow * allGroups + first / g->Group,
                        xSums = g->Sums + (long)firstRow * allGroups + first / g->Group;
                    int groups = inner / g->Group, r = 0;
                    for (; r + 4 <= count; r += 4)
                        FourRows(x + (long)r * g->K, g->K, xScales + r * allGroups, xSums + r * allGroups, allGroups, panel, scales,
                            minimums, groups, quads, sums + r * Outputs);
                    for (; r < count; r++)
                        OneRow(x + (long)r * g->K, xScales + r * allGroups, xSums + r * allGroups, panel, scales, minimums, groups, quads,
                            sums + r * Outputs);
                }

                for (int r = 0; r < count; r++)
                    new ReadOnlySpan<float>(sums + r * Outputs,
                        columns).CopyTo(new Span<float>(g->C + (firstRow + r) * g->CStride + column, columns));
            }
        }
    }

    // panel[(k / 4) · 64 + output · 4 + k % 4], scales[group · 16 + output]; outputs past the last are the last one again.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Unpack(
        QuantizedArguments* g, int column, int columns, int first, int inner, byte* rows, byte* panel, float* scales, float* minimums)
    {
        long offset = Tensors.DataTypes.Bytes(g->Format, first);
        if (S.Count == Outputs && PanelPacker.Knows(g->Format))
        {
            byte** sources = stackalloc byte*[Outputs];
            for (int j = 0; j < Outputs; j++)
                sources[j] = g->Stored + (column + Math.Min(j, columns - 1)) * g->StoredStride + offset;
            long next = first + inner < g->K ? Tensors.DataTypes.Bytes(g->Format, inner) : Outputs * g->StoredStride - offset;
            PanelPacker.Run(g->Format, sources, inner / g->Group, panel, scales, minimums, next);
            return;
        }

        for (int j = 0; j < Outputs; j++)
        {
            byte* source = g->Stored + (column + Math.Min(j, columns - 1)) * g->StoredStride + offset;
            BlockUnpacker.Run(g->Format, source, inner, rows + j * RowStride, scales + j, minimums + j, Outputs);
        }

        int words = inner / 4;
        for (int k = 0; k < words; k += S.Count)
            for (int j = 0; j < Outputs; j += S.Count)
                S.Transpose((float*)(rows + j * RowStride) + k, RowStride / sizeof(float), (float*)panel + k * Outputs + j, Outputs);
    }

    // ---- kernels

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Dot(Vector256<int> sum, Vector256<byte> weights, Vector256<sbyte> x)
    {
        if (AvxVnni.IsSupported)
            return AvxVnni.MultiplyWideningAndAdd(sum, weights, x);

        // Even and odd bytes apart: products of 8 and 8 bits fit 16, and nothing saturates.
        var evenWeights = weights.AsInt16() & Vector256.Create((short)0xff);
        var oddWeights = (weights.AsUInt16() >>> 8).AsInt16();
        var evenX = (x.AsInt16() << 8) >> 8;
        var oddX = x.AsInt16() >> 8;
        if (Avx2.IsSupported)
            return sum + Avx2.MultiplyAddAdjacent(evenWeights, evenX) + Avx2.MultiplyAddAdjacent(oddWeights, oddX);
        var even = (evenWeights * evenX).AsInt32();
        var odd = (oddWeights * oddX).AsInt32();
        return sum + ((even << 16) >> 16) + (even >> 16) + ((odd << 16) >> 16) + (odd >> 16);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<sbyte> Four(sbyte* x) => Vector256.Create(Unsafe.ReadUnaligned<int>(x)).AsSByte();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<int> whole, Vector256<float> scale, Vector256<float> minimum, float xScale, float xSum, float* sum)
    {
        var total = Vector256.FusedMultiplyAdd(Vector256.ConvertToSingle(whole), scale * Vector256.Create(xScale), Vector256.Load(sum));
        Vector256.FusedMultiplyAdd(minimum, Vector256.Create(xSum), total).Store(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void FourRows(
        sbyte* x, nint xRow, float* xScales, float* xSums, nint groupRow, byte* panel, float* scales, float* minimums, int groups,
        int quads, float* sums)
    {
        sbyte* x1 = x + xRow, x2 = x1 + xRow, x3 = x2 + xRow;
        for (int g = 0; g < groups; g++)
        {
            var a0 = Vector256<int>.Zero;
            var a1 = Vector256<int>.Zero;
            var b0 = Vector256<int>.Zero;
            var b1 = Vector256<int>.Zero;
            var c0 = Vector256<int>.Zero;
            var c1 = Vector256<int>.Zero;
            var d0 = Vector256<int>.Zero;
            var d1 = Vector256<int>.Zero;
            for (int q = 0; q < quads; q++)
            {
                var w0 = Vector256.Load(panel);
                var w1 = Vector256.Load(panel + 32);
                var v = Four(x);
                a0 = Dot(a0, w0, v);
                a1 = Dot(a1, w1, v);
                v = Four(x1);
                b0 = Dot(b0, w0, v);
                b1 = Dot(b1, w1, v);
                v = Four(x2);
                c0 = Dot(c0, w0, v);
                c1 = Dot(c1, w1, v);
                v = Four(x3);
                d0 = Dot(d0, w0, v);
                d1 = Dot(d1, w1, v);
                panel += 64;
                x += 4;
                x1 += 4;
                x2 += 4;
                x3 += 4;
            }

            var s0 = Vector256.Load(scales);
            var s1 = Vector256.Load(scales + 8);
            var m0 = Vector256.Load(minimums);
            var m1 = Vector256.Load(minimums + 8);
            Add(a0, s0, m0, xScales[g], xSums[g], sums);
            Add(a1, s1, m1, xScales[g], xSums[g], sums + 8);
            Add(b0, s0, m0, xScales[groupRow + g], xSums[groupRow + g], sums + 16);
            Add(b1, s1, m1, xScales[groupRow + g], xSums[groupRow + g], sums + 24);
            Add(c0, s0, m0, xScales[2 * groupRow + g], xSums[2 * groupRow + g], sums + 32);
            Add(c1, s1, m1, xScales[2 * groupRow + g], xSums[2 * groupRow + g], sums + 40);
            Add(d0, s0, m0, xScales[3 * groupRow + g], xSums[3 * groupRow + g], sums + 48);
            Add(d1, s1, m1, xScales[3 * groupRow + g], xSums[3 * groupRow + g], sums + 56);
            scales += Outputs;
            minimums += Outputs;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void OneRow(
        sbyte* x, float* xScales, float* xSums, byte* panel, float* scales, float* minimums, int groups, int quads, float* sums)
    {
        for (int g = 0; g < groups; g++)
        {
            // Two chains for each half, since nothing else hides the latency; whole numbers add up in any order.
            var a0 = Vector256<int>.Zero;
            var a1 = Vector256<int>.Zero;
            var b0 = Vector256<int>.Zero;
            var b1 = Vector256<int>.Zero;
            for (int q = 0; q < quads; q += 2)
            {
                var v = Four(x);
                a0 = Dot(a0, Vector256.Load(panel), v);
                a1 = Dot(a1, Vector256.Load(panel + 32), v);
                v = Four(x + 4);
                b0 = Dot(b0, Vector256.Load(panel + 64), v);
                b1 = Dot(b1, Vector256.Load(panel + 96), v);
                panel += 128;
                x += 8;
            }

            a0 += b0;
            a1 += b1;
            Add(a0, Vector256.Load(scales), Vector256.Load(minimums), xScales[g], xSums[g], sums);
            Add(a1, Vector256.Load(scales + 8), Vector256.Load(minimums + 8), xScales[g], xSums[g], sums + 8);
            scales += Outputs;
            minimums += Outputs;
        }
    }
}
