using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using Kotonoha.Foundation.Text;

namespace Kotonoha.Rag.Stores;

/// <summary>The terms of a text as a sparse vector: 32-bit term numbers in ascending order, and how often each occurs.</summary>
/// <remarks>
/// A term's number is the murmur3 hash (32 bits, seed 0) of its UTF-8 form, so that no vocabulary has to be kept or agreed upon.
/// </remarks>
public sealed class TermVector
{
    private TermVector(uint[] indices, int[] counts, int length)
    {
        Indices = indices;
        Counts = counts;
        Length = length;
    }

    /// <summary>The term numbers, ascending, without repetition.</summary>
    public uint[] Indices { get; }

    /// <summary>How often each term occurs; as long as <see cref="Indices"/>.</summary>
    public int[] Counts { get; }

    /// <summary>The number of terms with repetitions: BM25's document length.</summary>
    public int Length { get; }

    /// <summary>Analyses a text with <see cref="TextAnalyzer"/>.</summary>
    /// <param name="text">Any text.</param>
    public static TermVector FromText(string text) => FromTerms(TextAnalyzer.Analyze(text).Select(token => token.Term));

    /// <summary>Counts given terms.</summary>
    /// <param name="terms">The terms with repetitions, in any order.</param>
    public static TermVector FromTerms(IEnumerable<string> terms)
    {
        ArgumentNullException.ThrowIfNull(terms);
        var hashes = new List<uint>();
        Span<byte> utf8 = stackalloc byte[256];
        foreach (var term in terms)
        {
            if (term.Length * 3 <= utf8.Length)
                hashes.Add(Murmur3.Hash(utf8[..Encoding.UTF8.GetBytes(term, utf8)]));
            else
                hashes.Add(Murmur3.Hash(Encoding.UTF8.GetBytes(term)));
        }

        hashes.Sort();
        var indices = new List<uint>(hashes.Count);
        var counts = new List<int>(hashes.Count);
        foreach (var hash in hashes)
        {
            if (indices.Count > 0 && indices[^1] == hash)
            {
                counts[^1]++;
                continue;
            }

            indices.Add(hash);
            counts.Add(1);
        }

        return new TermVector([.. indices], [.. counts], hashes.Count);
    }

    /// <summary>Puts a vector together again from its parts, as a store keeps them.</summary>
    internal static TermVector FromParts(uint[] indices, int[] counts)
    {
        int length = 0;
        foreach (int count in counts)
            length += count;
        return new TermVector(indices, counts, length);
    }
}

/// <summary>MurmurHash3 x86 32-bit with seed 0 (Austin Appleby, public domain).</summary>
internal static class Murmur3
{
    public static uint Hash(ReadOnlySpan<byte> data)
    {
        const uint c1 = 0xcc9e2d51, c2 = 0x1b873593;
        uint hash = 0;
        int length = data.Length;
        for (; data.Length >= 4; data = data[4..])
        {
            uint block = BinaryPrimitives.ReadUInt32LittleEndian(data) * c1;
            hash ^= BitOperations.RotateLeft(block, 15) * c2;
            hash = BitOperations.RotateLeft(hash, 13) * 5 + 0xe6546b64;
        }

        uint tail = 0;
        for (int i = data.Length - 1; i >= 0; i--)
            tail = tail << 8 | data[i];
        if (data.Length > 0)
            hash ^= BitOperations.RotateLeft(tail * c1, 15) * c2;
        hash ^= (uint)length;
        hash = (hash ^ hash >> 16) * 0x85ebca6b;
        hash = (hash ^ hash >> 13) * 0xc2b2ae35;
        return hash ^ hash >> 16;
    }
}
