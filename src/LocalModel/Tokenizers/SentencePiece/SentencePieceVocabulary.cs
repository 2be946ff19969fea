using Kotonoha.LocalModel.Tokenizers.Models;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>The pieces of a model by id and by text.</summary>
internal sealed class SentencePieceVocabulary
{
    private readonly Vocabulary matching = new();
    private readonly int[] byteIds = new int[256];

    public SentencePieceVocabulary(SentencePieceSpec spec)
    {
        Pieces = [.. spec.Pieces];
        UnknownId = -1;
        Array.Fill(byteIds, -1);
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
                    UnknownId = UnknownId < 0 ? id : throw new TokenizerException("The SentencePiece vocabulary has two unknown pieces. Check the file.");
                    break;
                case PieceType.Byte:
                    byteIds[ByteOf(piece.Text) ?? throw new TokenizerException($"Byte piece '{piece.Text}' is not of the form <0x0A>. Check the file.")] = id;
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
                _ = matching.TryAdd(piece.Text, id);
        }

        if (UnknownId < 0)
            throw new TokenizerException("The SentencePiece vocabulary has no unknown piece. Check the file.");
        if (spec.ByteFallback && byteIds.Contains(-1))
            throw new TokenizerException($"Byte fallback needs a piece for each byte, but <0x{Array.IndexOf(byteIds, -1):X2}> is missing. Check the file.");
    }

    public ScoredPiece[] Pieces { get; }

    /// <summary>All pieces, also those that no text makes.</summary>
    public Vocabulary All { get; } = new();

    public int UnknownId { get; }

    /// <summary>The lowest score of an ordinary piece.</summary>
    public float MinScore { get; }

    /// <summary>The highest score of an ordinary piece.</summary>
    public float MaxScore { get; }

    /// <summary>The user-defined pieces, or null when there is none.</summary>
    public TokenTrie? UserDefined { get; }

    /// <summary>The piece that a text makes, or the unknown piece.</summary>
    public int IdOf(ReadOnlySpan<char> text) => matching.TryGetId(text, out int id) ? id : UnknownId;

    public bool IsPiece(ReadOnlySpan<char> text) => matching.TryGetId(text, out _);

    /// <summary>The piece of a byte.</summary>
    public int ByteId(byte value) => byteIds[value];

    /// <summary>The byte that a piece like <c>&lt;0x0A&gt;</c> stands for.</summary>
    public static byte? ByteOf(ReadOnlySpan<char> piece)
        => piece is ['<', '0', 'x', _, _, '>'] && byte.TryParse(piece[3..5], System.Globalization.NumberStyles.AllowHexSpecifier, System.Globalization.CultureInfo.InvariantCulture, out byte value)
            ? value : null;
}
