using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// The words of a question that say what is asked about a thing, rather than which thing: those that the headings above a passage do not
/// hold. Measures how far a sentence says them, also in other words.
/// </summary>
internal sealed partial class AskedWords
{
    // Below the first, two words have nothing to do with each other; from the second on they mean the same.
    private const double Unlike = 0.35, Alike = 0.75;

    // Of words that the list of synonyms joins: a fee is a price, but not every one.
    private const double Synonym = 0.8;

    private const double LightShare = 0.25;

    private const int Katakana = 2, LeastName = 3;

    // Nouns that do the work of grammar: 誤りに気づいた場合 says nothing of circumstances.
    private static readonly HashSet<string> FormalNouns =
        [.. "場合 事 物 時 際 為 所 訳 筈 通り 次第 以上 以下 等 方 者 点 上 中 下 前 後 間 全て 各 他".Split(' ')];

    // A column answers where its header says this much of what is asked, and more than the others.
    private const double HeaderSays = 0.35, AsMuch = 0.15;

    private readonly Word[] _words;
    private readonly Dictionary<string, double> _foreign = new(StringComparer.Ordinal);
    private readonly HashSet<string> _stems;
    private readonly Question _question;
    private readonly bool _isOfForm;
    private readonly double _unseen;
    private readonly WordVectors _vectors = WordVectors.Default;

    internal AskedWords(Question question, TermStatistics statistics)
    {
        _unseen = statistics.UnseenIdf;
        var words = new List<Word>();
        var names = question.Names.SelectMany(name => name).ToHashSet(StringComparer.Ordinal);
        // Where the question asks for the form.
        var (form, kind) = (question.Type?.AskedIn(question.Folded), KindBeforeCode().Matches(question.Folded));
        var ofCase = Cases.AskedIn(question.Folded);
        _question = question;
        _isOfForm = form is not null;
        _stems = StemsOf(question.Folded);
        var saying = Roles.WithHeads(question.Saying);
        foreach (var token in WordsIn(saying, _vectors.WordsOf(saying)))
        {
            var text = saying.Substring(token.Start, token.Length);
            // "the plate heater NT-510": the code says which thing is meant.
            if (kind.Select(match => match.Groups["kind"])
                .Any(group => token.Start >= group.Index && token.Start < group.Index + group.Length))
                continue;
            if (EnglishStopWords.Contains(text) || question.IsAskedNoun(text)
                || text.All(char.IsAsciiDigit) || words.Exists(word => word.Text == text))
                continue;
            var stems = StemsOf(text);
            if (stems.Count > 0)
                words.Add(new Word(text, token.Id, stems, TermKeys.Of(text),
                    statistics.IdfOfRun(text) * (stems.All(EnglishStopWords.IsLight) ? LightShare : 1),
                    names.Contains(text), form is { } place && token.Start >= place.Start && token.Start < place.End)
                {
                    IsOfRole = Roles.IsOfOther(question.Folded, token.Start),
                    IsOfCase = ofCase is { } told && token.Start >= told.Start && token.Start < told.End,
                });
        }

        _words = [.. words];
    }

    /// <summary>
    /// How much of the heading next above a sentence the question does not say, in any words, from 0 to 1: where that says which one of
    /// several things is meant, it is another. 0 under the title alone.
    /// </summary>
    internal double ForeignIn(Passage passage, PassageSentence sentence)
    {
        // The cells of a row say which thing is meant: "Marketing | ground floor" under "Overview".
        if (passage.SectionOf(sentence) is not { } heading || (sentence.IsRow && IsRowOfThing(passage, sentence)))
            return 0;
        if (_foreign.TryGetValue(heading, out double known))
            return known;
        var folded = Normalizer.FoldCase(heading);
        double all = 0, foreign = 0;
        foreach (var token in WordsIn(folded, _vectors.WordsOf(folded)))
        {
            var text = folded.Substring(token.Start, token.Length);
            if (EnglishStopWords.Contains(text))
                continue;
            all++;
            var stems = StemsOf(text);
            bool isAsked = stems.Count > 0
                && (text[0] < '\u2E80' ? stems.IsSubsetOf(_stems) : _question.Folded.Contains(text, StringComparison.Ordinal));
            foreign += isAsked ? 0 : 1 - _words.Select(word => Sameness(word.Id, token.Id)).DefaultIfEmpty(0).Max();
        }

        return _foreign[heading] = all > 0 ? foreign / all : 0;
    }

