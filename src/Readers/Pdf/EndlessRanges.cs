using System.Globalization;
using System.Text;
using UglyToad.PdfPig.Filters;
using UglyToad.PdfPig.Tokens;

namespace Kotonoha.Readers.Pdf;

/// <summary>
/// Empties streams that map more codes of a font to characters than there are characters: the library walks through a range code by code,
/// four thousand million of them, or without an end where the codes are too long or the last one stands before the first.
/// </summary>
internal sealed class EndlessRanges(MeasuredFilters owner) : IFilter
{
    private const long MostCodes = 0x110000;
    private const int LongestCode = 8;

    private static ReadOnlySpan<byte> FontRange => "beginbfrange"u8;

    private static ReadOnlySpan<byte> CidRange => "begincidrange"u8;

    /// <inheritdoc/>
    public bool IsSupported => true;

    /// <inheritdoc/>
    public Memory<byte> Decode(Memory<byte> input, DictionaryToken streamDictionary, IFilterProvider filterProvider, int filterIndex)
    {
        if (!Has(input.Span, FontRange) && !Has(input.Span, CidRange))
            return input;
        owner.IsDamaged = true;
        return Memory<byte>.Empty;
    }

    /// <summary>
    /// A file without such ranges: the library hands streams that nothing packs to no filter, so in these the keyword is made unknown.
    /// </summary>
    /// <param name="file">The file's bytes; they stay as they are.</param>
    /// <returns>The same bytes where there is nothing to change.</returns>
    internal static byte[] Without(byte[] file)
    {
        if (!Has(file, FontRange) && !Has(file, CidRange))
            return file;
        var changed = file.ToArray();
        foreach (var keyword in new[] { FontRange.ToArray(), CidRange.ToArray() })
            for (int at = 0, next; (next = changed.AsSpan(at).IndexOf(keyword)) >= 0; at += next + keyword.Length)
                changed[at + next] = (byte)'_';
        return changed;
    }

    /// <summary>Whether a section that begins with a keyword has such a range.</summary>
    internal static bool Has(ReadOnlySpan<byte> stream, ReadOnlySpan<byte> keyword)
    {
        for (int at; (at = stream.IndexOf(keyword)) >= 0;)
        {
            stream = stream[(at + keyword.Length)..];
            int end = stream.IndexOf("end"u8);
            var section = end < 0 ? stream : stream[..end];
            // Each range is a first and a last code, and then a code, an array or a number that the first one stands for.
            while (NextCode(ref section) is { } low && NextCode(ref section) is { } high)
            {
                if (IsEndless(low, high))
                    return true;
                section = section.TrimStart(" \t\r\n\f\0"u8);
                if (section.StartsWith("<"u8))
                    NextCode(ref section);
                else if (section.StartsWith("["u8))
                    section = section[(section.IndexOf((byte)']') + 1)..];
            }
        }

        return false;
    }

    private static string? NextCode(ref ReadOnlySpan<byte> section)
    {
        int open = section.IndexOf((byte)'<'), close = open < 0 ? -1 : section[open..].IndexOf((byte)'>');
        if (close < 0)
            return null;
        var digits = Hexadecimal(section.Slice(open + 1, close - 1));
        section = section[(open + close + 1)..];
        return digits;
    }

    private static string Hexadecimal(ReadOnlySpan<byte> code)
    {
        var digits = new StringBuilder(Math.Min(code.Length, LongestCode + 1));
        foreach (byte unit in code)
            if (char.IsAsciiHexDigit((char)unit) && digits.Length <= LongestCode)
                digits.Append((char)unit);
        return digits.ToString();
    }

    private static bool IsEndless(string low, string high)
        => low.Length > LongestCode || high.Length > LongestCode || Value(high) - Value(low) is < 0 or > MostCodes;

    private static long Value(string digits)
        => digits.Length == 0 ? 0 : long.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
