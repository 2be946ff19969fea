namespace Kotonoha.Rag.Answering;

/// <summary>
/// English words that a question may use for one another (a small embedded list, one group a line). All words of a group get the key of its first,
/// in questions and texts alike; used to match answers, never for the index.
/// </summary>
internal static class EnglishSynonyms
{
    private static readonly string[] Endings = ["", "s", "es", "e", "ed", "ing", "er", "ion", "ions", "ation", "ment", "ments", "y", "ies"];

    private static readonly Dictionary<string, string> KeyByStem = Read();

    private static readonly ILookup<string, string> StemsByKey = KeyByStem.ToLookup(pair => pair.Value, pair => pair.Key, StringComparer.Ordinal);

    /// <summary>The key of a stem's group; the stem itself where it is in none.</summary>
    internal static string KeyOf(string stem) => KeyByStem.GetValueOrDefault(stem, stem);

    /// <summary>The forms of a word and of its synonyms, the word as well; some of them are no words, and found nowhere.</summary>
    internal static IEnumerable<string> WordsLike(string word)
    {
        var stem = EnglishStemmer.Stem(word);
        if (stem.Length < 3 || !stem.All(char.IsAsciiLetterLower))
            return [word];
        var key = KeyOf(stem);
        return StemsByKey[key].Append(stem).Distinct(StringComparer.Ordinal)
            .SelectMany(each => Endings.Select(ending => each + ending).Concat(Endings.Where(ending => ending is "ed" or "ing" or "er").Select(ending => each + each[^1] + ending)))
            .Append(word);
    }

    private static Dictionary<string, string> Read()
    {
        var keys = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var line in AnswerTexts.Resource("synonyms-en.txt").Split('\n'))
        {
            var stems = line.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(EnglishStemmer.Stem).ToList();
            foreach (var stem in stems)
                keys.TryAdd(stem, stems[0]);
        }

        return keys;
    }
}
