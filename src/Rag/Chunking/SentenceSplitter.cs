using Kotonoha.Foundation.Text;

namespace Kotonoha.Rag.Chunking;

/// <summary>
/// Finds sentences, Japanese and Western: <c>。．！？!?</c> end one together with the closers that follow, unless they stand inside a matched
/// pair of brackets or quotation marks; a full stop ends one before white space unless it belongs to an abbreviation, an initial or a list
/// number.
/// </summary>
/// <remarks>
/// Offsets are UTF-16 units of the whole text; sentences have no white space at their ends, and only white space lies between them.
/// Thread-safe.
/// </remarks>
public static class SentenceSplitter
{
    /// <summary>A bracket that is not closed within this many UTF-16 units does not hold a sentence together.</summary>
    private const int MaxBracketLength = 300;

    /// <summary>A line at least this long (CJK characters count twice) may have been wrapped: its end alone ends no sentence.</summary>
    private const int WrappedLineWidth = 60;

    private const string Openers = "「『（【〈《〔［(“";
    private const string Closers = "」』）】〉》〕］)”";
    private const string AfterTerminator = "」』）】〉》〕］)”\"'’";

    private static readonly HashSet<string> Abbreviations = new(StringComparer.OrdinalIgnoreCase)
    {
        "mr", "mrs", "ms", "dr", "prof", "st", "sr", "jr", "vs", "etc", "e.g", "i.e", "cf", "fig", "figs", "eq", "eqs", "sec", "ch", "vol",
        "no", "nos",
        "pp", "p", "al", "approx", "dept", "est", "inc", "ltd", "co", "corp", "gen", "col", "lt", "sgt", "rev", "hon", "jan", "feb", "mar",
        "apr", "jun",
        "jul", "aug", "sep", "sept", "oct", "nov", "dec", "a.m", "p.m", "u.s", "u.k", "ph.d", "ca", "incl", "max", "min",
    };

    /// <summary>Splits a text.</summary>
    /// <param name="text">The text.</param>
    /// <returns>The sentences in order.</returns>
    public static List<TextSpan> Split(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Split(text, 0, text.Length);
    }

    /// <summary>Splits a range of a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="start">Where the range starts.</param>
    /// <param name="end">Where it ends (exclusive).</param>
    /// <returns>The sentences in order.</returns>
    public static List<TextSpan> Split(string text, int start, int end)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfLessThan(end, start);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(end, text.Length);

        var sentences = new List<TextSpan>();
        var closings = MatchBrackets(text, start, end);
        int sentence = start, innermostEnd = start;
        for (int i = start; i < end; i++)
        {
            if (closings.TryGetValue(i, out int closing))
                innermostEnd = Math.Max(innermostEnd, closing);
            if (i < innermostEnd || !(IsBoundary(text, sentence, i, end) || EndsBracketedSentence(text, closings, sentence, i, end)))
                continue;
            int next = text[i] == '\n' ? i + 1 : SkipClosers(text, i + 1, end);
            Add(sentences, text, sentence, next);
            sentence = next;
            i = next - 1;
        }

