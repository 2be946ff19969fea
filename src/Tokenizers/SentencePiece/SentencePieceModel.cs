using System.Text;
using System.Text.Json;

namespace Kotonoha.Tokenizers;

/// <summary>
/// A SentencePiece model as a step of the pipeline: pieces of normalised text, unknown ones as bytes or joined. Thread-safe.
/// </summary>
internal sealed class SentencePieceModel : ITokenModel
{
    [ThreadStatic]
    private static List<Segment>? _threadSegments;

    private readonly ISegmenter _segmenter;
    private readonly bool _byteFallback;

    public SentencePieceModel(SentencePieceSpec spec)
    {
        (Spec, Pieces) = (spec, new SentencePieceVocabulary(spec));
        _byteFallback = spec.ByteFallback;
        _segmenter = spec.Kind switch
        {
            SentencePieceKind.Bpe => new BpeSegmenter(Pieces),
            SentencePieceKind.Word => new WordSegmenter(Pieces, spec.TreatWhitespaceAsSuffix),
            SentencePieceKind.Char => new CharSegmenter(Pieces),
            _ => new UnigramSegmenter(Pieces),
        };
    }

    public SentencePieceSpec Spec { get; }

    public SentencePieceVocabulary Pieces { get; }

    /// <inheritdoc/>
    public Vocabulary Vocabulary => Pieces.All;

    /// <inheritdoc/>
    public int SurfaceId => Pieces.UnknownId;

    /// <summary>The segmenter of a unigram model, or null.</summary>
    public UnigramSegmenter? Unigram => _segmenter as UnigramSegmenter;

    /// <inheritdoc/>
    public void Tokenize(ReadOnlySpan<char> piece, TokenSink sink)
    {
        var segments = _threadSegments ??= [];
        segments.Clear();
        _segmenter.Segment(piece, segments);
        Finish(piece, segments);
        foreach (var (id, start, end) in segments)
            sink.Add(id, start, end);
        if (segments.Capacity > 1 << 18)
            _threadSegments = null;
    }

    /// <summary>Cuts a normalised text into pieces.</summary>
    public void Segment(ReadOnlySpan<char> text, List<Segment> output)
    {
        output.Clear();
        _segmenter.Segment(text, output);
        Finish(text, output);
    }

    /// <summary>Turns unknown parts into bytes, or joins neighbouring ones.</summary>
    public void Finish(ReadOnlySpan<char> text, List<Segment> segments)
    {
        bool hasUnknown = false;
        foreach (var segment in segments)
            hasUnknown |= segment.Id == Pieces.UnknownId;
        if (!hasUnknown)
            return;
        var result = new List<Segment>(segments.Count + 16);
        foreach (var segment in segments)
            if (segment.Id != Pieces.UnknownId)
            {
                result.Add(segment);
            }
            else if (_byteFallback)
            {
                // A word that is unknown as a whole may be long.
                foreach (byte value in Encoding.UTF8.GetBytes(text[segment.Start..segment.End].ToArray()))
                    result.Add(segment with { Id = Pieces.ByteId(value) });
            }
            else if (result.Count > 0 && result[^1].Id == Pieces.UnknownId)
            {
                result[^1] = result[^1] with { End = segment.End };
            }
            else
            {
                result.Add(segment);
            }

        segments.Clear();
        segments.AddRange(result);
    }

    /// <inheritdoc/>
    public void Write(Utf8JsonWriter writer) => throw SentencePieceNormalizer.NotTokenizerJson();
}

/// <summary>Everything that a SentencePiece model says, with the format's default values.</summary>
internal sealed record SentencePieceSpec
{
    public required IReadOnlyList<ScoredPiece> Pieces { get; init; }

    public SentencePieceKind Kind { get; init; } = SentencePieceKind.Unigram;

    /// <summary>Whether what no piece covers becomes its bytes.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>Whether blanks end a word instead of starting one.</summary>
    public bool TreatWhitespaceAsSuffix { get; init; }

    /// <summary>Whether a text gets a blank in front (or after, as a suffix).</summary>
    public bool AddDummyPrefix { get; init; } = true;

    /// <summary>Whether blanks at the ends are dropped and runs of blanks become one.</summary>
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

/// <summary>How a SentencePiece model segments text; the numbers are the format's own.</summary>
internal enum SentencePieceKind
{
    /// <summary>The most probable sequence of pieces.</summary>
    Unigram = 1,

    /// <summary>Byte-pair encoding over characters, the pair of the highest score first.</summary>
    Bpe = 2,

    /// <summary>Whole words.</summary>
    Word = 3,

