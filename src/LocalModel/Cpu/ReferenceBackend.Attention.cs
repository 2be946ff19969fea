using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

internal unsafe partial class ReferenceBackend<T>
{
    internal override void Attention(in AttentionCall call)
    {
        if (call.Queries.HasCache)
            StoreInCache(in call);
        int longest = LongestKeys(in call);
        T* weights = Scratch(longest);
        for (int s = 0; s < call.Queries.Sequences; s++)
            for (int i = call.Queries.SequenceStarts[s]; i < call.Queries.SequenceStarts[s + 1]; i++)
                for (int h = 0; h < call.Options.Heads; h++)
                {
                    T* output = Row(call.Output, i) + h * call.ValueWidth;
                    new Span<T>(output, call.ValueWidth).Clear();
                    Weights(in call, s, i, h, weights, out int first, out int end);
                    for (int j = first; j < end; j++)
                    {
                        T p = weights[j] * Kept(in call, i, h, j);
                        for (int c = 0; c < call.ValueWidth; c++)
                            output[c] += p * ValueAt(in call, s, h, j, c);
                    }
                }

        NativeMemory.Free(weights);
    }

    internal override void AttentionBackward(in AttentionCall call, in AttentionGradients gradients)
    {
        Clear(gradients.Query, gradients.AccumulateQuery);
        Clear(gradients.Key, gradients.AccumulateKey);
        Clear(gradients.Value, gradients.AccumulateValue);
        Clear(gradients.Bias, gradients.AccumulateBias);
        int longest = LongestKeys(in call), group = call.Options.Heads / call.Options.KeyHeads;
        T* weights = Scratch(longest);
        T* slopes = Scratch(longest);
        T scale = Of(call.Scale), cap = Of(call.Options.SoftCap);
        for (int s = 0; s < call.Queries.Sequences; s++)
            for (int i = call.Queries.SequenceStarts[s]; i < call.Queries.SequenceStarts[s + 1]; i++)
                for (int h = 0; h < call.Options.Heads; h++)
                {
                    Weights(in call, s, i, h, weights, out int first, out int end);
                    T* g = Row(gradients.Output, i) + h * call.ValueWidth;
                    int keyRow = call.Keys.SequenceStarts[s], keyHead = h / group;
                    T dot = T.Zero;
                    for (int j = first; j < end; j++)
                    {
                        T kept = Kept(in call, i, h, j), d = T.Zero;
                        for (int c = 0; c < call.ValueWidth; c++)
                        {
                            int column = keyHead * call.ValueWidth + c;
                            d += g[c] * Row(call.Value, keyRow + j)[column];
                            if (gradients.Value.Exists)
                                Row(gradients.Value, keyRow + j)[column] += weights[j] * kept * g[c];
                        }

                        slopes[j] = d * kept;
                        dot += weights[j] * slopes[j];
                    }

                    for (int j = first; j < end; j++)
                    {
                        T d = weights[j] * (slopes[j] - dot);
                        if (gradients.Bias.Exists)
                            Row(gradients.Bias, BiasRow(in call, s, i, h))[j] += d;
                        if (call.Options.SoftCap > 0)
                        {
                            T t = T.Tanh(Dot(in call, s, i, h, j) * scale / cap);
                            d *= T.One - t * t;
                        }

                        d *= scale;
                        for (int c = 0; c < call.KeyWidth; c++)
                        {
                            int q = h * call.KeyWidth + c, k = keyHead * call.KeyWidth + c;
                            if (gradients.Query.Exists)
                                Row(gradients.Query, i)[q] += d * Row(call.Key, keyRow + j)[k];
                            if (gradients.Key.Exists)
                                Row(gradients.Key, keyRow + j)[k] += d * Row(call.Query, i)[q];
                        }
                    }
                }

        NativeMemory.Free(weights);
        NativeMemory.Free(slopes);
    }

    private protected static int LongestKeys(in AttentionCall call)
    {
        int longest = 1;
        for (int s = 0; s < call.Queries.Sequences; s++)
            longest = Math.Max(longest, KeyCount(in call, s));
        return longest;
    }

    private protected static int KeyCount(in AttentionCall call, int sequence)
        => call.Cached(sequence)?.Length ?? call.Keys.SequenceStarts[sequence + 1] - call.Keys.SequenceStarts[sequence];

    private protected static int LongestQueries(in AttentionCall call)
    {
        int longest = 0;
        for (int s = 0; s < call.Queries.Sequences; s++)
            longest = Math.Max(longest, call.Queries.SequenceStarts[s + 1] - call.Queries.SequenceStarts[s]);
        return longest;
    }

