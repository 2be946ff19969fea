using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Rag.Answering;

/// <summary>What the question says, taken apart: its terms without the words that only ask, its names and numbers, the kind of answer it wants.</summary>
internal sealed partial class Question
{
    // How much content kana carry beside kanji, katakana and words; chosen on the tuning questions.
    private const double HiraganaWeight = 0.15, MixedWeight = 0.6;

    // "Which weekday": the answer names one and need not say the word.
    private const double AskedNounWeight = 0.3;

    internal Question(string text)
    {
        Text = text;
        Normalized = Normalizer.Normalize(text, NormalizationForm.FormKC);
        Folded = Normalizer.FoldCase(Normalized);
        IsJapanese = Folded.Any(static c => UnicodeData.IsKanjiOrKana(c));
        Kind = AnswerKinds.Of(Normalized);
        Numbers = NumbersOf(Folded).ToHashSet(StringComparer.Ordinal);
        Dates = [.. Date().Matches(Folded).Select(match => match.Value)];

        var content = QuestionEnd().Replace(QuestionWord().Replace(QuestionEnd().Replace(Folded, " "), " "), " ");
        AllKeys = TermKeys.Of(Folded);
        var asked = AskedNoun().Matches(Folded).Select(match => match.Groups[1].Value).ToHashSet(StringComparer.Ordinal);
        var terms = TermsOf(content, keepStopWords: false, asked);
        Terms = terms.Count > 0 ? terms : TermsOf(Folded, keepStopWords: true, asked);
        Runs = [.. Run().Matches(content).Select(match => match.Value).Where(run => !EnglishStopWords.Contains(run) && !asked.Contains(run)).Distinct(StringComparer.Ordinal)];
    }

    /// <summary>As asked.</summary>
    internal string Text { get; }

    /// <summary>In NFKC.</summary>
    internal string Normalized { get; }

    /// <summary>In NFKC, case folded.</summary>
    internal string Folded { get; }

    internal bool IsJapanese { get; }

    internal AnswerKind Kind { get; }

    /// <summary>The terms with content, each once.</summary>
    internal IReadOnlyList<QuestionTerm> Terms { get; }

    /// <summary>
    /// What is searched for besides the question as it stands, for English: its words without function words (they are rare in terse documents, and would
    /// drown the rest), then the other forms and synonyms of its words (the index holds words as they are written).
    /// </summary>
    internal IEnumerable<string> OtherSearches()
    {
        if (IsJapanese || Terms.Count == 0)
            yield break;
        yield return string.Join(' ', Terms.Select(term => term.Term));
        yield return string.Join(' ', Terms.Where(term => term.Weight >= 1).SelectMany(term => EnglishSynonyms.WordsLike(term.Term)).Distinct(StringComparer.Ordinal));
    }

    /// <summary>The keys of all terms, question words too.</summary>
    internal IReadOnlySet<string> AllKeys { get; }

    internal IReadOnlySet<string> Numbers { get; }

    /// <summary>Whole dates as they are written, case folded: "12 may 2025", "2025-05-12", "2025年5月12日".</summary>
    internal IReadOnlyList<string> Dates { get; }

    /// <summary>Words as wholes: runs of katakana, of kanji, of Latin letters and digits.</summary>
    internal IReadOnlyList<string> Runs { get; }

    internal static IEnumerable<string> NumbersOf(string folded) => Number().Matches(folded).Select(match => match.Value.TrimEnd('.', ','));

    private static List<QuestionTerm> TermsOf(string text, bool keepStopWords, HashSet<string> asked)
    {
        var terms = new List<QuestionTerm>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var token in TextAnalyzer.Analyze(text))
            if ((keepStopWords || !EnglishStopWords.Contains(token.Term)) && seen.Add(TermKeys.KeyOf(token.Term)))
                terms.Add(new QuestionTerm(
                    token.Term,
                    TermKeys.KeyOf(token.Term),
                    asked.Contains(token.Term) ? AskedNounWeight : TermKeys.IsHiragana(token.Term) ? HiraganaWeight : TermKeys.HasHiragana(token.Term) ? MixedWeight : 1));
        return terms;
    }

    [GeneratedRegex("何という|なんという|なんと言う|何と呼ば|何と|なに|なん(?=で|と|の|か)|何|誰|だれ|どこ|どちら|どれくらい|どのくらい|どれ|どのような|どんな|どう|どの|いつ|いくつ|いくら|なぜ|ですか|でしょうか|ますか|ましたか|ください|教えて|挙げよ|答えよ|述べよ|[?？。、]")]
    private static partial Regex QuestionWord();

    [GeneratedRegex(@"(のは|とは|か|は|の)+[?？。\s]*$")]
    private static partial Regex QuestionEnd();

    [GeneratedRegex(@"\b(?:which|what|what(?: is|'s| are| was| were) the(?: \w+)?) (weekday|day|date|year|month|time|number|amount|percentage|share|country|city|place|person|name|value|size|word|term|formula|file|command|option)\b")]
    private static partial Regex AskedNoun();

    [GeneratedRegex(@"\d[\d,.]*")]
    private static partial Regex Number();

    [GeneratedRegex(@"\b\d{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december) \d{4}\b|\b(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2}, \d{4}\b|\b\d{4}-\d\d-\d\d\b|\d{4}年\d{1,2}月\d{1,2}日")]
    private static partial Regex Date();

    [GeneratedRegex("[ァ-ヴー]{2,}|[一-龥々]{2,}|[a-z0-9]+")]
    private static partial Regex Run();
}
