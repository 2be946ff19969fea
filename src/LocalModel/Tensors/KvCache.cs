using System.Runtime.InteropServices;
using Kotonoha.Foundation;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// The keys and values of past tokens, in blocks of <see cref="BlockTokens"/> positions that many sequences share: memory is taken block by block,
/// not by the longest possible sequence. Not thread-safe: it belongs to the one thread that runs the model.
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
    private void* _allocation;
    private float* _memory;

    /// <summary>Reserves memory for a number of tokens.</summary>
    /// <param name="layers">The layers of the model.</param>
    /// <param name="keyHeads">The key and value heads of a layer.</param>
    /// <param name="keyWidth">The width of one key head.</param>
    /// <param name="valueWidth">The width of one value head.</param>
    /// <param name="capacityTokens">The tokens of all sequences together, rounded up to whole blocks.</param>
    public KvCache(int layers, int keyHeads, int keyWidth, int valueWidth, int capacityTokens)
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

    /// <summary>The tokens that still fit, in whole blocks.</summary>
    public int FreeTokens => _free.Count * BlockTokens;

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

    /// <inheritdoc/>
    public void Dispose()
    {
        Free();
        GC.SuppressFinalize(this);
    }

    internal int TakeBlock()
    {
        ObjectDisposedException.ThrowIf(_memory is null, this);
        if (!_free.TryPop(out int block))
            throw new KvCacheFullException($"The key/value cache is full ({CapacityTokens} tokens). Use fewer sequences at once or shorter ones, or create it with a larger capacity.");
        _references[block] = 1;
        return block;
    }

    internal void Share(int block) => _references[block]++;

    internal bool IsShared(int block) => _references[block] > 1;

    internal void ReleaseBlock(int block)
    {
        if (--_references[block] == 0)
            _free.Push(block);
    }

    internal void CopyBlock(int source, int target)
        => Buffer.MemoryCopy(_memory + source * _blockElements, _memory + target * _blockElements, _blockElements * sizeof(float), _blockElements * sizeof(float));

    /// <summary>The keys of one head of a block: (width, position), so that neighbouring positions are neighbours in memory.</summary>
    internal float* Keys(int block, int layer, int head)
        => _memory + block * _blockElements + layer * _layerElements + (long)head * BlockTokens * KeyWidth;

    /// <summary>The values of one head of a block: (position, width).</summary>
    internal float* Values(int block, int layer, int head)
        => _memory + block * _blockElements + layer * _layerElements + (long)BlockTokens * KeyHeads * KeyWidth + (long)head * BlockTokens * ValueWidth;

    private void Free()
    {
        NativeMemory.Free(_allocation);
        _allocation = null;
        _memory = null;
    }
}

/// <summary>
/// One sequence of a <see cref="KvCache"/>: a table of blocks and a length. <see cref="Batch.Append(ReadOnlySpan{int}, KvSequence)"/> makes it longer;
/// disposing it gives the blocks back.
/// </summary>
internal sealed class KvSequence : IDisposable
{
    private readonly KvCache _cache;
    private int[] _blocks;
    private int _blockCount;
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

    /// <summary>The tokens of the prompt that the sequence begins with, however many chunks it comes in; 0 where that is not known.</summary>
    internal int PromptLength { get; init; }

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
    }

    /// <summary>A second sequence with the same past. Full blocks are shared; a block that either of them writes to is copied first.</summary>
    public KvSequence Fork()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var fork = new KvSequence(_cache) { _blocks = new int[_blocks.Length], _blockCount = _blockCount, Length = Length, PromptLength = PromptLength };
        _blocks.AsSpan(0, _blockCount).CopyTo(fork._blocks);
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
            int last = before / KvCache.BlockTokens;
            if (_cache.IsShared(_blocks[last]))
            {
                int copy = _cache.TakeBlock();
                _cache.CopyBlock(_blocks[last], copy);
                _cache.ReleaseBlock(_blocks[last]);
                _blocks[last] = copy;
            }
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
