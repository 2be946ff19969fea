using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.Benchmarks.WordVectors;

/// <summary>Reads WordNet's database files (wndb(5WN)) into a graph: words are <c>w:LEMMA</c>, meanings <c>s:POS:OFFSET</c>.</summary>
internal sealed partial class WordNetReader
{
    // How what leaves a word or a meaning is shared out.
    private const double MeaningShare = 1, DerivedShare = 0.5, GlossedByShare = 0.15;
    private const double MemberShare = 1, BroaderShare = 0.35, NarrowerShare = 0.25, RelatedShare = 0.5, GlossShare = 0.6;

    // For a sense that the tagged texts do not hold.
    private const double UnseenCount = 0.4;

    private static readonly (string File, char Letter)[] Parts = [("noun", 'n'), ("verb", 'v'), ("adj", 'a'), ("adv", 'r')];

    private readonly Dictionary<(string Lemma, char Part, int Sense), int> _counts = [];
    private readonly Dictionary<string, string> _irregular = new(StringComparer.Ordinal);
    private readonly HashSet<string> _lemmas = new(StringComparer.Ordinal);

    /// <summary>How often each lemma occurs in the tagged texts.</summary>
    internal Dictionary<string, int> Frequencies { get; } = new(StringComparer.Ordinal);

    internal static WordNetReader Read(string folder, WordGraph graph)
    {
        var reader = new WordNetReader();
        foreach (var line in File.ReadLines(Path.Combine(folder, "cntlist.rev")))
        {
            var fields = line.Split(' ');
            var key = fields[0].Split('%');
            char part = "?nvara"[key[1][0] - '0'];
            int count = int.Parse(fields[2], CultureInfo.InvariantCulture);
            reader._counts[(key[0], part, int.Parse(fields[1], CultureInfo.InvariantCulture))] = count;
            reader.Frequencies[key[0]] = reader.Frequencies.GetValueOrDefault(key[0]) + count;
        }

        foreach (var (file, _) in Parts)
            foreach (var line in File.ReadLines(Path.Combine(folder, file + ".exc")))
                if (line.Split(' ') is [var form, var lemma, ..])
                    reader._irregular.TryAdd(form, lemma);
        var senses = new Dictionary<string, List<(int Node, double Weight)>>(StringComparer.Ordinal);
        var members = new Dictionary<int, List<(int Node, double Weight)>>();
        foreach (var (file, part) in Parts)
            foreach (var line in Data(folder, "index." + file))
                reader.ReadIndex(line, part, graph, senses, members);
        foreach (var (lemma, meanings) in senses)
            graph.Link(graph.Node("w:" + lemma), meanings, MeaningShare);
        foreach (var (meaning, words) in members)
            graph.Link(meaning, words, MemberShare);

        var glosses = new List<(int Node, List<string> Words)>();
        var derived = new Dictionary<int, Dictionary<int, double>>();
        foreach (var (file, part) in Parts)
            foreach (var line in Data(folder, "data." + file))
                reader.ReadMeaning(line, part, folder, graph, glosses, derived);
        foreach (var (word, others) in derived)
            graph.Link(word, [.. others.Select(pair => (pair.Key, pair.Value))], DerivedShare);
        reader.LinkGlosses(graph, glosses);
        return reader;
    }

    /// <summary>The lemma of a word, or null where none is known.</summary>
    internal string? LemmaOf(string word)
    {
        if (_irregular.TryGetValue(word, out var lemma))
            return lemma;
        foreach (var (ending, instead) in (ReadOnlySpan<(string, string)>)[
            ("", ""), ("s", ""), ("es", ""), ("es", "e"), ("ies", "y"), ("ing", ""), ("ing", "e"), ("ed", ""), ("ed", "e"), ("er", ""),
            ("est", "")])
            if (word.EndsWith(ending, StringComparison.Ordinal) && word.Length > ending.Length + 1
                && _lemmas.Contains(word[..^ending.Length] + instead))
                return word[..^ending.Length] + instead;
        return null;
    }

    internal bool Knows(string lemma) => _lemmas.Contains(lemma);

    /// <summary>How many glosses hold a lemma.</summary>
    internal Dictionary<string, int> InGlosses { get; } = new(StringComparer.Ordinal);

    private static IEnumerable<string> Data(string folder, string file)
        => File.ReadLines(Path.Combine(folder, file)).Where(line => line[0] != ' ');

    private static string Name(char part, string offset) => $"s:{(part == 's' ? 'a' : part)}:{offset}";

    // lemma pos synset_cnt p_cnt ptr_symbol... sense_cnt tagsense_cnt synset_offset...
    private void ReadIndex(
        string line, char part, WordGraph graph, Dictionary<string, List<(int, double)>> senses,
        Dictionary<int, List<(int, double)>> members)
    {
        var fields = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
        var lemma = fields[0];
        int count = int.Parse(fields[2], CultureInfo.InvariantCulture);
        _lemmas.Add(lemma);
        int word = graph.Node("w:" + lemma);
        if (!senses.TryGetValue(lemma, out var meanings))
            senses[lemma] = meanings = [];
        for (int sense = 1; sense <= count; sense++)
        {
            int meaning = graph.Node(Name(part, fields[^(count - sense + 1)]));
            double seen = _counts.GetValueOrDefault((lemma, part, sense)) + UnseenCount / sense;
            meanings.Add((meaning, seen));
            if (!members.TryGetValue(meaning, out var words))
                members[meaning] = words = [];
            words.Add((word, seen));
        }
    }

