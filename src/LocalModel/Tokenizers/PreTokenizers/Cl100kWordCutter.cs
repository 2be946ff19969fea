namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// The word patterns of the cl100k family by hand. Every character belongs to a word:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <param name="MaxDigits">How many digits a word has at most.</param>
/// <param name="WholeTail">Whether the white space at the end of the text is one word, line ends or not.</param>
internal readonly record struct Cl100kWordCutter(int MaxDigits, bool WholeTail = false) : IPieceCutter
{
    /// <summary>The pattern as Llama 3 spells it.</summary>
    public const string Llama3Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The pattern as tiktoken spells it; <c>\s++$</c> makes the tail whole.</summary>
    public const string TiktokenPattern =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";

    /// <summary>
    /// Spellings of cl100k and Llama 3. <c>\s*[\r\n]</c> and <c>\s*[\r\n]+</c> cut alike: <c>\s*</c> gives back no more than up to the last line end.
    /// </summary>
    public static readonly string[] ThreeDigits =
    [
        Llama3Pattern,
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    ];

    /// <summary>Qwen's.</summary>
    public static readonly string[] OneDigit =
    [
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ];

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start < text.Length ? Next(text, start) : start;
        return start < text.Length;
    }

    private int Next(ReadOnlySpan<char> text, int start)
    {
        char first = text[start];
        if (first == '\'')
        {
            int suffix = Contraction(text[(start + 1)..]);
            if (suffix > 0)
                return start + 1 + suffix;
        }

        var found = CodePointClasses.At(text, start, out int width);
        int second = start + width;
        if (found == CodePointClass.Letter)
            return CodePointClasses.RunEnd(text, second, CodePointClass.Letter);
        if (found == CodePointClass.Number)
        {
            int digits = 1;
            while (digits < MaxDigits && second < text.Length && CodePointClasses.At(text, second, out width) == CodePointClass.Number)
            {
                second += width;
                digits++;
            }

            return second;
        }

        var next = CodePointClass.LineEnd;
        int third = second;
        if (second < text.Length)
        {
            next = CodePointClasses.At(text, second, out width);
            third = second + width;
        }

        if (found != CodePointClass.LineEnd && next == CodePointClass.Letter)
            return CodePointClasses.RunEnd(text, third, CodePointClass.Letter);
        if (found == CodePointClass.Other || (first == ' ' && second < text.Length && next == CodePointClass.Other))
            return CodePointClasses.RunEnd(text, CodePointClasses.RunEnd(text, second, CodePointClass.Other), CodePointClass.LineEnd);

        int end = CodePointClasses.SpaceEnd(text, start);
        if (WholeTail && end == text.Length)
            return end;
        int lastLineEnd = text[start..end].LastIndexOfAny('\r', '\n');
        if (lastLineEnd >= 0)
            return start + lastLineEnd + 1;
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }

    /// <summary>How many characters of a contraction stand behind an apostrophe, in either case.</summary>
    public static int Contraction(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty)
            return 0;

        // U+017F, the long s, folds to s.
        if (rest[0] is 's' or 'S' or '\u017F' or 't' or 'T' or 'm' or 'M' or 'd' or 'D')
            return 1;
        return rest.Length > 1 && ((char)(rest[0] | 0x20), (char)(rest[1] | 0x20)) is ('r', 'e') or ('v', 'e') or ('l', 'l')
            && rest[0] < 0x80 && rest[1] < 0x80 ? 2 : 0;
    }
}
