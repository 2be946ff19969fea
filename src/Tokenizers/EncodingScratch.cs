namespace Kotonoha.Tokenizers;

/// <summary>
/// The state and the buffers of one encoding; each thread keeps one set, so that encoding allocates nothing once it is warm.
/// </summary>
internal sealed class EncodingScratch
{
    // Buffers that a very long text has enlarged are given back to the collector.
    private const int MaxKeptUnits = 1 << 20;

    [ThreadStatic]
    private static EncodingScratch? _kept;

    public PieceBuffer Section { get; } = new();

    public PieceBuffer Part { get; } = new();

    public TokenSink Sink { get; } = new();

    public List<AddedTokenMatch> RawMatches { get; } = [];

    public List<AddedTokenMatch> NormalizedMatches { get; } = [];

    /// <summary>Receives the token ids, when nothing more is wanted.</summary>
    public List<int>? Ids { get; private set; }

    /// <summary>Receives the tokens with everything that is known about them, when that is wanted.</summary>
    public TokenSequence? Detailed { get; private set; }

    /// <summary>0 for the first text of a pair, 1 for the second.</summary>
    public int SequenceId { get; private set; }

    public bool ParseSpecialTokens { get; private set; }

    /// <summary>Decides about each added token that is found; null keeps all.</summary>
    public Func<AddedToken, int, int, bool>? Keeps { get; set; }

    public static EncodingScratch Rent(List<int>? ids, TokenSequence? detailed, int sequenceId, bool parseSpecialTokens)
    {
        var scratch = _kept ?? new EncodingScratch();
        _kept = null;
        (scratch.Ids, scratch.Detailed, scratch.SequenceId, scratch.ParseSpecialTokens) = (ids, detailed, sequenceId, parseSpecialTokens);
        return scratch;
    }

    /// <summary>Adds a token that was found in the text.</summary>
    public void Add(AddedToken token, ReadOnlySpan<char> matched, int start, int end)
    {
        Ids?.Add(token.Id);
        Detailed?.Add(token.Id, matched.ToString(), new TokenOffset(start, end), SequenceId, false, SequenceId);
    }

    public void Return()
    {
        (Ids, Detailed, Keeps) = (null, null, null);
        if (Section.Capacity + Part.Capacity + Sink.Capacity <= MaxKeptUnits)
            _kept = this;
    }
}
