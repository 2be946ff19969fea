using Kotonoha.LocalModel.Tensors;
using TorchSharp;
using static TorchSharp.torch;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// How the sequences of a batch are laid out for torch, whose attention wants (sequences, heads, tokens, width): groups of sequences of
/// similar length, each filled up to its longest, and the tables that a pass uses in every layer. Made once for each pass and batch.
/// </summary>
internal sealed class BatchLayout : IDisposable
{
    private readonly List<IDisposable> _owned = [];
    private readonly Dictionary<RotaryTable, (Values Cosines, Values Sines)> _turns = [];
    private readonly Dictionary<(Batch Keys, bool Causal, int Window), AttentionPlan> _plans = [];
    private readonly Dictionary<int, CachedPlan> _cachedPlans = [];
    private readonly Batch _batch;
    private Values? _positions;

    public BatchLayout(Batch batch)
    {
        _batch = batch;
        Sequences = new (int, int)[batch.Sequences];
        for (int s = 0; s < Sequences.Length; s++)
            Sequences[s] = (batch.SequenceStarts[s], batch.SequenceStarts[s + 1] - batch.SequenceStarts[s]);
    }

    /// <summary>The first row and the number of rows of each sequence.</summary>
    public (int Start, int Length)[] Sequences { get; }

    /// <summary>The first or last row of each sequence; row 0 for an empty one.</summary>
    public int[] Ends(bool last)
        => Array.ConvertAll(Sequences, s => s.Length == 0 ? 0 : last ? s.Start + s.Length - 1 : s.Start);

    /// <summary>1 for each sequence that has tokens, 0 for the others: (sequences, 1).</summary>
    public Values Filled(TorchSettings settings, ScalarType type)
        => HostCopy.ToDevice(Array.ConvertAll(Sequences, s => s.Length == 0 ? 0f : 1f), [Sequences.Length, 1], type, settings.Device);

    /// <summary>The sequence of each row.</summary>
    public int[] SequenceOfRow()
    {
        var owners = new int[_batch.Tokens];
        for (int s = 0; s < Sequences.Length; s++)
            Array.Fill(owners, s, Sequences[s].Start, Sequences[s].Length);
        return owners;
    }

    /// <summary>One over the length of each sequence; 0 for an empty one.</summary>
    public float[] InverseLengths() => Array.ConvertAll(Sequences, s => s.Length == 0 ? 0 : 1f / s.Length);

    /// <summary>Cosines and signed sines of the rows of a batch, in the type of activations: (tokens, rotary width).</summary>
    public (Values Cosines, Values Sines) Turns(TorchWeights weights, RotaryTable table)
    {
        if (_turns.TryGetValue(table, out var turns))
            return turns;
        turns = table.DependsOnLength ? TurnsByLength(weights, table) : TurnsOfPositions(weights, table);
        _owned.Add(turns.Cosines.DetachFromDisposeScope());
        _owned.Add(turns.Sines.DetachFromDisposeScope());
        _turns.Add(table, turns);
        return turns;
    }

    /// <summary>How an attention without a cache is cut into groups.</summary>
    public AttentionPlan Plan(TorchSettings settings, Batch keys, in AttentionOptions options)
    {
        var key = (keys, options.Causal, options.Window);
        if (!_plans.TryGetValue(key, out var plan))
        {
            _plans.Add(key, plan = new AttentionPlan(settings, _batch, keys, options.Causal, options.Window));
            _owned.Add(plan);
        }

        return plan;
    }

    /// <summary>How an attention over cached sequences is cut into groups.</summary>
    public CachedPlan CachedPlan(TorchSettings settings, int window)
    {
        if (!_cachedPlans.TryGetValue(window, out var plan))
        {
            _cachedPlans.Add(window, plan = new CachedPlan(settings, _batch, window));
            _owned.Add(plan);
        }

        return plan;
    }

    public void Dispose()
    {
        foreach (var owned in _owned)
            owned.Dispose();
        _positions?.Dispose();
    }

