namespace Kotonoha.Tokenizers;

/// <summary>A hand-written cutter that stands for a pattern: what the pattern matches and what lies between are its pieces.</summary>
internal abstract class WordScanner
{
    private static readonly Dictionary<(string, RegexDialect), WordScanner> Known = BuildKnown();

    /// <summary>Whether every character of any text belongs to a match.</summary>
    public bool LeavesNothing { get; private init; }

    /// <summary>Cuts every piece of a buffer.</summary>
    public abstract void Cut(PieceBuffer buffer);

    /// <summary>Knows the patterns of well-known tokenizers in the spellings that are in use, and simple runs of one set.</summary>
    /// <returns>The scanner, or null when the pattern has none.</returns>
    public static WordScanner? For(string pattern, RegexDialect dialect)
    {
        if (Known.TryGetValue((pattern, dialect), out var scanner))
            return scanner;
        return RegexParser.Parse(pattern, dialect) switch
        {
            RegexNode.Set set => Of(new SetRunCutter(null, set.CodePoints, 1)),
            RegexNode.Repeat { Body: RegexNode.Set set, Min: 1, Greed: not RegexGreed.Lazy } run =>
                Of(new SetRunCutter(null, set.CodePoints, run.Max)),
            RegexNode.Sequence
            {
                Parts:
                [
                    RegexNode.Repeat { Body: RegexNode.Set lead, Min: 0, Max: 1, Greed: RegexGreed.Greedy },
                    RegexNode.Repeat { Body: RegexNode.Set set, Min: 1, Greed: not RegexGreed.Lazy } run,
                ]
            } => Of(new SetRunCutter(lead.CodePoints, set.CodePoints, run.Max)),
            _ => null,
        };
    }

    private static WordScanner Of<TCutter>(TCutter cutter, bool leavesNothing = false)
        where TCutter : IPieceCutter => new Scanner<TCutter>(cutter) { LeavesNothing = leavesNothing };

    private static Dictionary<(string, RegexDialect), WordScanner> BuildKnown()
    {
        var known = new Dictionary<(string, RegexDialect), WordScanner>();
        void Add(WordScanner scanner, params ReadOnlySpan<string> patterns)
        {
            foreach (var pattern in patterns)
                known[(pattern, RegexDialect.Oniguruma)] = known[(pattern, RegexDialect.Rust)] = scanner;
        }

        Add(Of(default(Gpt2WordCutter), leavesNothing: true), Gpt2WordCutter.Patterns);
        Add(Of(new Cl100kWordCutter(3), leavesNothing: true), Cl100kWordCutter.ThreeDigits);
        Add(Of(new Cl100kWordCutter(1), leavesNothing: true), Cl100kWordCutter.OneDigit);
        Add(Of(default(O200kWordCutter), leavesNothing: true), O200kWordCutter.Pattern);
        Add(Of(default(DeepSeekWordCutter)), DeepSeekWordCutter.Pattern);
        known[(Cl100kWordCutter.TiktokenPattern, RegexDialect.Rust)] = Of(new Cl100kWordCutter(3, WholeTail: true), leavesNothing: true);
        known[(RegexTranslation.ToOniguruma(Cl100kWordCutter.TiktokenPattern)!, RegexDialect.Oniguruma)] =
            known[(Cl100kWordCutter.TiktokenPattern, RegexDialect.Rust)];
        known[(TrailingSpaceCutter.Pattern, RegexDialect.Oniguruma)] = Of(default(TrailingSpaceCutter));
        return known;
    }

    private sealed class Scanner<TCutter>(TCutter cutter) : WordScanner
        where TCutter : IPieceCutter
    {
        public override void Cut(PieceBuffer buffer) => buffer.Cut(cutter);
    }
}

/// <summary>
/// GPT-2's word pattern by hand: <c>'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+</c>. Every character belongs
/// to a word.
/// </summary>
internal readonly struct Gpt2WordCutter : IPieceCutter
{
    /// <summary>The spellings of the pattern that are in use; the second is tiktoken's.</summary>
    public static readonly string[] Patterns =
    [
        @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        @"'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s",
        @"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    ];

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start < text.Length ? Next(text, start) : start;
        return start < text.Length;
    }

    private static int Next(ReadOnlySpan<char> text, int start)
    {
        char first = text[start];
        if (first == '\'')
        {
            int suffix = Contraction(text[(start + 1)..]);
            if (suffix > 0)
                return start + 1 + suffix;
        }

        int word = first == ' ' && start + 1 < text.Length ? start + 1 : start;
        var found = CodePointClasses.At(text, word, out int width);
        if (!CodePointClasses.IsSpace(found))
            return CodePointClasses.RunEnd(text, word + width, found);

        // \s+(?!\S): all of the white space except what comes right before the next word.
        int end = CodePointClasses.SpaceEnd(text, start);
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }

    private static int Contraction(ReadOnlySpan<char> rest)
    {
        if (rest.IsEmpty)
            return 0;
        if (rest[0] is 's' or 't' or 'm' or 'd')
            return 1;
        return rest.Length > 1 && (rest[0], rest[1]) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 2 : 0;
    }
}