    private bool IsRowOfThing(Passage passage, PassageSentence sentence)
    {
        var cell = Passage.Cells(sentence.Folded)[0];
        return cell.Length > 1 && TermKeys.Of(cell) is { Count: > 0 } keys && keys.IsSubsetOf(_question.AllKeys)
            && !Passage.Holds(passage.Title, cell);
    }

    /// <summary>Measures the sentences of a passage.</summary>
    /// <param name="passage">The passage.</param>
    /// <param name="hasType">Whether each of them holds something of the form that is asked for.</param>
    internal AskedSentence[] In(Passage passage, bool[] hasType)
    {
        double total = _words.Sum(word => word.Weight);
        // A name says which thing is meant, wherever the passage has it.
        var asked = Array.FindAll(_words, word => !IsIn(word, passage.Context, passage.ContextStems)
            && !(word.IsName && passage.Folded.Contains(word.Text, StringComparison.Ordinal)));
        var title = Normalizer.FoldCase(passage.Title);
        var titleStems = StemsOf(title);
        // What the title says is so for all sections: it tells no case.
        Word[] ofCase = [.. _words.Where(word => word.IsOfCase && !word.IsName && !IsIn(word, title, titleStems))];
        double caseWeight = ofCase.Sum(word => word.Weight);
        var sentences = new AskedSentence[passage.Sentences.Count];
        var headers = new Dictionary<string, double[]>(StringComparer.Ordinal);
        var leads = new Dictionary<int, double[]>();
        var below = asked; // of the heading above the sentence, too
        string? heading = null;
        double[]? caseAbove = null;
        for (int i = 0; i < sentences.Length; i++)
        {
            var sentence = passage.Sentences[i];
            if (sentence.Heading != heading)
            {
                heading = sentence.Heading;
                var (folded, stems) = (Normalizer.FoldCase(heading ?? ""), StemsOf(heading ?? ""));
                below = Array.FindAll(asked, word => !IsIn(word, folded, stems));
                headers.Clear();
                leads.Clear();
                caseAbove = null;
            }

            if (sentence is { IsRow: true, Header: { } header })
            {
                sentences[i] = Row(sentence, header, below, total, headers, hasType[i]);
                WithCase(i, sentence.WithHeader);
                continue;
            }

            // The steps are one answer, whatever the words of one of them.
            var says = _question.AsksProcedure && sentence.IsStep
                ? new double[below.Length]
                : Says(below, sentence.Folded, sentence.Normalized);
            if (sentence.LeadIn is { } lead)
                Raise(says, leads.TryGetValue(lead, out var led) ? led : leads[lead] = Says(below, passage.Sentences[lead].Folded));
            if (hasType[i])
                RaiseForm(below, says);
            sentences[i] = Measure(below, says, total, false);
            WithCase(i, passage.WithLeadIn(sentence));
        }

        return sentences;

        void WithCase(int i, string told)
        {
            if (caseWeight == 0)
                return;
            caseAbove ??= Says(ofCase, $"{passage.Context}\n{Normalizer.FoldCase(heading ?? "")}");
            var says = Says(ofCase, told);
            Raise(says, caseAbove);
            sentences[i] = sentences[i] with { CaseSaid = Share(ofCase, says, caseWeight) };
        }
    }

    // What the cells hold says which row is meant; the headers of those that are not empty say what is told of it.
    private AskedSentence Row(
        PassageSentence sentence, string header, Word[] below, double total, Dictionary<string, double[]> headers, bool hasType)
    {
        var cells = Passage.Cells(sentence.Folded);
        var columns = Passage.Cells(Normalizer.FoldCase(header));
        var stems = StemsOf(sentence.Normalized);
        var compounds = $"{sentence.Folded}\n{Normalizer.FoldCase(header)}";
        int[] left =
        [
            .. Enumerable.Range(0, below.Length)
                .Where(i => !IsIn(below[i], below[i].Tail < below[i].Text.Length ? compounds : sentence.Folded, stems)),
        ];
        Word[] asked = [.. left.Select(i => below[i])];
        double all = asked.Sum(word => word.Weight), most = 0;
        var best = new double[asked.Length];
        double emptySays = 0;
        for (int c = 0; c < Math.Min(columns.Count, cells.Count) && asked.Length > 0; c++)
        {
            if (!headers.TryGetValue(columns[c], out var ofColumn))
                headers[columns[c]] = ofColumn = Says(below, columns[c]);
            double[] says = [.. left.Select(i => ofColumn[i])];
            bool holds = cells[c].Any(char.IsLetterOrDigit);
            double share = Share(asked, says, all);
            if (holds)
                Raise(best, says);
            (most, emptySays) = holds ? (Math.Max(most, share), emptySays) : (most, Math.Max(emptySays, share));
        }

        bool saysForm = hasType && RaiseForm(asked, best);
        return Measure(asked, best, total, emptySays >= HeaderSays && emptySays >= most - AsMuch && !saysForm);
    }