    private (Values Cosines, Values Sines) TurnsOfPositions(TorchWeights weights, RotaryTable table)
    {
        _positions ??= Indexes.Upload(_batch.Positions, weights.Settings.Device).DetachFromDisposeScope();
        int positions = 0;
        foreach (int position in _batch.Positions)
            positions = Math.Max(positions, position + 1);
        var (cosines, sines) = weights.Turns(table, positions);
        return (cosines.index_select(0, _positions), sines.index_select(0, _positions));
    }

    private (Values Cosines, Values Sines) TurnsByLength(TorchWeights weights, RotaryTable table)
    {
        var rows = new float[_batch.Tokens * table.RotaryWidth];
        RotaryTable.Buffer? buffer = null;
        for (int s = 0; s < Sequences.Length; s++)
        {
            var (start, length) = Sequences[s];
            if (length == 0)
                continue;
            var own = table.ForLength(_batch.RopeLength(s), ref buffer);
            own.RowsOf(_batch.Positions.Slice(start, length), rows.AsSpan(start * table.RotaryWidth));
        }

        return weights.Upload(table, rows, _batch.Tokens);
    }
}

/// <summary>
/// Sequences of similar length as one padded block: where each of its rows comes from, and which keys each query may see.
/// </summary>
internal sealed class AttentionGroup : IDisposable
{
    /// <summary>The sequences.</summary>
    public required int Count { get; init; }

    /// <summary>Rows of each sequence, padding included.</summary>
    public required int Queries { get; init; }

    /// <summary>Keys of each sequence, padding included.</summary>
    public required int Keys { get; init; }

    /// <summary>The batch row of each row of the block, (sequences · queries); null where they are the batch's rows in order.</summary>
    public Values? QueryRows { get; init; }

    /// <summary>The batch row of each key of the block; null where they are the batch's rows in order.</summary>
    public Values? KeyRows { get; init; }

    /// <summary>Whether a query sees the keys up to its own place, and nothing else has to be masked.</summary>
    public bool IsPlainCausal { get; init; }

    /// <summary>The keys that each query may see, (sequences, 1, queries or 1, keys); null for all.</summary>
    public Values? Visible { get; init; }

    /// <summary>Whether some query may see no key.</summary>
    public bool HasBlindQueries { get; init; }

    public void Dispose()
    {
        QueryRows?.Dispose();
        KeyRows?.Dispose();
        Visible?.Dispose();
    }
}

/// <summary>The groups of an attention without a cache.</summary>
internal sealed class AttentionPlan : IDisposable
{
    public AttentionPlan(TorchSettings settings, Batch queries, Batch keys, bool causal, int window)
    {
        int sequences = queries.Sequences;
        var queryLengths = Lengths(queries);
        var keyLengths = ReferenceEquals(queries, keys) ? queryLengths : Lengths(keys);
        LongestQueries = sequences == 0 ? 0 : queryLengths.Max();

        // Groups by the power of two of their lengths: less than half of a block is padding.
        var groups = Enumerable.Range(0, sequences).Where(s => queryLengths[s] > 0)
            .GroupBy(s => (Ceiling(queryLengths[s]), Ceiling(keyLengths[s])))
            .Select(g => g.ToArray()).ToList();
        var order = new int[queries.Tokens];
        int next = 0;
        foreach (var group in groups)
        {
            int longestQuery = group.Max(s => queryLengths[s]), longestKey = group.Max(s => keyLengths[s]);
            bool even = group.All(s => queryLengths[s] == longestQuery && keyLengths[s] == longestKey);
            bool whole = even && group.Length == sequences;
            bool atStart = group.All(s => queries.QueryOffsets[s] == 0);
            bool plainCausal = causal && atStart && ReferenceEquals(queries, keys) && (window == 0 || window >= longestKey);
            bool needsMask = causal ? !plainCausal : !even;
            Groups.Add(new AttentionGroup
            {
                Count = group.Length,
                Queries = longestQuery,
                Keys = longestKey,
                QueryRows = whole ? null : PaddedRows(settings, queries, group, longestQuery),
                KeyRows = whole ? null : PaddedRows(settings, keys, group, longestKey),
                IsPlainCausal = plainCausal,
                Visible = needsMask && longestKey > 0
                    ? VisibleKeys(settings, group, [.. group.Select(s => queries.QueryOffsets[s])], [.. group.Select(s => keyLengths[s])],
                        longestQuery, longestKey, causal, window)
                    : null,
                HasBlindQueries = group.Any(s => keyLengths[s] == 0) || (needsMask && causal && window > 0),
            });
            for (int i = 0; i < group.Length; i++)
                for (int row = 0; row < queryLengths[group[i]]; row++)
                    order[queries.SequenceStarts[group[i]] + row] = next + i * longestQuery + row;
            next += group.Length * longestQuery;
        }

        IsWhole = Groups.Count == 1 && Groups[0].QueryRows is null;
        if (!IsWhole)
            Order = Indexes.Upload(order, settings.Device).DetachFromDisposeScope();
    }

