namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// The third of DeepSeek-V3's patterns by hand (the first two are runs of digits and of kanji and kana). Numbers and control characters belong to no
/// word; what lies between words is a piece.
/// </summary>
internal readonly struct DeepSeekWordCutter : IPieceCutter
{
    public const string Pattern =
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const int Letters = 1 << (int)CasedClass.Upper | 1 << (int)CasedClass.Lower | 1 << (int)CasedClass.Uncased | 1 << (int)CasedClass.Mark;
    private const int Symbols = 1 << (int)CasedClass.Symbol;

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start;
        if (start >= text.Length)
            return false;
        end = WordEnd(text, start);
        if (end > start)
            return true;
        do
        {
            _ = CasedClasses.At(text, end, out int width);
            end += width;
        }
        while (end < text.Length && WordEnd(text, end) == end);
        return true;
    }

    /// <summary>The end of the word that starts at an index, or the index.</summary>
    private static int WordEnd(ReadOnlySpan<char> text, int start)
    {
        var first = CasedClasses.At(text, start, out int width);
        int second = start + width;
        if (first == CasedClass.Symbol)
        {
            if (text[start] < 0x80)
            {
                int end = second;
                while (end < text.Length && char.IsAsciiLetter(text[end]))
                    end++;
                if (end > second)
                    return end;
            }

            return SymbolsEnd(text, start);
        }

        if ((Letters >> (int)first & 1) != 0)
            return CasedClasses.RunEnd(text, start, Letters);
        if (first == CasedClass.LineEnd)
            return SpaceEnd(text, start);
        int letters = CasedClasses.RunEnd(text, second, Letters);
        if (letters > second)
            return letters;
        if (text[start] == ' ' && second < text.Length && CasedClasses.At(text, second, out _) == CasedClass.Symbol)
            return SymbolsEnd(text, second);
        return first == CasedClass.Blank ? SpaceEnd(text, start) : start;
    }

    private static int SymbolsEnd(ReadOnlySpan<char> text, int start)
        => CasedClasses.RunEnd(text, CasedClasses.RunEnd(text, start, Symbols), 1 << (int)CasedClass.LineEnd);

    private static int SpaceEnd(ReadOnlySpan<char> text, int start)
    {
        int end = CodePointClasses.SpaceEnd(text, start);
        int lastLineEnd = text[start..end].LastIndexOfAny('\r', '\n');
        if (lastLineEnd >= 0)
            return start + lastLineEnd + 1;
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }
}