    // offset lex_filenum ss_type w_cnt word lex_id... p_cnt (symbol offset pos source/target)... | gloss
    private static void ReadPointers(
        string[] fields, out List<string> words, out List<(string Symbol, string Node, int Source, int Target)> pointers)
    {
        int count = int.Parse(fields[3], NumberStyles.HexNumber, CultureInfo.InvariantCulture);
        words = [.. Enumerable.Range(0, count).Select(i => Plain(fields[4 + 2 * i]))];
        int at = 4 + 2 * count;
        int links = int.Parse(fields[at++], CultureInfo.InvariantCulture);
        pointers = [];
        for (int i = 0; i < links; i++, at += 4)
            pointers.Add((fields[at], Name(fields[at + 2][0], fields[at + 1]),
                int.Parse(fields[at + 3][..2], NumberStyles.HexNumber, CultureInfo.InvariantCulture),
                int.Parse(fields[at + 3][2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));

        // "galore(ip)" says where an adjective stands.
        static string Plain(string word)
            => (word.IndexOf('(', StringComparison.Ordinal) is > 0 and var at ? word[..at] : word).ToLowerInvariant();
    }

    private void ReadMeaning(
        string line, char part, string folder, WordGraph graph, List<(int, List<string>)> glosses,
        Dictionary<int, Dictionary<int, double>> derived)
    {
        int bar = line.IndexOf('|', StringComparison.Ordinal);
        ReadPointers(line[..bar].Split(' ', StringSplitOptions.RemoveEmptyEntries), out var words, out var pointers);
        int node = graph.Node(Name(part, line[..8]));
        List<(int, double)> broader = [], narrower = [], related = [];
        foreach (var (symbol, name, source, target) in pointers)
        {
            int other = graph.Node(name);
            switch (symbol)
            {
                case "@" or "@i":
                    broader.Add((other, 1));
                    break;
                case "~" or "~i":
                    narrower.Add((other, 1));
                    break;
                case "+" or "\\" or "<" when source > 0:
                    // Of one word: "teach" and "teacher". Its meanings stand for it.
                    AddDerived(derived, graph.Node("w:" + words[source - 1]), other);
                    related.Add((other, 1));
                    break;
                case "&" or "$" or "=" or "*" or ">":
                    related.Add((other, symbol is "=" ? 2 : 1));
                    break;
                case "%p" or "#p" or "%s" or "#s":
                    related.Add((other, 0.3));
                    break;
            }
        }

        graph.Link(node, broader, BroaderShare);
        graph.Link(node, narrower, NarrowerShare);
        graph.Link(node, related, RelatedShare);
        // What stands in quotation marks are examples.
        var gloss = Example().Replace(line[(bar + 1)..], " ");
        var lemmas = Word().Matches(gloss.ToLowerInvariant()).Select(match => LemmaOf(match.Value)).OfType<string>()
            .Distinct(StringComparer.Ordinal).ToList();
        foreach (var lemma in lemmas)
            InGlosses[lemma] = InGlosses.GetValueOrDefault(lemma) + 1;
        glosses.Add((node, lemmas));

        static void AddDerived(Dictionary<int, Dictionary<int, double>> derived, int word, int meaning)
        {
            if (!derived.TryGetValue(word, out var others))
                derived[word] = others = [];
            others[meaning] = others.GetValueOrDefault(meaning) + 1;
        }
    }

    private void LinkGlosses(WordGraph graph, List<(int Node, List<string> Words)> glosses)
    {
        var back = new Dictionary<int, List<(int, double)>>();
        foreach (var (node, words) in glosses)
        {
            var links = words.Select(word => (Node: graph.Node("w:" + word), Weight: Rarity(word, glosses.Count)))
                .Where(link => link.Weight > 0).ToList();
            graph.Link(node, [.. links.Select(link => (link.Node, link.Weight))], GlossShare);
            foreach (var (word, weight) in links)
            {
                if (!back.TryGetValue(word, out var list))
                    back[word] = list = [];
                list.Add((node, weight / links.Count));
            }
        }

        foreach (var (word, list) in back)
            if (list.Count < 1000)
                graph.Link(word, list, GlossedByShare);
    }

    /// <summary>What a word in a gloss says: nothing where it stands in one of fifty.</summary>
    internal double Rarity(string word, int glosses = 117_659)
    {
        double idf = Math.Log(glosses / (1.0 + InGlosses.GetValueOrDefault(word)));
        return Math.Max(0, idf - Math.Log(50));
    }

    [GeneratedRegex("\"[^\"]*\"")]
    private static partial Regex Example();

    [GeneratedRegex("[a-z]{2,}")]
    private static partial Regex Word();
}