/// <summary>
/// The word patterns of the cl100k family by hand. Every character belongs to a word:
/// <c>(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+</c>.
/// </summary>
/// <param name="MaxDigits">The most digits in a word.</param>
/// <param name="WholeTail">Whether the white space at the end of the text is one word, line ends or not.</param>
internal readonly record struct Cl100kWordCutter(int MaxDigits, bool WholeTail = false) : IPieceCutter
{
    /// <summary>The pattern as Llama 3 spells it.</summary>
    public const string Llama3Pattern =
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The pattern as tiktoken spells it; <c>\s++$</c> makes the tail whole.</summary>
    public const string TiktokenPattern =
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s";

    /// <summary>
    /// Spellings of cl100k and Llama 3. <c>\s*[\r\n]</c> and <c>\s*[\r\n]+</c> cut alike: <c>\s*</c> gives back no more than up to the last
    /// line end.
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

    /// <summary>How many characters of a contraction stand after an apostrophe, in either case.</summary>
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

/// <summary>
/// o200k's word pattern by hand. A word is upper case, then lower case, with one character before and a contraction after; letters without
/// case and marks count as both. Every character belongs to a word.
/// </summary>
internal readonly struct O200kWordCutter : IPieceCutter
{
    public const string Pattern =
        @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
        + @"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const int Either = 1 << (int)CasedClass.Uncased | 1 << (int)CasedClass.Mark;
    private const int Upper = Either | 1 << (int)CasedClass.Upper;
    private const int Lower = Either | 1 << (int)CasedClass.Lower;
    private const int Signs = 1 << (int)CasedClass.Other | 1 << (int)CasedClass.Symbol | 1 << (int)CasedClass.Mark;
    private const int MaxDigits = 3;

    /// <inheritdoc/>
    public bool TryNext(ReadOnlySpan<char> text, int start, out int end, out bool keep)
    {
        keep = true;
        end = start < text.Length ? Next(text, start) : start;
        return start < text.Length;
    }

    private static int Next(ReadOnlySpan<char> text, int start)
    {
        var first = CasedClasses.At(text, start, out int width);
        int second = start + width;
        if (first is CasedClass.Upper or CasedClass.Lower or CasedClass.Uncased)
            return Contracted(text, LowerWordEnd(text, start) is var word && word > start ? word : CasedClasses.RunEnd(text, start, Upper));
        if (first == CasedClass.Number)
        {
            for (int digits = 1; digits < MaxDigits && second < text.Length
                && CasedClasses.At(text, second, out width) == CasedClass.Number; digits++)
                second += width;
            return second;
        }

        if (first != CasedClass.LineEnd)
        {
            // The four ways in the pattern's order; a mark can be the character before, or the first of the word.
            if (LowerWordEnd(text, second) is var prefixed && prefixed > second)
                return Contracted(text, prefixed);
            if (first == CasedClass.Mark)
                return Contracted(text, LowerWordEnd(text, start));
            if (CasedClasses.RunEnd(text, second, Upper) is var upper && upper > second)
                return Contracted(text, upper);
            int signs = CasedClasses.RunEnd(text, text[start] == ' ' ? second : start, Signs);
            if (signs > (text[start] == ' ' ? second : start))
            {
                while (signs < text.Length && text[signs] is '\r' or '\n' or '/')
                    signs++;
                return signs;
            }
        }

        int end = CodePointClasses.SpaceEnd(text, start);
        int lastLineEnd = text[start..end].LastIndexOfAny('\r', '\n');
        if (lastLineEnd >= 0)
            return start + lastLineEnd + 1;
        return end < text.Length && end > start + 1 ? end - 1 : end;
    }

    /// <summary>The end of upper case followed by lower case, the latter at least one; the start when there is none.</summary>
    private static int LowerWordEnd(ReadOnlySpan<char> text, int start)
    {
        int at = start, behindEither = start;
        while (at < text.Length)
        {
            var found = CasedClasses.At(text, at, out int width);
            if ((Upper >> (int)found & 1) == 0)
                break;
            at += width;
            if (found != CasedClass.Upper)
                behindEither = at;
        }

        // With lower case after the run all of it counts; otherwise the run is given back up to its last character that counts as
        // both.
        int end = CasedClasses.RunEnd(text, at, Lower);
        return end > at ? end : behindEither;
    }

    private static int Contracted(ReadOnlySpan<char> text, int end)
        => end < text.Length && text[end] == '\'' && Cl100kWordCutter.Contraction(text[(end + 1)..]) is var suffix and > 0
            ? end + 1 + suffix
            : end;
}

/// <summary>
/// The third of DeepSeek-V3's patterns by hand (the first two are runs of digits and of kanji and kana). Numbers and control characters
/// belong to no word; what lies between words is a piece.
/// </summary>
internal readonly struct DeepSeekWordCutter : IPieceCutter
{
    public const string Pattern =
        @"[!""#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    private const int Letters = 1 << (int)CasedClass.Upper | 1 << (int)CasedClass.Lower | 1 << (int)CasedClass.Uncased
        | 1 << (int)CasedClass.Mark;
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
