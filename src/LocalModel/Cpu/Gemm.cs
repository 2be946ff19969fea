using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Matrix products. The inner dimension is cut into blocks of <see cref="InnerBlock"/> from 0 on; each block is one chain of fused multiply-adds, and the
/// blocks are added in order to the bias (or zero, or what is there). That order depends on the inner dimension alone, so a row gives the same bits
/// alone, in a batch, and on any number of threads; the three ways below differ only in how B reaches the registers.
/// </summary>
/// <remarks>
/// Memory: B is packed into panels of four vectors (two with short vectors) so that the innermost loop reads it in a line; A is read where it lies, a
/// value at a time. Few rows: B is read once, in place, row after row, as fast as memory gives it.
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
        if (g.M <= FewRows && !g.BTransposed && !g.Accumulate)
            RunFewRows(pool, ref g, parallel);
        else
            RunPanels(pool, ref g, parallel);
    }

    // ---- panels

    private static void RunPanels(WorkerPool pool, ref GemmArguments g, bool parallel)
    {
        int panels = (g.N + PanelWidth - 1) / PanelWidth, innerBlocks = (g.K + InnerBlock - 1) / InnerBlock;
        long panelSize = (long)InnerBlock * PanelWidth, tile = (long)Tiles<S, V>.Rows * PanelWidth;
        g.ScratchPerWorker = panelSize + tile;
        bool direct = !g.BTransposed && g.M <= DirectRows && g.N % PanelWidth == 0;
        bool share = parallel && !direct && panels < 4 * pool.Threads && g.M >= 2 * MinimumRowChunk;
        long packedSize = share ? (long)panels * g.K * PanelWidth : 0;
        float* memory = pool.Scratch(g.ScratchPerWorker + packedSize);
        g.Scratch = memory + packedSize;
        g.Packed = share ? memory : null;
        g.RowChunks = !parallel || panels >= 4 * pool.Threads ? 1 : Math.Clamp(g.M / MinimumRowChunk, 1, (4 * pool.Threads + panels - 1) / panels);
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
        Pack(g, panel * PanelWidth, first, Math.Min(InnerBlock, g->K - first), g->Packed + ((long)panel * g->K + first) * PanelWidth);
    }

    private static void ComputeAllPanels(void* arguments, int task, int worker)
    {
        int panels = (((GemmArguments*)arguments)->N + PanelWidth - 1) / PanelWidth;
        for (int panel = 0; panel < panels; panel++)
            ComputePanel(arguments, panel, worker);
    }

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
                Pack(g, column, first, inner, local);
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
    private static void Pack(GemmArguments* g, int column, int first, int inner, float* packed)
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
        int wholeColumns = columns / S.Count * S.Count, wholeInner = inner / S.Count * S.Count;
        float* rows = g->B + column * g->BStride + first;
        for (int j = 0; j < wholeColumns; j += S.Count)
        {
            for (int k = 0; k < wholeInner; k += S.Count)
                S.Transpose(rows + j * g->BStride + k, g->BStride, packed + k * PanelWidth + j, PanelWidth);
            for (int k = wholeInner; k < inner; k++)
                for (int i = j; i < j + S.Count; i++)
                    packed[k * PanelWidth + i] = rows[i * g->BStride + k];
        }

        for (int j = wholeColumns; j < columns; j++)
            for (int k = 0; k < inner; k++)
                packed[k * PanelWidth + j] = rows[j * g->BStride + k];
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

    /// <summary>C (m × n) on the calling thread in one chain without blocks; B lies row after row. Tile is scratch of <see cref="TileSize"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Small(float* a, nint aRow, nint aInner, float* b, nint bInner, float* c, nint cRow, int m, int n, int inner, TileMode mode, float* tile)
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
                Tiles<S, V>.Run(vectors, from, aRow, aInner, b + column, bInner, inner, tile, PanelWidth, rows, mode == TileMode.Add ? TileMode.Overwrite : mode);
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