    /// <summary>Single characters.</summary>
    Char = 4,
}

/// <summary>A piece of a SentencePiece vocabulary.</summary>
/// <param name="Text">Its text; blanks are U+2581.</param>
/// <param name="Score">Its logarithmic probability, or its rank by falling score.</param>
/// <param name="Type">What it is.</param>
internal readonly record struct ScoredPiece(string Text, float Score, PieceType Type);

/// <summary>What a piece is; the numbers are those of SentencePiece and of GGUF's <c>tokenizer.ggml.token_type</c>.</summary>
internal enum PieceType
{
    /// <summary>An ordinary piece.</summary>
    Normal = 1,

    /// <summary>Stands for what no piece covers.</summary>
    Unknown = 2,

    /// <summary>A control symbol; no text makes it.</summary>
    Control = 3,

    /// <summary>A text that is always a piece of its own.</summary>
    UserDefined = 4,

    /// <summary>A piece that is not to be used.</summary>
    Unused = 5,

    /// <summary>A byte of a character that no piece covers.</summary>
    Byte = 6,
}

/// <summary>The pieces of a model by id and by text.</summary>
internal sealed class SentencePieceVocabulary
{
    private readonly Vocabulary _matching = new();
    private readonly int[] _byteIds = new int[256];

    public SentencePieceVocabulary(SentencePieceSpec spec)
    {
        Pieces = [.. spec.Pieces];
        UnknownId = -1;
        Array.Fill(_byteIds, -1);
        var userDefined = new TokenTrie();
        (MinScore, MaxScore) = (float.MaxValue, float.MinValue);
        for (int id = 0; id < Pieces.Length; id++)
        {
            var piece = Pieces[id];
            if (!All.TryAdd(piece.Text, id))
                throw new TokenizerException($"Piece '{piece.Text}' stands twice in the SentencePiece vocabulary. Check the file.");
            switch (piece.Type)
            {
                case PieceType.Unknown:
                    UnknownId = UnknownId < 0
                        ? id
                        : throw new TokenizerException("The SentencePiece vocabulary has two unknown pieces. Check the file.");
                    break;
                case PieceType.Byte:
                    _byteIds[ByteOf(piece.Text)
                        ?? throw new TokenizerException($"Byte piece '{piece.Text}' is not of the form <0x0A>. Check the file.")] = id;
                    break;
                case PieceType.Normal:
                    (MinScore, MaxScore) = (Math.Min(MinScore, piece.Score), Math.Max(MaxScore, piece.Score));
                    break;
                case PieceType.UserDefined:
                    userDefined.Add(piece.Text, id);
                    UserDefined = userDefined;
                    break;
            }

            if (piece.Type is PieceType.Normal or PieceType.UserDefined or PieceType.Unused)
                _ = _matching.TryAdd(piece.Text, id);
        }

        if (UnknownId < 0)
            throw new TokenizerException("The SentencePiece vocabulary has no unknown piece. Check the file.");
        if (spec.ByteFallback && _byteIds.Contains(-1))
            throw new TokenizerException(
                $"Byte fallback needs a piece for each byte, but <0x{Array.IndexOf(_byteIds, -1):X2}> is missing. Check the file.");
    }

    public ScoredPiece[] Pieces { get; }

    /// <summary>All pieces, including those that no text makes.</summary>
    public Vocabulary All { get; } = new();

    public int UnknownId { get; }

    /// <summary>The lowest score of an ordinary piece.</summary>
    public float MinScore { get; }

    /// <summary>The highest score of an ordinary piece.</summary>
    public float MaxScore { get; }

    /// <summary>The user-defined pieces, or null when there is none.</summary>
    public TokenTrie? UserDefined { get; }

    /// <summary>The piece that a text makes, or the unknown piece.</summary>
    public int IdOf(ReadOnlySpan<char> text) => _matching.TryGetId(text, out int id) ? id : UnknownId;

    public bool IsPiece(ReadOnlySpan<char> text) => _matching.TryGetId(text, out _);

    /// <summary>The piece of a byte.</summary>
    public int ByteId(byte value) => _byteIds[value];

    /// <summary>The byte that a piece like <c>&lt;0x0A&gt;</c> stands for.</summary>
    public static byte? ByteOf(ReadOnlySpan<char> piece)
        => piece is ['<', '0', 'x', _, _, '>']
            && byte.TryParse(piece[3..5], System.Globalization.NumberStyles.AllowHexSpecifier,
                System.Globalization.CultureInfo.InvariantCulture, out byte value)
            ? value : null;
}
