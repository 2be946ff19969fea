using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// The sections that a question names by their very headings (製本 of 製本には何人まで参加できますか, billing of "who leads billing"), where sections are
/// about things, each of which its own section speaks of: what stands in a section beside them is of another thing. A heading such as
/// 料金 says what is told of one thing, and its section need not say the word.
/// </summary>
internal sealed class SaidSections
{
    private const int Shortest = 2, ShortestLatin = 4;

    private readonly Dictionary<string, HashSet<string>> _said = new(StringComparer.Ordinal);
    private readonly Dictionary<(Passage Passage, string Section), bool> _areOfThings = [];

    private SaidSections()
    {
    }

    internal static SaidSections In(Question question, IReadOnlyList<Passage> passages)
    {
        var sections = new SaidSections();
        foreach (var passage in passages)
            foreach (var heading in passage.Sentences.Select(passage.SectionOf).OfType<string>().Distinct(StringComparer.Ordinal))
            {
                var said = Normalizer.FoldCase(heading).Trim();
                bool isLatin = char.IsAscii(said.FirstOrDefault());
                if (said.Length >= (isLatin ? ShortestLatin : Shortest) && Passage.Holds(question.Folded, said)
                    && !question.IsAskedNoun(said) && !passage.Title.Contains(said, StringComparison.Ordinal)
                    && sections.IsOfThing(passage, said))
                {
                    if (!sections._said.TryGetValue(passage.Chunk.Source, out var known))
                        sections._said[passage.Chunk.Source] = known = new HashSet<string>(StringComparer.Ordinal);
                    known.Add(said);
                }
            }

        return sections;
    }

    /// <summary>Whether a sentence stands in a section about another thing than those that the question names.</summary>
    internal bool AreBeside(Passage passage, PassageSentence sentence)
        => _said.TryGetValue(passage.Chunk.Source, out var said) && passage.SectionOf(sentence) is { } heading
            && Normalizer.FoldCase(heading).Trim() is var section
            && !said.Any(name => section.Contains(name, StringComparison.Ordinal) || name.Contains(section, StringComparison.Ordinal)
                || sentence.Folded.Contains(name, StringComparison.Ordinal))
            && IsOfThing(passage, section);

    private bool IsOfThing(Passage passage, string section)
    {
        if (!_areOfThings.TryGetValue((passage, section), out bool isOfThing))
            _areOfThings[(passage, section)] = isOfThing = passage.Sentences.Any(sentence
                => passage.SectionOf(sentence) is { } own && Normalizer.FoldCase(own).Trim() == section
                    && sentence.Folded.Contains(section, StringComparison.Ordinal));
        return isOfThing;
    }
}
