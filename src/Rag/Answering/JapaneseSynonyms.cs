namespace Kotonoha.Rag.Answering;

/// <summary>Japanese nouns that everyday texts use for one another, by groups: 値段, 料金, 価格.</summary>
internal static class JapaneseSynonyms
{
    private static readonly ILookup<string, string> Others = Prompts.Read("synonyms-ja.txt").Split('\n')
        .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        .SelectMany(group => group.SelectMany(word => group.Where(other => other != word).Select(other => (word, other))))
        .ToLookup(pair => pair.word, pair => pair.other, StringComparer.Ordinal);

    /// <summary>Whether a text in NFKC holds another word of the word's groups; of one kanji alone, none is looked for.</summary>
    internal static bool Says(string text, string word)
    {
        foreach (var other in Others[word])
            if (other.Length > 1 && text.Contains(other, StringComparison.Ordinal))
                return true;
        return false;
    }
}
