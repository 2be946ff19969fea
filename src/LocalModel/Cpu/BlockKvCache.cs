using System.Runtime.InteropServices;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// The keys and values of past tokens, in blocks of <see cref="KvCache.BlockTokens"/> positions that many sequences share: memory is taken
/// block by block, not by the longest possible sequence. Not thread-safe: it belongs to the one thread that runs the model.
/// </summary>
internal sealed unsafe class BlockKvCache : KvCache
{
    private const nuint Alignment = 64;
    private readonly int[] _references;
    private readonly Stack<int> _free;
    private readonly long _layerElements;
    private readonly long _blockElements;
    private PrefixTree? _prefixes;
    private void* _allocation;
    private float* _memory;

    /// <summary>Reserves memory for a number of tokens.</summary>
    /// <param name="shape">What the model keeps of each token.</param>
    /// <param name="capacityTokens">The tokens of all sequences together, rounded up to whole blocks.</param>
    public BlockKvCache(KvShape shape, int capacityTokens)
        : base(shape, capacityTokens)
    {
        int blocks = CapacityTokens / BlockTokens;
        _layerElements = (long)BlockTokens * shape.KeyHeads * (shape.KeyWidth + shape.ValueWidth);
        _blockElements = _layerElements * shape.Layers;
        _references = new int[blocks];
        _free = new Stack<int>(blocks);
        for (int b = blocks - 1; b >= 0; b--)
            _free.Push(b);

        // Kernels may read up to one vector past the end. The system provides zeroed pages as they are touched, so an unused part costs
        // nothing.
        nuint bytes = checked((nuint)(_blockElements * blocks * sizeof(float)) + 2 * Alignment);
        _allocation = NativeMemory.AllocZeroed(bytes);
        _memory = (float*)(((nuint)_allocation + Alignment - 1) & ~(Alignment - 1));
    }

    /// <summary>Frees memory that was not disposed.</summary>
    ~BlockKvCache() => Free();

    /// <inheritdoc/>
    public override int FreeTokens => (_free.Count + (_prefixes?.IdleBlocks ?? 0)) * BlockTokens;

    /// <inheritdoc/>
    public override bool KeepsPrefixes => _prefixes is not null;

    /// <inheritdoc/>
    public override BlockKvSequence NewSequence(int expectedTokens = 0, int promptLength = 0)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        return new BlockKvSequence(this, promptLength, expectedTokens);
    }

    /// <inheritdoc/>
    public override void KeepPrefixes() => _prefixes ??= new PrefixTree(_references.Length);

    /// <inheritdoc/>
    public override void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal int TakeBlock()
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        if (!_free.TryPop(out int block) && (block = _prefixes?.Evict() ?? -1) < 0)
            throw Full();
        _references[block] = 1;
        return block;
    }

    internal void Share(int block)
    {
        if (_references[block]++ == 0)
            _prefixes!.Hold(block);
    }

    internal void ReleaseBlock(int block)
    {
        if (--_references[block] > 0)
            return;
        if (_prefixes?.Count(block) > 0)
            _prefixes.Release(block);
        else
            _free.Push(block);
    }

    /// <summary>
    /// What a sequence that holds a block may write into from an offset on: the block, or a copy where others need what stands there.
    /// </summary>
    internal int MakeWritable(int block, int offset)
    {
        bool isKept = _prefixes?.Count(block) > offset;
        if (_references[block] == 1 && !isKept)
            return block;
        if (_references[block] == 1 && FreeTokens == 0)
        {
            // Without room for a copy the tree forgets the block. Nothing follows it there: that would be idle, or held with this block.
            _prefixes!.Remove(block);
            return block;
        }

        int copy = TakeBlock();
        CopyBlock(block, copy);
        ReleaseBlock(block);
        return copy;
    }

    /// <summary>
    /// The kept block with exactly these tokens after a parent, or that which begins with most of them; it is held from now on.
    /// </summary>
    /// <returns>The block and how many of the tokens it holds; 0 where there is none.</returns>
    internal (int Block, int Tokens) Adopt(int parent, ReadOnlySpan<int> tokens)
    {
        var found = tokens.Length >= BlockTokens && _prefixes!.Find(parent, tokens[..BlockTokens]) is >= 0 and var full
            ? (full, BlockTokens)
            : _prefixes!.FindLongest(parent, tokens[..Math.Min(tokens.Length, BlockTokens)]);
        if (found.Item2 > 0)
            Share(found.Item1);
        return found;
    }

    /// <summary>Writes down which tokens a held block contains.</summary>
    /// <returns>
    /// The block to hold from now on: another one where the tree has the same tokens after the same past already, and so the same bits.
    /// </returns>
    internal int Keep(int block, int parent, ReadOnlySpan<int> tokens)
    {
        var tree = _prefixes!;
        int known = tree.Count(block);
        if (known >= tokens.Length)
            return block;
        if (tokens.Length == BlockTokens && tree.Find(parent, tokens) is >= 0 and var equal)
        {
            Share(equal);
            if (known > 0 && _references[block] == 1)
                tree.Remove(block);
            ReleaseBlock(block);
            return equal;
        }

        if (known == 0 && tokens.Length < BlockTokens && tree.FindLongest(parent, tokens).Common == tokens.Length)
            return block;
        tree.Add(block, parent, tokens);
        while (tree.RemoveBeginning(parent, tokens) is >= 0 and var beginning)
            _free.Push(beginning);
        return block;
    }

    internal void CopyBlock(int source, int target)
        => Buffer.MemoryCopy(_memory + source * _blockElements, _memory + target * _blockElements, _blockElements * sizeof(float),
            _blockElements * sizeof(float));

    /// <summary>The keys of one head of a block: (width, position), so that neighbouring positions are neighbours in memory.</summary>
    internal float* Keys(int block, int layer, int head)
        => _memory + block * _blockElements + layer * _layerElements + (long)head * BlockTokens * Shape.KeyWidth;

    /// <summary>The values of one head of a block: (position, width).</summary>
    internal float* Values(int block, int layer, int head)
        => _memory + block * _blockElements + layer * _layerElements + (long)BlockTokens * Shape.KeyHeads * Shape.KeyWidth
            + (long)head * BlockTokens * Shape.ValueWidth;

    private void Free()
    {
        NativeMemory.Free(_allocation);
        _allocation = null;
        _memory = null;
    }
}