    /// <summary>The groups.</summary>
    public List<AttentionGroup> Groups { get; } = [];

    /// <summary>Whether one group is the batch as it lies.</summary>
    public bool IsWhole { get; }

    /// <summary>For each row of the batch its row in the groups' blocks, one after another; null where they are the same.</summary>
    public Values? Order { get; }

    /// <summary>The rows of the longest sequence.</summary>
    public int LongestQueries { get; }

    public void Dispose()
    {
        foreach (var group in Groups)
            group.Dispose();
        Order?.Dispose();
    }

    private static int[] Lengths(Batch batch)
        => [.. Enumerable.Range(0, batch.Sequences).Select(s => batch.SequenceStarts[s + 1] - batch.SequenceStarts[s])];

    private static int Ceiling(int length) => length == 0 ? 0 : (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)length);

    private static Values PaddedRows(TorchSettings settings, Batch batch, int[] group, int longest)
    {
        var rows = new int[group.Length * longest];
        for (int i = 0; i < group.Length; i++)
        {
            int start = batch.SequenceStarts[group[i]], length = batch.SequenceStarts[group[i] + 1] - start;
            for (int row = 0; row < length; row++)
                rows[i * longest + row] = start + row;
        }

        return Indexes.Upload(rows, settings.Device).DetachFromDisposeScope();
    }

    private static Values VisibleKeys(
        TorchSettings settings, int[] group, int[] offsets, int[] keyLengths, int queries, int keys, bool causal, int window)
    {
        using var places = arange(keys, int64, settings.Device);
        using var key = places.view(1, 1, 1, keys);
        using var flatLengths = Indexes.Upload(keyLengths, settings.Device);
        using var lengths = flatLengths.view(group.Length, 1, 1, 1);
        var visible = key.lt(lengths);
        if (!causal)
            return visible.DetachFromDisposeScope();
        using var flatOffsets = Indexes.Upload(offsets, settings.Device);
        using var starts = flatOffsets.view(group.Length, 1, 1, 1);
        using var rows = arange(queries, int64, settings.Device);
        using var row = rows.view(1, 1, queries, 1);
        using var place = row.add(starts);
        visible = Indexes.Both(visible, key.le(place));
        if (window > 0)
        {
            using var first = place.sub(window);
            visible = Indexes.Both(visible, key.gt(first));
        }

        return visible.DetachFromDisposeScope();
    }
}

/// <summary>Row numbers and masks on a device.</summary>
internal static class Indexes
{
    /// <summary>Where both are true, in place of the two.</summary>
    public static Values Both(Values a, Values b)
    {
        using (a)
        using (b)
            return a.logical_and(b).DetachFromDisposeScope();
    }

    /// <summary>A vector of 64-bit integers on a device.</summary>
    public static Values Upload(ReadOnlySpan<int> values, torch.Device device)
    {
        var wide = new long[values.Length];
        for (int i = 0; i < wide.Length; i++)
            wide[i] = values[i];
        return tensor(wide, device: device);
    }
}
