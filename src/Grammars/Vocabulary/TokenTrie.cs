using System.Buffers.Binary;

namespace Kotonoha.Grammars;

/// <summary>
/// The tokens of a vocabulary by their bytes: the nodes of a prefix tree in depth-first order, so that one loop walks it and skips what is
/// out of reach.
/// </summary>
internal sealed class TokenTrie
{
    private readonly byte[] _bytes;
    private readonly byte[] _depths;
    private readonly int[] _ends;
    private readonly int[] _firstTokens;
    private readonly int[] _tokens;
    private readonly int[] _roots = new int[256];

    /// <summary>Builds the tree; texts of more than 255 bytes are left out, for no grammar is the better for them.</summary>
    public TokenTrie(IEnumerable<(ReadOnlyMemory<byte> Bytes, int Id)> texts)
    {
        // The first bytes as a number settle most comparisons.
        (ulong Start, ReadOnlyMemory<byte> Bytes, int Id)[] sorted =
            [.. texts.Where(t => t.Bytes.Length <= byte.MaxValue).Select(t => (StartOf(t.Bytes.Span), t.Bytes, t.Id))];
        Array.Sort(sorted, static (x, y) =>
        {
            if (x.Start != y.Start)
                return x.Start.CompareTo(y.Start);
            int order = x.Bytes.Span.SequenceCompareTo(y.Bytes.Span);
            return order != 0 ? order : x.Id.CompareTo(y.Id);
        });
        var bytes = new List<byte> { 0 };
        var depths = new List<byte> { 0 };
        var firsts = new List<int> { 0 };
        var ends = new List<int> { 0 };
        var path = new List<int> { 0 };
        _tokens = new int[sorted.Length];
        ReadOnlySpan<byte> before = [];
        for (int i = 0; i < sorted.Length; i++)
        {
            var text = sorted[i].Bytes.Span;
            int common = text.CommonPrefixLength(before);
            for (; path.Count > common + 1; path.RemoveAt(path.Count - 1))
                ends[path[^1]] = bytes.Count;
            for (int depth = common; depth < text.Length; depth++)
            {
                path.Add(bytes.Count);
                bytes.Add(text[depth]);
                depths.Add((byte)(depth + 1));
                firsts.Add(i);
                ends.Add(0);
            }

            _tokens[i] = sorted[i].Id;
            before = text;
            MaximumDepth = Math.Max(MaximumDepth, text.Length);
        }

        foreach (int node in path)
            ends[node] = bytes.Count;
        firsts.Add(sorted.Length);
        (_bytes, _depths, _ends, _firstTokens) = ([.. bytes], [.. depths], [.. ends], [.. firsts]);
        Array.Fill(_roots, -1);
        foreach (int child in Children(0))
            _roots[_bytes[child]] = child;
    }

    /// <summary>The byte that leads to each node.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>The number of bytes that lead to each node.</summary>
    public ReadOnlySpan<byte> Depths => _depths;

    /// <summary>For each node the first one behind all that lie below it.</summary>
    public ReadOnlySpan<int> Ends => _ends;

    /// <summary>For each node where its tokens begin; they end where those of the next node begin.</summary>
    public ReadOnlySpan<int> FirstTokens => _firstTokens;

    /// <summary>The nodes; 0 is the root.</summary>
    public int Count => _bytes.Length;

    /// <summary>The bytes of the longest token.</summary>
    public int MaximumDepth { get; }

    /// <summary>The byte that leads to a node.</summary>
    public byte Byte(int node) => _bytes[node];

    /// <summary>The number of bytes that lead to a node.</summary>
    public int Depth(int node) => _depths[node];

    /// <summary>The first node behind all that lie below a node.</summary>
    public int End(int node) => _ends[node];

    /// <summary>The tokens that end at a node.</summary>
    public ReadOnlySpan<int> Tokens(int node) => _tokens.AsSpan(_firstTokens[node], FirstOfNext(node) - _firstTokens[node]);

    /// <summary>The node below another to which a byte leads; -1 for none.</summary>
    public int Child(int node, byte value)
    {
        if (node == 0)
            return _roots[value];
        for (int child = node + 1; child < _ends[node]; child = _ends[child])
            if (_bytes[child] == value)
                return child;
        return -1;
    }

    /// <summary>The nodes directly below a node.</summary>
    public IEnumerable<int> Children(int node)
    {
        for (int child = node + 1; child < _ends[node]; child = _ends[child])
            yield return child;
    }

    private static ulong StartOf(ReadOnlySpan<byte> text)
    {
        Span<byte> start = stackalloc byte[8];
        start.Clear();
        text[..Math.Min(8, text.Length)].CopyTo(start);
        return BinaryPrimitives.ReadUInt64BigEndian(start);
    }

    // Nodes are made for the first token that has them, so tokens that end at a node are those up to the first of the next node.
    private int FirstOfNext(int node) => _firstTokens[node + 1];
}
