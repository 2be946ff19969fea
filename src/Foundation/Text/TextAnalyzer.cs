using System.Globalization;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Foundation.Text;

/// <summary>
/// The one analyzer behind BM25, citation matching and metrics: NFKC, case folding, words for letters, marks and digits, overlapping
/// bigrams for runs of kanji, kana, Hangul and the scripts that are written without spaces (a run of one character gives that character).
/// Latin and Greek letters lose their accents; a word of several parts (maxRetryCount, 150kW, AB1204X) gives itself and its parts.
/// </summary>
/// <remarks>Results depend on the checked-in Unicode tables alone, never on the machine's culture. Thread-safe.</remarks>
public static class TextAnalyzer
{
    private const int None = 0, Word = 1, Bigram = 2, Accent = 3;

    // Shorter words (T3, v2) are names as a whole, longer ones no words.
    private const int MinCompound = 4, MaxCompound = 64, MinPart = 3;

    /// <summary>Names the rules and the Unicode version; stored beside every index so that a mismatch is noticed.</summary>
    public static string Id { get; } = $"kotonoha-bigram-2/unicode-{UnicodeData.Version}";

    /// <summary>Finds the terms of a text in order.</summary>
    /// <param name="text">Any text, even malformed UTF-16.</param>
    /// <returns>The terms with their places in <paramref name="text"/>.</returns>
    public static List<TextToken> Analyze(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var run = new Run(text.Length / 4);
        var cluster = new List<int>();
        for (int i = 0; i < text.Length;)
        {
            // ASCII followed by ASCII is its own normal form: most text takes this short way.
            char c = text[i];
            if (c < 0x80 && (i + 1 >= text.Length || text[i + 1] < 0x80))
            {
                run.Add(char.ToLowerInvariant(c), char.IsAsciiLetterOrDigit(c) ? Word : None, i, i + 1, char.IsAsciiLetterUpper(c));
                i++;
                continue;
            }

            // A cluster extends to the next place where a text may be cut before normalisation; everything that it becomes has the
            // cluster's range.
            int start = i;
            cluster.Clear();
            cluster.Add(CodePoints.Next(text, ref i));
            while (i < text.Length)
            {
                int next = i;
                int codePoint = CodePoints.Next(text, ref next);
                if (UnicodeData.IsNormalizationBoundary(codePoint))
                    break;
                cluster.Add(codePoint);
                i = next;
            }

            // A lone code point without a decomposition is its own NFKC form (a Hangul syllable too).
            if (cluster.Count > 1 || !UnicodeData.Decomposition(cluster[0], compatibility: true).IsEmpty)
                Normalizer.Normalize(cluster, NormalizationForm.FormKC);
            bool isUpper = UnicodeData.GetCategory(cluster[0]) == UnicodeCategory.UppercaseLetter;
            if (cluster.Exists(static codePoint => !UnicodeData.Folding(codePoint).IsEmpty))
            {
                Normalizer.FoldCase(cluster);
                Normalizer.Normalize(cluster, NormalizationForm.FormKC);
            }

            foreach (int codePoint in cluster)
                run.Add(WithoutAccent(codePoint), KindOf(codePoint), start, i, isUpper);
        }

        run.End();
        return run.Tokens;
    }

    // "é" is found by "e": what is left of a Latin or Greek letter without its marks.
    private static int WithoutAccent(int codePoint)
    {
        if (codePoint < 0xC0)
            return codePoint;
        var parts = UnicodeData.Decomposition(codePoint, compatibility: false);
        return !parts.IsEmpty && IsLatinOrGreek(parts[0]) ? WithoutAccent(parts[0]) : codePoint;
    }

    private static bool IsLatinOrGreek(int codePoint) => codePoint is < 0x250 or (>= 0x370 and < 0x400) or (>= 0x1E00 and < 0x2000);

    // Thai, Lao, Myanmar and Khmer put no spaces between words; Korean puts particles behind them without one.
    private static bool IsUnspaced(int codePoint)
        => codePoint is (>= 0xE00 and < 0xF00) or (>= 0x1000 and < 0x10A0) or (>= 0x1780 and < 0x1800) or (>= 0xAC00 and < 0xD7A4);

