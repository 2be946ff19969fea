namespace Kotonoha.Grammars.Nodes;

/// <summary>A set of Unicode scalar values, as ascending ranges that neither overlap nor touch.</summary>
internal sealed class CharSet : IEquatable<CharSet>
{
    /// <summary>The last code point.</summary>
    public const int Maximum = 0x10FFFF;

    private readonly (int First, int Last)[] _ranges;

    private CharSet((int First, int Last)[] ranges) => _ranges = ranges;

    /// <summary>No character.</summary>
    public static CharSet None { get; } = new([]);

    /// <summary>Every character.</summary>
    public static CharSet All { get; } = Of((0, Maximum));

    /// <summary>Every character of the basic plane, which has one UTF-16 code unit.</summary>
    public static CharSet BasicPlane { get; } = Of((0, 0xFFFF));

    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    public bool IsEmpty => _ranges.Length == 0;

    /// <summary>The set of some ranges; surrogates are left out.</summary>
    public static CharSet Of(params IEnumerable<(int First, int Last)> ranges)
    {
        var joined = new List<(int First, int Last)>();
        foreach (var (first, last) in ranges.SelectMany(WithoutSurrogates).Order())
        {
            if (joined.Count > 0 && first <= joined[^1].Last + 1)
                joined[^1] = (joined[^1].First, Math.Max(joined[^1].Last, last));
            else
                joined.Add((first, last));
        }

        return new CharSet([.. joined]);
    }

    /// <summary>The set of the characters of a text.</summary>
    public static CharSet Of(string characters) => Of(characters.EnumerateRunes().Select(r => (r.Value, r.Value)));

    public bool Contains(int value)
    {
        foreach (var (first, last) in _ranges)
            if (value >= first && value <= last)
                return true;
        return false;
    }

    public CharSet Union(CharSet other) => Of(_ranges.Concat(other._ranges));

    public CharSet Complement()
    {
        var gaps = new List<(int, int)>();
        int next = 0;
        foreach (var (first, last) in _ranges)
        {
            if (first > next)
                gaps.Add((next, first - 1));
            next = last + 1;
        }

        if (next <= Maximum)
            gaps.Add((next, Maximum));
        return Of(gaps);
    }

    public CharSet Intersect(CharSet other)
    {
        var common = new List<(int, int)>();
        int i = 0, j = 0;
        while (i < _ranges.Length && j < other._ranges.Length)
        {
            int first = Math.Max(_ranges[i].First, other._ranges[j].First), last = Math.Min(_ranges[i].Last, other._ranges[j].Last);
            if (first <= last)
                common.Add((first, last));
            if (_ranges[i].Last < other._ranges[j].Last)
                i++;
            else
                j++;
        }

        return Of(common);
    }

    public CharSet Except(CharSet other) => Intersect(other.Complement());

    /// <summary>The bytes of its characters: one character in UTF-8.</summary>
    public Node ToUtf8() => IsEmpty ? Node.Nothing : Utf8Ranges.Build(this);

    public bool Equals(CharSet? other) => other is not null && _ranges.AsSpan().SequenceEqual(other._ranges);

    public override bool Equals(object? obj) => Equals(obj as CharSet);

    public override int GetHashCode()
    {
        var hash = default(HashCode);
        foreach (var range in _ranges)
            hash.Add(range);
        return hash.ToHashCode();
    }

    private static IEnumerable<(int First, int Last)> WithoutSurrogates((int First, int Last) range)
    {
        if (range.First > range.Last)
            yield break;
        if (range.First < 0xD800)
            yield return (range.First, Math.Min(range.Last, 0xD7FF));
        if (range.Last > 0xDFFF)
            yield return (Math.Max(range.First, 0xE000), range.Last);
    }
}

/// <summary>Makes automata over bytes of sets of characters.</summary>
internal static class Utf8Ranges
{
    /// <summary>The deterministic automaton of a set.</summary>
    public static Node Build(CharSet set)
    {
        // A state is the list of sequences of byte ranges that may still follow.
        var sequences = new List<(byte First, byte Last)[]>();
        foreach (var (first, last) in set.Ranges)
            Split(first, last, sequences);
        return Tree(sequences, 0, []);
    }

    private static DfaNode Tree(List<(byte First, byte Last)[]> sequences, int depth, Dictionary<string, DfaNode> shared)
    {
        // Sequences are in ascending order and their ranges at one depth are equal or apart.
        var ranges = new List<(byte, byte, DfaNode)>();
        for (int at = 0; at < sequences.Count;)
        {
            var range = sequences[at][depth];
            int end = at + 1;
            while (end < sequences.Count && sequences[end].Length > depth && sequences[end][depth] == range)
                end++;
            var group = sequences.GetRange(at, end - at);
            ranges.Add((range.First, range.Last, group[0].Length == depth + 1 ? DfaNode.End : Tree(group, depth + 1, shared)));
            at = end;
        }

        // Equal states become one: most lead bytes go on in the same way.
        var joined = new List<(byte First, byte Last, DfaNode Target)>();
        foreach (var (first, last, target) in ranges)
        {
            if (joined.Count > 0 && joined[^1].Target == target && joined[^1].Last + 1 == first)
                joined[^1] = (joined[^1].First, last, target);
            else
                joined.Add((first, last, target));
        }

        var key = string.Join(';', joined.Select(r => $"{r.First},{r.Last},{r.Target.Id}"));
        if (!shared.TryGetValue(key, out var node))
            shared.Add(key, node = new DfaNode { Ranges = [.. joined] });
        return node;
    }

    private static void Split(int first, int last, List<(byte First, byte Last)[]> sequences)
    {
        ReadOnlySpan<int> limits = [0x7F, 0x7FF, 0xFFFF, CharSet.Maximum];
        int start = 0;
        for (int length = 1; length <= 4; length++)
        {
            int low = Math.Max(first, start), high = Math.Min(last, limits[length - 1]);
            if (low <= high)
                SplitLength(low, high, length, sequences);
            start = limits[length - 1] + 1;
        }
    }

    // Cuts a range of characters of one length until each part is a product of byte ranges. Parts of one lead byte are cut at every lead
    // byte, so that ranges at one depth are equal or apart.
    private static void SplitLength(int first, int last, int length, List<(byte First, byte Last)[]> sequences)
    {
        for (int i = 1; i < length; i++)
        {
            int mask = (1 << (6 * i)) - 1;
            if ((first & ~mask) == (last & ~mask))
                continue;
            if ((first & mask) != 0)
            {
                SplitLength(first, first | mask, length, sequences);
                SplitLength((first | mask) + 1, last, length, sequences);
                return;
            }

            if ((last & mask) != mask)
            {
                SplitLength(first, (last & ~mask) - 1, length, sequences);
                SplitLength(last & ~mask, last, length, sequences);
                return;
            }
        }

        Span<byte> low = stackalloc byte[4], high = stackalloc byte[4];
        new System.Text.Rune(first).EncodeToUtf8(low);
        new System.Text.Rune(last).EncodeToUtf8(high);
        var sequence = new (byte, byte)[length];
        for (int i = 0; i < length; i++)
            sequence[i] = (low[i], high[i]);
        sequences.Add(sequence);
    }
}
