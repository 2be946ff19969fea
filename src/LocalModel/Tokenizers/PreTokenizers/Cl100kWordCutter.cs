namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// The word patterns of the cl100k family by hand. Every character belongs to a word:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <param name="MaxDigits">How many digits a word has at most.</param>
internal readonly record struct Cl100kWordCutter(int MaxDigits) : IPieceCutter
{
    /// <summary>The pattern as Llama 3 spells it.</summary>
    public const string Llama3Pattern = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    // \s*[\r\n] and \s*[\r\n]+ cut alike: \s* gives back no more than up to the last line end.
    private static readonly string[] ThreeDigits =
    [
        Llama3Pattern,
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    ];

    private static readonly string[] OneDigit =
    [
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    ];

    /// <summary>Knows the spellings of the pattern that are in use.</summary>
    public static bool TryParse(string pattern, out Cl100kWordCutter cutter)
    {
        int digits = ThreeDigits.Contains(pattern) ? 3 : OneDigit.Contains(pattern) ? 1 : 0;
        cutter = new Cl100kWordCutter(digits);
        return digits > 0;
    }

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
        int lastLineEnd = text[start..end].LastIndexOfAny('\r', '\n');
        if (lastLineEnd >= 0)
            return start + lastLineEnd + 1;
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }

    private static int Contraction(ReadOnlySpan<char> rest)
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
