using Kotonoha.LocalModel.Tensors;
using static TorchSharp.torch;
using Values = TorchSharp.torch.Tensor;

namespace Kotonoha.LocalModel.Torch;

/// <summary>
/// Keys and values as torch's attention reads them without a copy: for each layer one tensor (slots, key heads, positions, width), in which
/// a sequence has a slot of its own. Slots and positions grow with what is asked for, so the memory is that of the longest sequence times
/// the slots; a fork copies.
/// </summary>
internal sealed class TorchKvCache : KvCache
{
    private const int FirstPositions = 256;
    private const int FirstSlots = 4;

    private readonly TorchSettings _settings;
    private readonly Values?[] _keys;
    private readonly Values?[] _values;
    private readonly SortedSet<int> _free = [];
    private int _chargedBlocks;
    private bool _disposed;

    public TorchKvCache(TorchSettings settings, KvShape shape, int capacityTokens)
        : base(shape, capacityTokens)
    {
        _settings = settings;
        _keys = new Values?[shape.Layers];
        _values = new Values?[shape.Layers];
    }

    /// <inheritdoc/>
    public override int FreeTokens => CapacityTokens - _chargedBlocks * BlockTokens;

    /// <summary>The slots that there is memory for.</summary>
    public int Slots { get; private set; }

    /// <summary>The positions of each slot.</summary>
    public int Positions { get; private set; }

    /// <summary>The bytes of all keys and values.</summary>
    public long Bytes => (long)Slots * Positions * Shape.ElementsPerToken * (_settings.Type == ScalarType.BFloat16 ? 2 : 4);

    /// <inheritdoc/>
    public override KvSequence NewSequence(int expectedTokens = 0, int promptLength = 0)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new TorchKvSequence(this, promptLength, TakeSlot());
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        _disposed = true;
        for (int layer = 0; layer < _keys.Length; layer++)
        {
            _keys[layer]?.Dispose();
            _values[layer]?.Dispose();
            _keys[layer] = _values[layer] = null;
        }

        Slots = Positions = 0;
    }

    /// <summary>The keys of a layer: (slots, key heads, positions, key width).</summary>
    internal Values Keys(int layer) => _keys[layer]!;

    /// <summary>The values of a layer: (slots, key heads, positions, value width).</summary>
    internal Values ValuesOf(int layer) => _values[layer]!;

    internal int TakeSlot()
    {
        if (_free.Count == 0)
            Grow(Math.Max(FirstSlots, Slots * 2), Positions);
        int slot = _free.Min;
        _free.Remove(slot);
        return slot;
    }

    internal void GiveBack(int slot, int blocks)
    {
        _chargedBlocks -= blocks;
        if (!_disposed)
            _free.Add(slot);
    }

    /// <summary>Counts blocks of a sequence; refused when the cache is full.</summary>
    internal void Charge(int blocks)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (blocks > 0 && (_chargedBlocks + blocks) * BlockTokens > CapacityTokens)
            throw Full();
        _chargedBlocks += blocks;
    }

    internal void Discharge(int blocks) => _chargedBlocks -= blocks;

    /// <summary>Makes room for a number of positions in every slot.</summary>
    internal void Require(int positions)
    {
        if (positions > Positions)
            Grow(Slots, Math.Max(FirstPositions, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)positions)));
    }

    internal void CopySlot(int from, int to, int length)
    {
        if (length == 0)
            return;
        for (int layer = 0; layer < _keys.Length; layer++)
        {
            Copy(_keys[layer]!);
            Copy(_values[layer]!);
        }

        void Copy(Values all)
        {
            using var source = all[from];
            using var target = all[to];
            using var past = source.narrow(1, 0, length);
            using var copy = target.narrow(1, 0, length);
            copy.copy_(past);
        }
    }

    private void Grow(int slots, int positions)
    {
        if (positions > 0)
            for (int layer = 0; layer < _keys.Length; layer++)
            {
                _keys[layer] = Grown(_keys[layer], Shape.KeyWidth);
                _values[layer] = Grown(_values[layer], Shape.ValueWidth);
            }

        for (int slot = Slots; slot < slots; slot++)
            _free.Add(slot);
        Slots = slots;
        Positions = positions;

        // Zeros, because a masked position still takes part in a product with a weight of zero.
        Values Grown(Values? old, int width)
        {
            var grown = zeros([slots, Shape.KeyHeads, positions, width], _settings.Type, _settings.Device).DetachFromDisposeScope();
            if (old is null)
                return grown;
            using (old)
            using (var rows = grown.narrow(0, 0, old.shape[0]))
            using (var part = rows.narrow(2, 0, old.shape[2]))
                part.copy_(old);
            return grown;
        }
    }
}

/// <summary>A sequence with a slot of its own.</summary>
internal sealed class TorchKvSequence : KvSequence
{
    private readonly TorchKvCache _cache;

    // Full blocks that a fork has in common with its parent are counted once, as where they are shared.
    private int _sharedBlocks;
    private bool _disposed;

    public TorchKvSequence(TorchKvCache cache, int promptLength, int slot)
        : base(cache, promptLength)
    {
        _cache = cache;
        Slot = slot;
    }

    /// <summary>The row of the cache's tensors.</summary>
    public int Slot { get; }

    private int ChargedBlocks => Math.Max(0, Blocks(Length) - _sharedBlocks);

    /// <inheritdoc/>
    public override void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        int before = ChargedBlocks;
        Length = length;
        _sharedBlocks = Math.Min(_sharedBlocks, length / KvCache.BlockTokens);
        _cache.Discharge(before - ChargedBlocks);
    }

    /// <inheritdoc/>
    public override KvSequence Fork()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var fork = new TorchKvSequence(_cache, PromptLength, _cache.TakeSlot()) { _sharedBlocks = Length / KvCache.BlockTokens };
        try
        {
            _cache.Charge(Blocks(Length) - fork._sharedBlocks);
        }
        catch (KvCacheFullException)
        {
            _cache.GiveBack(fork.Slot, 0);
            throw;
        }

        fork.Length = Length;
        _cache.CopySlot(Slot, fork.Slot, Length);
        return fork;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _cache.GiveBack(Slot, ChargedBlocks);
        Length = 0;
    }

    /// <inheritdoc/>
    internal override void Append(int tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _cache.Charge(Math.Max(0, Blocks(Length + tokens) - _sharedBlocks) - ChargedBlocks);
        _cache.Require(Length + tokens);
        Length += tokens;
    }

    private static int Blocks(int tokens) => (tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
}
