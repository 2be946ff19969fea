using System.Text;

namespace Kotonoha.Readers;

/// <summary>Turns the bytes of a text file into text: byte order marks, UTF-8, ISO-2022-JP, Shift_JIS and EUC-JP; no guess is
/// silently wrong.</summary>
internal static class TextDecoder
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Decodes the bytes of a file.</summary>
    /// <param name="content">The bytes.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="declared">The encoding that the document itself names (HTML), or null.</param>
    /// <exception cref="DocumentFormatException">The bytes are not text in a known encoding.</exception>
    internal static string Decode(byte[] content, string name, string? declared = null)
    {
        ReadOnlySpan<byte> bytes = content;
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            return DecodeStrictly(StrictUtf8, bytes[3..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE, 0, 0]) || bytes.StartsWith((ReadOnlySpan<byte>)[0, 0, 0xFE, 0xFF]))
            throw new DocumentFormatException($"'{name}' is UTF-32, which is not supported; save it as UTF-8.");
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]))
            return DecodeStrictly(new UnicodeEncoding(false, false, throwOnInvalidBytes: true), bytes[2..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
            return DecodeStrictly(new UnicodeEncoding(true, false, throwOnInvalidBytes: true), bytes[2..], name);
        if (bytes.Contains((byte)0))
            throw new DocumentFormatException($"'{name}' has a zero byte at offset {bytes.IndexOf((byte)0)}: it is no text file.");

        if (bytes.IndexOf((ReadOnlySpan<byte>)[0x1B, (byte)'$']) >= 0)
            return DecodeStrictly(CodePage(50220), bytes, name);
        int invalid = FirstInvalidUtf8(bytes);
        if (invalid < 0)
            return StrictUtf8.GetString(bytes);
        if (declared is not null && TryGetEncoding(declared) is { } encoding)
            return DecodeStrictly(encoding, bytes, name);
        return MostPlausibleJapanese(bytes)
            ?? throw new DocumentFormatException(
                $"'{name}' is neither UTF-8 (first invalid byte at offset {invalid}) nor Shift_JIS nor EUC-JP; save it as UTF-8.");
    }

    private static string DecodeStrictly(Encoding encoding, ReadOnlySpan<byte> bytes, string name)
    {
        try
        {
            return encoding.GetString(bytes);
        }
        catch (DecoderFallbackException error)
        {
            throw new DocumentFormatException(
                $"'{name}' is not valid {encoding.WebName} at byte offset {error.Index}; save it as UTF-8.", error);
        }
    }

    private static int FirstInvalidUtf8(ReadOnlySpan<byte> bytes)
    {
        for (int offset = 0; offset < bytes.Length;)
        {
            if (Rune.DecodeFromUtf8(bytes[offset..], out _, out int consumed) != System.Buffers.OperationStatus.Done)
                return offset;
            offset += consumed;
        }

        return -1;
    }

    private static string? MostPlausibleJapanese(ReadOnlySpan<byte> bytes)
    {
        string? best = null;
        double bestShare = 0.5; // less than half Japanese among the non-ASCII characters: some other encoding
        foreach (int codePage in (ReadOnlySpan<int>)[932, 51932])
        {
            try
            {
                var text = CodePage(codePage).GetString(bytes);
                int other = 0, japanese = 0;
                foreach (char c in text)
                {
                    if (c < 0x80)
                        continue;
                    other++;
                    if (c is (>= '\u3000' and <= '\u30ff') or (>= '\u4e00' and <= '\u9fff') or (>= '\uff01' and <= '\uff5e'))
                        japanese++;
                }

                if (other > 0 && (double)japanese / other > bestShare)
                    (best, bestShare) = (text, (double)japanese / other);
            }
            catch (DecoderFallbackException)
            {
                // Not this one.
            }
        }

        return best;
    }

    private static Encoding CodePage(int codePage)
        => CodePagesEncodingProvider.Instance.GetEncoding(codePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback)
            ?? throw new DocumentFormatException($"Code page {codePage} is not known to this runtime; save the file as UTF-8.");

    private static Encoding? TryGetEncoding(string name)
    {
        name = name.Trim();
        if (CodePagesEncodingProvider.Instance.GetEncoding(name, EncoderFallback.ExceptionFallback,
            DecoderFallback.ExceptionFallback) is { } found)
            return found;
        try
        {
            return Encoding.GetEncoding(name, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}
