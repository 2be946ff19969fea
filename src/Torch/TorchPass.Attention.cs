using Kotonoha.LocalModel.Tensors;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;
using Tensor = Kotonoha.LocalModel.Tensors.Tensor;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <content>Attention.</content>
internal sealed partial class TorchPass
{
    // Stands for minus infinity in scores: a row in which every key is masked stays finite, and its weights are then set to zero.
    private const float Masked = -1e30f;

    private protected override Tensor AttentionCore(
        Tensor query, Tensor key, Tensor value, Batch batch, Batch keys, in AttentionOptions options, Tensor bias)
    {
        if (options.Dropout > 0)
            SeedRandom();
        var call = new Call(options, query.Columns / options.Heads, value.Columns / options.KeyHeads);
        using var q = Typed(query);
        using var k = Typed(key);
        using var v = Typed(value);
        if (!batch.HasCache)
            return Uncached(in call, q, k, v, batch, keys, bias);

        var plan = LayoutOf(batch).CachedPlan(_settings, options.Window);
        Store(plan, in call, k, v);
        return plan.HasPast || plan.HasUncached || bias.Exists
            ? Cached(plan, in call, q, k, v, batch, bias)
            : Uncached(in call, q, k, v, batch, keys, bias);
    }

    // Groups of sequences of similar length, each in one call.
    private Tensor Uncached(in Call call, Values q, Values k, Values v, Batch batch, Batch keys, Tensor bias)
    {
        var plan = LayoutOf(batch).Plan(_settings, keys, call.Options);
        if (plan.IsWhole)
            return Own(Group(in call, plan, plan.Groups[0], q, k, v, bias));
        if (plan.Groups.Count == 0)
            return Own(zeros(batch.Tokens, call.OutputWidth, _settings.Type, _settings.Device));
        var parts = new List<Values>();
        try
        {
            foreach (var group in plan.Groups)
                parts.Add(Group(in call, plan, group, q, k, v, bias));
            using var all = cat(parts, 0);
            return Own(all.index_select(0, plan.Order!));
        }
        finally
        {
            foreach (var part in parts)
                part.Dispose();
        }
    }

    // (sequences · queries, heads · width)
    private Values Group(in Call call, AttentionPlan plan, AttentionGroup group, Values q, Values k, Values v, Tensor bias)
    {
        if (group.Keys == 0)
            return zeros(group.Count * group.Queries, call.OutputWidth, _settings.Type, _settings.Device);
        using var queries = Block(q, group.QueryRows, group.Count, group.Queries, call.Options.Heads, call.KeyWidth);
        using var keyBlock = Block(k, group.KeyRows, group.Count, group.Keys, call.Options.KeyHeads, call.KeyWidth);
        using var valueBlock = Block(v, group.KeyRows, group.Count, group.Keys, call.Options.KeyHeads, call.ValueWidth);
        using var added = bias.Exists ? BiasOf(in call, bias, plan.LongestQueries, group.Queries, group.Keys) : null;
        using var mixed = Attend(in call, queries, keyBlock, valueBlock, group.Visible, group.IsPlainCausal, group.HasBlindQueries, added);
        return Rows(mixed, group.Count * group.Queries, call.OutputWidth);
    }

    private void Store(CachedPlan plan, in Call call, Values k, Values v)
    {
        if (plan.Cache is null)
            return;
        Put(plan.Cache.Keys(call.Options.Layer), k);
        Put(plan.Cache.ValuesOf(call.Options.Layer), v);

        void Put(Values all, Values rows)
        {
            long width = all.shape[3];
            using var flat = all.view(-1, width);
            using var chosen = plan.CachedRows is null ? rows.alias() : rows.index_select(0, plan.CachedRows);
            using var heads = chosen.reshape(-1, width);
            using var stored = flat.index_copy_(0, plan.Places!, heads);
        }
    }

    // Sequences with a past: those with one query together, the others one by one.
    private Tensor Cached(CachedPlan plan, in Call call, Values q, Values k, Values v, Batch batch, Tensor bias)
    {
        var parts = new List<Values>();
        try
        {
            if (plan.Decode is { } decode && !bias.Exists)
                parts.Add(Decode(plan, decode, in call, q));
            foreach (var s in plan.Others(withDecode: bias.Exists))
                parts.Add(One(plan, in call, q, k, v, batch, s, bias));
            if (parts.Count == 1 && plan.IsInOrder)
                return Own(parts[0].alias());
            using var all = cat(parts, 0);
            using var order = Upload(plan.Order(withDecode: bias.Exists));
            return Own(all.index_select(0, order));
        }
        finally
        {
            foreach (var part in parts)
                part.Dispose();
        }
    }

    // The query heads that share a key head count as queries of one head, so that keys and values are read as they lie.
    private Values Decode(CachedPlan plan, DecodeGroup decode, in Call call, Values q)
    {
        var options = call.Options;
        int shared = options.Heads / options.KeyHeads;
        using var chosen = decode.Rows is null ? q.alias() : q.index_select(0, decode.Rows);
        using var queries = chosen.reshape(decode.Slots, options.KeyHeads, shared, call.KeyWidth);
        using var keys = decode.Of(plan.Cache!.Keys(options.Layer));
        using var values = decode.Of(plan.Cache.ValuesOf(options.Layer));
        using var mixed = Attend(in call, queries, keys, values, decode.Visible, causal: false, blind: false, null);
        using var rows = mixed.reshape(decode.Slots, call.OutputWidth);
        return decode.Back is null ? rows.alias() : rows.index_select(0, decode.Back);
    }

