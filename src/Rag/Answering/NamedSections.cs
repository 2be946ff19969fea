using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// The sections that a question names: what stands in a section beside them is of another thing ("Sales is headed by …" under "Sales",
/// where Repairs are asked about, which have a section, too).
/// </summary>
internal sealed class NamedSections
{
    private const int ShortestHeading = 2, ShortestLatinHeading = 4;

    // By a name, without what the document's title says of it ("Bronze" of "Cloud Bronze"), and by the very heading.
    private readonly List<(string Source, string[] Name)> _byName;
    private readonly Dictionary<string, HashSet<string>> _byHeading = new(StringComparer.Ordinal);
    private readonly Dictionary<(Passage Passage, string Section), bool> _areOfThings = [];

    internal NamedSections(Question question, IReadOnlyList<Passage> passages)
    {
        _byName = [.. question.ProperNames.SelectMany(name => passages
            .Select(passage => (Passage: passage, Name: Array.FindAll(name, word => !Passage.Holds(passage.Title, word))))
            .Where(each => each.Name.Length > 0 && each.Passage.Sentences
                .Any(sentence => SectionOf(each.Passage, sentence) is { } section && each.Name.All(section.Contains)))
            .Select(each => (each.Passage.Chunk.Source, each.Name))).DistinctBy(each => (each.Source, string.Join(' ', each.Name)))];
        foreach (var passage in passages)
            foreach (var section in passage.Sentences.Select(sentence => SectionOf(passage, sentence)).OfType<string>().Distinct())
                if (section.Length >= (char.IsAscii(section[0]) ? ShortestLatinHeading : ShortestHeading)
                    && Passage.Holds(question.Folded, section) && !question.IsAskedNoun(section)
                    && !passage.Title.Contains(section, StringComparison.Ordinal) && IsOfThing(passage, section))
                {
                    if (!_byHeading.TryGetValue(passage.Chunk.Source, out var known))
                        _byHeading[passage.Chunk.Source] = known = new HashSet<string>(StringComparer.Ordinal);
                    known.Add(section);
                }
    }

    /// <summary>Whether a sentence stands in a section about another thing than those that the question names.</summary>
    internal bool AreBeside(Passage passage, PassageSentence sentence)
        => (_byName.Count > 0 || _byHeading.Count > 0) && SectionOf(passage, sentence) is { } section
            && (_byName.Exists(named => named.Source == passage.Chunk.Source
                && !named.Name.All(section.Contains) && !named.Name.All(sentence.Folded.Contains)
                && !named.Name.All(word => passage.Title.Contains(word, StringComparison.Ordinal)))
            || (_byHeading.TryGetValue(passage.Chunk.Source, out var headings)
                && !headings.Any(name => section.Contains(name, StringComparison.Ordinal)
                    || name.Contains(section, StringComparison.Ordinal)
                    || sentence.Folded.Contains(name, StringComparison.Ordinal))
                && IsOfThing(passage, section)));

    // Each section about a thing speaks of it (製本 of 製本には何人まで参加できますか); 料金 says what is told of one, and its section need not
    // say the word.
    private bool IsOfThing(Passage passage, string section)
    {
        if (!_areOfThings.TryGetValue((passage, section), out bool isOfThing))
            _areOfThings[(passage, section)] = isOfThing = passage.Sentences.Any(sentence
                => SectionOf(passage, sentence) == section && sentence.Folded.Contains(section, StringComparison.Ordinal));
        return isOfThing;
    }

    private static string? SectionOf(Passage passage, PassageSentence sentence)
        => passage.SectionOf(sentence)?.Trim() is { Length: > 0 } section ? Normalizer.FoldCase(section) : null;
}
