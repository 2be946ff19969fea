using Kotonoha.LocalModel.Tensors;
using static TorchSharp.torch;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// How an attention over cached sequences is cut: where new keys and values are put, the sequences with one query that run together, and
/// the others. Made once for each pass, used in every layer.
/// </summary>
internal sealed class CachedPlan : IDisposable
{
    private readonly TorchSettings _settings;
    private readonly Batch _batch;
    private readonly int _window;
    private readonly TorchKvSequence?[] _sequences;
    private readonly List<int> _decoded = [];
    private readonly List<int> _others = [];
    private readonly Dictionary<int, Values> _visible = [];

    public CachedPlan(TorchSettings settings, Batch batch, int window)
    {
        _settings = settings;
        _batch = batch;
        _window = window;
        _sequences = new TorchKvSequence?[batch.Sequences];
        var places = new List<long>();
        var cachedRows = new List<int>();
        for (int s = 0; s < batch.Sequences; s++)
        {
            int start = batch.SequenceStarts[s], length = batch.SequenceStarts[s + 1] - start;
            LongestQueries = Math.Max(LongestQueries, length);
            _sequences[s] = batch.Cached(s) switch
            {
                null => null,
                TorchKvSequence own => own,
                _ => throw new ArgumentException("The key/value cache belongs to another device."),
            };
            HasUncached |= _sequences[s] is null;
            HasPast |= batch.QueryOffsets[s] > 0;
            if (_sequences[s] is { } cached)
            {
                Cache = (TorchKvCache)cached.Cache;
                for (int i = 0; i < length; i++)
                {
                    for (int head = 0; head < Cache.Shape.KeyHeads; head++)
                        places.Add(((long)cached.Slot * Cache.Shape.KeyHeads + head) * Cache.Positions + batch.QueryOffsets[s] + i);
                    cachedRows.Add(start + i);
                }
            }

            if (length == 1 && _sequences[s] is not null)
                _decoded.Add(s);
            else if (length > 0)
                _others.Add(s);
        }

        if (places.Count > 0)
            Places = tensor(places.ToArray(), device: settings.Device).DetachFromDisposeScope();
        if (HasUncached && cachedRows.Count > 0)
            CachedRows = Indexes.Upload(cachedRows.ToArray(), settings.Device).DetachFromDisposeScope();
        if (_decoded.Count > 0)
            Decode = new DecodeGroup(settings, [.. _decoded.Select(s => _sequences[s]!)],
                [.. _decoded.Select(s => batch.SequenceStarts[s])],
                batch.Tokens, window);
    }

    /// <summary>The cache of the sequences.</summary>
    public TorchKvCache? Cache { get; }

    /// <summary>Where each head of the rows of cached sequences is put: (slot · heads + head) · positions + position.</summary>
    public Values? Places { get; }

    /// <summary>The rows of cached sequences; null for all.</summary>
    public Values? CachedRows { get; }

    /// <summary>Whether some sequence has tokens from earlier passes.</summary>
    public bool HasPast { get; }

    /// <summary>Whether some sequence has no cache.</summary>
    public bool HasUncached { get; }

    /// <summary>The rows of the longest sequence.</summary>
    public int LongestQueries { get; }

    /// <summary>The sequences with one query; null where there are none.</summary>
    public DecodeGroup? Decode { get; }

    /// <summary>Whether the parts, one after another, are the batch's rows in order.</summary>
    public bool IsInOrder => _others.Count == 0 || (_others.Count == 1 && _decoded.Count == 0);

    /// <summary>The cached past of a sequence.</summary>
    public TorchKvSequence? Sequence(int sequence) => _sequences[sequence];

    /// <summary>The sequences that run one by one.</summary>
    public IEnumerable<int> Others(bool withDecode) => withDecode ? _decoded.Concat(_others) : _others;

    /// <summary>For each row of the batch its row in the parts.</summary>
    public int[] Order(bool withDecode)
    {
        var order = new int[_batch.Tokens];
        int next = 0;
        foreach (int s in _decoded.Concat(_others))
            for (int row = _batch.SequenceStarts[s]; row < _batch.SequenceStarts[s + 1]; row++)
                order[row] = next++;
        return order;
    }

