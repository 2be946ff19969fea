namespace Kotonoha.LocalModel.Tokenizers.PreTokenizers;

/// <summary>
/// o200k's word pattern by hand. A word is upper case, then lower case, with one character before and a contraction behind; letters without case and
/// marks count as both. Every character belongs to a word.
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
            for (int digits = 1; digits < MaxDigits && second < text.Length && CasedClasses.At(text, second, out width) == CasedClass.Number; digits++)
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

        // With lower case behind the run all of it counts; else the run is given back as far as to its last character that counts as both.
        int end = CasedClasses.RunEnd(text, at, Lower);
        return end > at ? end : behindEither;
    }

    private static int Contracted(ReadOnlySpan<char> text, int end)
        => end < text.Length && text[end] == '\'' && Cl100kWordCutter.Contraction(text[(end + 1)..]) is var suffix and > 0 ? end + 1 + suffix : end;
}
