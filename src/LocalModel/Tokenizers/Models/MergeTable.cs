using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>The merges of a BPE model: pair of ids → rank and id of the joined token (open addressing, filled once).</summary>
internal sealed class MergeTable
{
    private const ulong Empty = ulong.MaxValue;
    private readonly ulong[] keys;
    private readonly (int Rank, int Id)[] values;
    private readonly int shift;

    /// <summary>Fills the table.</summary>
    /// <param name="merges">The merges; a later one of the same pair stands.</param>
    /// <param name="ranks">Their ranks; null for their order.</param>
    public MergeTable(IReadOnlyList<(int Left, int Right, int Joined)> merges, IReadOnlyList<int>? ranks = null)
    {
        int bits = 4;
        while (1 << bits < 2 * merges.Count)
            bits++;
        shift = 64 - bits;
        keys = new ulong[1 << bits];
        Array.Fill(keys, Empty);
        values = new (int, int)[keys.Length];
        for (int i = 0; i < merges.Count; i++)
        {
            var (left, right, joined) = merges[i];
            int slot = Find(Key(left, right));
            keys[slot] = Key(left, right);
            values[slot] = (ranks is null ? i : ranks[i], joined);
        }
    }

    /// <summary>The rank of a pair, or <see cref="int.MaxValue"/> when it has no merge.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int Rank(int left, int right, out int joined)
    {
        ulong key = Key(left, right);
        int slot = Find(key);
        if (keys[slot] == Empty)
        {
            joined = -1;
            return int.MaxValue;
        }

        (int rank, joined) = values[slot];
        return rank;
    }

    private static ulong Key(int left, int right) => (ulong)(uint)left << 32 | (uint)right;

    private int Find(ulong key)
    {
        var table = keys;
        int slot = (int)(key * 0x9E3779B97F4A7C15UL >> shift);
        while (table[slot] != key && table[slot] != Empty)
            slot = slot + 1 & table.Length - 1;
        return slot;
    }
}
