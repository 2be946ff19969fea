using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>
/// Remembers the tokens of words. Bounded: an entry is never replaced, and a word whose places are taken is worked out each time, so a
/// warm cache allocates nothing. Thread-safe: entries are immutable and published by one reference write.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and are not kept.</summary>
    public const int MaxWordLength = 64;

    private const int Bits = 16;
    private const int Ways = 4;
    private readonly Entry?[] entries = new Entry?[1 << Bits];

    public Entry? Find(ReadOnlySpan<char> word, out uint hash)
    {
        hash = Hash(word);
        int slot = (int)(hash >> 32 - Bits) & ~(Ways - 1);
        for (int way = 0; way < Ways; way++)
        {
            var entry = Volatile.Read(ref entries[slot + way]);
            if (entry is null)
                return null;
            if (entry.Hash == hash && word.SequenceEqual(entry.Word))
                return entry;
        }

        return null;
    }

    public void Add(ReadOnlySpan<char> word, uint hash, ReadOnlySpan<int> ids, ReadOnlySpan<int> starts, ReadOnlySpan<int> ends)
    {
        int slot = (int)(hash >> 32 - Bits) & ~(Ways - 1);
        for (int way = 0; way < Ways; way++)
            if (Volatile.Read(ref entries[slot + way]) is null)
            {
                Volatile.Write(ref entries[slot + way], new Entry(hash, word.ToArray(), ids.ToArray(), starts.ToArray(), ends.ToArray()));
                return;
            }
    }

    /// <summary>Mixes eight bytes at a time; the last ones may overlap those before.</summary>
    private static uint Hash(ReadOnlySpan<char> word)
    {
        const ulong Factor = 0x9E3779B97F4A7C15UL;
        var bytes = MemoryMarshal.AsBytes(word);
        ulong hash = (uint)bytes.Length;
        if (bytes.Length >= 8)
        {
            for (int at = 0; at < bytes.Length - 8; at += 8)
                hash = BitOperations.RotateLeft((hash ^ Unsafe.ReadUnaligned<ulong>(in bytes[at])) * Factor, 29);
            hash = (hash ^ Unsafe.ReadUnaligned<ulong>(in bytes[^8])) * Factor;
        }
        else if (bytes.Length >= 4)
        {
            ulong both = (ulong)Unsafe.ReadUnaligned<uint>(in bytes[0]) << 32 | Unsafe.ReadUnaligned<uint>(in bytes[^4]);
            hash = (hash ^ both) * Factor;
        }
        else if (bytes.Length > 0)
        {
            hash = (hash ^ word[0]) * Factor;
        }

        return (uint)((hash ^ hash >> 29) * Factor >> 32);
    }

    internal sealed record Entry(uint Hash, char[] Word, int[] Ids, int[] Starts, int[] Ends);
}
