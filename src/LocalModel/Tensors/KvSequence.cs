namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// One sequence of a <see cref="KvCache"/>: a table of blocks and a length. <see cref="Batch.Append(ReadOnlySpan{int}, KvSequence)"/> makes it longer;
/// disposing it gives the blocks back.
/// </summary>
public sealed class KvSequence : IDisposable
{
    private readonly KvCache cache;
    private int[] blocks;
    private int blockCount;
    private bool disposed;

    internal KvSequence(KvCache cache, int expectedTokens = 0)
    {
        this.cache = cache;
        blocks = new int[Math.Max(8, (expectedTokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens)];
    }

    /// <summary>The cache that the sequence lives in.</summary>
    public KvCache Cache => cache;

    /// <summary>The tokens whose keys and values are (or, in a batch that has not run yet, will be) in the cache.</summary>
    public int Length { get; private set; }

    /// <summary>The tokens of the prompt that the sequence begins with, however many chunks it comes in; 0 where that is not known.</summary>
    internal int PromptLength { get; init; }

    internal ReadOnlySpan<int> Blocks => blocks.AsSpan(0, blockCount);

    /// <summary>Forgets all tokens from a length on; their blocks become free.</summary>
    /// <param name="length">The tokens to keep.</param>
    public void Truncate(int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length);
        int keep = (length + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
        while (blockCount > keep)
            cache.ReleaseBlock(blocks[--blockCount]);
        Length = length;
    }

    /// <summary>A second sequence with the same past. Full blocks are shared; a block that either of them writes to is copied first.</summary>
    public KvSequence Fork()
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        var fork = new KvSequence(cache) { blocks = new int[blocks.Length], blockCount = blockCount, Length = Length, PromptLength = PromptLength };
        blocks.AsSpan(0, blockCount).CopyTo(fork.blocks);
        for (int b = 0; b < blockCount; b++)
            cache.Share(blocks[b]);
        return fork;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (disposed)
            return;
        Truncate(0);
        disposed = true;
    }

    /// <summary>Makes room for more tokens; all of them or, when the cache is full, none.</summary>
    internal void Append(int tokens)
    {
        ObjectDisposedException.ThrowIf(disposed, this);
        int before = Length;
        if (before % KvCache.BlockTokens != 0 && tokens > 0)
        {
            int last = before / KvCache.BlockTokens;
            if (cache.IsShared(blocks[last]))
            {
                int copy = cache.TakeBlock();
                cache.CopyBlock(blocks[last], copy);
                cache.ReleaseBlock(blocks[last]);
                blocks[last] = copy;
            }
        }

        int needed = (before + tokens + KvCache.BlockTokens - 1) / KvCache.BlockTokens;
        if (needed > blocks.Length)
            Array.Resize(ref blocks, Math.Max(needed, blocks.Length * 2));
        try
        {
            while (blockCount < needed)
            {
                blocks[blockCount] = cache.TakeBlock();
                blockCount++;
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
