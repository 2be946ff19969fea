using System.Text;

namespace Kotonoha.Foundation.Unicode;

/// <summary>Reading UTF-16 text by code points.</summary>
public static class CodePoints
{
    /// <summary>Reads the code point at an index and moves the index past it; a lone surrogate is returned as it is.</summary>
    /// <param name="text">The text.</param>
    /// <param name="index">A place in the text, in UTF-16 units; moved by 1 or 2.</param>
    /// <returns>The code point.</returns>
    public static int Next(ReadOnlySpan<char> text, ref int index)
    {
        char first = text[index++];
        if (char.IsHighSurrogate(first) && index < text.Length && char.IsLowSurrogate(text[index]))
            return char.ConvertToUtf32(first, text[index++]);
        return first;
    }

    /// <summary>Appends a code point (a lone surrogate too) to a string builder.</summary>
    /// <param name="builder">Where to append.</param>
    /// <param name="codePoint">The code point.</param>
    public static void Append(StringBuilder builder, int codePoint)
    {
        ArgumentNullException.ThrowIfNull(builder);
        if (codePoint < 0x10000)
        {
            builder.Append((char)codePoint);
            return;
        }

        builder.Append((char)(0xD800 + ((codePoint - 0x10000) >> 10))).Append((char)(0xDC00 + (codePoint & 0x3FF)));
    }

    internal static string ToString(List<int> codePoints)
    {
        var builder = new StringBuilder(codePoints.Count);
        foreach (int codePoint in codePoints)
            Append(builder, codePoint);
        return builder.ToString();
    }
}
