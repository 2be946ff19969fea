namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

/// <summary>Reads a SentencePiece <c>.model</c> file (source of the fields: sentencepiece_model.proto of SentencePiece 0.2).</summary>
internal static class SentencePieceFile
{
    private const int MaxPieces = 1 << 24;

    /// <summary>Reads the content of a file.</summary>
    /// <exception cref="TokenizerException">The content is malformed.</exception>
    public static SentencePieceSpec Read(ReadOnlySpan<byte> content)
    {
        var pieces = new List<ScoredPiece>();
        var spec = new SentencePieceSpec { Pieces = pieces };
        var reader = new ProtobufReader(content);
        while (reader.Next())
            switch (reader.Field)
            {
                case 1:
                    if (pieces.Count == MaxPieces)
                        throw reader.Wrong($"more than {MaxPieces} pieces");
                    pieces.Add(ReadPiece(reader.AsMessage()));
                    break;
                case 2:
                    spec = ReadTraining(reader.AsMessage(), spec);
                    break;
                case 3:
                    spec = ReadNormalization(reader.AsMessage(), spec);
                    break;
                case 5:
                    spec = spec with { DecodingCharsMap = ReadCharsMap(reader.AsMessage()) };
                    break;
                default:
                    reader.Skip();
                    break;
            }

        return pieces.Count > 0 ? spec : throw reader.Wrong("no pieces");
    }

    private static ScoredPiece ReadPiece(ProtobufReader reader)
    {
        var piece = new ScoredPiece("", 0, PieceType.Normal);
        while (reader.Next())
            switch (reader.Field)
            {
                case 1:
                    piece = piece with { Text = reader.AsString() };
                    break;
                case 2:
                    piece = piece with { Score = reader.AsFloat() };
                    break;
                case 3:
                    piece = piece with { Type = (PieceType)reader.AsInt32() };
                    if (!Enum.IsDefined(piece.Type))
                        throw reader.Wrong($"a piece of type {(int)piece.Type}");
                    break;
                default:
                    reader.Skip();
                    break;
            }

        return piece.Text.Length > 0 ? piece : throw reader.Wrong("an empty piece");
    }

    private static SentencePieceSpec ReadTraining(ProtobufReader reader, SentencePieceSpec spec)
    {
        var (begin, end, hasBegin, hasEnd) = (spec.BeginPiece, spec.EndPiece, true, true);
        while (reader.Next())
            switch (reader.Field)
            {
                case 3:
                    spec = spec with { Kind = (SentencePieceKind)reader.AsInt32() };
                    if (!Enum.IsDefined(spec.Kind))
                        throw reader.Wrong($"model type {(int)spec.Kind}, where 1 to 4 are known");
                    break;
                case 24:
                    spec = spec with { TreatWhitespaceAsSuffix = reader.AsBool() };
                    break;
                case 35:
                    spec = spec with { ByteFallback = reader.AsBool() };
                    break;
                case 41:
                    hasBegin = reader.AsInt32() >= 0;
                    break;
                case 42:
                    hasEnd = reader.AsInt32() >= 0;
                    break;
                case 44:
                    spec = spec with { UnknownSurface = reader.AsString() };
                    break;
                case 46:
                    begin = reader.AsString();
                    break;
                case 47:
                    end = reader.AsString();
                    break;
                default:
                    reader.Skip();
                    break;
            }

        return spec with { BeginPiece = hasBegin ? begin : null, EndPiece = hasEnd ? end : null };
    }

    private static SentencePieceSpec ReadNormalization(ProtobufReader reader, SentencePieceSpec spec)
    {
        while (reader.Next())
            switch (reader.Field)
            {
                case 2:
                    spec = spec with { CharsMap = reader.AsBytes().ToArray() };
                    break;
                case 3:
                    spec = spec with { AddDummyPrefix = reader.AsBool() };
                    break;
                case 4:
                    spec = spec with { RemoveExtraWhitespaces = reader.AsBool() };
                    break;
                case 5:
                    spec = spec with { EscapeWhitespaces = reader.AsBool() };
                    break;
                default:
                    reader.Skip();
                    break;
            }

        return spec;
    }

    private static byte[] ReadCharsMap(ProtobufReader reader)
    {
        byte[] map = [];
        while (reader.Next())
            if (reader.Field == 2)
                map = reader.AsBytes().ToArray();
            else
                reader.Skip();
        return map;
    }
}
