using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Foundation.Text;

/// <summary>
/// The one analyzer behind BM25, citation matching and metrics: NFKC, case folding, words for letters, marks and digits, overlapping
/// bigrams for runs of kanji and kana (a run of one character gives that character).
/// </summary>
/// <remarks>Results depend on the checked-in Unicode tables alone, never on the machine's culture. Thread-safe.</remarks>
public static class TextAnalyzer
{
    private const int None = 0, Word = 1, Bigram = 2;

    /// <summary>Names the rules and the Unicode version; stored beside every index so that a mismatch is noticed.</summary>
    public static string Id { get; } = $"kotonoha-bigram-1/unicode-{UnicodeData.Version}";

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
                run.Add(char.ToLowerInvariant(c), char.IsAsciiLetterOrDigit(c) ? Word : None, i, i + 1);
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
            if (cluster.Exists(static codePoint => !UnicodeData.Folding(codePoint).IsEmpty))
            {
                Normalizer.FoldCase(cluster);
                Normalizer.Normalize(cluster, NormalizationForm.FormKC);
            }

            foreach (int codePoint in cluster)
                run.Add(codePoint, KindOf(codePoint), start, i);
        }

        run.End();
        return run.Tokens;
    }

    private static int KindOf(int codePoint)
    {
        if (UnicodeData.IsKanjiOrKana(codePoint))
            return UnicodeData.IsPunctuation(codePoint) ? None : Bigram;
        return UnicodeData.IsLetter(codePoint) || UnicodeData.IsNumber(codePoint) || UnicodeData.IsMark(codePoint) ? Word : None;
    }

    /// <summary>The characters of one kind that stand together, until another kind ends them.</summary>
    private sealed class Run(int capacity)
    {
        private readonly StringBuilder _word = new();
        private int _kind, _start, _end;
        private int _previous, _previousStart, _count;

        public List<TextToken> Tokens { get; } = new(capacity);

        public void Add(int codePoint, int newKind, int from, int to)
        {
            if (newKind != _kind)
                End();
            if (newKind == None)
                return;
            if (_count == 0)
                (_kind, _start) = (newKind, from);
            if (_kind == Word)
            {
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
                Tokens.Add(new TextToken(_word.ToString(), _start, _end));
            else if (_kind == Bigram && _count == 1)
                Tokens.Add(new TextToken(Single(_previous), _previousStart, _end));
            _word.Clear();
            (_kind, _count) = (None, 0);
        }

        private static string Single(int codePoint)
            => codePoint < 0x10000 ? ((char)codePoint).ToString() : char.ConvertFromUtf32(codePoint);

        private static string Pair(int first, int second)
            => first < 0x10000 && second < 0x10000
                ? string.Create(2, (first, second), static (span, pair) => (span[0], span[1]) = ((char)pair.first, (char)pair.second))
                : Single(first) + Single(second);
    }
}