    private static int BiasRow(in AttentionCall call, int sequence, int row, int head)
        => head * LongestQueries(in call) + row - call.Queries.SequenceStarts[sequence];

    // The softmax of one query's scores, in weights[first..end].
    private static void Weights(in AttentionCall call, int sequence, int row, int head, T* weights, out int first, out int end)
    {
        int place = call.Queries.QueryOffsets[sequence] + row - call.Queries.SequenceStarts[sequence];
        (first, end) = call.Visible(place, KeyCount(in call, sequence));
        if (first >= end)
            return;
        T scale = Of(call.Scale), cap = Of(call.Options.SoftCap);
        for (int j = first; j < end; j++)
        {
            T score = Dot(in call, sequence, row, head, j) * scale;
            if (call.Options.SoftCap > 0)
                score = cap * T.Tanh(score / cap);
            if (call.Bias.Exists)
                score += Row(call.Bias, BiasRow(in call, sequence, row, head))[j];
            weights[j] = score;
        }

        T max = Max(weights + first, end - first), sum = T.Zero;
        for (int j = first; j < end; j++)
            sum += weights[j] = T.Exp(weights[j] - max);
        for (int j = first; j < end; j++)
            weights[j] /= sum;
    }

    private static T Dot(in AttentionCall call, int sequence, int row, int head, int key)
    {
        T sum = T.Zero;
        for (int c = 0; c < call.KeyWidth; c++)
            sum += Row(call.Query, row)[head * call.KeyWidth + c] * KeyAt(in call, sequence, head, key, c);
        return sum;
    }

    private static T KeyAt(in AttentionCall call, int sequence, int head, int key, int column)
    {
        int keyHead = head / (call.Options.Heads / call.Options.KeyHeads);
        if (call.Cached(sequence) is not { } cached)
            return Row(call.Key, call.Keys.SequenceStarts[sequence] + key)[keyHead * call.KeyWidth + column];
        int block = cached.Blocks[key / KvCache.BlockTokens], place = key % KvCache.BlockTokens;
        return Of(cached.Blocked.Keys(block, call.Options.Layer, keyHead)[column * KvCache.BlockTokens + place]);
    }

    private static T ValueAt(in AttentionCall call, int sequence, int head, int key, int column)
    {
        int keyHead = head / (call.Options.Heads / call.Options.KeyHeads);
        if (call.Cached(sequence) is not { } cached)
            return Row(call.Value, call.Keys.SequenceStarts[sequence] + key)[keyHead * call.ValueWidth + column];
        int block = cached.Blocks[key / KvCache.BlockTokens], place = key % KvCache.BlockTokens;
        return Of(cached.Blocked.Values(block, call.Options.Layer, keyHead)[place * call.ValueWidth + column]);
    }

    /// <summary>Puts the keys and values of new tokens into the cache.</summary>
    private protected static void StoreInCache(in AttentionCall call)
    {
        for (int s = 0; s < call.Queries.Sequences; s++)
        {
            if (call.Cached(s) is not { } cached)
                continue;
            var cache = cached.Blocked;
            var shape = cache.Shape;
            int start = call.Queries.SequenceStarts[s], past = call.Queries.QueryOffsets[s];
            for (int i = start; i < call.Queries.SequenceStarts[s + 1]; i++)
            {
                int position = past + i - start, place = position % KvCache.BlockTokens,
                    block = cached.Blocks[position / KvCache.BlockTokens];
                for (int h = 0; h < shape.KeyHeads; h++)
                {
                    float* keys = cache.Keys(block, call.Options.Layer, h), values = cache.Values(block, call.Options.Layer, h);
                    for (int c = 0; c < shape.KeyWidth; c++)
                        keys[c * KvCache.BlockTokens + place] = float.CreateTruncating(Row(call.Key, i)[h * shape.KeyWidth + c]);
                    for (int c = 0; c < shape.ValueWidth; c++)
                        values[place * shape.ValueWidth + c] = float.CreateTruncating(Row(call.Value, i)[h * shape.ValueWidth + c]);
                }
            }
        }
    }

    // What dropout makes of a weight: 0, or 1 / (1 − probability). The counter is a hash of row and head, plus the key.
    private static T Kept(in AttentionCall call, int row, int head, int key)
    {
        float probability = call.Options.Dropout;
        if (probability == 0)
            return T.One;
        ulong rowKey = CounterRandom.Key(call.DropoutKey, (ulong)row, (ulong)head);
        return CounterRandom.Bits(rowKey, (uint)key) >= CounterRandom.Threshold(probability) ? Of(1f / (1f - probability)) : T.Zero;
    }

    private protected void Clear(View gradient, bool accumulate)
    {
        if (gradient.Exists && !accumulate)
            Fill(gradient, 0);
    }
}