    private AskedSentence Measure(Word[] asked, double[] says, double total, bool isEmpty)
    {
        double all = asked.Sum(word => word.Weight), unsaid = 0;
        for (int i = 0; i < asked.Length; i++)
            unsaid = Math.Max(unsaid, (1 - says[i]) * asked[i].Weight);
        return new AskedSentence(
            all > 0 ? Share(asked, says, all) : 0,
            _unseen > 0 ? unsaid / _unseen : 0,
            total > 0 ? 1 - all / total : 0,
            asked.Length == 0,
            isEmpty);
    }

    private static double Share(Word[] asked, double[] says, double all)
    {
        double sum = 0;
        for (int i = 0; i < asked.Length; i++)
            sum += asked[i].Weight * says[i];
        return sum / all;
    }

    // What weighs 7 kg says its weight. Whether there is such a word.
    private bool RaiseForm(Word[] asked, double[] says)
    {
        for (int i = 0; i < asked.Length; i++)
            if (asked[i].IsOfForm)
                says[i] = 1;
        return _isOfForm;
    }

    private static void Raise(double[] best, double[] others)
    {
        for (int i = 0; i < best.Length; i++)
            best[i] = Math.Max(best[i], others[i]);
    }

    // How far a text says each of the words, from 0 to 1; of the text with its capitals, idleTimeout says the idle timeout.
    private double[] Says(Word[] asked, string folded, string? withCase = null)
    {
        // The deputy head is not the head.
        if (!_question.AsksForOtherRole)
            folded = Roles.WithoutOthers(folded);
        folded = Roles.WithHeads(folded);
        var says = new double[asked.Length];
        bool saysDeputy = _question.AsksForOtherRole && Roles.SaysDeputy(folded);
        var stems = StemsOf(folded);
        foreach (Match identifier in Identifier().Matches(withCase ?? ""))
            stems.UnionWith(StemsOf(identifier.Value));
        HashSet<string>? keys = null;
        List<KnownWord>? said = null;
        for (int i = 0; i < asked.Length; i++)
        {
            if (IsIn(asked[i], folded, stems) || (saysDeputy && asked[i].IsOfRole))
            {
                says[i] = 1;
                continue;
            }

            if (asked[i].IsLatin ? asked[i].Keys.IsSubsetOf(keys ??= [.. stems.Select(EnglishSynonyms.KeyOf)])
                : JapaneseCompounds.Says(folded, asked[i].Text) || JapaneseSynonyms.Says(folded, asked[i].Text))
                says[i] = Synonym;
            if (asked[i].Id is not { } id)
                continue;
            // "Department" says the question's own department, and no office too.
            said ??= [.. _vectors.WordsOf(folded).Where(word => !_words.Any(each => each.Id == word.Id)
                && !FormalNouns.Contains(folded.Substring(word.Start, word.Length)))];
            foreach (var word in said)
                says[i] = Math.Max(says[i], Sameness(id, word.Id));
        }

        return says;
    }

    // How far two words mean the same, from 0 to 1.
    private double Sameness(int? one, int? other)
        => one is { } a && other is { } b ? Math.Clamp((_vectors.Likeness(a, b) - Unlike) / (Alike - Unlike), 0, 1) : 0;

    private static bool IsIn(Word word, string folded, IReadOnlySet<string> stems)
        => word.IsLatin ? word.Stems.IsSubsetOf(stems)
            : folded.Contains(word.Text, StringComparison.Ordinal)
                // クラブ under プラン.
                || (word.Tail < word.Text.Length && folded.Contains(word.Text[..word.Tail], StringComparison.Ordinal)
                    && folded.Contains(word.Text[word.Tail..], StringComparison.Ordinal));

