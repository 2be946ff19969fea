using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Tensors;

public sealed class KvCacheTests
{
    [Fact]
    public void Sequences_share_the_memory_and_give_it_back()
    {
        using var cache = new KvCache(layers: 1, keyHeads: 1, keyWidth: 2, valueWidth: 2, capacityTokens: 4 * KvCache.BlockTokens);
        var batch = new Batch();
        using var a = cache.NewSequence();
        var b = cache.NewSequence();
        batch.Append(new int[KvCache.BlockTokens + 1], a);
        batch.Append(new int[5], b);
        Assert.Equal(KvCache.BlockTokens, cache.FreeTokens);
        b.Dispose();
        Assert.Equal(2 * KvCache.BlockTokens, cache.FreeTokens);
        a.Truncate(KvCache.BlockTokens);
        Assert.Equal(3 * KvCache.BlockTokens, cache.FreeTokens);
    }

    [Fact]
    public void A_full_cache_throws_and_leaves_the_sequence_as_it_was()
    {
        using var cache = new KvCache(1, 1, 2, 2, 2 * KvCache.BlockTokens);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append(new int[10], sequence);
        batch.Clear();
        Assert.Throws<KvCacheFullException>(() => batch.Append(new int[100], sequence));
        Assert.Equal(10, sequence.Length);
        Assert.Equal(KvCache.BlockTokens, cache.FreeTokens);
        Assert.Equal(0, batch.Sequences);
    }

    [Fact]
    public unsafe void A_fork_writes_into_a_copy_of_the_block_that_it_shares()
    {
        using var cache = new KvCache(1, 1, 1, 1, 4 * KvCache.BlockTokens);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append(new int[KvCache.BlockTokens + 3], sequence);
        cache.Keys(sequence.Blocks[1], 0, 0)[2] = 42;
        using var fork = sequence.Fork();
        Assert.Equal(2 * KvCache.BlockTokens, cache.FreeTokens);
        batch.Clear();
        batch.Append([1], fork);
        Assert.Equal(sequence.Blocks[0], fork.Blocks[0]);
        Assert.NotEqual(sequence.Blocks[1], fork.Blocks[1]);
        Assert.Equal(42, cache.Keys(fork.Blocks[1], 0, 0)[2]);
        sequence.Dispose();
        Assert.Equal(2 * KvCache.BlockTokens, cache.FreeTokens);
    }

    [Fact]
    public void A_cached_sequence_occurs_once_in_a_batch()
    {
        using var cache = new KvCache(1, 1, 1, 1, 64);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append([1], sequence);
        Assert.Throws<ArgumentException>(() => batch.Append([2], sequence));
        Assert.Equal(1, sequence.Length);
    }
}
