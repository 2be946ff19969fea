namespace Kotonoha.Rag.Answering;

/// <summary>
/// English words that a question may use for one another (a small embedded list, one group a line). All words of a group get the key of its first,
/// in questions and texts alike; used to match answers, never for the index.
/// </summary>
internal static class EnglishSynonyms
{
    private static readonly Dictionary<string, string> KeyByStem = Read();

    /// <summary>The key of a stem's group; the stem itself where it is in none.</summary>
    internal static string KeyOf(string stem) => KeyByStem.GetValueOrDefault(stem, stem);

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