    private static int KindOf(int codePoint)
    {
        if (IsUnspaced(codePoint) && !UnicodeData.IsNumber(codePoint) && !UnicodeData.IsPunctuation(codePoint))
            return Bigram;
        if (codePoint is >= 0x300 and < 0x370)
            return Accent;
        if (UnicodeData.IsKanjiOrKana(codePoint))
            return UnicodeData.IsPunctuation(codePoint) ? None : Bigram;
        return UnicodeData.IsLetter(codePoint) || UnicodeData.IsNumber(codePoint) || UnicodeData.IsMark(codePoint) ? Word : None;
    }

    /// <summary>The characters of one kind that stand together, until another kind ends them.</summary>
    private sealed class Run(int capacity)
    {
        private readonly StringBuilder _word = new();
        private readonly List<(int CodePoint, int Start, int End, bool IsUpper)> _letters = [];
        private int _kind, _start, _end;
        private int _previous, _previousStart, _count;

        public List<TextToken> Tokens { get; } = new(capacity);

        public void Add(int codePoint, int newKind, int from, int to, bool isUpper)
        {
            // A combining accent that no letter took in belongs to the letter before it.
            if (newKind == Accent)
            {
                _end = _count > 0 ? to : _end;
                return;
            }

            if (newKind != _kind)
                End();
            if (newKind == None)
                return;
            if (_count == 0)
                (_kind, _start) = (newKind, from);
            if (_kind == Word)
            {
                _letters.Add((codePoint, from, to, isUpper));
                CodePoints.Append(_word, codePoint);
            }
            else
            {
                if (_count > 0)
                    Tokens.Add(new TextToken(Pair(_previous, codePoint), _previousStart, to));
                (_previous, _previousStart) = (codePoint, from);
            }

            _end = to;
            _count++;
        }

        public void End()
        {
            if (_kind == Word && _count > 0)
            {
                Tokens.Add(new TextToken(_word.ToString(), _start, _end));
                if (_letters.Count is >= MinCompound and <= MaxCompound)
                    AddParts();
            }

            else if (_kind == Bigram && _count == 1)
                Tokens.Add(new TextToken(Single(_previous), _previousStart, _end));
            _word.Clear();
            _letters.Clear();
            (_kind, _count) = (None, 0);
        }

        // "maxRetryCount": max, retry, count; "150kW": 150, kw; "HTTPServer": http, server.
        private void AddParts()
        {
            int border = 1;
            while (border < _letters.Count && !IsBorder(border))
                border++;
            if (border == _letters.Count)
                return;
            var borders = Enumerable.Range(1, _letters.Count - 1).Where(IsBorder).Append(_letters.Count).ToList();
            // LoRA and JSQuAD are names: no part of them is a word.
            if (borders.Zip(borders.Prepend(0), (end, start) => end - start).All(length => length < MinPart)
                && !_letters.Exists(static letter => UnicodeData.IsNumber(letter.CodePoint)))
                return;
            int first = 0;
            foreach (int end in borders)
            {
                _word.Clear();
                for (int i = first; i < end; i++)
                    CodePoints.Append(_word, _letters[i].CodePoint);
                Tokens.Add(new TextToken(_word.ToString(), _letters[first].Start, _letters[end - 1].End));
                first = end;
            }
        }

        private bool IsBorder(int i)
        {
            var (before, at) = (_letters[i - 1], _letters[i]);
            if (UnicodeData.IsNumber(before.CodePoint) != UnicodeData.IsNumber(at.CodePoint))
                return true;

            // "kW" is one part.
            bool isAfterWord = !before.IsUpper && i >= 2 && UnicodeData.IsLetter(_letters[i - 2].CodePoint);
            return at.IsUpper
                && (isAfterWord
                    || (before.IsUpper
                        && i + 1 < _letters.Count && !_letters[i + 1].IsUpper && UnicodeData.IsLetter(_letters[i + 1].CodePoint)));
        }

        private static string Single(int codePoint)
            => codePoint < 0x10000 ? ((char)codePoint).ToString() : char.ConvertFromUtf32(codePoint);

        private static string Pair(int first, int second)
            => first < 0x10000 && second < 0x10000
                ? string.Create(2, (first, second), static (span, pair) => (span[0], span[1]) = ((char)pair.first, (char)pair.second))
                : Single(first) + Single(second);
    }
}
