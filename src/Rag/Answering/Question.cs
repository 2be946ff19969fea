using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// What the question says, taken apart: its terms without the words that only ask, its names and numbers, the kind of answer it wants.
/// </summary>
internal sealed partial class Question
{
    // How much content kana carry beside kanji, katakana and words; chosen on the tuning questions.
    private const double HiraganaWeight = 0.15, MixedWeight = 0.6;

    // "Which weekday": the answer names one and need not say the word.
    private const double AskedNounWeight = 0.3;

    private readonly Lazy<AnswerTypes?> _type;
    private readonly HashSet<string> _askedNouns;

    internal Question(string text)
    {
        Text = text;
        Normalized = JoinedCode().Replace(Normalizer.Normalize(text, NormalizationForm.FormKC), "${letters}-${digits}");
        Folded = Normalizer.FoldCase(Normalized);
        Language = QuestionLanguage.Of(Folded);
        Kind = AnswerKinds.Of(Normalized);
        Numbers = NumbersOf(Folded).ToHashSet(StringComparer.Ordinal);
        References = Answering.References.Of(Normalized, isQuestion: true);
        Names = Answering.References.NamesOf(Normalized);
        AsksYesOrNo = YesOrNo().IsMatch(Folded);
        IsNegated = !AsksYesOrNo && Negation().IsMatch(Folded);
        AsksNext = NextStep().IsMatch(Folded);
        AsksProcedure = !AsksNext && Procedure().IsMatch(Folded);
        AsksForOtherRole = Roles.AreOthers(Folded);
        Dates = [.. Date().Matches(Folded).Select(match => match.Value)];
        _type = new Lazy<AnswerTypes?>(() => AsksYesOrNo ? null : AnswerTypes.Of(Normalized));

        var content = QuestionEnd().Replace(QuestionWord().Replace(QuestionEnd().Replace(Folded, " "), " "), " ");
        Characters =
            SearchValues.Create([.. content.Where(static c => c >= '\u2E80' && c is not (>= 'ぁ' and <= 'ゖ') and not 'ー').Distinct()]);
        AllKeys = TermKeys.Of(Folded);
        var asked = AskedNoun().Matches(Folded).SelectMany(match => match.Groups["noun"].Value.Split(' '))
            .ToHashSet(StringComparer.Ordinal);
        _askedNouns = asked;
        var saying = Folded.ToCharArray();
        foreach (var match in QuestionWord().Matches(Folded).Concat(QuestionEnd().Matches(Folded)).Concat(AskedCounter().Matches(Folded)))
            saying.AsSpan(match.Index, match.Length).Fill(' ');
        Saying = new string(saying);
        Quoted = [.. QuotedName().Matches(Folded).Select(match => match.Groups[1].Value.Trim()).Where(name => name.Length > 1)];
        var katakana = AskedWords.UnknownKatakana(Saying).ToArray();
        Katakana = [.. katakana.Select(word => WordVectors.Default.TailOf(word) is var tail && tail < word.Length ? word[..tail] : word)
            .Concat(NumberedName().Matches(Saying).Select(match => match.Value))];
        ProperNames = [.. Names, .. Quoted.Concat(katakana).Select(name => new[] { name })];
        var terms = TermsOf(content, keepStopWords: false, asked);
        Terms = terms.Count > 0 ? terms : TermsOf(Folded, keepStopWords: true, asked);
        Runs = [.. Run().Matches(content).Select(match => match.Value).Where(run => !EnglishStopWords.Contains(run) && !asked.Contains(run))
            .Distinct(StringComparer.Ordinal)];
    }

    /// <summary>As asked.</summary>
    internal string Text { get; }

    /// <summary>In NFKC, part numbers with a hyphen: KX220 is KX-220, whose parts a text holds however it writes it.</summary>
    internal string Normalized { get; }

    /// <summary>In NFKC, case folded.</summary>
    internal string Folded { get; }

    /// <summary>Its language, as a two-letter code.</summary>
    internal string Language { get; }

    /// <summary>Whether it is written with spaces between words that are looked up whole.</summary>
    internal bool IsSpaced => Language is not ("ja" or "zh" or "ko" or "th");

    internal AnswerKind Kind { get; }

    /// <summary>The form that an answer must have, or null where any will do.</summary>
    internal AnswerTypes? Type => _type.Value;

    /// <summary>The terms with content, each once.</summary>
    internal IReadOnlyList<QuestionTerm> Terms { get; }