/// <summary>
/// One sequence of a <see cref="KvCache"/>: a table of blocks and a length. <see cref="Batch.Append(ReadOnlySpan{int}, KvSequence)"/> makes
/// it longer; disposing it gives the blocks back.
/// </summary>
internal sealed class BlockKvSequence : KvSequence
{
    private readonly BlockKvCache _cache;
    private int[] _blocks;
    private int _blockCount;
    private int _published;
    private bool _disposed;

    internal BlockKvSequence(BlockKvCache cache, int promptLength, int expectedTokens = 0)
        : base(cache, promptLength)
    {
        _cache = cache;
        _blocks = new int[Math.Max(8, (expectedTokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens)];
    }

    /// <summary>The cache that the sequence lives in.</summary>
    internal BlockKvCache Blocked => _cache;

    /// <summary>The blocks, in the order of their positions.</summary>
    internal ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, _blockCount);

    /// <inheritdoc/>
    public override void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        int keep = (length + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
        while (_blockCount > keep)
            _cache.ReleaseBlock(_blocks[--_blockCount]);
        Length = length;
        _published = Math.Min(_published, length);
    }

    /// <summary>
    /// <inheritdoc/> Full blocks are shared, and one that is wanted in part is copied when something is appended to it.
    /// </summary>
    /// <param name="tokenIds"><inheritdoc/></param>
    /// <returns><inheritdoc/></returns>
    public override int Adopt(ReadOnlySpan<int> tokenIds)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Length > 0)
            throw new InvalidOperationException("Only an empty sequence can adopt what the cache has kept.");
        if (!_cache.KeepsPrefixes)
            return 0;
        tokenIds = tokenIds[..AlikeTokens(tokenIds.Length)];
        int parent = PrefixTree.Root(PositionKey);
        while (Length < tokenIds.Length && Length % KvCache.BlockTokens == 0)
        {
            var (block, tokens) = _cache.Adopt(parent, tokenIds[Length..]);
            if (tokens == 0)
                break;
            if (_blockCount == _blocks.Length)
                Array.Resize(ref _blocks, _blockCount * 2);
            _blocks[_blockCount++] = parent = block;
            Length += tokens;
        }

        return Length;
    }

    /// <inheritdoc/>
    public override void Publish(ReadOnlySpan<int> tokenIds)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(tokenIds.Length, Length);
        if (!_cache.KeepsPrefixes)
            return;
        tokenIds = tokenIds[..AlikeTokens(tokenIds.Length)];
        for (int start = _published / KvCache.BlockTokens * KvCache.BlockTokens; start < tokenIds.Length; start += KvCache.BlockTokens)
        {
            int b = start / KvCache.BlockTokens, parent = b == 0 ? PrefixTree.Root(PositionKey) : _blocks[b - 1];
            _blocks[b] = _cache.Keep(_blocks[b], parent, tokenIds[start..Math.Min(start + KvCache.BlockTokens, tokenIds.Length)]);
        }

        _published = Math.Max(_published, tokenIds.Length);
    }

    /// <summary>
    /// A second sequence with the same past. Full blocks are shared; a block that either of them writes to is copied first.
    /// </summary>
    public override BlockKvSequence Fork()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var fork = new BlockKvSequence(_cache, PromptLength)
        {
            _blocks = [.. _blocks],
            _blockCount = _blockCount,
            _published = _published,
            Length = Length,
        };
        for (int b = 0; b < _blockCount; b++)
            _cache.Share(_blocks[b]);
        return fork;
    }

    /// <inheritdoc/>
    public override void Dispose()
    {
        if (_disposed)
            return;
        Truncate(0);
        _disposed = true;
    }

    /// <inheritdoc/>
    internal override void Append(int tokens)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        int before = Length;
        if (before % KvCache.BlockTokens != 0 && tokens > 0)
        {
            ref int last = ref _blocks[before / KvCache.BlockTokens];
            last = _cache.MakeWritable(last, before % KvCache.BlockTokens);
        }

        int needed = (before + tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
        if (needed > _blocks.Length)
            Array.Resize(ref _blocks, Math.Max(needed, _blocks.Length * 2));
        try
        {
            while (_blockCount < needed)
            {
                _blocks[_blockCount] = _cache.TakeBlock();
                _blockCount++;
            }
        }
        catch (KvCacheFullException)
        {
            Truncate(before);
            throw;
        }

        Length = before + tokens;
    }

    // The tokens whose keys are turned as those of the prompt; with scalings that go by the length, later ones may be turned otherwise.
    private int AlikeTokens(int tokens)
    {
        while (tokens > PromptLength && _cache.PositionKey(tokens) != PositionKey)
            tokens--;
        return tokens;
    }
}
