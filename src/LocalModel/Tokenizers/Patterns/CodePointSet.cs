using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>A set of code points: sorted ranges for set algebra, and a bitmap of the blocks that differ for look-ups.</summary>
internal sealed class CodePointSet
{
    public const int Limit = 0x110000;

    private const int BlockBits = 8;

    private readonly (int First, int Last)[] ranges;
    private readonly ushort[] blocks = new ushort[Limit >> BlockBits];
    private readonly ulong[] bits;

    /// <summary>Whether both hold the same code points.</summary>
    public bool Holds(CodePointSet other) => ranges.AsSpan().SequenceEqual(other.ranges);

    private CodePointSet((int First, int Last)[] ranges)
    {
        this.ranges = ranges;

        // Block 0 is empty, block 1 is full; the others belong to one place each.
        var words = new List<ulong>(16) { 0, 0, 0, 0, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue };
        foreach (var (first, last) in ranges)
            for (int block = first >> BlockBits; block <= last >> BlockBits; block++)
            {
                int start = block << BlockBits, from = Math.Max(first - start, 0), to = Math.Min(last - start, 255);
                if (from == 0 && to == 255)
                {
                    blocks[block] = 1;
                    continue;
                }

                if (blocks[block] == 0)
                {
                    blocks[block] = (ushort)(words.Count / 4);
                    words.AddRange([0, 0, 0, 0]);
                }

                for (int bit = from; bit <= to; bit++)
                    words[4 * blocks[block] + (bit >> 6)] |= 1UL << (bit & 63);
            }

        bits = [.. words];
    }

    public static CodePointSet Empty { get; } = new([]);

    public static CodePointSet All { get; } = new([(0, Limit - 1)]);

    public ReadOnlySpan<(int First, int Last)> Ranges => ranges;

    public bool IsEmpty => ranges.Length == 0;

    /// <summary>Makes a set of ranges in any order; they may overlap.</summary>
    public static CodePointSet Of(IEnumerable<(int First, int Last)> parts)
    {
        var joined = new List<(int First, int Last)>();
        foreach (var part in parts.Order())
            if (joined.Count > 0 && part.First <= joined[^1].Last + 1)
                joined[^1] = (joined[^1].First, Math.Max(joined[^1].Last, part.Last));
            else
                joined.Add(part);
        return new CodePointSet([.. joined]);
    }

    public static CodePointSet Of(int codePoint) => new([(codePoint, codePoint)]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(int codePoint)
        => (bits[4 * blocks[codePoint >> BlockBits] + ((codePoint >> 6) & 3)] >> (codePoint & 63) & 1) != 0;

    public CodePointSet Union(CodePointSet other) => Of([.. ranges, .. other.ranges]);

    public CodePointSet Complement()
    {
        var gaps = new List<(int, int)>();
        int next = 0;
        foreach (var (first, last) in ranges)
        {
            if (first > next)
                gaps.Add((next, first - 1));
            next = last + 1;
        }

        if (next < Limit)
            gaps.Add((next, Limit - 1));
        return new CodePointSet([.. gaps]);
    }

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();
}
