using Kotonoha.Foundation.Text;

namespace Kotonoha.Rag.Answering;

/// <summary>The terms of a text as answers are matched by: English words by their stems and synonyms, everything else as the analyzer gives it.</summary>
internal static class TermKeys
{
    internal static string KeyOf(string term) => IsLatin(term) ? EnglishSynonyms.KeyOf(EnglishStemmer.Stem(term)) : term;

    internal static HashSet<string> Of(string text)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in TextAnalyzer.Analyze(text))
            keys.Add(KeyOf(token.Term));
        return keys;
    }

    /// <summary>Whether a term has nothing but hiragana (and long marks): grammar more often than content.</summary>
    internal static bool IsHiragana(string term)
    {
        foreach (char c in term)
            if (c is not ((>= 'ぁ' and <= 'ゖ') or 'ー'))
                return false;
        return true;
    }

    internal static bool HasHiragana(string term) => term.AsSpan().IndexOfAnyInRange('ぁ', 'ゖ') >= 0;

    internal static bool IsLatin(string term) => term.Length > 0 && term[0] < '\u2E80';
}
