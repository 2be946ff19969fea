using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Remembers the tokens of words. Bounded: an entry is never replaced, and a word whose slots are taken is tokenized each time, so a
/// warm cache allocates nothing. Thread-safe: entries are immutable and published by one reference write.
/// </summary>
internal sealed class WordCache
{
    /// <summary>Longer words are rare and are not kept.</summary>
    public const int MaxWordLength = 64;

    private const int Bits = 16;
    private const int Ways = 4;
    private readonly Entry?[] _entries = new Entry?[1 << Bits];

    /// <summary>Appends the tokens of a word: from the cache, or computed and kept.</summary>
    /// <param name="word">The word.</param>
    /// <param name="sink">Receives the tokens.</param>
    /// <param name="model">Tokenizes what is not in the cache.</param>
    public void Tokenize(ReadOnlySpan<char> word, TokenSink sink, IWordTokenizer model)
    {
        if (word.Length > MaxWordLength)
        {
            model.Run(word, sink);
            return;
        }

        if (Find(word, out var key) is { } entry)
        {
            sink.Add(entry);
            return;
        }

        // A cached word knows its offsets, even if the text that brought it did not ask for them.
        var tracked = new TokenSink();
        tracked.Clear(trackOffsets: true);
        model.Run(word, tracked);
        Add(word, key, tracked.Ids, tracked.Starts, tracked.Ends);
        sink.AddRange(tracked.Ids, tracked.Starts, tracked.Ends);
    }

    /// <summary>Looks a word up.</summary>
    /// <param name="word">The word.</param>
    /// <param name="key">What <see cref="Add"/> wants to know of a word that is not found.</param>
    public Entry? Find(ReadOnlySpan<char> word, out Key key)
    {
        key = Key.Of(word);
        int slot = (int)(key.Hash >> 32 - Bits) & ~(Ways - 1);
        for (int way = 0; way < Ways; way++)
        {
            var entry = Volatile.Read(ref _entries[slot + way]);
            if (entry is null)
                return null;
            if (entry.Key == key && (word.Length <= Key.WholeLength || word.SequenceEqual(entry.Word)))
                return entry;
        }

        return null;
    }

    /// <summary>Keeps a word, if there is room.</summary>
    public void Add(ReadOnlySpan<char> word, in Key key, ReadOnlySpan<int> ids, ReadOnlySpan<int> starts, ReadOnlySpan<int> ends)
    {
        int slot = (int)(key.Hash >> 32 - Bits) & ~(Ways - 1);
        for (int way = 0; way < Ways; way++)
            if (Volatile.Read(ref _entries[slot + way]) is null)
            {
                Volatile.Write(ref _entries[slot + way], new Entry(key, word.ToArray(), ids.ToArray(), starts.ToArray(), ends.ToArray()));
                return;
            }
    }

    /// <summary>
    /// The ends of a word and its length, which are the whole of most words: they are compared without another memory access.
    /// </summary>
    internal readonly record struct Key(ulong First, ulong Second, ulong Last, int Length, uint Hash)
    {
        /// <summary>Words up to this length are equal when their keys are.</summary>
        public const int WholeLength = 12;

        private const int UnitsPerRead = sizeof(ulong) / sizeof(char);
        private const ulong Factor = 0x9E3779B97F4A7C15UL;

        /// <summary>Reads eight bytes at a time; reads may overlap.</summary>
        public static Key Of(ReadOnlySpan<char> word)
        {
            ref byte start = ref Unsafe.As<char, byte>(ref MemoryMarshal.GetReference(word));
            int length = word.Length;
            ulong first = 0, second = 0, last = 0, more = (uint)length;
            if (length >= UnitsPerRead)
            {
                first = At(ref start, 0);
                second = At(ref start, Math.Min(UnitsPerRead, length - UnitsPerRead));
                last = At(ref start, length - UnitsPerRead);
                for (int at = 2 * UnitsPerRead; at < length - UnitsPerRead; at += UnitsPerRead)
                    more = BitOperations.RotateLeft((more ^ At(ref start, at)) * Factor, 29);
            }
            else
            {
                foreach (char c in word)
                    first = first << 16 | c;
            }

            ulong hash =
                (first * Factor) ^ BitOperations.RotateLeft(second * 0xC2B2AE3D27D4EB4FUL,
                    23) ^ BitOperations.RotateLeft(last * 0x165667B19E3779F9UL, 43) ^ more;
            return new Key(first, second, last, length, (uint)((hash ^ hash >> 29) * Factor >> 32));
        }

        private static ulong At(ref byte start, int unit)
            => Unsafe.ReadUnaligned<ulong>(ref Unsafe.AddByteOffset(ref start, unit * sizeof(char)));
    }

    /// <summary>A word with its tokens.</summary>
    internal sealed class Entry(in Key key, char[] word, int[] ids, int[] starts, int[] ends)
    {
        public readonly Key Key = key;

        /// <summary>The only token of the word, or -1.</summary>
        public readonly int OnlyId = ids.Length == 1 ? ids[0] : -1;

        public char[] Word { get; } = word;

        public int[] Ids { get; } = ids;

        public int[] Starts { get; } = starts;

        public int[] Ends { get; } = ends;
    }
}
