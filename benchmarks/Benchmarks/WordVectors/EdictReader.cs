using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Benchmarks.WordVectors;

/// <summary>
/// Reads the common words of EDICT (the Japanese–English dictionary of the Electronic Dictionary Research and Development Group) into the
/// graph: words are <c>j:FORM</c>, verbs and adjectives by what stays of them in every form (払う as 払), linked with their glosses.
/// </summary>
internal static partial class EdictReader
{
    private const double GlossShare = 1, BackShare = 0.3;

    /// <summary>The forms read.</summary>
    internal static HashSet<string> Read(string file, WordGraph graph, WordNetReader english)
    {
        Encoding.RegisterProvider(CodePagesEncodingProvider.Instance);
        var links = new Dictionary<string, Dictionary<int, double>>(StringComparer.Ordinal);
        foreach (var line in File.ReadLines(file, Encoding.GetEncoding("euc-jp")))
        {
            if (!line.EndsWith("/(P)/", StringComparison.Ordinal) || Entry().Match(line) is not { Success: true } entry)
                continue;
            var word = entry.Groups["word"].Value;
            if (!Written().IsMatch(word))
                continue;
            var glosses = GlossesOf(entry.Groups["glosses"].Value, graph, english);
            if (glosses.Count == 0)
                continue;
            var form = FormOf(word, entry.Groups["glosses"].Value);
            if (!links.TryGetValue(form, out var known))
                links[form] = known = [];
            double sum = glosses.Sum(gloss => gloss.Weight);
            foreach (var (node, weight) in glosses)
                known[node] = known.GetValueOrDefault(node) + weight / sum;
        }

        var back = new Dictionary<int, List<(int, double)>>();
        foreach (var (form, glosses) in links)
        {
            int node = graph.Node("j:" + form);
            graph.Link(node, [.. glosses.Select(pair => (pair.Key, pair.Value))], GlossShare);
            double sum = glosses.Values.Sum();
            foreach (var (gloss, weight) in glosses)
            {
                if (!back.TryGetValue(gloss, out var list))
                    back[gloss] = list = [];
                list.Add((node, weight / sum));
            }
        }

        foreach (var (gloss, list) in back)
            graph.Link(gloss, list, BackShare);
        return [.. links.Keys];
    }

    // 払う is 払, 重い is 重, 食べる is 食べ; nouns stay as they are.
    private static string FormOf(string word, string glosses)
        => word.Length > 1 && word[^1] is >= 'ぁ' and <= 'ん' && Inflected().IsMatch(glosses) ? word[..^1] : word;

    private static List<(int Node, double Weight)> GlossesOf(string text, WordGraph graph, WordNetReader english)
    {
        var links = new List<(int, double)>();
        int sense = 1, place = 0;
        foreach (var part in text.Split('/', StringSplitOptions.RemoveEmptyEntries))
        {
            if (SenseNumber().Match(part) is { Success: true } number)
                (sense, place) = (int.Parse(number.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture), 0);
            var gloss = Bracketed().Replace(part, " ").ToLowerInvariant().Trim();
            gloss = Article().Replace(gloss, "");
            double weight = 1.0 / (sense * Math.Sqrt(++place));
            if (gloss.Length < 2)
                continue;
            var whole = gloss.Replace(' ', '_');
            if (english.Knows(whole) || english.LemmaOf(gloss) is not null)
            {
                links.Add((graph.Node("w:" + (english.Knows(whole) ? whole : english.LemmaOf(gloss))), weight));
                continue;
            }

            var words = Word().Matches(gloss).Select(match => english.LemmaOf(match.Value)).OfType<string>()
                .Select(word => (Word: word, Rarity: english.Rarity(word))).Where(word => word.Rarity > 0).ToList();
            double sum = words.Sum(word => word.Rarity);
            links.AddRange(words.Select(word => (graph.Node("w:" + word.Word), 0.7 * weight * word.Rarity / sum)));
        }

        return links;
    }

    [GeneratedRegex(@"^(?<word>\S+) (?:\[[^\]]*\] )?/(?<glosses>.*)/\(P\)/$")]
    private static partial Regex Entry();

    [GeneratedRegex("^(?:[ァ-ヴー]{2,}|[一-龥々ァ-ヴーぁ-ん]*[一-龥々][一-龥々ァ-ヴーぁ-ん]*)$")]
    private static partial Regex Written();

    [GeneratedRegex(@"^\((?:[^)]*,)?(?:v1|v5[a-z-]*|adj-i)[,)]")]
    private static partial Regex Inflected();

    [GeneratedRegex(@"\((\d+)\)")]
    private static partial Regex SenseNumber();

    [GeneratedRegex(@"\([^)]*\)")]
    private static partial Regex Bracketed();

    [GeneratedRegex("^(?:to be |to |a |an |the )")]
    private static partial Regex Article();

    [GeneratedRegex("[a-z]{2,}")]
    private static partial Regex Word();
}
