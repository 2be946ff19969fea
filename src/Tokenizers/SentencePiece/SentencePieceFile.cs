using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.Tokenizers;

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

/// <summary>
/// Reads the fields of a protocol buffer, within its bounds. Wire format: https://protobuf.dev/programming-guides/encoding.
/// </summary>
internal ref struct ProtobufReader
{
    private const int VarintWire = 0;
    private const int Fixed64Wire = 1;
    private const int LengthWire = 2;
    private const int Fixed32Wire = 5;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ReadOnlySpan<byte> _data;
    private readonly int _offset;
    private int _at;
    private int _wire;

    /// <summary>Starts reading a message.</summary>
    /// <param name="data">The message.</param>
    /// <param name="offset">Where it lies in the file, for errors.</param>
    public ProtobufReader(ReadOnlySpan<byte> data, int offset = 0)
    {
        _data = data;
        _offset = offset;
    }

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>Moves to the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (_at == _data.Length)
            return false;
        ulong key = ReadVarint();
        (Field, _wire) = (key >> 3 <= int.MaxValue ? (int)(key >> 3) : 0, (int)(key & 7));
        return Field > 0 ? true : throw Wrong("a field without a number");
    }

    /// <summary>The current field as a whole number.</summary>
    public int AsInt32()
    {
        Expect(VarintWire);
        return unchecked((int)ReadVarint());
    }

    /// <summary>The current field as a truth value.</summary>
    public bool AsBool() => AsInt32() != 0;

    /// <summary>The current field as a single-precision number.</summary>
    public float AsFloat()
    {
        Expect(Fixed32Wire);
        return BinaryPrimitives.ReadSingleLittleEndian(Take(4));
    }

    /// <summary>The current field as bytes.</summary>
    public ReadOnlySpan<byte> AsBytes()
    {
        Expect(LengthWire);
        ulong length = ReadVarint();
        return length <= int.MaxValue ? Take((int)length) : throw Wrong($"a field of {length} bytes");
    }

    /// <summary>The current field as a message of its own.</summary>
    public ProtobufReader AsMessage()
    {
        var bytes = AsBytes();
        return new ProtobufReader(bytes, _offset + _at - bytes.Length);
    }

    /// <summary>The current field as a text.</summary>
    public string AsString()
    {
        try
        {
            return StrictUtf8.GetString(AsBytes());
        }
        catch (DecoderFallbackException)
        {
            throw Wrong("a text that is not UTF-8");
        }
    }

    /// <summary>Skips the current field.</summary>
    public void Skip()
    {
        switch (_wire)
        {
            case VarintWire:
                _ = ReadVarint();
                break;
            case Fixed64Wire:
                _ = Take(8);
                break;
            case LengthWire:
                _ = AsBytes();
                break;
            case Fixed32Wire:
                _ = Take(4);
                break;
            default:
                throw Wrong($"a field of wire type {_wire}");
        }
    }

    /// <summary>The error that something else is at the current place.</summary>
    public readonly TokenizerException Wrong(string what)
        => new($"the SentencePiece model has {what} at byte {_offset + _at}. Check that the file is a complete .model file.");

    private readonly void Expect(int wanted)
    {
        if (_wire != wanted)
            throw Wrong($"field {Field} with wire type {_wire} instead of {wanted}");
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 70; shift += 7)
        {
            byte next = Take(1)[0];
            if (shift < 64)
                value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
                return value;
        }

        throw Wrong("a number of more than ten bytes");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _data.Length - _at)
            throw Wrong($"a field that needs {count} bytes where {_data.Length - _at} are left");
        _at += count;
        return _data.Slice(_at - count, count);
    }
}
