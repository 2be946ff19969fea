using System.Numerics;

namespace Kotonoha.Grammars;

/// <summary>A set of token ids, kept as a list where it is small and as bits where it is large.</summary>
internal sealed class TokenSet
{
    // Below this share of the vocabulary, writing each token is cheaper than going through all words.
    private const int SparseShare = 64;

    private readonly int[]? _ids;
    private readonly ulong[]? _bits;

    /// <summary>Makes a set of bits, which it keeps.</summary>
    public TokenSet(ulong[] bits)
    {
        foreach (ulong word in bits)
            Count += BitOperations.PopCount(word);
        if (Count > bits.Length * 64 / SparseShare)
        {
            _bits = bits;
            return;
        }

        _ids = new int[Count];
        int next = 0;
        for (int i = 0; i < bits.Length; i++)
            for (ulong word = bits[i]; word != 0; word &= word - 1)
                _ids[next++] = i * 64 + BitOperations.TrailingZeroCount(word);
    }

    public int Count { get; }

    /// <summary>The memory it takes.</summary>
    public int Bytes => 4 * (_ids?.Length ?? 0) + 8 * (_bits?.Length ?? 0);

    public bool Contains(int id)
        => _ids is not null ? Array.BinarySearch(_ids, id) >= 0 : id >> 6 < _bits!.Length && (_bits[id >> 6] >> (id & 63) & 1) != 0;

    /// <summary>No token.</summary>
    public static TokenSet Empty { get; } = new([]);

    /// <summary>Lists its tokens.</summary>
    public void AddTo(List<int> ids)
    {
        if (_ids is not null)
        {
            ids.AddRange(_ids);
            return;
        }

        for (int i = 0; i < _bits!.Length; i++)
            for (ulong word = _bits[i]; word != 0; word &= word - 1)
                ids.Add(i * 64 + BitOperations.TrailingZeroCount(word));
    }

    /// <summary>Sets the bits of its tokens.</summary>
    public void AddTo(Span<ulong> bits)
    {
        if (_ids is not null)
        {
            foreach (int id in _ids)
                bits[id >> 6] |= 1UL << (id & 63);
            return;
        }

        for (int i = 0; i < _bits!.Length; i++)
            bits[i] |= _bits[i];
    }

    /// <summary>Sets the scores of all other tokens to minus infinity.</summary>
    /// <param name="logits">One score a token.</param>
    /// <param name="further">Tokens that stay too.</param>
    public void Apply(Span<float> logits, ReadOnlySpan<int> further)
    {
        if (_ids is not null)
        {
            int count = _ids.Length + further.Length;
            var kept = count <= 256 ? stackalloc float[count] : new float[count];
            for (int i = 0; i < _ids.Length; i++)
                kept[i] = logits[_ids[i]];
            for (int i = 0; i < further.Length; i++)
                kept[_ids.Length + i] = logits[further[i]];
            logits.Fill(float.NegativeInfinity);
            for (int i = 0; i < _ids.Length; i++)
                logits[_ids[i]] = kept[i];
            for (int i = 0; i < further.Length; i++)
                logits[further[i]] = kept[_ids.Length + i];
            return;
        }

        var ends = further.Length <= 64 ? stackalloc float[further.Length] : new float[further.Length];
        for (int i = 0; i < further.Length; i++)
            ends[i] = logits[further[i]];
        for (int word = 0, at = 0; at < logits.Length; word++, at += 64)
        {
            ulong removed = word < _bits!.Length ? ~_bits[word] : ulong.MaxValue;
            int width = Math.Min(64, logits.Length - at);
            if (removed == ulong.MaxValue)
            {
                logits.Slice(at, width).Fill(float.NegativeInfinity);
                continue;
            }

            if (width < 64)
                removed &= (1UL << width) - 1;
            for (; removed != 0; removed &= removed - 1)
                logits[at + BitOperations.TrailingZeroCount(removed)] = float.NegativeInfinity;
        }

        for (int i = 0; i < further.Length; i++)
            logits[further[i]] = ends[i];
    }

    /// <summary>Collects tokens.</summary>
    internal sealed class Builder(int size)
    {
        private readonly ulong[] _bits = new ulong[(size + 63) / 64];

        public Span<ulong> Bits => _bits;

        public void Add(ReadOnlySpan<int> ids)
        {
            foreach (int id in ids)
                _bits[id >> 6] |= 1UL << (id & 63);
        }

        public TokenSet Build() => new(_bits);
    }
}
