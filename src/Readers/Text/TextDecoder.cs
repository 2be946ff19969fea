using System.Text;

namespace Kotonoha.Readers;

/// <summary>Turns the bytes of a text file into text: byte order marks, UTF-8, UTF-16, UTF-32, the encoding that the document declares, or
/// the one older encoding in which the bytes make sense. No guess is silently wrong: what stays undecided is refused.</summary>
internal static class TextDecoder
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>Decodes the bytes of a file.</summary>
    /// <param name="content">The bytes.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="declared">The encoding that the document itself names (HTML, XML, a mail's header), or null.</param>
    /// <exception cref="DocumentFormatException">The bytes are not text in a known encoding.</exception>
    internal static string Decode(byte[] content, string name, string? declared = null)
    {
        ReadOnlySpan<byte> bytes = content;
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xEF, 0xBB, 0xBF]))
            return DecodeStrictly(StrictUtf8, bytes[3..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE, 0, 0]))
            return DecodeStrictly(Utf32(bigEndian: false), bytes[4..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0, 0, 0xFE, 0xFF]))
            return DecodeStrictly(Utf32(bigEndian: true), bytes[4..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFF, 0xFE]))
            return DecodeStrictly(Utf16(bigEndian: false), bytes[2..], name);
        if (bytes.StartsWith((ReadOnlySpan<byte>)[0xFE, 0xFF]))
            return DecodeStrictly(Utf16(bigEndian: true), bytes[2..], name);
        if (bytes.Contains((byte)0))
            return WideWithoutMark(bytes)
                ?? throw new DocumentFormatException(
                    $"'{name}' has a zero byte at offset {bytes.IndexOf((byte)0)} and is neither UTF-16 nor UTF-32: it is no text file.");

        if (bytes.IndexOf((ReadOnlySpan<byte>)[0x1B, (byte)'$', (byte)')', (byte)'C']) >= 0)
            return DecodeStrictly(CodePage(50225), bytes, name);
        if (bytes.IndexOf((ReadOnlySpan<byte>)[0x1B, (byte)'$']) >= 0
            || bytes.IndexOf((ReadOnlySpan<byte>)[0x1B, (byte)'(', (byte)'I']) >= 0)
            return DecodeStrictly(CodePage(50220), bytes, name);
        var stated = declared is null ? null : Named(declared);
        int invalid = FirstInvalidUtf8(bytes);
        if (invalid < 0)
            return Utf8Or(stated, bytes);
        if (stated is not null and not UTF8Encoding)
            return DecodeStrictly(stated, bytes, name);
        return EncodingGuess.Decode(content, name, invalid);
    }

    /// <summary>The encoding that a label of the Encoding Standard stands for; null for an unknown one.</summary>
    /// <remarks>As browsers take them: Latin-1 and ASCII are windows-1252, GB2312 is GB18030, KS C 5601 is code page 949, TIS-620 is 874;
    /// a page that says UTF-16 in ASCII letters is UTF-8.</remarks>
    internal static Encoding? Named(string label)
    {
        label = label.Trim().Trim('"', '\'').ToLowerInvariant();
        switch (label)
        {
            case "utf-8" or "utf8" or "unicode-1-1-utf-8" or "utf-16" or "utf-16le" or "utf-16be":
                return StrictUtf8;
            case "iso-8859-1" or "iso8859-1" or "iso_8859-1" or "latin1" or "latin-1" or "l1" or "ascii" or "us-ascii" or "ansi_x3.4-1968"
                or "cp1252" or "x-cp1252" or "iso88591" or "cp819":
                return CodePage(1252);
            case "iso-8859-9" or "latin5" or "cp1254":
                return CodePage(1254);
            case "gb2312" or "gbk" or "gb_2312-80" or "gb18030" or "x-gbk" or "cp936" or "chinese" or "csgb2312" or "iso-ir-58":
                return CodePage(54936);
            case "euc-kr" or "ks_c_5601-1987" or "ks_c_5601-1989" or "ksc5601" or "ksc_5601" or "korean" or "windows-949" or "cp949"
                or "uhc" or "cseuckr":
                return CodePage(949);
            case "big5" or "big5-hkscs" or "cn-big5" or "x-x-big5" or "cp950" or "csbig5":
                return CodePage(950);
            case "shift_jis" or "shift-jis" or "sjis" or "x-sjis" or "ms_kanji" or "windows-31j" or "ms932" or "cp932" or "csshiftjis":
                return CodePage(932);
            case "euc-jp" or "x-euc-jp" or "eucjp" or "cseucpkdfmtjapanese":
                return CodePage(51932);
            case "tis-620" or "iso-8859-11" or "windows-874" or "dos-874" or "cp874":
                return CodePage(874);
            case "cp1250" or "cp1251" or "cp1253" or "cp1255" or "cp1256" or "cp1257" or "cp1258":
                return CodePage(int.Parse(label.AsSpan(2), System.Globalization.CultureInfo.InvariantCulture));
        }

        if (CodePagesEncodingProvider.Instance.GetEncoding(label, EncoderFallback.ExceptionFallback,
            DecoderFallback.ExceptionFallback) is { } found)
            return found;
        try
        {
            return Encoding.GetEncoding(label, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    internal static Encoding CodePage(int codePage)
        => CodePagesEncodingProvider.Instance.GetEncoding(codePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback)
            ?? Encoding.GetEncoding(codePage, EncoderFallback.ExceptionFallback, DecoderFallback.ExceptionFallback);

    internal static UnicodeEncoding Utf16(bool bigEndian) => new(bigEndian, byteOrderMark: false, throwOnInvalidBytes: true);

    internal static string DecodeStrictly(Encoding encoding, ReadOnlySpan<byte> bytes, string name)
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

    private static UTF32Encoding Utf32(bool bigEndian) => new(bigEndian, byteOrderMark: false, throwOnInvalidCharacters: true);

    /// <summary>
    /// Valid UTF-8 is UTF-8, whatever a document says; only a few characters of a declared East Asian encoding can be both.
    /// </summary>
    private static string Utf8Or(Encoding? stated, ReadOnlySpan<byte> bytes)
    {
        var text = StrictUtf8.GetString(bytes);
        if (stated is null or UTF8Encoding || stated.IsSingleByte || text.Length == bytes.Length)
            return text;
        try
        {
            var other = stated.GetString(bytes);
            return TextPlausibility.Of(other) > TextPlausibility.Of(text) ? other : text;
        }
        catch (DecoderFallbackException)
        {
            return text;
        }
    }

    private static string? WideWithoutMark(ReadOnlySpan<byte> bytes)
    {
        Encoding[] candidates = [Utf32(false), Utf32(true), Utf16(false), Utf16(true)];
        foreach (var encoding in candidates)
        {
            try
            {
                var text = encoding.GetString(bytes);
                if (TextPlausibility.IsClean(text) && TextPlausibility.Of(text) >= EncodingGuess.LeastPlausibility)
                    return text;
            }
            catch (DecoderFallbackException)
            {
                // Not this one.
            }
        }

        return null;
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
}