    /// <summary>The terms of a text, English words by their stems alone.</summary>
    internal static HashSet<string> StemsOf(string text)
        => [.. TextAnalyzer.Analyze(text).Select(token => TermKeys.IsLatin(token.Term) ? EnglishStemmer.Stem(token.Term) : token.Term)];

    // Known words, and the runs between them.
    private static IEnumerable<(int Start, int Length, int? Id)> WordsIn(string text, List<KnownWord> known)
    {
        int next = 0;
        for (int at = 0; at < text.Length;)
        {
            if (next < known.Count && known[next].Start == at)
            {
                yield return (at, known[next].Length, known[next].Id);
                at += known[next++].Length;
                continue;
            }

            int end = at;
            while (end < text.Length && KindOf(text[end]) == KindOf(text[at])
                && (end == at || next >= known.Count || known[next].Start > end))
                end++;
            if (KindOf(text[at]) != 0)
                yield return (at, end - at, null);
            at = end;
        }
    }

    /// <summary>The words in katakana of a folded text that the word list does not have: names, as a rule.</summary>
    internal static IEnumerable<string> UnknownKatakana(string folded)
        => WordsIn(folded, WordVectors.Default.WordsOf(folded))
            .Where(word => word.Id is null && word.Length >= LeastName && KindOf(folded[word.Start]) == Katakana)
            .Select(word => folded.Substring(word.Start, word.Length));

    [GeneratedRegex(@"\b(?:the|an?|our|your|this) (?<kind>(?:[a-z]+ ){1,3})(?=[a-z]{1,4}-?\d{2,})|(?<kind>[一-龥々ァ-ヴー]+)(?= ?[a-z]{1,4}-?\d{2,})")]
    private static partial Regex KindBeforeCode();

    [GeneratedRegex(@"\b\w*\p{Ll}\p{Lu}\w*\b")]
    private static partial Regex Identifier();

    private static int KindOf(char c)
        => char.IsAsciiLetterOrDigit(c) ? 1 : c is >= 'ァ' and <= 'ヶ' or 'ー' ? Katakana : c is (>= '一' and <= '龥') or '々' ? 3
            : c is >= '가' and <= '힣' ? 4
            : c < '\u2E80' && char.IsLetter(c) ? 5 : 0;

    private sealed record Word(string Text, int? Id, HashSet<string> Stems, HashSet<string> Keys, double Weight, bool IsName, bool IsOfForm)
    {
        internal bool IsLatin { get; } = Text[0] < '\u2E80';

        // "stands in for the head": what says that the deputy is meant.
        internal bool IsOfRole { get; init; }

        internal bool IsOfCase { get; init; }

        // Where the last part of a compound in katakana starts that no dictionary has as a whole.
        internal int Tail { get; } = Id is null && Text[0] is >= 'ァ' and <= 'ヶ' ? WordVectors.Default.TailOf(Text) : Text.Length;
    }
}

/// <summary>How far a sentence says what is asked.</summary>
/// <param name="Said">The share of what is asked that it says, from 0 to 1.</param>
/// <param name="Unsaid">How rare the rarest word is that it does not say, from 0 to 1.</param>
/// <param name="Given">The share of the question that only says which thing is meant: what headings, names and a row's cells hold.</param>
/// <param name="IsAllGiven">Whether that is the whole question: then nothing is left to say.</param>
/// <param name="IsEmpty">Whether it is a row whose cell is empty in the column that is asked for.</param>
internal readonly record struct AskedSentence(double Said, double Unsaid, double Given, bool IsAllGiven, bool IsEmpty)
{
    /// <summary>The share of the question's case that it, or a heading above it, says, from 0 to 1; 1 where there is none.</summary>
    internal double CaseSaid { get; init; } = 1;

    /// <summary>Steps of <see cref="Said"/>.</summary>
    internal const double LittleSaid = 0.25, MuchSaid = 0.7;

    private const double LittleGiven = 0.3;

    /// <summary>Whether headings, names or cells say which thing is meant, as they do in handbooks, lists and tables.</summary>
    internal bool IsStructured => Given >= LittleGiven;
}
