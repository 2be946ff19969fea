using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Kotonoha.Foundation.Gguf;

/// <summary>
/// Reads the header of a GGUF file in order. No length is believed before it has been checked against the bytes that are left.
/// </summary>
internal sealed class GgufReader(string file, Stream stream)
{
    private const int LongestKeptBuffer = 1 << 16;
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private readonly byte[] _small = new byte[8];
    private byte[] _text = new byte[256];

    public string File => file;

    public long Length { get; } = stream.Length;

    public long Position { get; private set; }

    public long Left => Length - Position;

    public GgufException Broken(long offset, string problem, Exception? cause = null) => new(file, offset, problem, cause);

    public byte Byte(string what) => Small(1, what)[0];

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Small(4, what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Small(8, what));

    /// <summary>A number of things that take at least this many bytes each.</summary>
    public int Count(int bytesEach, string what, int maximum = int.MaxValue)
    {
        long at = Position;
        ulong count = UInt64(what);
        if (count > (ulong)(Left / bytesEach))
            throw Broken(at, $"{what} of {count} is announced, but only {Left} bytes follow; the file is cut off or no GGUF file.");
        if (count > (ulong)maximum)
            throw Broken(at, $"{what} of {count} is announced; {maximum} is the most that is read.");
        return (long)count * bytesEach <= GgufMetadata.MaxHeaderBytes - Position
            ? (int)count
            : throw Broken(at, $"{what} of {count} is announced, which makes the header longer than {GgufMetadata.MaxHeaderBytes} bytes.");
    }

    public string Text(string what)
    {
        long at = Position;
        int length = Count(1, $"a length of {what}");
        if (length > GgufMetadata.MaxTextBytes)
            throw Broken(at, $"{what} has {length} bytes, {GgufMetadata.MaxTextBytes} are the most a text may have.");
        byte[]? rented = null;
        if (length > _text.Length)
        {
            if (length <= LongestKeptBuffer)
                _text = new byte[LongestKeptBuffer];
            else
                rented = ArrayPool<byte>.Shared.Rent(length);
        }

        try
        {
            var bytes = (rented ?? _text).AsSpan(0, length);
            Read(bytes, what);
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException exception)
        {
            throw Broken(at, $"{what} is not valid UTF-8.", exception);
        }
        finally
        {
            if (rented is not null)
                ArrayPool<byte>.Shared.Return(rented);
        }
    }

    public void Read(Span<byte> destination, string what)
    {
        if (destination.Length > Left)
            throw Broken(Length, $"the file ends inside {what}; it is cut off or no GGUF file.");
        if (destination.Length > GgufMetadata.MaxHeaderBytes - Position)
            throw Broken(Position, $"the header is longer than {GgufMetadata.MaxHeaderBytes} bytes.");
        stream.ReadExactly(destination);
        Position += destination.Length;
    }

    /// <summary>Whether a part of the file, past the header, holds anything but zeros.</summary>
    public bool AnyButZeros(long begin, long end)
    {
        stream.Position = begin;
        for (long left = end - begin; left > 0;)
        {
            int count = stream.Read(_text.AsSpan(0, (int)Math.Min(left, _text.Length)));
            if (count == 0)
                throw Broken(end - left, "the file became shorter while it was being read.");
            if (_text.AsSpan(0, count).ContainsAnyExcept((byte)0))
                return true;
            left -= count;
        }

        return false;
    }

    private ReadOnlySpan<byte> Small(int bytes, string what)
    {
        Read(_small.AsSpan(0, bytes), what);
        return _small;
    }
}
