using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.SentencePiece;

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

    private readonly ReadOnlySpan<byte> data;
    private readonly int offset;
    private int at;
    private int wire;

    /// <summary>Starts reading a message.</summary>
    /// <param name="data">The message.</param>
    /// <param name="offset">Where it lies in the file, for errors.</param>
    public ProtobufReader(ReadOnlySpan<byte> data, int offset = 0)
    {
        this.data = data;
        this.offset = offset;
    }

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>Moves to the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (at == data.Length)
            return false;
        ulong key = ReadVarint();
        (Field, wire) = (key >> 3 <= int.MaxValue ? (int)(key >> 3) : 0, (int)(key & 7));
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
        return new ProtobufReader(bytes, offset + at - bytes.Length);
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

    /// <summary>Leaves the current field out.</summary>
    public void Skip()
    {
        switch (wire)
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
                throw Wrong($"a field of wire type {wire}");
        }
    }

    /// <summary>The error that something else stands at the current place.</summary>
    public readonly TokenizerException Wrong(string what)
        => new($"the SentencePiece model has {what} at byte {offset + at}. Check that the file is a complete .model file.");

    private readonly void Expect(int wanted)
    {
        if (wire != wanted)
            throw Wrong($"field {Field} with wire type {wire} instead of {wanted}");
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
        if (count > data.Length - at)
            throw Wrong($"a field that needs {count} bytes where {data.Length - at} are left");
        at += count;
        return data.Slice(at - count, count);
    }
}
