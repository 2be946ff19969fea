using System.Buffers;
using System.Text;

namespace Kotonoha.LocalModel.Tokenizers.Decoders;

/// <summary>
/// Reads UTF-8 that comes in parts: whole characters only, U+FFFD for each maximal part that is certainly broken (Unicode 15, section 3.9).
/// </summary>
internal sealed class Utf8Stream
{
    private readonly byte[] held = new byte[4];
    private int heldCount;

    /// <summary>Takes the next bytes and appends the characters that are now certain.</summary>
    public void Push(ReadOnlySpan<byte> bytes, StringBuilder output)
    {
        // At most three bytes are held: finish their character one byte at a time.
        while (heldCount > 0 && bytes.Length > 0)
        {
            held[heldCount++] = bytes[0];
            bytes = bytes[1..];
            int used = Decode(held.AsSpan(0, heldCount), output);
            held.AsSpan(used, heldCount - used).CopyTo(held);
            heldCount -= used;
        }

        int consumed = Decode(bytes, output);
        bytes[consumed..].CopyTo(held.AsSpan(heldCount));
        heldCount += bytes.Length - consumed;
    }

    /// <summary>Appends U+FFFD for what is left unfinished.</summary>
    public void Finish(StringBuilder output)
    {
        var rest = held.AsSpan(0, heldCount);
        while (rest.Length > 0)
        {
            _ = Rune.DecodeFromUtf8(rest, out _, out int used);
            output.Append('\uFFFD');
            rest = rest[used..];
        }

        heldCount = 0;
    }

    /// <summary>Appends what is certain and returns how many bytes that took.</summary>
    private static int Decode(ReadOnlySpan<byte> bytes, StringBuilder output)
    {
        Span<char> units = stackalloc char[2];
        int at = 0;
        while (at < bytes.Length)
        {
            byte first = bytes[at];
            if (first < 0x80)
            {
                output.Append((char)first);
                at++;
                continue;
            }

            var rest = bytes[at..];

            // The three bytes of an encoded surrogate are answered together, when the third is there.
            if (rest.Length == 2 && rest[0] == 0xED && rest[1] is >= 0xA0 and <= 0xBF)
                break;
            var status = Rune.DecodeFromUtf8(rest, out var rune, out int used);
            if (status == OperationStatus.NeedMoreData)
                break;
            output.Append(units[..rune.EncodeToUtf16(units)]);
            at += used;
        }

        return at;
    }
}