    /// <summary>
    /// The keys that the queries of a sequence may see: (1, 1, queries, keys); null for all, or for the plain causal case.
    /// </summary>
    public Values? VisibleTo(int sequence, bool causal)
    {
        int length = _batch.SequenceStarts[sequence + 1] - _batch.SequenceStarts[sequence], offset = _batch.QueryOffsets[sequence];
        int keys = _sequences[sequence]?.Length ?? length;
        if (!causal || (offset == 0 && keys == length && _window == 0))
            return null;
        if (_visible.TryGetValue(sequence, out var visible))
            return visible;
        using var columns = arange(keys, int64, _settings.Device);
        using var key = columns.view(1, 1, 1, keys);
        using var rows = arange(offset, offset + length, int64, _settings.Device);
        using var place = rows.view(1, 1, length, 1);
        visible = key.le(place);
        if (_window > 0)
        {
            using var first = place.sub(_window);
            visible = Indexes.Both(visible, key.gt(first));
        }

        _visible.Add(sequence, visible.DetachFromDisposeScope());
        return visible;
    }

    public void Dispose()
    {
        Places?.Dispose();
        CachedRows?.Dispose();
        Decode?.Dispose();
        foreach (var visible in _visible.Values)
            visible.Dispose();
    }
}

/// <summary>
/// Sequences with one query each. Where their slots lie close together, the slots between the first and the last are read as they lie,
/// those of other sequences among them; otherwise the slots are gathered.
/// </summary>
internal sealed class DecodeGroup : IDisposable
{
    private const int Step = 64;
    private readonly int _first;
    private readonly int _positions;
    private readonly Values? _gathered;

    public DecodeGroup(TorchSettings settings, TorchKvSequence[] sequences, int[] rows, int tokens, int window)
    {
        var cache = (TorchKvCache)sequences[0].Cache;
        int first = sequences.Min(s => s.Slot), last = sequences.Max(s => s.Slot), longest = sequences.Max(s => s.Length);
        _first = first;
        _positions = Math.Min(cache.Positions, (longest + Step - 1) / Step * Step);
        bool asTheyLie = last - first + 1 <= 2 * sequences.Length;
        Slots = asTheyLie ? last - first + 1 : sequences.Length;
        var rowOfSlot = new int[Slots];
        var lengths = new int[Slots];
        var back = new int[sequences.Length];
        for (int i = 0; i < sequences.Length; i++)
        {
            int place = asTheyLie ? sequences[i].Slot - first : i;
            rowOfSlot[place] = rows[i];
            lengths[place] = sequences[i].Length;
            back[i] = place;
        }

        // A slot in between reads somebody's query and one key: what it gives is not used.
        for (int i = 0; i < lengths.Length; i++)
            lengths[i] = Math.Max(1, lengths[i]);
        if (!asTheyLie)
            _gathered = Indexes.Upload(Array.ConvertAll(sequences, s => s.Slot), settings.Device).DetachFromDisposeScope();
        if (!IsRange(rowOfSlot) || Slots != tokens)
            Rows = Indexes.Upload(rowOfSlot, settings.Device).DetachFromDisposeScope();
        if (!IsRange(back))
            Back = Indexes.Upload(back, settings.Device).DetachFromDisposeScope();
        if (lengths.All(l => l == longest) && window == 0)
        {
            _positions = longest;
            return;
        }

        using var flat = Indexes.Upload(lengths, settings.Device);
        using var end = flat.view(Slots, 1, 1, 1);
        using var columns = arange(_positions, int64, settings.Device);
        using var key = columns.view(1, 1, 1, _positions);
        Visible = key.lt(end);
        if (window > 0)
        {
            using var start = end.sub(window);
            Visible = Indexes.Both(Visible, key.ge(start));
        }

        Visible.DetachFromDisposeScope();
    }

    /// <summary>The slots that are read.</summary>
    public int Slots { get; }

    /// <summary>The batch row of each slot's query; null where they are the batch's rows in order.</summary>
    public Values? Rows { get; }

    /// <summary>The slot of each sequence, in the batch's order; null where they are in order.</summary>
    public Values? Back { get; }

    /// <summary>The keys that each query may see: (slots, 1, 1, positions); null for all.</summary>
    public Values? Visible { get; private set; }

    /// <summary>The keys or values of the slots: (slots, key heads, positions, width).</summary>
    public Values Of(Values all)
    {
        using var slots = _gathered is null ? all.narrow(0, _first, Slots) : all.index_select(0, _gathered);
        return slots.narrow(2, 0, _positions);
    }

    public void Dispose()
    {
        _gathered?.Dispose();
        Rows?.Dispose();
        Back?.Dispose();
        Visible?.Dispose();
    }

    private static bool IsRange(int[] values)
    {
        for (int i = 0; i < values.Length; i++)
            if (values[i] != i)
                return false;
        return true;
    }
}
