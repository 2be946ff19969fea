namespace Kotonoha.LocalModel.Tensors;

/// <summary>
/// What a model runs on: the tokens of one or more sequences, one after another without padding. A sequence may continue one in a
/// <see cref="KvCache"/>. Only attention and pooling look at the borders. A batch may be cleared and filled again; it must not change
/// between a training pass's forward and backward.
/// </summary>
internal sealed class Batch
{
    private int[] _tokens;
    private int[] _positions;
    private int[] _types = [];
    private int[] _starts = new int[9];
    private int[] _offsets = new int[8];
    private KvSequence?[] _caches = new KvSequence?[8];

    /// <summary>Creates an empty batch.</summary>
    /// <param name="capacity">The tokens to make room for; it grows when more are appended.</param>
    public Batch(int capacity = 64)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(capacity);
        _tokens = new int[capacity];
        _positions = new int[capacity];
    }

    /// <summary>The number of tokens of all sequences.</summary>
    public int Tokens { get; private set; }

    /// <summary>The number of sequences.</summary>
    public int Sequences { get; private set; }

    /// <summary>The token ids, sequence after sequence.</summary>
    public ReadOnlySpan<int> TokenIds => _tokens.AsSpan(0, Tokens);

    /// <summary>The position of every token in its sequence, from 0.</summary>
    public ReadOnlySpan<int> Positions => _positions.AsSpan(0, Tokens);

    /// <summary>The type (segment) of every token, for encoders that tell the texts of a pair apart; 0 where none was given.</summary>
    public ReadOnlySpan<int> TypeIds
    {
        get
        {
            if (_types.Length < _tokens.Length)
                Array.Resize(ref _types, _tokens.Length);
            return _types.AsSpan(0, Tokens);
        }
    }

    /// <summary>Where each sequence begins, and at the end the number of tokens.</summary>
    public ReadOnlySpan<int> SequenceStarts => _starts.AsSpan(0, Sequences + 1);

    /// <summary>Whether any sequence continues one in a cache.</summary>
    public bool HasCache { get; private set; }

    /// <summary>For attention: the place of each sequence's first token among its keys (the length of its past).</summary>
    internal ReadOnlySpan<int> QueryOffsets => _offsets.AsSpan(0, Sequences);

    /// <summary>A batch of sequences without a cache, for training and scoring.</summary>
    /// <param name="tokenIds">The tokens of all sequences, (sequences × length), row after row.</param>
    /// <param name="sequenceLength">The length of every sequence; 0 for a single one.</param>
    /// <exception cref="ArgumentException">The tokens are not a whole number of sequences.</exception>
    public static Batch Packed(ReadOnlySpan<int> tokenIds, int sequenceLength = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sequenceLength);
        if (tokenIds.IsEmpty)
            throw new ArgumentException("A batch needs at least one token.", nameof(tokenIds));
        if (sequenceLength == 0)
            sequenceLength = tokenIds.Length;
        if (tokenIds.Length % sequenceLength != 0)
            throw new ArgumentException($"{tokenIds.Length} tokens are not a whole number of sequences of {sequenceLength}.",
                nameof(tokenIds));
        var batch = new Batch(tokenIds.Length);
        for (int start = 0; start < tokenIds.Length; start += sequenceLength)
            batch.Append(tokenIds.Slice(start, sequenceLength));
        return batch;
    }

    /// <summary>A batch of sequences of different lengths without a cache.</summary>
    /// <param name="sequences">The tokens of each sequence.</param>
    public static Batch Packed(IEnumerable<int[]> sequences)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        var batch = new Batch();
        foreach (var sequence in sequences)
            batch.Append(sequence);
        return batch;
    }

    /// <summary>Removes all sequences; the memory stays.</summary>
    public void Clear()
    {
        Array.Clear(_caches, 0, Sequences);
        Array.Clear(_types);
        Tokens = 0;
        Sequences = 0;
        HasCache = false;
    }

    /// <summary>Appends a sequence without a past, whose keys and values are not kept.</summary>
    /// <param name="tokenIds">Its tokens; positions count from 0.</param>
    public void Append(ReadOnlySpan<int> tokenIds) => Append(tokenIds, 0, null);

    /// <summary>Appends a sequence whose tokens have types, as BERT's pairs have.</summary>
    /// <param name="tokenIds">Its tokens; positions count from 0.</param>
    /// <param name="typeIds">The type of each token.</param>
    /// <exception cref="ArgumentException">There is not one type a token.</exception>
    public void Append(ReadOnlySpan<int> tokenIds, ReadOnlySpan<int> typeIds)
    {
        if (typeIds.Length != tokenIds.Length)
            throw new ArgumentException($"There are {typeIds.Length} types for {tokenIds.Length} tokens.", nameof(typeIds));
        Append(tokenIds);
        _ = TypeIds;
        typeIds.CopyTo(_types.AsSpan(Tokens - tokenIds.Length));
    }

    /// <summary>
    /// Appends tokens that continue a cached sequence (a prompt, a chunk of one, or the token chosen last); room is reserved at once and
    /// <see cref="KvSequence.Length"/> grows. After a cancelled pass truncate the sequence.
    /// </summary>
    /// <param name="tokenIds">The new tokens; positions go on from the sequence's length.</param>
    /// <param name="sequence">The sequence; at most once in a batch.</param>
    /// <exception cref="KvCacheFullException">The cache has no room; the batch is unchanged.</exception>
    public void Append(ReadOnlySpan<int> tokenIds, KvSequence sequence)
    {
        ArgumentNullException.ThrowIfNull(sequence);
        if (Array.IndexOf(_caches, sequence, 0, Sequences) >= 0)
            throw new ArgumentException("A cached sequence may occur only once in a batch.", nameof(sequence));
        int past = sequence.Length;
        sequence.Append(tokenIds.Length);
        Append(tokenIds, past, sequence);
    }

    /// <summary>Appends a sequence whose first token stands at a given place among the keys that it attends to.</summary>
    internal void Append(ReadOnlySpan<int> tokenIds, int firstPosition, KvSequence? sequence)
    {
        if (Tokens + tokenIds.Length > _tokens.Length)
        {
            int capacity = Math.Max(Tokens + tokenIds.Length, _tokens.Length * 2);
            Array.Resize(ref _tokens, capacity);
            Array.Resize(ref _positions, capacity);
        }

        if (Sequences == _caches.Length)
        {
            Array.Resize(ref _caches, Sequences * 2);
            Array.Resize(ref _offsets, Sequences * 2);
            Array.Resize(ref _starts, Sequences * 2 + 1);
        }

        tokenIds.CopyTo(_tokens.AsSpan(Tokens));
        for (int i = 0; i < tokenIds.Length; i++)
            _positions[Tokens + i] = firstPosition + i;
        _starts[Sequences] = Tokens;
        _offsets[Sequences] = firstPosition;
        _caches[Sequences] = sequence;
        HasCache |= sequence is not null;
        Sequences++;
        Tokens += tokenIds.Length;
        _starts[Sequences] = Tokens;
    }

    /// <summary>
    /// The length of a sequence that rotary scalings go by: the tokens up to its last one here, or those of the whole prompt that it
    /// belongs to.
    /// </summary>
    internal int RopeLength(int sequence)
        => Math.Max(_positions[_starts[sequence + 1] - 1] + 1, _caches[sequence] is { } cached ? cached.PromptLength : 0);

    internal KvSequence? Cached(int sequence) => _caches[sequence];
}
