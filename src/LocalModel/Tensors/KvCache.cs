using System.Runtime.InteropServices;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The keys and values of past tokens, in blocks of <see cref="BlockTokens"/> positions that many sequences share: memory is taken block by
/// block, not by the longest possible sequence. Not thread-safe: it belongs to the one thread that runs the model.
/// </summary>
internal sealed unsafe class KvCache : IDisposable
{
    /// <summary>The positions of one block.</summary>
    public const int BlockTokens = 32;

    private const nuint Alignment = 64;
    private readonly int[] _references;
    private readonly Stack<int> _free;
    private readonly long _layerElements;
    private readonly long _blockElements;
    private readonly Func<int, int>? _positionKey;
    private PrefixTree? _prefixes;
    private void* _allocation;
    private float* _memory;

    /// <summary>Reserves memory for a number of tokens.</summary>
    /// <param name="layers">The layers of the model.</param>
    /// <param name="keyHeads">The key and value heads of a layer.</param>
    /// <param name="keyWidth">The width of one key head.</param>
    /// <param name="valueWidth">The width of one value head.</param>
    /// <param name="capacityTokens">The tokens of all sequences together, rounded up to whole blocks.</param>
    /// <param name="positionKey">
    /// Equal numbers for lengths of a sequence at which the model turns keys alike; null when the length does not matter.
    /// </param>
    public KvCache(int layers, int keyHeads, int keyWidth, int valueWidth, int capacityTokens, Func<int, int>? positionKey = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(layers);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(keyHeads);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(keyWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(valueWidth);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacityTokens);
        Layers = layers;
        KeyHeads = keyHeads;
        KeyWidth = keyWidth;
        ValueWidth = valueWidth;
        _positionKey = positionKey;
        int blocks = (capacityTokens - 1) / BlockTokens + 1;
        _layerElements = (long)BlockTokens * keyHeads * (keyWidth + valueWidth);
        _blockElements = _layerElements * layers;
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
    ~KvCache() => Free();

    /// <summary>The layers of the model.</summary>
    public int Layers { get; }

    /// <summary>The key and value heads of a layer.</summary>
    public int KeyHeads { get; }

    /// <summary>The width of one key head.</summary>
    public int KeyWidth { get; }

    /// <summary>The width of one value head.</summary>
    public int ValueWidth { get; }

    /// <summary>The tokens that fit, over all sequences.</summary>
    public int CapacityTokens => _references.Length * BlockTokens;

    /// <summary>The tokens that still fit, in whole blocks; blocks that are only kept for later sequences make room for them.</summary>
    public int FreeTokens => (_free.Count + (_prefixes?.IdleBlocks ?? 0)) * BlockTokens;

    /// <summary>
    /// Whether blocks are kept after their sequence, while there is room, for those that begin alike (<see cref="KvSequence.Adopt"/>).
    /// </summary>
    public bool KeepsPrefixes => _prefixes is not null;

    /// <summary>A new, empty sequence.</summary>
    /// <param name="expectedTokens">The length that its table of blocks is made for; it grows when the sequence becomes longer.</param>
    /// <param name="promptLength">
    /// The tokens of a prompt that comes in chunks, so that scalings of rotary positions that depend on the sequence's length see the same
    /// length in every chunk as in one piece; 0 when the length is that of what has come.
    /// </param>
    public KvSequence NewSequence(int expectedTokens = 0, int promptLength = 0)
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        return new KvSequence(this, expectedTokens) { PromptLength = promptLength };
    }

    /// <summary>From now on <see cref="KeepsPrefixes"/>.</summary>
    public void KeepPrefixes() => _prefixes ??= new PrefixTree(_references.Length);

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    /// <summary>Equal for lengths of a sequence at which keys are turned alike.</summary>
    internal int PositionKey(int length) => _positionKey is null ? 0 : _positionKey(length);

    internal int TakeBlock()
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        if (!_free.TryPop(out int block) && (block = _prefixes?.Evict() ?? -1) < 0)
            throw new KvCacheFullException($"The key/value cache is full ({CapacityTokens} tokens). Use fewer sequences at once or "
                + $"shorter ones, or create it with a larger capacity.");
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
        => _memory + block * _blockElements + layer * _layerElements + (long)head * BlockTokens * KeyWidth;

    /// <summary>The values of one head of a block: (position, width).</summary>
    internal float* Values(int block, int layer, int head)
        => _memory + block * _blockElements + layer * _layerElements + (long)BlockTokens * KeyHeads * KeyWidth
            + (long)head * BlockTokens * ValueWidth;

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
internal sealed class KvSequence : IDisposable
{
    private readonly KvCache _cache;
    private int[] _blocks;
    private int _blockCount;
    private int _published;
    private bool _disposed;

    internal KvSequence(KvCache cache, int expectedTokens = 0)
    {
        _cache = cache;
        _blocks = new int[Math.Max(8, (expectedTokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens)];
    }

    /// <summary>The cache that the sequence lives in.</summary>
    public KvCache Cache => _cache;

    /// <summary>The tokens whose keys and values are (or, in a batch that has not run yet, will be) in the cache.</summary>
    public int Length { get; private set; }

    /// <summary>
    /// The tokens of the prompt that the sequence begins with, however many chunks it comes in; 0 where that is not known.
    /// </summary>
    internal int PromptLength { get; init; }

    /// <summary>Equal for sequences whose prompts have their keys turned alike; only those can adopt from each other.</summary>
    internal int PositionKey => _cache.PositionKey(PromptLength);

    internal ReadOnlySpan<int> Blocks => _blocks.AsSpan(0, _blockCount);

    /// <summary>Forgets all tokens from a length on; their blocks become free.</summary>
    /// <param name="length">The tokens to keep.</param>
    public void Truncate(int length)
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
    /// Begins an empty sequence with the keys and values that the cache still has of its first tokens: full blocks are shared, and one that
    /// is wanted in part is copied when something is appended to it. They have the bits that computing them again would give.
    /// </summary>
    /// <param name="tokenIds">The tokens that are wanted.</param>
    /// <returns>How many of them the sequence now has; 0 unless <see cref="KvCache.KeepsPrefixes"/>.</returns>
    public int Adopt(ReadOnlySpan<int> tokenIds)
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

    /// <summary>
    /// Tells a cache that <see cref="KvCache.KeepsPrefixes"/> which tokens the sequence begins with: others can adopt them from now on.
    /// </summary>
    /// <param name="tokenIds">All tokens from the first on whose keys and values have been computed, no more.</param>
    public void Publish(ReadOnlySpan<int> tokenIds)
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
    public KvSequence Fork()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var fork = new KvSequence(_cache)
        {
            _blocks = [.. _blocks],
            _blockCount = _blockCount,
            _published = _published,
            Length = Length,
            PromptLength = PromptLength,
        };
        for (int b = 0; b < _blockCount; b++)
            _cache.Share(_blocks[b]);
        return fork;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        Truncate(0);
        _disposed = true;
    }

    /// <summary>Makes room for more tokens; all of them or, when the cache is full, none.</summary>
    internal void Append(int tokens)
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

/// <summary>The key/value cache has no free block for another token.</summary>
public sealed class KvCacheFullException : KotonohaException
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">What did not fit, and what to do.</param>
    public KvCacheFullException(string message)
        : base(message)
    {
    }
}
