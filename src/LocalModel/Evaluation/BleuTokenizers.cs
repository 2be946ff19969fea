using Kotonoha.Foundation.Unicode;

namespace Kotonoha.LocalModel.Evaluation;

/// <summary>How BLEU splits texts into tokens; the names are sacrebleu's.</summary>
public enum BleuTokenizer
{
    /// <summary><c>13a</c>: mteval-v13a's, the usual one for languages with spaces.</summary>
    V13a,

    /// <summary><c>none</c>: at white space.</summary>
    None,

    /// <summary><c>intl</c>: mteval-v14's, by Unicode categories.</summary>
    International,

    /// <summary><c>char</c>: every character, for languages without spaces.</summary>
    Character,

    /// <summary><c>zh</c>: Chinese characters each alone, the rest as in 13a.</summary>
    Chinese,
}

/// <summary>The tokenizers of sacrebleu (https://aclanthology.org/W18-6319).</summary>
internal static class BleuTokenizers
{
    // sacrebleu's ranges. The first is a slip of its own ("\u20000" for U+20000) that its scores depend on.
    private static readonly (int First, int Last)[] Chinese =
    [
        (0x2001, 0x2A6D), (0x2E80, 0x2EFF), (0x2F00, 0x2FDF), (0x2FF0, 0x303F), (0x3100, 0x312F), (0x31A0, 0x31BF), (0x31C0, 0x31EF),
        (0x3200, 0x33FF), (0x3400, 0x4DB5), (0x4E00, 0x9FBB), (0xF900, 0xFA2D), (0xFA30, 0xFA6A), (0xFA70, 0xFAD9), (0xFE10, 0xFE1F),
        (0xFE30, 0xFE4F), (0xFF00, 0xFFEF),
    ];

    /// <summary>The tokens of a text.</summary>
    public static string[] Tokenize(string text, BleuTokenizer tokenizer) => MetricText.Words(Spaced(text, tokenizer));

    /// <summary>The text with spaces between its tokens.</summary>
    public static string Spaced(string text, BleuTokenizer tokenizer)
    {
        text = MetricText.TrimEnd(text);
        switch (tokenizer)
        {
            case BleuTokenizer.V13a:
                text = text.Replace("<skipped>", "", StringComparison.Ordinal).Replace("-\n", "", StringComparison.Ordinal)
                    .Replace('\n', ' ');
                return Joined(Western(MetricText.CodePointsOf($" {Unescaped(text)} ")));
            case BleuTokenizer.International:
                var points = MetricText.CodePointsOf(text);
                points = Pairs(points, p => !UnicodeData.IsNumber(p), UnicodeData.IsPunctuation, Parting.After);
                points = Pairs(points, UnicodeData.IsPunctuation, p => !UnicodeData.IsNumber(p), Parting.Before);
                return Joined(Alone(points, IsSymbol));
            case BleuTokenizer.Character:
                return string.Join(' ', MetricText.CodePointsOf(text).Select(p => MetricText.Text([p])));
            case BleuTokenizer.Chinese:
                return Joined(Western(Alone(MetricText.CodePointsOf(text.Trim()), IsChinese)));
            default:
                return text;
        }
    }

    /// <summary>The four rules of mteval for punctuation: TER's normalisation ends with them too.</summary>
    public static List<int> Western(List<int> points)
        => Dashes(PunctuationByDigits(Alone(points, IsAsciiPunctuation)));

    /// <summary>The characters that SGML hides.</summary>
    public static string Unescaped(string text)
        => text.Replace("&quot;", "\"", StringComparison.Ordinal).Replace("&amp;", "&", StringComparison.Ordinal)
            .Replace("&lt;", "<", StringComparison.Ordinal).Replace("&gt;", ">", StringComparison.Ordinal);

    /// <summary>Spaces around the characters that a predicate names.</summary>
    public static List<int> Alone(List<int> points, Func<int, bool> isAlone)
    {
        var spaced = new List<int>(points.Count * 2);
        foreach (int point in points)
            if (isAlone(point))
                spaced.AddRange([' ', point, ' ']);
            else
                spaced.Add(point);
        return spaced;
    }

    /// <summary>Spaces around full stops and commas, except between digits.</summary>
    public static List<int> PunctuationByDigits(List<int> points)
    {
        points = Pairs(points, p => !IsDigit(p), IsStop, Parting.After);
        return Pairs(points, IsStop, p => !IsDigit(p), Parting.Before);
    }

    /// <summary>Spaces around a dash after a digit.</summary>
    public static List<int> Dashes(List<int> points) => Pairs(points, IsDigit, p => p == '-', Parting.After);

    /// <summary>ASCII punctuation but the full stop, the comma, the dash and the apostrophe.</summary>
    public static bool IsAsciiPunctuation(int p)
        => p is (>= '{' and <= '~') or (>= '[' and <= '`') or (>= ' ' and <= '&') or (>= '(' and <= '+') or (>= ':' and <= '@') or '/';

    private static bool IsDigit(int p) => p is >= '0' and <= '9';

    private static bool IsStop(int p) => p is '.' or ',';

    private static bool IsSymbol(int p) => UnicodeData.GetCategory(p) is System.Globalization.UnicodeCategory.MathSymbol
        or System.Globalization.UnicodeCategory.CurrencySymbol or System.Globalization.UnicodeCategory.ModifierSymbol
        or System.Globalization.UnicodeCategory.OtherSymbol;

    private static bool IsChinese(int p) => Array.Exists(Chinese, range => p >= range.First && p <= range.Last);

    // What a regular expression of two characters replaces from the left, without overlaps: "ab" by "a b " (After) or " a b" (Before).
    private static List<int> Pairs(List<int> points, Func<int, bool> first, Func<int, bool> second, Parting parting)
    {
        var spaced = new List<int>(points.Count * 2);
        for (int i = 0; i < points.Count; i++)
        {
            if (i + 1 == points.Count || !first(points[i]) || !second(points[i + 1]))
            {
                spaced.Add(points[i]);
                continue;
            }

            spaced.AddRange(parting == Parting.After ? [points[i], ' ', points[i + 1], ' '] : [' ', points[i], ' ', points[i + 1]]);
            i++;
        }

        return spaced;
    }

    private static string Joined(List<int> points) => string.Join(' ', MetricText.Words(MetricText.Text(points)));

    private enum Parting
    {
        Before,
        After,
    }
}
