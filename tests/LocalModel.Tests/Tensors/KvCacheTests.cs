using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Tensors;

namespace Kotonoha.LocalModel.Tests.Tensors;

public sealed class KvCacheTests
{
    [Fact]
    public void Sequences_share_the_memory_and_give_it_back()
    {
        using var cache =
            new BlockKvCache(new KvShape(Layers: 1, KeyHeads: 1, KeyWidth: 2, ValueWidth: 2), capacityTokens: 4 * KvCache.BlockTokens);
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
        using var cache = new BlockKvCache(new KvShape(1, 1, 2, 2), 2 * KvCache.BlockTokens);
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
        using var cache = new BlockKvCache(new KvShape(1, 1, 1, 1), 4 * KvCache.BlockTokens);
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
        using var cache = new BlockKvCache(new KvShape(1, 1, 1, 1), 64);
        using var sequence = cache.NewSequence();
        var batch = new Batch();
        batch.Append([1], sequence);
        Assert.Throws<ArgumentException>(() => batch.Append([2], sequence));
        Assert.Equal(1, sequence.Length);
    }

    [Fact]
    public unsafe void Sequences_that_adopt_fork_and_cut_what_others_published_always_hold_the_keys_of_their_own_tokens()
    {
        const int Blocks = 24, Rounds = 20_000;
        using var cache = new BlockKvCache(new KvShape(1, 1, 1, 1), Blocks * KvCache.BlockTokens);
        cache.KeepPrefixes();
        var random = new Random(5);
        var live = new List<(BlockKvSequence Sequence, List<int> Ids)>();
        var batch = new Batch();
        int adopted = 0;
        for (int round = 0; round < Rounds; round++)
        {
            switch (random.Next(8))
            {
                case < 3 when live.Count < 4:
                    var ids = RandomIds(random.Next(1, 150));
                    var fresh = cache.NewSequence();
                    adopted += fresh.Adopt(ids.ToArray()[..^1]);
                    live.Add((fresh, ids[..fresh.Length]));
                    Append(live.Count - 1, ids[fresh.Length..]);
                    break;
                case 3 when live.Count > 0:
                    Append(random.Next(live.Count), RandomIds(random.Next(1, 40)));
                    break;
                case 4 when live.Count is > 0 and < 4:
                    var (parent, parentIds) = live[random.Next(live.Count)];
                    live.Add((parent.Fork(), [.. parentIds]));
                    break;
                case 5 when live.Count > 0:
                    var (cut, cutIds) = live[random.Next(live.Count)];
                    int length = random.Next(cutIds.Count + 1);
                    cut.Truncate(length);
                    cutIds.RemoveRange(length, cutIds.Count - length);
                    break;
                case 6 when live.Count > 0:
                    var (some, someIds) = live[random.Next(live.Count)];
                    some.Publish(someIds.ToArray().AsSpan(0, random.Next(someIds.Count + 1)));
                    break;
                case 7 when live.Count > 0:
                    int ending = random.Next(live.Count);
                    live[ending].Sequence.Publish([.. live[ending].Ids]);
                    live[ending].Sequence.Dispose();
                    live.RemoveAt(ending);
                    break;
            }

            foreach (var (sequence, tokens) in live)
            {
                Assert.Equal(tokens.Count, sequence.Length);
                float sum = 0;
                for (int t = 0; t < tokens.Count; t++)
                    if (cache.Keys(sequence.Blocks[t / KvCache.BlockTokens], 0, 0)[t % KvCache.BlockTokens] != (sum = Next(sum, tokens[t])))
                        Assert.Fail($"Round {round}: the key of token {t} of {tokens.Count} is not that of its past.");
            }

            int held = live.SelectMany(l => l.Sequence.Blocks.ToArray()).Distinct().Count();
            Assert.Equal((Blocks - held) * KvCache.BlockTokens, cache.FreeTokens);
        }

        Assert.InRange(adopted, 10_000, int.MaxValue);

        // Few tokens, so that beginnings are often alike; sometimes one that is nowhere else.
        List<int> RandomIds(int count)
        {
            int seed = random.Next(3), odd = random.Next(200);
            return [.. Enumerable.Range(0, count).Select(i => i == odd ? random.Next() : i * seed)];
        }

        // A key tells all tokens up to its own, as a model's does.
        static float Next(float sum, int token) => (sum * 31 + token + 1) % 65_521;

        void Append(int index, List<int> more)
        {
            var (sequence, tokens) = live[index];
            if (more.Count == 0 || live.Sum(l => l.Sequence.Blocks.Length + 1) + more.Count / KvCache.BlockTokens + 1 > Blocks)
                return;
            batch.Clear();
            batch.Append([.. more], sequence);
            float sum = 0;
            for (int t = 0; t < tokens.Count; t++)
                sum = Next(sum, tokens[t]);
            for (int i = 0; i < more.Count; i++)
            {
                int t = tokens.Count + i;
                cache.Keys(sequence.Blocks[t / KvCache.BlockTokens], 0, 0)[t % KvCache.BlockTokens] = sum = Next(sum, more[i]);
            }

            tokens.AddRange(more);
        }
    }
}
