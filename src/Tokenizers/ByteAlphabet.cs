namespace Kotonoha.Tokenizers;

/// <summary>
/// GPT-2's printable stand-ins for the 256 bytes: printable Latin-1 characters stand for themselves, the other bytes for U+0100 and up
/// in rising order (source: GPT-2's bytes_to_unicode).
/// </summary>
internal static class ByteAlphabet
{
    /// <summary>The character of each byte.</summary>
    internal static readonly char[] Chars = BuildChars();

    private static readonly short[] Bytes = BuildBytes();

    /// <summary>The characters, sorted by code point.</summary>
    public static string Characters { get; } = string.Concat(Chars.Order());

    /// <summary>The character that stands for a byte.</summary>
    public static char ToChar(byte value) => Chars[value];

    /// <summary>The byte that a character stands for, or -1.</summary>
    public static int ToByte(char character) => character < Bytes.Length ? Bytes[character] : -1;

    private static char[] BuildChars()
    {
        var chars = new char[256];
        int next = 0x100;
        for (int value = 0; value < 256; value++)
            chars[value] = value is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE ? (char)value : (char)next++;
        return chars;
    }

    private static short[] BuildBytes()
    {
        var bytes = new short[0x100 + 68];
        Array.Fill(bytes, (short)-1);
        for (int value = 0; value < 256; value++)
            bytes[Chars[value]] = (short)value;
        return bytes;
    }
}
