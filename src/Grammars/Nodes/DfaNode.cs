namespace Kotonoha.Grammars.Nodes;

/// <summary>
/// A state of a deterministic automaton over bytes; as a node it matches every text that leads from here to a final state.
/// </summary>
internal sealed class DfaNode : Node
{
    private (byte First, byte Last, DfaNode Target)[] _ranges = [];

    /// <summary>Matches the empty text; has no way on.</summary>
    public static DfaNode End { get; } = new() { IsFinal = true };

    /// <summary>Whether a text may end here.</summary>
    public bool IsFinal { get; init; }

    /// <summary>The ways on, by ascending bytes; ranges do not overlap.</summary>
    public (byte First, byte Last, DfaNode Target)[] Ranges
    {
        get => _ranges;
        init => _ranges = value;
    }

    /// <summary>The state after a byte; null where there is none.</summary>
    public DfaNode? Next(byte value)
    {
        var ranges = _ranges;
        int low = 0, high = ranges.Length - 1;
        while (low <= high)
        {
            int middle = (low + high) >> 1;
            ref readonly var range = ref ranges[middle];
            if (value < range.First)
                high = middle - 1;
            else if (value > range.Last)
                low = middle + 1;
            else
                return range.Target;
        }

        return null;
    }

    /// <summary>Exactly these bytes.</summary>
    public static DfaNode Literal(ReadOnlySpan<byte> bytes)
    {
        var node = End;
        for (int i = bytes.Length - 1; i >= 0; i--)
            node = new DfaNode { Ranges = [(bytes[i], bytes[i], node)] };
        return node;
    }

    /// <summary>One byte of a range.</summary>
    public static DfaNode Byte(byte first, byte last) => new() { Ranges = [(first, last, End)] };

    /// <summary>One of several texts, as a trie.</summary>
    public static Node AnyOf(IEnumerable<byte[]> texts)
    {
        byte[][] sorted = [.. texts.OrderBy(t => t, ByteOrder.Instance)];
        return sorted.Length == 0 ? Nothing : Trie(sorted, 0);
    }

    /// <summary>Builds the automaton of a state type of one's own; states without a way to a final one are left out.</summary>
    /// <typeparam name="TState">The states; equal values are one state.</typeparam>
    /// <param name="start">The first state.</param>
    /// <param name="isFinal">Whether a text may end in a state.</param>
    /// <param name="edges">The ways on from a state; ranges must not overlap.</param>
    /// <param name="limit">How many states there may be.</param>
    /// <returns>The node of the first state, or <see cref="Node.Nothing"/>.</returns>
    public static Node Build<TState>(
        TState start, Func<TState, bool> isFinal, Func<TState, IEnumerable<(byte First, byte Last, TState Target)>> edges,
        int limit = 20_000)
        where TState : notnull
    {
        var numbers = new Dictionary<TState, int> { [start] = 0 };
        var states = new List<TState> { start };
        var ways = new List<(byte First, byte Last, int Target)[]>();
        for (int i = 0; i < states.Count; i++)
        {
            var list = new List<(byte, byte, int)>();
            foreach (var (first, last, target) in edges(states[i]))
            {
                if (!numbers.TryGetValue(target, out int number))
                {
                    if (states.Count == limit)
                        throw new GrammarException(GrammarError.TooComplex,
                            $"A part of the grammar needs more than {limit} states; loosen its bounds or shorten its pattern.");
                    numbers.Add(target, number = states.Count);
                    states.Add(target);
                }

                list.Add((first, last, number));
            }

            list.Sort();
            ways.Add([.. list]);
        }

        return Minimize([.. states.Select(isFinal)], [.. ways]);
    }

    // Hopcroft's partition would be faster; Moore's is short, and the automata are small.
    private static Node Minimize(bool[] final, (byte First, byte Last, int Target)[][] ways)
    {
        int count = final.Length;
        var live = (bool[])final.Clone();
        for (bool changed = true; changed;)
        {
            changed = false;
            for (int s = count - 1; s >= 0; s--)
                if (!live[s] && ways[s].Any(w => live[w.Target]))
                    live[s] = changed = true;
        }

        if (!live[0])
            return Nothing;
        int[] block = [.. final.Select(f => f ? 1 : 0)];
        int blocks = 0;
        while (true)
        {
            var signatures = new Dictionary<Signature, int>();
            var next = new int[count];
            for (int s = 0; s < count; s++)
            {
                if (!live[s])
                    continue;
                var signature = new Signature(block[s], Joined(ways[s], block, live));
                if (!signatures.TryGetValue(signature, out int number))
                    signatures.Add(signature, number = signatures.Count);
                next[s] = number;
            }

            block = next;
            if (signatures.Count == blocks)
                break;
            blocks = signatures.Count;
        }

        var nodes = new DfaNode?[blocks];
        var owners = new int[blocks];
        for (int s = count - 1; s >= 0; s--)
            if (live[s])
                owners[block[s]] = s;
        for (int b = 0; b < blocks; b++)
            nodes[b] = new DfaNode { IsFinal = final[owners[b]] };
        for (int b = 0; b < blocks; b++)
            nodes[b]!._ranges = [.. Joined(ways[owners[b]], block, live).Select(w => (w.First, w.Last, nodes[w.Target]!))];
        return nodes[block[0]]!;
    }

    private static (byte First, byte Last, int Target)[] Joined((byte First, byte Last, int Target)[] ways, int[] block, bool[] live)
    {
        var joined = new List<(byte First, byte Last, int Target)>();
        foreach (var (first, last, target) in ways)
        {
            if (!live[target])
                continue;
            if (joined.Count > 0 && joined[^1] is var before && before.Last + 1 == first && before.Target == block[target])
                joined[^1] = (before.First, last, block[target]);
            else
                joined.Add((first, last, block[target]));
        }

        return [.. joined];
    }

    private static DfaNode Trie(ReadOnlySpan<byte[]> sorted, int depth)
    {
        bool final = false;
        int at = 0;
        while (at < sorted.Length && sorted[at].Length == depth)
        {
            final = true;
            at++;
        }

        if (at == sorted.Length)
            return End;
        var ranges = new List<(byte, byte, DfaNode)>();
        while (at < sorted.Length)
        {
            byte value = sorted[at][depth];
            int end = at + 1;
            while (end < sorted.Length && sorted[end][depth] == value)
                end++;
            ranges.Add((value, value, Trie(sorted[at..end], depth + 1)));
            at = end;
        }

        return new DfaNode { IsFinal = final, Ranges = [.. ranges] };
    }

    private readonly struct Signature(int block, (byte First, byte Last, int Target)[] ways) : IEquatable<Signature>
    {
        private readonly int _block = block;
        private readonly (byte First, byte Last, int Target)[] _ways = ways;

        public bool Equals(Signature other) => _block == other._block && _ways.AsSpan().SequenceEqual(other._ways);

        public override bool Equals(object? obj) => obj is Signature other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            hash.Add(_block);
            foreach (var way in _ways)
                hash.Add(way);
            return hash.ToHashCode();
        }
    }

    private sealed class ByteOrder : IComparer<byte[]>
    {
        public static ByteOrder Instance { get; } = new();

        public int Compare(byte[]? x, byte[]? y) => x.AsSpan().SequenceCompareTo(y);
    }
}