    /// <summary>
    /// What is searched for besides the question as it stands, for English: its words without function words (they are rare in terse
    /// documents, and would drown the rest), then the other forms and synonyms of its words (the index holds words as they are written).
    /// </summary>
    internal IEnumerable<string> OtherSearches()
    {
        if (Language != "en" || Terms.Count == 0)
            yield break;
        yield return string.Join(' ', Terms.Select(term => term.Term));
        yield return string.Join(' ',
            Terms.Where(term => term.Weight >= 1).SelectMany(term => EnglishSynonyms.WordsLike(term.Term))
                .Distinct(StringComparer.Ordinal));
    }

    /// <summary>The keys of all terms, question words too.</summary>
    internal IReadOnlySet<string> AllKeys { get; }

    internal IReadOnlySet<string> Numbers { get; }

    /// <summary>What tells the thing that is asked about from its siblings: codes, numbered things, years.</summary>
    internal IReadOnlyList<Reference> References { get; }

    /// <summary>The names in it, each as its words, case folded.</summary>
    internal IReadOnlyList<string[]> Names { get; }

    /// <summary>
    /// Names: words in katakana that no dictionary has, without an end that one has (ファミリー of ファミリープラン), and numbered words (陶芸2).
    /// </summary>
    internal IReadOnlyList<string> Katakana { get; }

    /// <summary>The names, what stands in quotation marks, and words in katakana that no dictionary has; each as its words.</summary>
    internal IReadOnlyList<string[]> ProperNames { get; }

    /// <summary>Whether it asks for a deputy, a former holder of a role, and not for the holder.</summary>
    internal bool AsksForOtherRole { get; }

    /// <summary>Whether it asks for the step after the one that it tells.</summary>
    internal bool AsksNext { get; }

    /// <summary>Whether it asks how something is done, step by step.</summary>
    internal bool AsksProcedure { get; }

    /// <summary>Whether it asks who or what is not so.</summary>
    internal bool IsNegated { get; }

    /// <summary>Whether "yes" or "no" would answer it.</summary>
    internal bool AsksYesOrNo { get; }

    /// <summary>Its characters that carry content by themselves: kanji, katakana, Hangul.</summary>
    internal SearchValues<char> Characters { get; }

    /// <summary>Whole dates as they are written, case folded: "12 may 2025", "2025-05-12", "2025年5月12日".</summary>
    internal IReadOnlyList<string> Dates { get; }

    /// <summary>Words as wholes: runs of katakana, of kanji, of Latin letters and digits.</summary>
    internal IReadOnlyList<string> Runs { get; }

    /// <summary>Whether a word says what kind of thing is asked for: the answer names one and need not say the word.</summary>
    internal bool IsAskedNoun(string word) => _askedNouns.Contains(word);

    /// <summary>The folded text with blanks where it only asks; of the same length.</summary>
    internal string Saying { get; }

