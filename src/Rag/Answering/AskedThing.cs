using System.Text.RegularExpressions;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// The thing that a question asks about, as opposed to what it asks of it: the pool of "When does the pool open?", 三人部屋 of 三人部屋の料金は.
/// A sentence about the sauna says as much of the rest, and does not answer.
/// </summary>
internal sealed partial class AskedThing
{
    // A sentence before it in the paragraph speaks of the thing: fully where the sentence points back, as Japanese ones do by their nature,
    // less where it goes on with "The crew …"; one with a subject of its own speaks of that.
    private const double SaidBefore = 0.6, SubjectOfItsOwn = 0.2, LittleSaid = 0.3;

    private const double PartOfCompound = 0.4;

    private readonly bool _isJapanese;
    private readonly List<string> _words;
    private readonly WordVectors _vectors = WordVectors.Default;

    internal AskedThing(Question question)
    {
        _isJapanese = question.Language == "ja";
        var texts = _isJapanese ? Japanese(question) : question.Language == "en" ? English(question) : [];
        _words = [.. texts.Distinct(StringComparer.Ordinal)];
    }

    /// <summary>Its words; none where the question does not tell the thing from the rest.</summary>
    internal IReadOnlyList<string> Words => _words;

    /// <summary>
    /// Whether a sentence does not speak of the thing although its document does elsewhere: then the text would have said it here, too.
    /// </summary>
    internal bool IsSaidElsewhere(Passage passage, int index, IEnumerable<Passage> passages)
        => passage.Sentences[index] is { IsRow: false, IsItem: false } && _words.Exists(word => Said(word, passage, index) < LittleSaid
            && passages.Any(other => other.Chunk.Source == passage.Chunk.Source && Says(other.Folded, word) >= 1));

    /// <summary>
    /// Whether a sentence tells of a thing of another number or kind: 二人部屋 for 三人部屋, the row 遠距離 for 超遠距離.
    /// </summary>
    internal bool IsSibling(Passage passage, int index)
    {
        var sentence = passage.Sentences[index];
        return _isJapanese && _words.Exists(word => !passage.Holds(word)
            && ((CountedThing().Match(word) is { Success: true } counted
                    && CountedThing().Matches(sentence.Folded).Any(other => other.Groups["rest"].Value == counted.Groups["rest"].Value))
                || (sentence.IsRow && Passage.Cells(sentence.Folded)
                    .Exists(cell => cell.Length > 1 && cell.Length < word.Length && word.EndsWith(cell, StringComparison.Ordinal)))));
    }

    /// <summary>How far a sentence of a passage speaks of the thing, from 0 to 1; 1 where the question names none.</summary>
    internal double SaidIn(Passage passage, int index)
    {
        // Rows and items are told apart by their cells, keys and headings.
        double least = 1;
        foreach (var word in passage.Sentences[index] is { IsRow: false, IsItem: false } ? _words : [])
            least = Math.Min(least, Said(word, passage, index));
        return least;
    }

    private double Said(string word, Passage passage, int index)
    {
        var sentence = passage.Sentences[index];
        double said = Math.Max(Says(passage.Context, word), Says(sentence.Folded, word));
        // idleTimeout says the idle timeout.
        if (!_isJapanese && !Agent().IsMatch(word) && sentence.OwnKeys.Contains(TermKeys.KeyOf(word)))
            said = 1;
        if (sentence.Heading is { } heading)
            said = Math.Max(said, Says(Normalizer.FoldCase(heading), word));
        if (sentence.IsRow && sentence.Header is { } header)
            said = Math.Max(said, Says(Normalizer.FoldCase(header), word));
        if (sentence.LeadIn is { } lead)
            said = Math.Max(said, Said(word, passage, lead));
        if (said >= 1 || sentence.IsRow || sentence.IsItem)
            return said;
        double before = _isJapanese || PointsBack().IsMatch(sentence.Folded) ? 1
            : GoesOn().IsMatch(sentence.Normalized) ? SaidBefore
            : SubjectOfItsOwn;
        for (int i = index - 1; i >= 0 && passage.Sentences[i].Block == sentence.Block; i--)
            said = Math.Max(said, before * Says(passage.Sentences[i].Folded, word));
        return said;
    }

