using System.Text.RegularExpressions;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a text says of another thing what the question asks of one: the same noun, with another one before it, and nowhere
/// around it the one of the question. 人事部 for 経理部, クラブプラン for ファミリープラン and "the fish menu" for "the anniversary menu" tell anywhere;
/// 春のコース for 魚のコース in lists alone, since sentences say too many things.
/// </summary>
internal sealed partial class Modifiers
{
    private const int LeastHead = 3;

    private readonly List<string> _katakana = [];

    // Modifiers that are this alike say the same; places are alike by nature.
    private const float Alike = 0.5f, AlikePlaces = 0.8f;

    private readonly List<(string Modifier, string Head)> _compounds = [], _modified = [];
    private readonly List<(string Modifier, string Head)> _english = [], _englishNames = [], _englishPlaces = [];

    internal Modifiers(Question question)
    {
        if (question.Language == "en")
        {
            (_english, _englishPlaces) = (EnglishPairs(question.Folded), EnglishPlaces(question.Folded));
            _englishNames = _english.FindAll(pair => WordVectors.Default.WordsOf(pair.Modifier).Count == 0);
        }

        if (question.Language != "ja")
            return;
        _compounds = [.. Pairs(Compound(), question.Normalized).Concat(Pairs(Unit(), question.Normalized)).Distinct()];
        _modified = Pairs(Modified(), question.Normalized);
        _katakana = [.. Katakana().Matches(question.Normalized).Select(match => match.Value).Distinct(StringComparer.Ordinal)];
        _compounds.RemoveAll(pair => QuestionWord().IsMatch(pair.Modifier));
        _modified.RemoveAll(pair => QuestionWord().IsMatch(pair.Modifier));
    }

    /// <summary>Whether a sentence of a passage, or the heading above it, speaks of another thing.</summary>
    internal bool AreOthers(Passage passage, int index)
    {
        var sentence = passage.Sentences[index];
        bool leads = index + 1 < passage.Sentences.Count && passage.Sentences[index + 1].LeadIn == index;
        var listed = sentence.LeadIn is { } lead ? passage.Sentences[lead] : leads ? sentence : null;
        if (_english.Count > 0 && SaysAnotherInEnglish(_english, EnglishPairs, passage,
            listed is null || leads ? sentence.Folded : listed.Folded + "\n" + sentence.Folded))
            return true;
        // Under "Minros Harbour in figures" nothing is said of Nomo Harbour.
        if (_englishNames.Count > 0 && SaysAnotherInEnglish(_englishNames, EnglishPairs, passage, passage.Context))
            return true;
        // "The box in the canteen contains:" for the box in the workshop.
        if (listed is not null && SaysAnotherInEnglish(_englishPlaces, EnglishPlaces, passage, listed.Folded, AlikePlaces))
            return true;
        if (_compounds.Count == 0 && _katakana.Count == 0 && _modified.Count == 0)
            return false;
        var text = $"{passage.Chunk.Heading?.Split(" › ")[^1]}\n{passage.Chunk.Title}\n{sentence.Heading}\n{sentence.Normalized}";
        // The passage may name the thing anywhere.
        if (SaysAnother(_compounds.Where(pair => !Passage.Holds(passage.Folded, pair.Modifier)), passage, text, false, Compound(), Unit()))
            return true;
        // Whatever the passage speaks of elsewhere, its heading and the cells of its rows say which one is meant.
        var heading = sentence.Heading ?? passage.Chunk.Heading?.Split(" › ")[^1];
        var label = sentence.IsRow ? $"{heading}\n{sentence.Normalized}" : heading;
        if (label is not null && SaysAnother(_compounds, passage, label, true, Compound(), Unit()))
            return true;
        // クラブプラン for ファミリープラン.
        if (_katakana.Exists(asked => !passage.Holds(asked)
            && Katakana().Matches(text).Any(said => CommonEnd(asked, said.Value) >= LeastHead)))
            return true;
        // In running text, the topic alone: 春の旅行は.
        var told = listed?.Normalized ?? SentenceTopic().Match(sentence.Normalized).Groups["topic"].Value;
        return told.Length > 0 && SaysAnother(_modified, passage, told, false, Modified());
    }

    private static bool SaysAnotherInEnglish(List<(string Modifier, string Head)> asked,
        Func<string, List<(string Modifier, string Head)>> pairsOf, Passage passage, string text, float alike = Alike)
    {
        List<(string Modifier, string Head)>? said = null;
        foreach (var (modifier, head) in asked)
        {
            if (passage.Keys.Contains(TermKeys.KeyOf(modifier)) || passage.Folded.Contains(modifier, StringComparison.Ordinal))
                continue;
            said ??= pairsOf(text);
            var same = said.FindAll(pair => pair.Head == head);
            if (same.Count > 0 && !same.Exists(pair => AreAlike(pair.Modifier, modifier, alike)))
                return true;
        }

        return false;
    }

    private static bool AreAlike(string one, string other, float alike)
        => WordVectors.Default.WordsOf(one) is [var a] && WordVectors.Default.WordsOf(other) is [var b]
            && WordVectors.Default.Likeness(a.Id, b.Id) >= alike;

