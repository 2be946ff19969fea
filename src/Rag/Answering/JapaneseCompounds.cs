using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a text says a Japanese compound by its parts: 開講日 by 4月に開講します, 来場者数 by 来場した人, 水漏れ by 水が漏れた. Works on
/// case-folded NFKC text.
/// </summary>
internal static partial class JapaneseCompounds
{
    private const int LeastStem = 2, Near = 3;

    /// <summary>Whether the text says the word without holding it.</summary>
    internal static bool Says(string folded, string word)
    {
        // What stands before 日, 者, 料 … is a noun of action by itself.
        var stem = word;
        while (stem.Length > LeastStem && Suffix().IsMatch(stem))
        {
            stem = stem[..^1];
            if (folded.Contains(stem, StringComparison.Ordinal))
                return true;
        }

        return Verbal().Match(word) is { Success: true } parts
            && SaysInOrder(folded, parts.Groups["noun"].Value, parts.Groups["verb"].Value);
    }

    private static bool SaysInOrder(string folded, string noun, string verb)
    {
        for (int at = folded.IndexOf(noun, StringComparison.Ordinal); at >= 0; at = folded.IndexOf(noun, at + 1, StringComparison.Ordinal))
            if (folded.IndexOf(verb, at + noun.Length, Math.Min(Near, folded.Length - at - noun.Length), StringComparison.Ordinal)
                is >= 0 and var verbAt && verbAt + verb.Length < folded.Length && folded[verbAt + verb.Length] is >= 'ぁ' and <= 'ん')
                return true;
        return false;
    }

    [GeneratedRegex("[一-龥々][日者所先額料数地時名費量率値度人員元]$")]
    private static partial Regex Suffix();

    [GeneratedRegex("^(?<noun>[一-龥々])(?<verb>[一-龥々])[ぁ-ん]?$")]
    private static partial Regex Verbal();
}