    // By its forms and listed synonyms alone: to a dictionary's vectors, silver and gold, or weekend and morning, are as alike as synonyms.
    private double Says(string folded, string word)
        => _isJapanese ? SaysJapanese(folded, word)
            : EnglishWord().Matches(folded).Any(match => IsSame(word, match.Value)) ? 1 : 0;

    private double SaysJapanese(string folded, string word)
    {
        if (Passage.Holds(folded, word) || JapaneseCompounds.Says(folded, word))
            return 1;
        // A compound by its last part: 本館 of 東本館.
        return word.Length > 3 && _vectors.WordsOf(word) is [.., var last] && last.Length < word.Length
            && last.Start + last.Length == word.Length && folded.Contains(word[last.Start..], StringComparison.Ordinal)
                ? PartOfCompound : 0;
    }

    // A gardener is not said by a garden: of words for persons, the stem is not enough.
    private static bool IsSame(string asked, string said)
        => asked == said || (Agent().IsMatch(asked) != Agent().IsMatch(said) ? false
            : EnglishStemmer.Stem(asked) == EnglishStemmer.Stem(said)
                || EnglishSynonyms.KeyOf(EnglishStemmer.Stem(asked)) == EnglishSynonyms.KeyOf(EnglishStemmer.Stem(said)));

    // What stands behind the auxiliary, without the verb that it belongs to: "does a transfer to Canada | cost", "is the filter | changed".
    private static IEnumerable<string> English(Question question)
    {
        var auxiliary = Auxiliary().Match(question.Folded);
        // "Who won the cup?", "Which nurse changes bandages?": behind the verb stands what it was done to.
        var opening = SubjectQuestion().Match(question.Folded) is { Success: true } subject ? subject : auxiliary;
        if (!opening.Success)
            return [];
        var clause = question.Folded[(opening.Index + opening.Length)..];
        clause = Subordinate().Match(clause) is { Success: true, Index: > 0 } other ? clause[..other.Index] : clause;
        var tokens = EnglishWord().Matches(clause).Select(match => match.Value).ToList();
        int verb = opening != auxiliary ? -1 : auxiliary.Groups["verb"].Success ? VerbIn(tokens) : ParticipleIn(tokens);
        // "does the pool | open on Sundays", but "do I | note the date"
        if (auxiliary.Groups["verb"].Success && verb > 0 && tokens.Take(verb).Any(IsContent))
            tokens.RemoveRange(verb, tokens.Count - verb);
        // "What is the notice period of the plan": of the thing is asked what stands before.
        if (verb < 0 && !auxiliary.Groups["verb"].Success && tokens.FindIndex(token => token is "of" or "for") is > 0 and var of)
            tokens.RemoveRange(0, of);
        return tokens.Where((token, i) => i != verb && IsContent(token) && !question.IsAskedNoun(token))
            .Concat(Counted().Match(question.Folded) is { Success: true } counted
                && !question.IsAskedNoun(counted.Groups["things"].Value) ? [counted.Groups["things"].Value] : []);
    }

    private static bool IsContent(string word)
        => !EnglishStopWords.Contains(word) && !Support.EnglishTokens.IsGrammar(word) && word.Length > 1
            && !EnglishStopWords.IsLight(EnglishStemmer.Stem(word)) && !word.All(char.IsAsciiDigit);

    // The last word before a preposition, an article or the end that does not itself stand behind an article.
    private static int VerbIn(List<string> tokens)
    {
        bool isBehindContent = false;
        for (int i = 0; i < tokens.Count; i++)
        {
            bool isWord = IsContent(tokens[i]) || EnglishStopWords.IsLight(EnglishStemmer.Stem(tokens[i]));
            bool isAtBorder = i + 1 == tokens.Count || (tokens[i + 1] != "of" && !IsContent(tokens[i + 1])
                && !EnglishStopWords.IsLight(EnglishStemmer.Stem(tokens[i + 1])));
            if (isWord && isAtBorder && isBehindContent && !(i > 0 && Article().IsMatch(tokens[i - 1])))
                return i;
            isBehindContent |= isWord || Pronoun().IsMatch(tokens[i]);
        }

        return -1;
    }