    // Two words with content, one behind the other; the second by its stem.
    private static List<(string Modifier, string Head)> EnglishPairs(string folded) => EnglishPairs(EnglishPair(), folded);

    private static List<(string Modifier, string Head)> EnglishPlaces(string folded) => EnglishPairs(EnglishPlace(), folded);

    private static List<(string Modifier, string Head)> EnglishPairs(Regex pattern, string folded)
        => [.. pattern.Matches(folded).Select(match => (Modifier: match.Groups["m"].Value, Head: match.Groups["h"].Value))
            .Where(pair => IsContent(pair.Modifier) && IsContent(pair.Head) && !IsVerb(pair.Head))
            .Select(pair => (pair.Modifier, EnglishStemmer.Stem(pair.Head)))];

    // "The ship ran" is no kind of "ran".
    private static bool IsVerb(string word)
        => EnglishStemmer.Irregular.ContainsKey(word) || word.EndsWith("ed", StringComparison.Ordinal);

    private static bool IsContent(string word)
        => !EnglishStopWords.Contains(word) && !Support.EnglishTokens.IsGrammar(word)
            && !EnglishStopWords.IsLight(EnglishStemmer.Stem(word));

    private static int CommonEnd(string one, string other)
    {
        int length = 0;
        while (length < Math.Min(one.Length, other.Length) && one[^(length + 1)] == other[^(length + 1)])
            length++;
        // The shorter one alone is the thing without a modifier.
        return length == Math.Min(one.Length, other.Length) ? 0 : length;
    }

    private static bool SaysAnother(
        IEnumerable<(string Modifier, string Head)> asked, Passage passage, string text, bool ofAClass, params Regex[] patterns)
    {
        List<(string Modifier, string Head)>? said = null;
        foreach (var (modifier, head) in asked)
        {
            if (Passage.Holds(text, modifier) || Passage.Holds(passage.Context, modifier))
                continue;
            said ??= [.. patterns.SelectMany(pattern => Pairs(pattern, text))];
            if (said.Exists(pair => (IsHead(pair.Head, head) || (ofAClass && IsUnit(pair.Head) && IsUnit(head)))
                && !IsEndOf(pair.Modifier, modifier)))
                return true;
        }

        return false;
    }

    private static List<(string Modifier, string Head)> Pairs(Regex pattern, string text)
        => [.. pattern.Matches(text).Select(match => (match.Groups["m"].Value, match.Groups["h"].Value))];

    // タリルカ市民講座講座一覧 is about a 市民講座.
    private static bool IsHead(string said, string asked)
        => said == asked || (asked.Length >= LeastHead && said.StartsWith(asked, StringComparison.Ordinal));

    // お客様相談室 is another part of a company than 人事部.
    private static bool IsUnit(string head) => head is [var one] && "部課室係科局".Contains(one, StringComparison.Ordinal);

    // 人事部 is リムトラ繊維人事部.
    private static bool IsEndOf(string one, string other)
        => one == other
            || (one[0] is < 'ァ' or > 'ヶ' && one.EndsWith(other, StringComparison.Ordinal))
            || (other[0] is < 'ァ' or > 'ヶ' && other.EndsWith(one, StringComparison.Ordinal));

    [GeneratedRegex(@"(?<m>[一-龥々]+[ぁ-ねは-ん]{0,2}[一-龥々]*|[ァ-ヴー]{2,}|[A-Za-z0-9-]{2,})の(?=(?<h>[一-龥々]{2,8}|[ァ-ヴー]{2,}))"
        + "|(?<m>[一-龥々]{1,2}[いな])(?=(?<h>[一-龥々]{2,8}|[ァ-ヴー]{2,}))")]
    private static partial Regex Modified();

    [GeneratedRegex("(?<m>[ァ-ヴー]{3,})(?<h>[一-龥々]{2,12})(?![一-龥々])")]
    private static partial Regex Compound();

    [GeneratedRegex("(?<![一-龥々])(?<m>[一-龥々]{2,8}|[一-龥々][ぁ-ん])(?<h>委員会|[部課室係科局])(?![一-龥々])")]
    private static partial Regex Unit();

    [GeneratedRegex(@"\b(?<m>[a-z]{3,})(?= (?<h>[a-z]{3,})\b)")]
    private static partial Regex EnglishPair();

    [GeneratedRegex(@"\b(?<h>[a-z]{3,}) (?:of|in|for|at|from) (?:the |an? |our |your )(?<m>[a-z]{3,}(?: [a-z]{3,}(?= (?:of|at|in|contains?|there|you|holds?)\b))?)")]
    private static partial Regex EnglishPlace();

    [GeneratedRegex("^(?:[ぁ-ん一-龥]{2,6}、)?(?<topic>[^、。はが]{2,20})(?=[はが])")]
    private static partial Regex SentenceTopic();

    [GeneratedRegex("[ァ-ヴー]{5,}")]
    private static partial Regex Katakana();

    [GeneratedRegex("[何誰]|^(?:それ|これ|あれ)")]
    private static partial Regex QuestionWord();
}
