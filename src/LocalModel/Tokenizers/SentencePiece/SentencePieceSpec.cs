namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>All that a SentencePiece model says, with the format's default values.</summary>
internal sealed record SentencePieceSpec
{
    public required IReadOnlyList<ScoredPiece> Pieces { get; init; }

    public SentencePieceKind Kind { get; init; } = SentencePieceKind.Unigram;

    /// <summary>Whether what no piece covers becomes its bytes.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether blanks end a word instead of starting one.</summary>
    public bool TreatWhitespaceAsSuffix { get; init; }

    /// <summary>Whether a text gets a blank in front (or behind, as a suffix).</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Whether blanks at the ends go and runs of blanks become one.</summary>
    public bool RemoveExtraWhitespaces { get; init; } = true;

    /// <summary>Whether blanks become U+2581.</summary>
    public bool EscapeWhitespaces { get; init; } = true;

    /// <summary>What the unknown piece decodes to.</summary>
    public string UnknownSurface { get; init; } = " \u2047 ";

    /// <summary>The compiled normalisation rules; empty for none.</summary>
    public byte[] CharsMap { get; init; } = [];

    /// <summary>The compiled rules that are applied to decoded text; empty for none.</summary>
    public byte[] DecodingCharsMap { get; init; } = [];

    /// <summary>The piece that begins a text, or null.</summary>
    public string? BeginPiece { get; init; } = "<s>";

    /// <summary>The piece that ends a text, or null.</summary>
    public string? EndPiece { get; init; } = "</s>";
}