    private static int ParticipleIn(List<string> tokens)
        => tokens.FindLastIndex(token => (token.EndsWith("ed", StringComparison.Ordinal) && token.Length > 4)
            || EnglishStemmer.Irregular.ContainsKey(token));

    // What stands before the last の of the topic, or the topic: a clause is no thing.
    private static IEnumerable<string> Japanese(Question question)
    {
        var topics = Topic().Matches(question.Folded).Select(match => match.Groups["topic"].Value).ToList();
        if (topics.Exists(topic => Clause().IsMatch(topic)) || topics.Count == 0)
            return [];
        int of = topics[^1].LastIndexOf('の');
        var thing = string.Join(' ', topics.SkipLast(1).Append(of > 0 ? topics[^1][..of] : topics[^1]));
        return Run().Matches(thing).Select(match => match.Value).Where(run => run.Length > 1 || run[0] is >= '一' and <= '龥')
            .Where(run => !question.IsAskedNoun(run));
    }

    [GeneratedRegex(@"\b(?:(?<verb>do|does|did|can|may|must|should|shall|will|would|could)|is|are|was|were|has|have|had)\b(?:n['’]t| not)?")]
    private static partial Regex Auxiliary();

    [GeneratedRegex(@"\b(?:when|if|while|after|before|because|unless|until|once|where)\b")]
    private static partial Regex Subordinate();

    // "How many samples does the vault hold?"
    [GeneratedRegex(@"\bhow many (?:[a-z'’-]+ ){0,2}?(?<things>[a-z-]+) (?:do|does|did|can|may|must|should|will|is|are|was|were|has|have|had)\b")]
    private static partial Regex Counted();

    [GeneratedRegex(@"^\W*(?:who|what|which (?:of the )?\w+) (?!(?:is|are|was|were|has|have|had|do|does|did|can|could|may|might|must|should|shall|will|would)\b)[\w'’-]+(?: (?:in|out|up|down|off|on|to|at|for|with|from))?\b")]
    private static partial Regex SubjectQuestion();

    [GeneratedRegex("^(?:an?|the|my|our|your|their|its|his|her|each|every|this|these|those)$")]
    private static partial Regex Article();

    [GeneratedRegex("^(?:i|we|you|one|they|he|she|it)$")]
    private static partial Regex Pronoun();

    [GeneratedRegex(@"^\W*(?:it|its|they|their|he|his|she|her|this|these|those|there|both|all|each|here)\b")]
    private static partial Regex PointsBack();

    [GeneratedRegex(@"^\W*(?:The \p{Ll}|\p{Ll}|(?:And|But|In|On|At|From|With|By|If|When|Where|For|To|Then|Also) )")]
    private static partial Regex GoesOn();

    [GeneratedRegex("(?:er|or|ist|ian|man|woman)s?$")]
    private static partial Regex Agent();

    [GeneratedRegex(@"\p{L}[\p{L}\p{N}]*(?:-[\p{L}\p{N}]+)*")]
    private static partial Regex EnglishWord();

    [GeneratedRegex(@"\G(?<topic>[^はをがもに、。]{1,40}?)(?:に|で|へ|から)?は、?")]
    private static partial Regex Topic();

    [GeneratedRegex("[うくすつぬむるたいだ]の?$|[うくすつぬむるただ](?=[一-龥ァ-ヴ])")]
    private static partial Regex Clause();

    [GeneratedRegex(@"(?<![一-龥々\d])[\d一二三四五六七八九十]+(?<rest>[一-龥々]{2,})")]
    private static partial Regex CountedThing();

    [GeneratedRegex("[一-龥々]+[ぁ-ん]?(?=の|$)|[ァ-ヴー]+|[一-龥々]+|[a-z0-9]+(?:-[a-z0-9]+)*")]
    private static partial Regex Run();
}
