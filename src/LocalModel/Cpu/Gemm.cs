using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Matrix products. The inner dimension is cut into blocks of <see cref="InnerBlock"/> from 0 on; each block is one chain of fused
/// multiply-adds, and the blocks are added in order to the bias (or zero, or what is there). That order depends on the inner dimension
/// alone, so a row gives the same bits alone, in a batch, and on any number of threads; the three ways below differ only in how B reaches
/// the registers.
/// </summary>
/// <remarks>
/// Memory: B is packed into panels of four vectors (two with short vectors) so that the innermost loop reads it in a line; A is read where
/// it lies, a value at a time. Few rows: B is read once, in place, row after row, as fast as memory gives it.
/// </remarks>
internal static unsafe class Gemm<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    public const int InnerBlock = 256;
    private const int FewRows = 4;
    private const int DirectRows = 48;
    private const int MinimumRowChunk = 96;
    private const long MinimumParallelWork = 64 * 1024;

    public static int PanelWidth => S.PanelVectors * S.Count;

    public static void Run(WorkerPool pool, ref GemmArguments g)
    {
        bool parallel = pool.Threads > 1 && (long)g.M * g.N * g.K >= MinimumParallelWork;
        if (g.M <= FewRows && g.BTransposed && !g.Accumulate)
            RunStrips(pool, ref g, parallel);
        else if (g.M <= FewRows && !g.BTransposed && !g.Accumulate)
            RunFewRows(pool, ref g, parallel);
        else
            RunPanels(pool, ref g, parallel);
    }

    // ---- panels

    private static void RunPanels(WorkerPool pool, ref GemmArguments g, bool parallel)
    {
        int panels = (g.N + PanelWidth - 1) / PanelWidth, innerBlocks = (g.K + InnerBlock - 1) / InnerBlock;
        long panelSize = (long)InnerBlock * PanelWidth, tile = (long)Tiles<S, V>.Rows * PanelWidth;
        g.ScratchPerWorker = panelSize + tile + StripSize;
        bool direct = !g.BTransposed && g.M <= DirectRows && g.N % PanelWidth == 0;
        bool share = parallel && !direct && panels < 4 * pool.Threads && g.M >= 2 * MinimumRowChunk;
        long packedSize = share ? (long)panels * g.K * PanelWidth : 0;
        float* memory = pool.Scratch(g.ScratchPerWorker + packedSize);
        g.Scratch = memory + packedSize;
        g.Packed = share ? memory : null;
        g.RowChunks = !parallel || panels >= 4 * pool.Threads
            ? 1
            : Math.Clamp(g.M / MinimumRowChunk, 1, (4 * pool.Threads + panels - 1) / panels);
        g.InPlace = direct;
        fixed (GemmArguments* arguments = &g)
        {
            if (share)
                pool.Run(&PackPanel, arguments, panels * innerBlocks);
            int tasks = panels * g.RowChunks;
            if (parallel)
                pool.Run(&ComputePanel, arguments, tasks);
            else
                pool.Run(&ComputeAllPanels, arguments, 1);
        }
    }

    private static void PackPanel(void* arguments, int task, int worker)
    {
        var g = (GemmArguments*)arguments;
        int innerBlocks = (g->K + InnerBlock - 1) / InnerBlock;
        int panel = task / innerBlocks, first = task % innerBlocks * InnerBlock;
        float* temporary = g->Scratch + worker * g->ScratchPerWorker + (long)InnerBlock * PanelWidth + Tiles<S, V>.Rows * PanelWidth;
        Pack(g, panel * PanelWidth, first, Math.Min(InnerBlock, g->K - first), g->Packed + ((long)panel * g->K + first) * PanelWidth,
            temporary);
    }

    private static void ComputeAllPanels(void* arguments, int task, int worker)
    {
        int panels = (((GemmArguments*)arguments)->N + PanelWidth - 1) / PanelWidth;
        for (int panel = 0; panel < panels; panel++)
            ComputePanel(arguments, panel, worker);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ComputePanel(void* arguments, int task, int worker)
    {
        var g = (GemmArguments*)arguments;
        int panel = task / g->RowChunks, chunk = task % g->RowChunks;
        int tiles = (g->M + Tiles<S, V>.Rows - 1) / Tiles<S, V>.Rows;
        int firstRow = (int)((long)tiles * chunk / g->RowChunks) * Tiles<S, V>.Rows;
        int endRow = Math.Min(g->M, (int)((long)tiles * (chunk + 1) / g->RowChunks) * Tiles<S, V>.Rows);
        int column = panel * PanelWidth, columns = Math.Min(PanelWidth, g->N - column);
        int vectors = columns <= S.Count ? 1 : columns <= 2 * S.Count ? 2 : S.PanelVectors;
        bool whole = columns == vectors * S.Count;
        float* local = g->Scratch + worker * g->ScratchPerWorker;
        float* tile = local + (long)InnerBlock * PanelWidth;
        for (int first = 0; first < g->K; first += InnerBlock)
        {
            int inner = Math.Min(InnerBlock, g->K - first);
            float* b = local;
            nint bInner = PanelWidth;
            if (g->Packed is not null)
            {
                b = g->Packed + ((long)panel * g->K + first) * PanelWidth;
            }
            else if (g->InPlace)
            {
                b = g->B + first * g->BStride + column;
                bInner = g->BStride;
            }
            else
            {
                Pack(g, column, first, inner, local, tile + Tiles<S, V>.Rows * PanelWidth);
            }

            var mode = first > 0 || g->Accumulate ? TileMode.Add : g->Bias is not null ? TileMode.Start : TileMode.Overwrite;
            for (int row = firstRow; row < endRow; row += Tiles<S, V>.Rows)
            {
                int rows = Math.Min(Tiles<S, V>.Rows, endRow - row);
                float* a = g->A + row * g->ARow + first * g->AInner;
                float* c = g->C + row * g->CStride + column;
                if (whole)
                {
                    Tiles<S, V>.Run(vectors, a, g->ARow, g->AInner, b, bInner, inner, c, g->CStride, rows, mode, g->Bias + column);
                    continue;
                }

                Tiles<S, V>.Run(vectors, a, g->ARow, g->AInner, b, bInner, inner, tile, PanelWidth, rows, TileMode.Overwrite);
                for (int r = 0; r < rows; r++)
                    for (int j = 0; j < columns; j++)
                    {
                        float sum = tile[r * PanelWidth + j];
                        ref float target = ref c[r * g->CStride + j];
                        target = mode == TileMode.Add ? target + sum : mode == TileMode.Start ? g->Bias[column + j] + sum : sum;
                    }
            }
        }
    }

    // A block of one panel: packed[k · PanelWidth + j] = B(first + k, column + j), zeros past the last column.
    private static void Pack(GemmArguments* g, int column, int first, int inner, float* packed, float* temporary)
    {
        int columns = Math.Min(PanelWidth, g->N - column);
        if (!g->BTransposed)
        {
            float* source = g->B + first * g->BStride + column;
            if (columns == PanelWidth)
            {
                for (int k = 0; k < inner; k++)
                    for (int j = 0; j < PanelWidth; j += S.Count)
                        S.Store(S.Load(source + k * g->BStride + j), packed + k * PanelWidth + j);
                return;
            }

            for (int k = 0; k < inner; k++)
            {
                var row = new Span<float>(packed + k * PanelWidth, PanelWidth);
                new ReadOnlySpan<float>(source + k * g->BStride, columns).CopyTo(row);
                row[columns..].Clear();
            }

            return;
        }

        if (columns < PanelWidth)
            new Span<float>(packed, inner * PanelWidth).Clear();
        for (int j = 0; j < columns; j += S.Count)
            PackStrip(g, column + j, Math.Min(S.Count, columns - j), first, inner, packed + j, PanelWidth, temporary);
    }

    // target[k · stride + j] = B(first + k, column + j) of a transposed or stored B, for one vector of columns.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void PackStrip(
        GemmArguments* g, int column, int columns, int first, int inner, float* target, nint stride, float* temporary)
    {
        float* rows = g->B + column * g->BStride + first;
        nint rowStride = g->BStride;
        int pairs = inner / 2 / S.Count * S.Count;
        if (g->Stored is not null)
        {
            byte* stored = g->Stored + column * g->StoredStride;
            bool half = g->Format is DataType.Float16 or DataType.BFloat16;
            if (half && columns == S.Count && pairs > 0 && g->StoredStride % sizeof(float) == 0)
            {
                // Two neighbours of half precision make a word: transposed as words, then raised.
                for (int p = 0; p < pairs; p += S.Count)
                {
                    if (Sse.IsSupported)
                        for (int j = 0; j < S.Count; j++)
                            Sse.Prefetch0(stored + j * g->StoredStride + (first + 2 * p + InnerBlock) * 2);
                    S.Transpose((float*)(stored + (first + 2 * p) * 2), (nint)(g->StoredStride / sizeof(float)), temporary + p * S.Count,
                        S.Count);
                }

                for (int p = 0; p < pairs; p++)
                {
                    V words = S.Load(temporary + p * S.Count);
                    bool brain = g->Format == DataType.BFloat16;
                    S.Store(brain ? S.FromBFloats(words, false) : S.FromHalves(words, false), target + 2 * p * stride);
                    S.Store(brain ? S.FromBFloats(words, true) : S.FromHalves(words, true), target + (2 * p + 1) * stride);
                }

                for (int j = 0; j < columns; j++)
                    for (int k = 2 * pairs; k < inner; k++)
                        target[k * stride + j] = StoredRows<S, V>.Element(g->Format, stored + j * g->StoredStride, first + k);
                return;
            }

            for (int j = 0; j < columns; j++)
                StoredRows<S, V>.Read(g->Format, stored + j * g->StoredStride, first, inner, temporary + j * InnerBlock,
                    temporary + S.Count * InnerBlock);
            rows = temporary;
            rowStride = InnerBlock;
        }

        int wholeInner = columns == S.Count ? inner / S.Count * S.Count : 0;
        for (int k = 0; k < wholeInner; k += S.Count)
        {
            // The next block of each row: these are too many lines at once for the processor to foresee.
            if (Sse.IsSupported && g->Stored is null)
                for (int j = 0; j < S.Count; j++)
                    Sse.Prefetch0(rows + j * rowStride + k + InnerBlock);
            S.Transpose(rows + k, rowStride, target + k * stride, stride);
        }

        for (int j = 0; j < columns; j++)
            for (int k = wholeInner; k < inner; k++)
                target[k * stride + j] = rows[j * rowStride + k];
    }

    // ---- few rows of a transposed or stored B: two vectors of columns at a time, so that each row of B is read in a line

    private static int StripWidth => 2 * S.Count;

    private static int StripSize => S.Count * InnerBlock + StoredRows<S, V>.Scratch(InnerBlock);

    private static void RunStrips(WorkerPool pool, ref GemmArguments g, bool parallel)
    {
        int strips = (g.N + StripWidth - 1) / StripWidth;
        g.ScratchPerWorker = StripWidth * InnerBlock + Tiles<S, V>.Rows * StripWidth + StripSize;
        g.Scratch = pool.Scratch(g.ScratchPerWorker);
        g.ColumnsPerTask = (parallel ? Math.Max(1, strips / (8 * pool.Threads)) : strips) * StripWidth;
        fixed (GemmArguments* arguments = &g)
            pool.Run(&ComputeStrips, arguments, (g.N + g.ColumnsPerTask - 1) / g.ColumnsPerTask);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ComputeStrips(void* arguments, int task, int worker)
    {
        var g = (GemmArguments*)arguments;
        int end = Math.Min(g->N, (task + 1) * g->ColumnsPerTask);
        float* strip = g->Scratch + worker * g->ScratchPerWorker;
        float* tile = strip + StripWidth * InnerBlock;
        float* temporary = tile + Tiles<S, V>.Rows * StripWidth;
        for (int column = task * g->ColumnsPerTask; column < end; column += StripWidth)
        {
            int columns = Math.Min(StripWidth, end - column), vectors = columns <= S.Count ? 1 : 2;
            for (int first = 0; first < g->K; first += InnerBlock)
            {
                int inner = Math.Min(InnerBlock, g->K - first);
                for (int j = 0; j < columns; j += S.Count)
                    PackStrip(g, column + j, Math.Min(S.Count, columns - j), first, inner, strip + j, StripWidth, temporary);
                for (int r = 0; r < g->M; r++)
                {
                    Tiles<S, V>.Run(vectors, g->A + r * g->ARow + first * g->AInner, g->ARow, g->AInner, strip, StripWidth, inner, tile,
                        StripWidth, 1, TileMode.Overwrite);
                    float* c = g->C + r * g->CStride + column;
                    for (int j = 0; j < columns; j++)
                        c[j] = first > 0 ? c[j] + tile[j] : g->Bias is not null ? g->Bias[column + j] + tile[j] : tile[j];
                }
            }
        }
    }

    // ---- few rows

    private static void RunFewRows(WorkerPool pool, ref GemmArguments g, bool parallel)
    {
        int columns = parallel ? (g.N + 2 * pool.Threads - 1) / (2 * pool.Threads) : g.N;
        g.ColumnsPerTask = (columns + PanelWidth - 1) / PanelWidth * PanelWidth;
        g.ScratchPerWorker = (long)FewRows * (g.ColumnsPerTask + S.Count);
        g.Scratch = pool.Scratch(g.ScratchPerWorker);
        fixed (GemmArguments* arguments = &g)
            pool.Run(&ComputeFewRows, arguments, (g.N + g.ColumnsPerTask - 1) / g.ColumnsPerTask);
    }

    private static void ComputeFewRows(void* arguments, int task, int worker)
    {
        var g = (GemmArguments*)arguments;
        int column = task * g->ColumnsPerTask, columns = Math.Min(g->ColumnsPerTask, g->N - column);
        int padded = (columns + S.Count - 1) / S.Count * S.Count;
        float* sums = g->Scratch + worker * g->ScratchPerWorker;
        for (int first = 0; first < g->K; first += InnerBlock)
        {
            int inner = Math.Min(InnerBlock, g->K - first);
            new Span<float>(sums, g->M * padded).Clear();
            int k = 0;
            for (; k + 4 <= inner; k += 4)
                AddFourRows(g, first + k, column, columns, sums, padded);
            for (; k < inner; k++)
                AddRow(g, first + k, column, columns, sums, padded);
            for (int r = 0; r < g->M; r++)
            {
                float* c = g->C + r * g->CStride + column;
                float* sum = sums + r * padded;
                if (first > 0)
                    for (int j = 0; j < columns; j++)
                        c[j] += sum[j];
                else if (g->Bias is not null)
                    for (int j = 0; j < columns; j++)
                        c[j] = g->Bias[column + j] + sum[j];
                else
                    new Span<float>(sum, columns).CopyTo(new Span<float>(c, columns));
            }
        }
    }

    private static void AddFourRows(GemmArguments* g, int inner, int column, int columns, float* sums, int padded)
    {
        float* b = g->B + inner * g->BStride + column;
        for (int r = 0; r < g->M; r++)
        {
            float* a = g->A + r * g->ARow + inner * g->AInner;
            V a0 = S.Create(*a), a1 = S.Create(a[g->AInner]), a2 = S.Create(a[2 * g->AInner]), a3 = S.Create(a[3 * g->AInner]);
            float* sum = sums + r * padded;
            for (int j = 0; j < columns; j += S.Count)
            {
                V s = S.Fma(a0, S.Load(b + j), S.Load(sum + j));
                s = S.Fma(a1, S.Load(b + g->BStride + j), s);
                s = S.Fma(a2, S.Load(b + 2 * g->BStride + j), s);
                S.Store(S.Fma(a3, S.Load(b + 3 * g->BStride + j), s), sum + j);
            }
        }
    }

    private static void AddRow(GemmArguments* g, int inner, int column, int columns, float* sums, int padded)
    {
        float* b = g->B + inner * g->BStride + column;
        for (int r = 0; r < g->M; r++)
        {
            V a = S.Create(g->A[r * g->ARow + inner * g->AInner]);
            float* sum = sums + r * padded;
            for (int j = 0; j < columns; j += S.Count)
                S.Store(S.Fma(a, S.Load(b + j), S.Load(sum + j)), sum + j);
        }
    }

    // ---- one thread, for use inside a task

    /// <summary>
    /// C (m × n) on the calling thread in one chain without blocks; B lies row after row. Tile is scratch of <see cref="TileSize"/>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Small(
        float* a, nint aRow, nint aInner, float* b, nint bInner, float* c, nint cRow, int m, int n, int inner, TileMode mode, float* tile)
    {
        for (int column = 0; column < n;)
        {
            int left = n - column;
            int vectors = left <= S.Count ? 1 : left < S.PanelVectors * S.Count ? 2 : S.PanelVectors;
            int columns = Math.Min(left, vectors * S.Count);
            for (int row = 0; row < m; row += Tiles<S, V>.Rows)
            {
                int rows = Math.Min(Tiles<S, V>.Rows, m - row);
                float* from = a + row * aRow, to = c + row * cRow + column;
                if (columns == vectors * S.Count)
                {
                    Tiles<S, V>.Run(vectors, from, aRow, aInner, b + column, bInner, inner, to, cRow, rows, mode);
                    continue;
                }

                if (mode == TileMode.Continue)
                    for (int r = 0; r < rows; r++)
                        new ReadOnlySpan<float>(to + r * cRow, columns).CopyTo(new Span<float>(tile + r * PanelWidth, columns));
                Tiles<S, V>.Run(vectors, from, aRow, aInner, b + column, bInner, inner, tile, PanelWidth, rows,
                    mode == TileMode.Add ? TileMode.Overwrite : mode);
                for (int r = 0; r < rows; r++)
                    for (int j = 0; j < columns; j++)
                        to[r * cRow + j] = mode == TileMode.Add ? to[r * cRow + j] + tile[r * PanelWidth + j] : tile[r * PanelWidth + j];
            }

            column += columns;
        }
    }

    /// <summary>The scratch that <see cref="Small"/> needs, in floats.</summary>
    public static int TileSize => Tiles<S, V>.Rows * PanelWidth;
}
