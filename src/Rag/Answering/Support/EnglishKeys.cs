namespace Kotonoha.Rag.Answering.Support;

/// <summary>
/// What English words are compared by where precision counts: their inflected forms are one (close, closed, closing), words derived from
/// one another are not (employer, employee), synonyms of the embedded list are.
/// </summary>
internal static class EnglishKeys
{
    private static readonly Dictionary<string, string> Synonyms = EnglishSynonyms.Read(Stem);

    /// <summary>The key of a word in lower case.</summary>
    internal static string Of(string word)
    {
        var stem = Stem(word);
        return Synonyms.GetValueOrDefault(stem, stem);
    }

    private static string Stem(string word)
    {
        if (EnglishStemmer.Irregular.TryGetValue(word, out var regular))
            word = regular;
        if (word.Length <= 3)
            return word;
        if (Ends("ies") || Ends("ied"))
            return word[..^3] + "y";
        if (Ends("sses") || Ends("xes") || Ends("ches") || Ends("shes") || Ends("zes"))
            word = word[..^2];
        else if (word[^1] == 's' && word[^2] is not ('s' or 'u' or 'i'))
            word = word[..^1];
        if (word.Length > 4 && Ends("ed"))
            word = EnglishStemmer.Undouble(word.AsSpan()[..^2]).ToString();
        else if (word.Length > 5 && Ends("ing"))
            word = EnglishStemmer.Undouble(word.AsSpan()[..^3]).ToString();
        return word.Length > 3 && word[^1] == 'e' ? word[..^1] : word;

        bool Ends(string suffix) => word.EndsWith(suffix, StringComparison.Ordinal) && word.Length > suffix.Length + 1;
    }
}
