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
    private readonly bool _isJapanese;
    private readonly string _question;
    private readonly List<string> _words;
    private readonly List<Form> _forms = [];
    private readonly Dictionary<string, Form[]> _said = new(StringComparer.Ordinal);
    private readonly Dictionary<(Passage Passage, string Word), bool> _inContext = [];
    private readonly Dictionary<(string Source, string Word), bool> _inDocument = [];

    internal AskedThing(Question question)
    {
        (_isJapanese, _question) = (question.Language == "ja", question.Folded);
        var texts = _isJapanese ? Japanese(question) : question.Language == "en" ? English(question) : [];
        _words = [.. texts.Distinct(StringComparer.Ordinal)];
        if (!_isJapanese)
            _forms = [.. _words.Select(Form.Of)];
    }

    /// <summary>Its words; none where the question does not tell the thing from the rest.</summary>
    internal IReadOnlyList<string> Words => _words;

    /// <summary>
    /// Whether a sentence of English does not speak of the thing although its document does elsewhere: then the text would have said it
    /// here, too. Rows and items are told apart by their cells, keys and headings.
    /// </summary>
    internal bool IsSaidElsewhere(Passage passage, int index, IEnumerable<Passage> passages)
    {
        if (_forms.Count == 0 || passage.Sentences[index] is { IsRow: true } or { IsItem: true })
            return false;
        var source = passage.Chunk.Source;
        if (!_said.TryGetValue(source, out var words))
        {
            var texts = passages.Where(other => other.Chunk.Source == source).Select(other => other.Folded).ToList();
            words = _said[source] = [.. _forms.Where(word => texts.Exists(text => Says(text, word)))];
        }

        return Array.Exists(words, word => !Says(passage, index, word));
    }

    /// <summary>
    /// Whether a sentence tells of a thing of another number or kind: 二人部屋 for 三人部屋, the row 遠距離 for 超遠距離.
    /// </summary>
    internal bool IsSibling(Passage passage, int index, IReadOnlyList<Passage> passages)
    {
        var sentence = passage.Sentences[index];
        return _isJapanese && _words.Exists(word => (!passage.Holds(word)
            && ((CountedThing().Match(word) is { Success: true } counted
                    && CountedThing().Matches(sentence.Folded).Any(other => other.Groups["rest"].Value == counted.Groups["rest"].Value))
                || (sentence.IsRow && Passage.Cells(sentence.Folded).Exists(cell => IsPartOfOther(passage, sentence, cell, word)))))
            || IsTopicBeside(passage, sentence, word, passages));
    }

    // The row 遠距離 for 超遠距離, but not 監査室 for 食品監査室 where 食品 stands in another cell or above.
    private static bool IsPartOfOther(Passage passage, PassageSentence row, string cell, string word)
        => cell.Length > 1 && cell.Length < word.Length && word.EndsWith(cell, StringComparison.Ordinal)
            && word[..^cell.Length] is var rest && !row.Folded.Contains(rest, StringComparison.Ordinal) && !passage.Holds(rest);

    // 英語は週に二回 for スペイン語, which the document speaks of elsewhere: the topic is another thing of the same class.
    private bool IsTopicBeside(Passage passage, PassageSentence sentence, string word, IReadOnlyList<Passage> passages)
    {
        if (sentence.IsRow || sentence.Folded.Contains(word, StringComparison.Ordinal)
            || passage.Context.Contains(word, StringComparison.Ordinal))
            return false;
        if (!_inDocument.TryGetValue((passage.Chunk.Source, word), out bool isSaid))
            _inDocument[(passage.Chunk.Source, word)] = isSaid =
                passages.Any(other => other.Chunk.Source == passage.Chunk.Source && other.Folded.Contains(word, StringComparison.Ordinal));
        if (!isSaid)
            return false;
        var topic = Run().Matches(OwnTopic().Match(sentence.Folded).Groups["topic"].Value).Select(match => match.Value).FirstOrDefault();
        return topic is { Length: > 1 } && !_question.Contains(topic, StringComparison.Ordinal)
            && !topic.Contains(word, StringComparison.Ordinal)
            && AreOfOneClass(topic, word);
    }

    private static bool AreOfOneClass(string one, string other)
        => (one[^1] == other[^1] && one[^1] is >= '一' and <= '龥')
            || (one.All(Passage.IsKatakana) && other.All(Passage.IsKatakana))
            || (WordVectors.Default.WordsOf(one) is [var a] && WordVectors.Default.WordsOf(other) is [var b]
                && WordVectors.Default.Likeness(a.Id, b.Id) >= OneClass);

    private const float OneClass = 0.5f;

    [GeneratedRegex(@"^\W*(?<topic>[^はをがもに、。]{1,20}?)(?:に|で|へ|から)?は")]
    private static partial Regex OwnTopic();

    // The sentence or the headings above it say the word, or one before it does, to which it points back or goes on with "The crew …"; one
    // with a subject of its own speaks of that.
    private bool Says(Passage passage, int index, Form word)
    {
        var sentence = passage.Sentences[index];
        if (!_inContext.TryGetValue((passage, word.Text), out bool isInContext))
            _inContext[(passage, word.Text)] = isInContext = Says(passage.Context, word);
        if (isInContext || Says(sentence.Folded, word) || (sentence.Heading is { } heading
            && Says(Normalizer.FoldCase(heading), word)))
            return true;
        // idleTimeout says the idle timeout.
        if (!word.IsAgent && sentence.OwnKeys.Contains(TermKeys.KeyOf(word.Text)))
            return true;
        if (!GoesOn().IsMatch(sentence.Normalized))
            return false;
        for (int i = index - 1; i >= 0 && passage.Sentences[i].Block == sentence.Block; i--)
            if (Says(passage.Sentences[i].Folded, word))
                return true;
        return false;
    }

    // By its forms and listed synonyms alone: to a dictionary's vectors, silver and gold, or weekend and morning, are as alike as synonyms.
    private static bool Says(string folded, Form word)
    {
        foreach (var match in EnglishWord().EnumerateMatches(folded))
            if (word.IsSaidBy(folded.AsSpan(match.Index, match.Length)))
                return true;
        return false;
    }

    private readonly record struct Form(string Text, string Stem, string Key, bool IsAgent)
    {
        public static Form Of(string word)
        {
            var stem = EnglishStemmer.Stem(word);
            // The stem of a gardener is a garden; that of an order is no "ord".
            bool isAgent = Agent().Match(word) is { Success: true } suffix && stem == EnglishStemmer.Stem(word[..suffix.Index]);
            return new Form(word, stem, EnglishSynonyms.KeyOf(stem), isAgent);
        }

        // A gardener is not said by a garden: of words for persons, the stem is not enough.
        public bool IsSaidBy(ReadOnlySpan<char> said)
        {
            if (said.SequenceEqual(Text))
                return true;
            var stem = EnglishStemmer.Stem(said.ToString());
            return (stem == Stem || EnglishSynonyms.KeyOf(stem) == Key) && Of(said.ToString()).IsAgent == IsAgent;
        }
    }

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

    [GeneratedRegex(@"^\W*(?:The \p{Ll}|\p{Ll}|(?:It|Its|They|Their|He|His|She|Her|This|These|Those|There|Both|All|Each|Here|And|But|In|On|At|From|With|By|If|When|Where"
        + @"|For|To|Then|Also)\b)")]
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