        Add(sentences, text, sentence, end);
        return sentences;
    }

    /// <summary>The first position after further terminators, closing brackets and quotation marks.</summary>
    private static int SkipClosers(string text, int i, int end)
    {
        while (i < end && (IsTerminator(text[i]) || AfterTerminator.Contains(text[i])))
            i++;
        return i;
    }

    private static bool IsBoundary(string text, int sentence, int i, int end) => text[i] switch
    {
        '。' or '！' or '？' => true,
        '．' => i + 1 >= end || !char.IsDigit(text[i + 1]),
        '!' or '?' => EndsBeforeSpace(text, i, end),
        '.' => EndsBeforeSpace(text, i, end) && !IsAbbreviation(text, sentence, i) && !GoesOnInLowerCase(text, i, end),
        '\n' => EndsLine(text, sentence, i, end),
        _ => false,
    };

    private static bool IsTerminator(char c) => c is '。' or '．' or '！' or '？' or '!' or '?' or '.';

    private static bool EndsBeforeSpace(string text, int i, int end)
    {
        int next = SkipClosers(text, i + 1, end);
        return next >= end || char.IsWhiteSpace(text[next]) || (text[i] != '.' && CjkText.IsCjk(text[next]));
    }

    /// <summary>
    /// Whether the closer at <paramref name="i"/> ends a sentence that stands in brackets as a whole, as in <c>(Like this.)</c>.
    /// </summary>
    private static bool EndsBracketedSentence(string text, Dictionary<int, int> closings, int sentence, int i, int end)
    {
        if (i == sentence || !IsTerminator(text[i - 1]) || (i + 1 < end && !char.IsWhiteSpace(text[i + 1])))
            return false;
        while (sentence < i && char.IsWhiteSpace(text[sentence]))
            sentence++;
        return closings.TryGetValue(sentence, out int closing) && closing == i;
    }

    private static bool IsAbbreviation(string text, int sentence, int i)
    {
        int word = i;
        while (word > sentence && (char.IsLetterOrDigit(text[word - 1]) || text[word - 1] == '.'))
            word--;
        var candidate = text.AsSpan(word, i - word);
        if (candidate.IsEmpty)
            return false;
        if (candidate.Length == 1 && char.IsUpper(candidate[0]))
            return !IsUnit(text, sentence, word); // an initial
        if (Abbreviations.GetAlternateLookup<ReadOnlySpan<char>>().Contains(candidate))
            return true;
        // "1." at the start is the number of a list item or a heading.
        return candidate.Length <= 3 && candidate.IndexOfAnyExceptInRange('0', '9') < 0
            && text.AsSpan(sentence, word - sentence).IsWhiteSpace();
    }

    // "51 °C.", "297 W.": a letter behind a number is no initial.
    private static bool IsUnit(string text, int sentence, int word)
    {
        while (word > sentence && text[word - 1] is '°' or ' ' or '\u00A0' or '\u202F')
            word--;
        return word > sentence && char.IsDigit(text[word - 1]);
    }

    private static bool GoesOnInLowerCase(string text, int i, int end)
    {
        int next = i + 1;
        while (next < end && char.IsWhiteSpace(text[next]))
            next++;
        return next < end && char.IsLower(text[next]) && text.AsSpan(i, next - i).IndexOf('\n') < 0;
    }

    /// <summary>
    /// Whether a line break ends a sentence: before an empty line, after a terminator, around list marks, and after a line too short to
    /// have been wrapped.
    /// </summary>
    private static bool EndsLine(string text, int sentence, int i, int end)
    {
        int next = i + 1;
        while (next < end && text[next] is ' ' or '\t' or '\u3000')
            next++;
        if (next >= end || text[next] == '\n')
            return true;
        int line = text.LastIndexOf('\n', Math.Max(i - 1, 0), i - sentence > 0 ? i - sentence : 0) + 1;
        line = Math.Max(line, sentence);
        int width = 0;
        for (int j = line; j < i; j++)
            width += CjkText.IsCjk(text[j]) ? 2 : 1;
        return width < WrappedLineWidth || text[next] is '-' or '*' or '•' or '・' or '■' or '●' or '|'
            || text.AsSpan(line, i - line).Contains(" | ", StringComparison.Ordinal);
    }

    /// <summary>Opening bracket → the place of its closing bracket; pairs that nest wrongly or lie too far apart do not count.</summary>
    private static Dictionary<int, int> MatchBrackets(string text, int start, int end)
    {
        var closings = new Dictionary<int, int>();
        var open = new List<int>();
        for (int i = start; i < end; i++)
        {
            if (Openers.Contains(text[i]))
            {
                open.Add(i);
            }
            else if (Closers.IndexOf(text[i]) is >= 0 and var kind)
            {
                int partner = open.Count - 1;
                while (partner >= 0 && i - open[partner] <= MaxBracketLength && text[open[partner]] != Openers[kind])
                    partner--;
                if (partner < 0 || i - open[partner] > MaxBracketLength)
                    continue;
                closings[open[partner]] = i;
                open.RemoveRange(partner, open.Count - partner); // openers above the partner were never closed
            }
            else if (text[i] == '\n' && i + 1 < end && text[i + 1] == '\n')
            {
                open.Clear();
            }
        }

        return closings;
    }

    private static void Add(List<TextSpan> sentences, string text, int start, int end)
    {
        while (start < end && char.IsWhiteSpace(text[start]))
            start++;
        while (end > start && char.IsWhiteSpace(text[end - 1]))
            end--;
        if (start < end)
            sentences.Add(new TextSpan(start, end));
    }
}
