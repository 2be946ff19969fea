using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal sealed unsafe partial class CpuKernels<S, V>
{
    // A block of keys, as in the cache: (width, 32 positions). Scores come out side by side, vectors of neighbouring keys.
    private const int Block = KvCache.BlockTokens;

    // The rows of keys whose gradients are computed together; under a causal mask they skip the queries before them.
    private const int KeyRows = 24;

    // Weights below e^−60 of the largest add nothing to a float32 sum, but would bring denormal numbers.
    private const float LowestWeight = -60;

    /// <remarks>
    /// One task is one head of one sequence. Six queries at a time: scores against each visible block of keys, counted from position 0;
    /// softmax; then one chain over the keys for each element of the output. A masked key has weight zero, which leaves the bits of a chain
    /// as they are. Where every sequence has a single query (decoding), the heads that share keys take the place of the queries, so that
    /// the cache is read once for all of them.
    /// </remarks>
    public override void Attention(ref AttentionArguments g)
    {
        int keys = Blocks(g.LongestKeys) * Block;
        g.ScratchPerWorker = (long)keys * g.KeyWidth + (long)Tiles<S, V>.Rows * (keys + Padded(g.ValueWidth)) + Gemm<S, V>.TileSize;
        g.Scratch = _pool.Scratch(g.ScratchPerWorker);
        fixed (AttentionArguments* arguments = &g)
        {
            g.HeadsAreRows = g.Query.Rows == g.Sequences && g.LongestQueries == 1;
            int tasks = g.Sequences * (g.HeadsAreRows ? g.KeyHeads : g.Heads);
            if ((long)g.Query.Rows * g.LongestKeys * g.Heads * g.KeyWidth < 32 * 1024)
                for (int task = 0; task < tasks; task++)
                    AttentionTask(arguments, task, 0);
            else
                _pool.Run(&AttentionTask, arguments, tasks);
        }
    }

    public override void AttentionBackward(ref AttentionArguments g)
    {
        int keys = Blocks(g.LongestKeys) * Block;
        g.ScratchPerWorker = (long)keys * (g.KeyWidth + g.ValueWidth) + 2L * g.LongestQueries * keys + Gemm<S, V>.TileSize;
        g.Scratch = _pool.Scratch(g.ScratchPerWorker);
        fixed (AttentionArguments* arguments = &g)
            _pool.Run(&AttentionBackwardTask, arguments, g.Sequences * g.KeyHeads);
    }

    private static void AttentionTask(void* pointer, int task, int worker)
    {
        var g = (AttentionArguments*)pointer;
        int group = g->Heads / g->KeyHeads, heads = g->HeadsAreRows ? group : 1, tasks = g->Heads / heads;
        int sequence = task / tasks, head = task % tasks * heads, keyHead = head / group;
        int start = g->QueryStarts[sequence], queries = g->QueryStarts[sequence + 1] - start, keys = g->KeyCounts[sequence];

        // A row is one query of the head, or one head of the only query.
        int allRows = g->HeadsAreRows ? heads : queries;
        nint queryStride = g->HeadsAreRows ? g->KeyWidth : g->Query.Stride, outputStride = g->HeadsAreRows
            ? g->ValueWidth
            : g->Output.Stride;
        int stride = Blocks(g->LongestKeys) * Block, valuePadded = Padded(g->ValueWidth);
        bool cached = g->FirstBlocks[sequence] >= 0;
        float* keyBlocks = g->Scratch + worker * g->ScratchPerWorker;
        float* weights = keyBlocks + (long)stride * g->KeyWidth;
        float* sums = weights + Tiles<S, V>.Rows * stride;
        float* tile = sums + Tiles<S, V>.Rows * valuePadded;
        float* inverses = stackalloc float[Tiles<S, V>.Rows];
        if (!cached)
            PackBlocks(Row(g->Key, g->KeyStarts[sequence]) + keyHead * g->KeyWidth, g->Key.Stride, keys, g->KeyWidth, keyBlocks);
        for (int row = 0; row < allRows; row += Tiles<S, V>.Rows)
        {
            int rows = Math.Min(Tiles<S, V>.Rows, allRows - row);
            Range(g, sequence, g->HeadsAreRows ? 0 : row, g->HeadsAreRows ? 1 : rows, keys, out int firstBlock, out int endBlock);
            float* query = Row(g->Query, start) + head * g->KeyWidth + row * queryStride;
            for (int b = firstBlock; b < endBlock; b++)
            {
                float* block = cached
                    ? (float*)g->KeyBlocks[g->FirstBlocks[sequence] + b] + (long)keyHead * Block * g->KeyWidth
                    : keyBlocks + (long)b * Block * g->KeyWidth;
                ScoreBlock(query, queryStride, block, g->KeyWidth, weights + b * Block, stride, rows);
            }

            for (int r = 0; r < rows; r++)
            {
                var (ownHead, ownQuery) = g->HeadsAreRows ? (head + row + r, 0) : (head, row + r);
                inverses[r] = Weigh(g, sequence, ownHead, ownQuery, keys, firstBlock, endBlock, weights + r * stride);
            }

            for (int b = firstBlock; b < endBlock; b++)
            {
                float* block = cached
                    ? (float*)g->ValueBlocks[g->FirstBlocks[sequence] + b] + (long)keyHead * Block * g->ValueWidth
                    : Row(g->Value, g->KeyStarts[sequence] + b * Block) + keyHead * g->ValueWidth;
                nint valueStride = cached ? g->ValueWidth : g->Value.Stride;
                MixBlock(weights + b * Block, stride, block, valueStride, Math.Min(Block, keys - b * Block), sums, valuePadded, rows,
                    b == firstBlock);
            }

            for (int r = 0; r < rows; r++)
            {
                float* output = Row(g->Output, start) + head * g->ValueWidth + (row + r) * outputStride;
                V inverse = S.Create(inverses[r]);
                if (inverses[r] == 0)
                    new Span<float>(output, g->ValueWidth).Clear();
                else
                    for (int c = 0; c < g->ValueWidth; c += S.Count)
                        Put(output + c, S.Multiply(S.Load(sums + r * valuePadded + c), inverse), g->ValueWidth - c, false);
            }
        }
    }

    private static void AttentionBackwardTask(void* pointer, int task, int worker)
    {
        var g = (AttentionArguments*)pointer;
        int sequence = task / g->KeyHeads, keyHead = task % g->KeyHeads, group = g->Heads / g->KeyHeads;
        int start = g->QueryStarts[sequence], queries = g->QueryStarts[sequence + 1] - start;
        int keyStart = g->KeyStarts[sequence], keys = g->KeyCounts[sequence], stride = Blocks(g->LongestKeys) * Block;
        if (keys == 0)
            return;
        float* keyBlocks = g->Scratch + worker * g->ScratchPerWorker;
        float* valueBlocks = keyBlocks + (long)stride * g->KeyWidth;
        float* weights = valueBlocks + (long)stride * g->ValueWidth;
        float* slopes = weights + (long)g->LongestQueries * stride;
        float* tile = slopes + (long)g->LongestQueries * stride;
        float* keyRows = Row(g->Key, keyStart) + keyHead * g->KeyWidth;
        PackBlocks(keyRows, g->Key.Stride, keys, g->KeyWidth, keyBlocks);
        PackBlocks(Row(g->Value, keyStart) + keyHead * g->ValueWidth, g->Value.Stride, keys, g->ValueWidth, valueBlocks);
        for (int head = keyHead * group; head < (keyHead + 1) * group; head++)
        {
            float* query = Row(g->Query, start) + head * g->KeyWidth;
            float* upstream = Row(g->OutputGradient, start) + head * g->ValueWidth;
            for (int row = 0; row < queries; row += Tiles<S, V>.Rows)
            {
                int rows = Math.Min(Tiles<S, V>.Rows, queries - row);
                Range(g, sequence, row, rows, keys, out int firstBlock, out int endBlock);
                for (int b = firstBlock; b < endBlock; b++)
                {
                    float* target = weights + (long)row * stride + b * Block;
                    ScoreBlock(query + (nint)row * g->Query.Stride, g->Query.Stride, keyBlocks + (long)b * Block * g->KeyWidth, g->KeyWidth,
                        target, stride, rows);
                    target = slopes + (long)row * stride + b * Block;
                    ScoreBlock(
                        upstream + (nint)row * g->OutputGradient.Stride, g->OutputGradient.Stride,
                        valueBlocks + (long)b * Block * g->ValueWidth, g->ValueWidth, target, stride, rows);
                }

                for (int r = row; r < row + rows; r++)
                    Slopes(g, sequence, head, start + r, r, keys, weights + (long)r * stride, slopes + (long)r * stride, stride);
                if (g->QueryGradient.Exists && firstBlock < endBlock)
                {
                    int first = firstBlock * Block;
                    float* target = Row(g->QueryGradient, start + row) + head * g->KeyWidth;
                    Gemm<S, V>.Small(
                        slopes + (long)row * stride + first, stride, 1, keyRows + (nint)first * g->Key.Stride, g->Key.Stride,
                        target, g->QueryGradient.Stride, rows, g->KeyWidth, Math.Min(keys, endBlock * Block) - first, TileMode.Add, tile);
                }
            }

            int offset = g->QueryOffsets[sequence];
            for (int key = 0; key < keys; key += KeyRows)
            {
                int rows = Math.Min(KeyRows, keys - key), first = g->Causal ? Math.Clamp(key - offset, 0, queries) : 0;
                if (g->KeyGradient.Exists)
                    Gemm<S, V>.Small(
                        slopes + (long)first * stride + key, 1, stride, query + (nint)first * g->Query.Stride, g->Query.Stride,
                        Row(g->KeyGradient, keyStart + key) + keyHead * g->KeyWidth, g->KeyGradient.Stride, rows, g->KeyWidth,
                        queries - first, TileMode.Add, tile);
                if (g->ValueGradient.Exists)
                    Gemm<S, V>.Small(
                        weights + (long)first * stride + key, 1, stride, upstream + (nint)first * g->OutputGradient.Stride,
                        g->OutputGradient.Stride,
                        Row(g->ValueGradient, keyStart + key) + keyHead * g->ValueWidth, g->ValueGradient.Stride, rows, g->ValueWidth,
                        queries - first, TileMode.Add, tile);
            }
        }
    }

    // Scores become weights (not yet divided by their sum, but dropped if need be), zero where masked; the result is one over the sum, 0 if
    // nothing is seen.
    private static float Weigh(
        AttentionArguments* g, int sequence, int head, int query, int keys, int firstBlock, int endBlock, float* scores)
    {
        int row = g->QueryStarts[sequence] + query;
        g->Visible(g->QueryOffsets[sequence] + query, keys, out int first, out int end);
        if (first >= end)
        {
            new Span<float>(scores + firstBlock * Block, (endBlock - firstBlock) * Block).Clear();
            return 0;
        }

        int aligned = first / S.Count * S.Count;
        float* bias = g->Bias.Exists ? Row(g->Bias, head * g->LongestQueries + query) : null;
        V scale = S.Create(g->Scale), max = S.Create(float.NegativeInfinity);
        for (int j = aligned; j < end; j += S.Count)
        {
            V score = S.Multiply(S.Load(scores + j), scale);
            if (g->SoftCap > 0)
            {
                V cap = S.Create(g->SoftCap);
                score = S.Multiply(cap, VectorMath<S, V>.Tanh(S.Divide(score, cap)));
            }

            if (bias is not null)
                score = S.Add(score, S.Load(bias + j));
            S.Store(score, scores + j);
            if (j < first || j + S.Count > end)
            {
                for (int i = j; i < j + S.Count; i++)
                    if (i < first || i >= end)
                        scores[i] = float.NegativeInfinity;
                score = S.Load(scores + j);
            }

            max = S.Max(max, score);
        }

        V shift = S.Create(S.Largest(max)), sum = S.Zero, lowest = S.Create(LowestWeight);
        ulong rowKey = g->Dropout > 0 ? CounterRandom.Key(g->DropoutKey, (ulong)row, (ulong)head) : 0;
        V keptScale = S.Create(g->Dropout > 0 ? 1f / (1f - g->Dropout) : 1);
        for (int j = aligned; j < end; j += S.Count)
        {
            V shifted = S.Subtract(S.Load(scores + j), shift);
            V weight = S.IfLess(shifted, lowest, S.Zero, VectorMath<S, V>.ExpOfNegative(shifted));
            sum = S.Add(sum, weight);
            if (g->Dropout > 0)
                weight = S.Multiply(weight, S.Multiply(keptScale, S.Kept(rowKey, (uint)j, g->DropoutThreshold)));
            S.Store(weight, scores + j);
        }

        int blocksStart = firstBlock * Block, written = (end + S.Count - 1) / S.Count * S.Count;
        new Span<float>(scores + blocksStart, aligned - blocksStart).Clear();
        new Span<float>(scores + written, endBlock * Block - written).Clear();
        return 1 / S.Sum(sum);
    }

    // Scores and the products of upstream gradient and values become: weights as they were applied, and gradients of the dot products. Zero
    // where masked. The softmax is computed again rather than from a stored logarithm of its sum, which would cost digits where scores are
    // large.
    private static void Slopes(
        AttentionArguments* g, int sequence, int head, int row, int query, int keys, float* weights, float* slopes, int stride)
    {
        g->Visible(g->QueryOffsets[sequence] + query, keys, out int first, out int end);
        int aligned = first / S.Count * S.Count, written = first < end ? (end + S.Count - 1) / S.Count * S.Count : aligned;

        // Everything outside is read by the products that run over queries.
        new Span<float>(weights, first).Clear();
        new Span<float>(slopes, first).Clear();
        new Span<float>(weights + end, stride - end).Clear();
        new Span<float>(slopes + end, stride - end).Clear();
        if (first >= end)
            return;
        V scale = S.Create(g->Scale), max = S.Create(float.NegativeInfinity), lowest = S.Create(LowestWeight);
        for (int i = aligned; i < first; i++)
            weights[i] = float.NegativeInfinity;
        for (int i = end; i < written; i++)
            weights[i] = float.NegativeInfinity;
        for (int j = aligned; j < written; j += S.Count)
        {
            V score = S.Multiply(S.Load(weights + j), scale);
            S.Store(score, weights + j);
            max = S.Max(max, score);
        }

        V shift = S.Create(S.Largest(max)), sum = S.Zero;
        for (int j = aligned; j < written; j += S.Count)
        {
            V shifted = S.Subtract(S.Load(weights + j), shift);
            V weight = S.IfLess(shifted, lowest, S.Zero, VectorMath<S, V>.ExpOfNegative(shifted));
            sum = S.Add(sum, weight);
            S.Store(weight, weights + j);
        }

        ulong rowKey = g->Dropout > 0 ? CounterRandom.Key(g->DropoutKey, (ulong)row, (ulong)head) : 0;
        V keptScale = S.Create(g->Dropout > 0 ? 1f / (1f - g->Dropout) : 1), inverse = S.Create(1 / S.Sum(sum)), dot = S.Zero;
        for (int j = aligned; j < written; j += S.Count)
        {
            V weight = S.Multiply(S.Load(weights + j), inverse), slope = S.Load(slopes + j);
            if (g->Dropout > 0)
            {
                slope = S.Multiply(slope, S.Multiply(keptScale, S.Kept(rowKey, (uint)j, g->DropoutThreshold)));
                S.Store(slope, slopes + j);
            }

            dot = S.Fma(weight, slope, dot);
            S.Store(weight, weights + j);
        }

        V total = S.Create(S.Sum(dot));
        for (int j = aligned; j < written; j += S.Count)
        {
            V weight = S.Load(weights + j);
            S.Store(S.Multiply(S.Multiply(weight, scale), S.Subtract(S.Load(slopes + j), total)), slopes + j);
            if (g->Dropout > 0)
                S.Store(S.Multiply(weight, S.Multiply(keptScale, S.Kept(rowKey, (uint)j, g->DropoutThreshold))), weights + j);
        }
    }

    // The blocks that any of a few neighbouring queries sees.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Range(AttentionArguments* g, int sequence, int row, int rows, int keys, out int firstBlock, out int endBlock)
    {
        int place = g->QueryOffsets[sequence] + row;
        g->Visible(place, keys, out int first, out _);
        g->Visible(place + rows - 1, keys, out _, out int end);
        firstBlock = first / Block;
        endBlock = Math.Max(firstBlock, Blocks(end));
    }

    private static void ScoreBlock(float* query, nint queryStride, float* block, int width, float* scores, int stride, int rows)
    {
        for (int j = 0; j < Block; j += 2 * S.Count)
            Tiles<S, V>.Run(2, query, queryStride, 1, block + j, Block, width, scores + j, stride, rows, TileMode.Overwrite);
    }

    // One block of the chain over keys. Columns past the value's width are computed into the padding and never read.
    private static void MixBlock(
        float* weights, int stride, float* block, nint valueStride, int keys, float* sums, int padded, int rows, bool first)
    {
        var mode = first ? TileMode.Overwrite : TileMode.Continue;
        for (int c = 0; c < padded;)
        {
            int left = (padded - c) / S.Count, vectors = left >= S.PanelVectors ? S.PanelVectors : left >= 2 ? 2 : 1;
            Tiles<S, V>.Run(vectors, weights, stride, 1, block + c, valueStride, keys, sums + c, padded, rows, mode);
            c += vectors * S.Count;
        }
    }

    // (keys, width) -> blocks of (width, 32 keys), zeros past the last key.
    private static void PackBlocks(float* source, nint stride, int keys, int width, float* blocks)
    {
        for (int first = 0; first < keys; first += Block)
        {
            float* target = blocks + (long)first * width;
            if (keys - first < Block)
                new Span<float>(target, Block * width).Clear();
            for (int j = 0; j < Math.Min(Block, keys - first); j += S.Count)
            {
                int rows = Math.Min(S.Count, keys - first - j), c = 0;
                float* from = source + (first + j) * stride;
                if (rows == S.Count)
                    for (; c + S.Count <= width; c += S.Count)
                        S.Transpose(from + c, stride, target + c * Block + j, Block);
                for (; c < width; c++)
                    for (int r = 0; r < rows; r++)
                        target[c * Block + j + r] = from[r * stride + c];
            }
        }
    }

    private static int Blocks(int keys) => (keys + Block - 1) / Block;

    private static int Padded(int width) => (width + S.Count - 1) / S.Count * S.Count;
}
