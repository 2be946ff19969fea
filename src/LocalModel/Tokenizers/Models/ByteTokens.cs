using System.Globalization;

namespace Kotonoha.LocalModel.Tokenizers.Models;

/// <summary>Tokens that stand for single bytes, spelled like <c>&lt;0x0A&gt;</c>.</summary>
internal static class ByteTokens
{
    /// <summary>The id of each byte's token, -1 where the vocabulary lacks it.</summary>
    public static int[] IdsOf(Vocabulary vocabulary)
    {
        var ids = new int[256];
        for (int value = 0; value < ids.Length; value++)
            ids[value] = vocabulary.TryGetId(string.Create(CultureInfo.InvariantCulture, $"<0x{value:X2}>"), out int id) ? id : -1;
        return ids;
    }

    /// <summary>Adds a text as its bytes; false when one of them has no token.</summary>
    public static bool TryAdd(int[] ids, ReadOnlySpan<char> text, int start, int end, TokenSink sink)
    {
        int first = sink.Count;
        Span<byte> bytes = stackalloc byte[4];
        foreach (var rune in text.EnumerateRunes())
        {
            int count = rune.EncodeToUtf8(bytes);
            for (int i = 0; i < count; i++)
            {
                if (ids[bytes[i]] < 0)
                {
                    sink.Rewind(first);
                    return false;
                }

                sink.Add(ids[bytes[i]], start, end);
            }
        }

        return true;
    }

    /// <summary>The byte that a token stands for, or -1.</summary>
    public static int ValueOf(ReadOnlySpan<char> token)
    {
        if (token.Length != 6 || !token.StartsWith("<0x", StringComparison.Ordinal) || token[5] != '>')
            return -1;

        // As Rust's from_str_radix reads it: a sign may take the place of the first digit.
        return token[3] == '+' ? HexDigit(token[4])
            : HexDigit(token[3]) is int high and >= 0 && HexDigit(token[4]) is int low and >= 0 ? high << 4 | low : -1;
    }

    private static int HexDigit(char c) => char.IsAsciiHexDigit(c) ? (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10) : -1;
}
