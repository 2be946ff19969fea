using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>The buffers of one encoding; each thread keeps one set, so that encoding allocates nothing once it is warm.</summary>
internal sealed class EncodingScratch
{
    // Buffers that a very long text has blown up are given back to the collector.
    private const int MaxKeptUnits = 1 << 20;

    [ThreadStatic]
    private static EncodingScratch? kept;

    public PieceBuffer Section { get; } = new();

    public PieceBuffer Part { get; } = new();

    public TokenSink Sink { get; } = new();

    public List<AddedTokenMatch> RawMatches { get; } = [];

    public List<AddedTokenMatch> NormalizedMatches { get; } = [];

    public static EncodingScratch Rent()
    {
        var scratch = kept ?? new EncodingScratch();
        kept = null;
        return scratch;
    }

    public void Return()
    {
        if (Section.Capacity + Part.Capacity + Sink.Capacity <= MaxKeptUnits)
            kept = this;
    }
}