    private Values One(CachedPlan plan, in Call call, Values q, Values k, Values v, Batch batch, int sequence, Tensor bias)
    {
        int start = batch.SequenceStarts[sequence], length = batch.SequenceStarts[sequence + 1] - start;
        using var rows = q.narrow(0, start, length);
        using var queries = Block(rows, null, 1, length, call.Options.Heads, call.KeyWidth);
        var cached = plan.Sequence(sequence);
        int count = cached?.Length ?? length;
        using var keys = cached is null
            ? Slice(k, start, length, in call, call.KeyWidth)
            : OfSlot(plan.Cache!.Keys(call.Options.Layer), cached);
        using var values = cached is null
            ? Slice(v, start, length, in call, call.ValueWidth)
            : OfSlot(plan.Cache!.ValuesOf(call.Options.Layer), cached);
        bool atStart = batch.QueryOffsets[sequence] == 0 && count == length && call.Options.Window == 0;
        using var added = bias.Exists ? BiasOf(in call, bias, plan.LongestQueries, length, count) : null;
        using var mixed = Attend(in call, queries, keys, values, plan.VisibleTo(sequence, call.Options.Causal),
            call.Options.Causal && atStart, blind: false, added);
        return Rows(mixed, length, call.OutputWidth);
    }

    private static Values Slice(Values rows, int start, int length, in Call call, int width)
    {
        using var part = rows.narrow(0, start, length);
        return Block(part, null, 1, length, call.Options.KeyHeads, width);
    }

    // (1, key heads, tokens, width)
    private static Values OfSlot(Values all, TorchKvSequence sequence)
    {
        using var slot = all.narrow(0, sequence.Slot, 1);
        return slot.narrow(2, 0, sequence.Length);
    }

    // softmax(q kᵀ · scale) v on (sequences, heads, tokens, width).
    private Values Attend(in Call call, Values q, Values k, Values v, Values? visible, bool causal, bool blind, Values? bias)
    {
        using var scaled = call.Factor == 1 ? q.alias() : q.mul(call.Factor);
        long groups = q.shape[1] / k.shape[1];
        using var keys = Expanded(k, groups);
        using var values = Expanded(v, groups);
        if (call.Options.SoftCap == 0 && bias is null && !blind)
            return functional.scaled_dot_product_attention(scaled, keys, values, causal ? null : visible, call.Options.Dropout, causal);

        using var turned = keys.transpose(2, 3);
        using var products = scaled.matmul(turned);
        using var exact = products.to(ScalarType.Float32);
        var scores = exact.mul((float)(1 / Math.Sqrt(call.KeyWidth)));
        if (call.Options.SoftCap > 0)
            scores = Instead(scores, SoftCapped(scores, call.Options.SoftCap));
        if (bias is not null)
            scores = Instead(scores, scores.add(bias));
        using var own = causal ? Triangle((int)q.shape[2], (int)k.shape[2]) : null;
        var seen = own ?? visible;
        if (seen is not null)
        {
            using var hidden = seen.logical_not();
            scores = Instead(scores, scores.masked_fill(hidden, Masked));
        }

        var weights = Instead(scores, scores.softmax(3));
        if (blind && seen is not null)
        {
            using var any = seen.any(3, keepdim: true);
            weights = Instead(weights, weights.mul(any));
        }

        if (call.Options.Dropout > 0)
            weights = Instead(weights, functional.dropout(weights, call.Options.Dropout, training: true));
        using var typed = Instead(weights, weights.to(values.dtype, copy: true));
        return typed.matmul(values);
    }

    // The next value of a chain; the one before is not needed any more.
    private static Values Instead(Values before, Values next)
    {
        before.Dispose();
        return next;
    }

    private Values Triangle(int queries, int keys)
    {
        using var all = ones(queries, keys, ScalarType.Bool, _settings.Device);
        return all.tril();
    }

    // Rows (n, heads · width) as (sequences, heads, tokens, width).
    private static Values Block(Values x, Values? rows, int sequences, int tokens, int heads, int width)
    {
        using var chosen = rows is null ? x.alias() : x.index_select(0, rows);
        using var split = chosen.reshape(sequences, tokens, heads, width);
        return split.transpose(1, 2);
    }

    private static Values Rows(Values mixed, int rows, int width)
    {
        using var turned = mixed.transpose(1, 2);
        return turned.reshape(rows, width);
    }

    // Each key head as often as query heads read it; torch's attention wants as many of both.
    private static Values Expanded(Values x, long groups)
    {
        if (groups == 1)
            return x.alias();
        using var single = x.unsqueeze(2);
        using var repeated = single.expand(x.shape[0], x.shape[1], groups, x.shape[2], x.shape[3]);
        return repeated.reshape(x.shape[0], x.shape[1] * groups, x.shape[2], x.shape[3]);
    }

    // The bias of the queries and keys of a group: (1, heads, queries, keys).
    private Values BiasOf(in Call call, Tensor bias, int longestQueries, int queries, int keys)
    {
        using var split = this[bias].view(1, call.Options.Heads, longestQueries, bias.Columns);
        using var rows = split.narrow(2, 0, queries);
        return rows.narrow(3, 0, keys);
    }

    private Values Typed(Tensor tensor)
    {
        var values = this[tensor];
        return values.dtype == _settings.Type ? values.alias() : values.to(_settings.Type);
    }

    /// <summary>What an attention has in common for all its sequences.</summary>
    private readonly struct Call(AttentionOptions options, int keyWidth, int valueWidth)
    {
        public AttentionOptions Options => options;

        public int KeyWidth => keyWidth;

        public int ValueWidth => valueWidth;

        public int OutputWidth => options.Heads * valueWidth;

        /// <summary>What queries are multiplied by before torch's attention divides by √width.</summary>
        public float Factor => options.Scale == 0 || options.Scale == 1f / MathF.Sqrt(keyWidth) ? 1 : options.Scale * MathF.Sqrt(keyWidth);
    }
}