    /// <summary>What stands in quotation marks, case folded: names, by which the thing is called that is asked about.</summary>
    internal IReadOnlyList<string> Quoted { get; }

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
                    asked.Contains(token.Term) ? AskedNounWeight
                        : TermKeys.IsHiragana(token.Term) ? HiraganaWeight
                        : TermKeys.HasHiragana(token.Term) ? MixedWeight
                        : 1));
        return terms;
    }

    [GeneratedRegex(@"何という|なんという|なんと言う|何と呼ば|何と|なに|なん(?=で|と|の|か)|何|誰|だれ|どこ|どちら|どれくらい|どのくらい|どれ|どのような|どんな|どう|どの|いつ|いくつ|いくら|なぜ|ですか|でしょうか|ますか"
        + @"|ましたか|ください|教えて|挙げよ|答えよ|述べよ|什么时候|什麼時候|什么|什麼|哪里|哪裡|哪儿|哪个|谁|多少|怎么|怎麼|怎样|为什么|為什麼|如何|几点|几|[吗嗎呢]|언제|무엇|뭐|어디|누구|얼마나|얼마|왜|어떻게|어떤|어느"
        + @"|몇|입니까|습니까|합니까|니까|인가요|나요|은가요|เมื่อไร|เมื่อไหร่|อะไร|ที่ไหน|ใคร|เท่าไร|เท่าไหร่|ทำไม|อย่างไร|[?？。、]")]
    private static partial Regex QuestionWord();

    [GeneratedRegex(@"(?:とは|[かはの])+[?？。\s]*$")]
    private static partial Regex QuestionEnd();

    [GeneratedRegex(@"\b(?:which|what|what(?: is|'s| are| was| were) the(?: \w+)?) (?<noun>weekday|day|date|year|month|time|number|amount"
        + @"|percentage|share|country|city|place|person|name|value|size|word|term|formula|file|command|option)\b"
        + @"|\bhow (?<noun>long|big|large|small|high|low|heavy|old|far|tall|wide|deep|fast|often|hot|cold|warm|loud|noisy|expensive|soon|late|early"
        + @"|thick|bright|strong|powerful)\b|\bwhere (?:is|are) (?:the )?(?<noun>offices?)(?= of\b)|\bwhere [^?]*\b(?<noun>located|situated|housed)\b|\bhow many (?<noun>people|persons|" + AnswerTypes.Units + @")|\b(?<noun>steps|procedure)(?= (?:for|to|of|in|when)\b|\?)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex AskedNoun();

    // 何人, 何デシベル: what is counted or measured, which the answer may write otherwise (46名, 65dB). A list is a procedure by itself.
    [GeneratedRegex("手順|やり方|仕方|の(?:名前|氏名|名称|方法|内容|中身|内訳|種類)(?=[はを]|$)|どう(?:対処|対応)"
        + "|何(?:人|名|円|枚|台|個|本|冊|件|社|校|室|階|番|歳|才|回|度|倍|割|点|種類?|曜日?|[時分秒日週年月]間?|[かカヶケヵ](?:月間?|国|所|条)"
        + "|[ァ-ヴー]*(?:グラム|メートル|リットル|ワット時?|バイト|ベル|ボルト|ヘルツ|カロリー|ユーロ|ドル|ポンド|パーセント|トン|ヘクタール|キロ)|[a-z%]{1,3})")]
    private static partial Regex AskedCounter();

    [GeneratedRegex(@"\bnext step\b|\bwhat (?:do|must|should|can|shall) (?:i|we|you|one) do (?:next )?after\b|\bwhat (?:is|has) to be done (?:next )?after\b"
        + @"|\bwhat (?:comes|happens|follows|is done) (?:next )?after\b|\bafter\b.*\bwhat (?:do|must|should|is|comes|happens)\b|(?:後|あと|次)(?:に|は|には|で)?何を(?:し|す|行)"
        + @"|次の(?:手順|ステップ|工程|作業)は")]
    private static partial Regex NextStep();

    [GeneratedRegex(@"(?<![\p{L}\d-])(?<letters>[A-Za-z]{1,8})(?<digits>\d{2,})(?![A-Za-z\d])")]
    private static partial Regex JoinedCode();

    [GeneratedRegex(@"\bhow (?:do|can|should|must|would|could|may) (?:i|we|you|one|they|users|employees|staff)\b(?! (?:often|long|much|many|know|reach|contact|call))"
        + @"|\bhow (?:is|are) (?:an? |the |our |my |your )?[^?]*\b\w+ed\?|\bhow to\b|\b(?:steps|procedure|instructions)\b"
        + @"|\bwhat (?:do|must|should|can|shall) (?:i|we|you|one) do\b|\bwhat (?:is|has) to be done\b"
        + "|手順|やり方|仕方|方法|どうやって|どのように|どう(?:すれば|したら|対処|対応|直|扱)|何をす(?:れば|べき)")]
    private static partial Regex Procedure();

    /// <summary>Whether a text denies something.</summary>
    internal static bool Denies(string folded) => Negation().IsMatch(folded);

    [GeneratedRegex(@"^\s*(?:is|are|was|were|do|does|did|can|could|may|must|should|will|would|has|have|had|am)\b|(?:ます|です|でしょう|ますでしょう"
        + @"|ました|でした|ません|るの|いの)か[?。\s]*$(?<!(?:何|いつ|どこ|誰|だれ|どの|どれ|どう|なぜ|いくら|いくつ|どんな|どちら).*)")]
    private static partial Regex YesOrNo();

    [GeneratedRegex(@"\b(?:not|no|never|none|nobody|nothing|nowhere|cannot|without|neither|nor)\b|n['’]t\b|ない(?!と)|なかっ|ません|できず|せず|ずに")]
    private static partial Regex Negation();

    [GeneratedRegex("[「『“\"]([^」』”\"]{2,40})[」』”\"]")]
    private static partial Regex QuotedName();

    [GeneratedRegex(@"[一-龥々ァ-ヴー]{2,}\d{1,2}(?![\d.,]|[一-龥々ァ-ヴーa-z%])")]
    private static partial Regex NumberedName();

    [GeneratedRegex(@"\d[\d,.]*")]
    private static partial Regex Number();

    [GeneratedRegex(@"\b\d{1,2} (?:january|february|march|april|may|june|july|august|september|october|november|december) \d{4}\b"
        + @"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december) \d{1,2}, \d{4}\b"
        + @"|\b\d{4}-\d\d-\d\d\b|\d{4}年\d{1,2}月\d{1,2}日")]
    private static partial Regex Date();

    [GeneratedRegex(@"[ァ-ヴー]{2,}|[一-龥々]{2,}|[a-z0-9]+|[가-힣]{2,}?(?=(?:은|는|이|가|을|를|에|의|도|로|으로|와|과)?(?![가-힣]))|[\u0E00-\u0E7F]{2,}")]
    private static partial Regex Run();
}

/// <summary>A term of a question.</summary>
/// <param name="Term">As the analyzer gives it.</param>
/// <param name="Key">What it is compared by: the stem of an English word, otherwise the term.</param>
/// <param name="Weight">How much content such a term carries, whatever its rarity: kana less than kanji.</param>
internal sealed record QuestionTerm(string Term, string Key, double Weight);

/// <summary>What kind of thing a question asks for.</summary>
internal enum AnswerKind
{
    Other,
    Time,
    Quantity,
    Person,
    Place,
    Reason,
}

/// <summary>
/// Tells what kind of answer a question wants by its question words, and finds things of that kind in a sentence. Works on NFKC text.
/// </summary>
internal static partial class AnswerKinds
{
    internal static AnswerKind Of(string question)
        => TimeQuestion().IsMatch(question) ? AnswerKind.Time
        : QuantityQuestion().IsMatch(question) ? AnswerKind.Quantity
        : PersonQuestion().IsMatch(question) ? AnswerKind.Person
        : PlaceQuestion().IsMatch(question) ? AnswerKind.Place
        : ReasonQuestion().IsMatch(question) ? AnswerKind.Reason
        : AnswerKind.Other;

    /// <summary>Whether the sentence holds something of the kind that the question does not hold already.</summary>
    internal static bool Holds(AnswerKind kind, string sentence, string question)
    {
        var pattern = kind switch
        {
            AnswerKind.Time => Time(),
            AnswerKind.Quantity => Quantity(),
            AnswerKind.Person => Person(),
            AnswerKind.Place => Place(),
            AnswerKind.Reason => Reason(),
            _ => null,
        };
        if (pattern is null)
            return false;
        foreach (var match in pattern.EnumerateMatches(sentence))
            if (question.AsSpan().IndexOf(sentence.AsSpan(match.Index, match.Length), StringComparison.OrdinalIgnoreCase) < 0
                && !IsThing(sentence.AsSpan(match.Index, match.Length)))
                return true;
        return false;
    }

    // A word in katakana may be a name; those that a dictionary has are names of countries at most.
    private static bool IsThing(ReadOnlySpan<char> word)
        => word.IndexOfAnyExceptInRange('ァ', 'ー') < 0 && WordVectors.Default.WordsOf(word.ToString()) is [var known]
            && WordVectors.Default.Likeness(known.Id, Country.Value) < NameLikeness;

    private const float NameLikeness = 0.35f;

    private static readonly Lazy<int> Country = new(() => WordVectors.Default.WordsOf("国")[0].Id);

    [GeneratedRegex(@"什么时候|什麼時候|何时|几点|언제|몇 시|何年|いつ|何月|何日|何曜|何世紀|何時|年は|時期|時代は|\bwhen(?:'s| (?:is|are|was|were|do|does|did|can|could|may|might|must|should|shall|will|would|has|have|had))\b|\b(what|which) (year|date|day|weekday|month|time"
        + @"|century)\b|\bsince when\b|\bhow often\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex TimeQuestion();

    [GeneratedRegex(@"多少|几[个人本次天年元块]|얼마|몇|何[人名度回種類個%パー位番号倍円メキ歳才系条章党席校カか国議分秒点件語文桁層次ト]|いくつ|いくら|どれくらい|どのくらい|割合|数は|人口|面積|\bhow (many|much"
        + @"|long|large|big|far|old|fast|high|deep|wide|tall|small|short|soon|expensive)\b|\bwhat (percentage|number|size|price|share"
        + @"|rate|fraction|version|port)\b|\b(cost|price)\b|\bwhat (do|does|must|will|would|should|can)\b.*\b(pay|cost|earn|charge)",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex QuantityQuestion();

    [GeneratedRegex(@"谁|누구|誰|だれ|何者|人物|名前|候補者|人は|\bwho(se|m)?\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PersonQuestion();

    [GeneratedRegex(@"哪里|哪裡|哪儿|어디|どこ|どの国|どの都市|場所|何国|何県|何州|地域は|都市は|国は|\bwhere\b|\b(what|which) (country|city|place|town|region|state"
        + @"|folder|file|directory)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PlaceQuestion();

    [GeneratedRegex(@"为什么|為什麼|왜|なぜ|どうして|理由|\bwhy\b|\b(what|which) reasons?\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ReasonQuestion();

    [GeneratedRegex(@"ため|ので|から|理由|\b(because|cause[ds]?|since|so that|due to|therefore|as a result|to avoid|for this reason|otherwise)\b",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Reason();

    [GeneratedRegex(@"[一二三四五六七八九十\d]+[点點時时]|(?:\d|[한두세네열]|다섯|여섯|일곱|여덟|아홉)\s?시|요일|\d+\s*(年|月|日|世紀|時|시|분|년|월|일)|[一二三四五六七八九十]+(年|月|世紀)|時代"
        + @"|以降|以来|まで|当時|\b(1\d{3}|20\d\d)\b|\b\d{1,2}:\d\d\b|\b(january|february|march|april|may|june|july|august|september|october"
        + @"|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|night|morning|daily|weekly|monthly|yearly|every"
        + @"|after|before|during|once|twice|until)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Time();

    [GeneratedRegex(@"\d[\d,.]*|[一二三四五六七八九十百千万]+[人名度回種個倍円歳位つ]|\b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred"
        + @"|thousand|million|half|double|twice|once|third|quarter|free|unlimited|zero)\b",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Quantity();

    [GeneratedRegex(@"[ァ-ヴー]{2,}・[ァ-ヴー]+|[一-龥]{2,4}(氏|は|が|ら|によ|も)"
        + @"|[一-龥々]{2,5}(?<![部課室係科局会社店館校市区町村県府階号])(?:です|でした|である|だった)"
        + @"|(?<=^|\| )[一-龥々]{3,5}(?<![部課室係科局会社店館校市区町村県府階号])(?= \||$)|[ァ-ヴー]{3,}|\b[A-Z][a-z]+( [A-Z][a-z]+)+\b"
        + @"|(?<=\p{Ll} )(?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day"
        + @"|January|February|March|April|May\b|June|July|August|September|October|November|December)[A-Z][a-z]+\b"
        + @"|\b(?:by|the|an?|our|every|each) (?:\w+ )?(?!(?:floor|door|corridor|number|order|paper|water|computer|printer|letter|offer|power|tower"
        + @"|server|counter|meter|center|error|mirror|motor|colou?r|corner|cover|filter|summer|winter|other|another|further|either|larger|smaller"
        + @"|lower|upper|higher|former|latter|river|harbor|sector|factor|monitor|projector|elevator|calendar|september|october|november|december"
        + @"|plant|restaurant|important|relevant|list|document|department|moment|government|payment|equipment|apartment)s?\b)"
        + @"[a-z]{2,}(?:er|or|ist|ian|ant|man|woman|men|women)s?\b"
        + @"|\b(?<!\d )(?:people|persons?|men|women|children|members?|teams?|staff"
        + @"|compan(?:y|ies)|government|committee|council|family|group)\b",
        RegexOptions.CultureInvariant)]
    private static partial Regex Person();

    [GeneratedRegex(@"[一-龥ァ-ヴー][都道府県市区町村国州島](?!際|民|家)|地方|大陸|地域|[\d一二三四五六七八九十]階|地下|[東西南北]側|の[隣横裏前]|近く|向かい"
        + @"|\b(?:ground|top|first|second|third|fourth|fifth|sixth|\d+(?:st|nd|rd|th)) floor\b|\bfloor \d|[ァ-ヴー]{3,}|\b(in|at|on|under|from|to|near) (the )?[A-Z]\w+|\S*/\S+"
        + @"|\b(?:in|at|on|under|near|inside|outside|behind|opposite|beside|between|into|onto|through) (?:the|an?|its|their|our|your) \w+",
        RegexOptions.CultureInvariant)]
    private static partial Regex Place();
}
