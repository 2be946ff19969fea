using System.Text.RegularExpressions;
using Kotonoha.Rag.Words;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Tells when a question asks when something is, or who does it, and a text has nothing that could be a time or a person in the widest
/// sense. Narrower than <see cref="AnswerKinds"/> about the question, and wider about the text: what it objects to does not answer.
/// Works on NFKC text.
/// </summary>
internal sealed partial class DemandedKinds
{
    private readonly string _question;
    private readonly Regex? _wanted;
    private readonly bool _isPerson, _isOfThePast;

    internal DemandedKinds(Question question)
    {
        _question = question.Folded;
        if (question.Language is not ("en" or "ja"))
            return;
        (_isPerson, _isOfThePast) = (AsksWho().IsMatch(question.Folded), AsksWhenItWas().IsMatch(question.Folded));
        _wanted = _isPerson ? Person() : AsksWhen().IsMatch(question.Folded) ? Time() : null;
    }

    /// <summary>Whether a sentence lacks what is asked for, and the one behind it, which completes it, too.</summary>
    internal bool AreMissing(Passage passage, int index)
    {
        if (_wanted is null)
            return false;
        var sentence = passage.Sentences[index];
        return !IsIn(sentence) && !CompletesIt(passage, index, index + 1)
            && !(QuoteBuilder.PointsBack(sentence.Normalized) && CompletesIt(passage, index, index - 1));
    }

    private bool CompletesIt(Passage passage, int index, int other)
        => other >= 0 && other < passage.Sentences.Count && passage.Sentences[index] is { IsRow: false, IsItem: false } sentence
            && passage.Sentences[other].Block == sentence.Block && IsIn(passage.Sentences[other]);

    /// <summary>
    /// Whether who does something is asked for, and a sentence that says nothing of what is done names nobody: "Report mistakes to the
    /// editor."
    /// </summary>
    internal bool NamesNobody(PassageSentence sentence)
        => _isPerson && !IsAnyIn(Name(), sentence.Normalized) && !HasUnknownName(sentence);

    private bool HasUnknownName(PassageSentence sentence)
        => Katakana().Matches(sentence.Folded).Select(match => match.Value).Intersect(AskedWords.UnknownKatakana(sentence.Folded))
            .Concat(UnknownKanji(sentence.Folded)).Any(name => !_question.Contains(name, StringComparison.Ordinal));

    // スペイン of スペイン語 is no name of a person.
    [GeneratedRegex("[ァ-ヴー]{3,}(?![一-龥])")]
    private static partial Regex Katakana();

    private bool IsIn(PassageSentence sentence)
    {
        var text = _isOfThePast ? Duration().Replace(sentence.Normalized, " ") : sentence.Normalized;
        return IsAnyIn(_wanted!, text) || (_isPerson && HasUnknownName(sentence));
    }

    private bool IsAnyIn(Regex wanted, string text)
    {
        foreach (var match in wanted.EnumerateMatches(text))
            if (!(_isPerson || char.IsAsciiDigit(text[match.Index]))
                || !_question.AsSpan().Contains(text.AsSpan(match.Index, match.Length), StringComparison.OrdinalIgnoreCase))
                return true; // "When may I stop?" – "Stop when the lamp is green."
        return false;
    }

    // 鬼頭達也: words that no dictionary has are names, as a rule.
    private static IEnumerable<string> UnknownKanji(string folded)
    {
        var known = WordVectors.Default.WordsOf(folded);
        return Kanji().Matches(folded)
            .Where(run => known.Where(word => word.Start >= run.Index && word.Start < run.Index + run.Length && word.Length > 1)
                .Sum(word => word.Length) < run.Length)
            .Select(run => run.Value);
    }

    [GeneratedRegex("[一-龥々-[一二三四五六七八九十百千万億第名年月日曜毎]]{2,6}")]
    private static partial Regex Kanji();

    [GeneratedRegex(@"^\W*(?:(?:and|but|so|then) )?(?:(?:to|by|from|with|for|about) )?who(?:m|se)?\b|[,;] who(?:m|se)?\b[^,]*\?|(?:誰|だれ|どなた)(?!でも|も|か(?![。？?]|$))")]
    private static partial Regex AsksWho();

    [GeneratedRegex(@"^\W*(?:(?:and|but|so|then) )?(?:(?:since|until|till|from|by) )?when\b|\bwhen (?:is|are|was|were|do|does|did|will|can|should|must|has|have)\b[^,]*\?"
        + "|いつ(?!でも|も|か(?![。？?]|$)|の間)")]
    private static partial Regex AsksWhen();

    [GeneratedRegex(@"\bwhen (?:was|were|did)\b|いつ[^、]*(?:ました|でした|れた|った|した|んだ)(?:の(?:です)?)?か?[。？?\s]*$")]
    private static partial Regex AsksWhenItWas();

    // How long something lasts or was is no point in time.
    [GeneratedRegex(@"\b(?:for|lasts?|lasted|takes?|took|within|every|each|per) (?:[\w.]+ ){0,3}?(?:seconds?|minutes?|hours?|days?|nights?|weeks?|months?|years?)\b"
        + @"|\bthen\b|\bif\b|[\d一二三四五六七八九十百数]+(?:秒|分|時間|日|週間?|[かカヶヵ]月|年)間", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Duration();

    [GeneratedRegex(@"\d\s*(?:[ap]\.?m\b|o'clock|[:.]\d\d)|\bat (?:\d{1,2}|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|noon|night)\b|\bhalf past\b|\d{1,2}(?:st|nd|rd|th)\b|\b1\d{3}\b|\b20\d\d\b|\b\d{1,2}/\d{1,2}\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b"
        + @"|\b(?:january|february|march|april|may|june|july|august|september|october|november|december|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b"
        + @"|\b(?:seconds?|minutes?|hours?|hourly|days?|daily|nights?|nightly|weeks?|weekly|weekends?|weekdays?|months?|monthly|years?|yearly|annual(?:ly)?|quarter(?:ly)?"
        + @"|decades?|centur(?:y|ies)|semesters?|terms?|seasons?|mornings?|noon|afternoons?|evenings?|midnight|dawn|dusk|sunrise|sunset|spring|summer|autumn|winter"
        + @"|christmas|easter|holidays?|today|tonight|tomorrow|yesterday|now|currently|recently|lately|soon|immediately|always|never|later|earlier|formerly|eventually"
        + @"|then|when|whenever|once|as soon as|after|before|during|while|until|till|since|upon|if|ago|any ?time|at once|age[ds]?)\b|\b(?:beginning|start|end|close) of\b"
        + @"|[\d一二三四五六七八九十百千元数毎半翌前同当先来今昨何](?:年|月|日|時|週|分|秒|期|度|夜|晩|朝|夕|昼|世紀|[かカヶヵ]月)|曜|世紀|時代|時期|時点|とき|際|時[はにのまか、]|[分日月年週間時]後|[分日月年週間時]前"
        + @"|直[前後]|(?:以|事|午|戦)[前後]|[のたい][後前](?:[にはのか、]|$)|まで|以降|以来|当[時初]|現在|今[はもでの]|昔|最近|近年|[春夏秋冬](?![一-龥])|[朝夕晩夜昼](?![一-龥])|正午|夜間|昼間|日中|深夜|[たんだ]ら、?|れば|すると|たび|途中|早朝|随時|常時"
        + "|いつでも|年中|[祝休平連]日|週[末初]|[月年]末|月初|正月|お盆|即[日時]|ころ|頃|ごろ|初[めに]|末に|終わり|はじめ|まもなく|すぐ",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Time();

    private const string Names = @"(?<=[\p{L}\d,;:'’""”)] |[|:] ?|^|\b(?:\p{Lu}|Dr|Mrs?|Ms|Prof)\. )(?!(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)days?\b|(?:January|February|March|April|May|June|July|August|September|October|November"
        + @"|December|The|An?|It|Its|This|That|These|Those|There|In|On|At|For|From|With|Without|If|When|While|After|Before|Each|Every|All|No|Not|To|By|And|But|Or|Please"
        + @"|Our|Your|My|Their|Then|Here|As|Of|Only|Until|Unlike|Where|What|Which|How|Some|Many|Most|Both|Also|He|She|They|We|You|Among|Between|Next|Today|Now)\b)\p{Lu}\p{Ll}+\b";

    [GeneratedRegex(Names, RegexOptions.CultureInvariant)]
    private static partial Regex Name();

    [GeneratedRegex(Names
        + @"|\b(?i:we|us|i|you|anyone|anybody|someone|somebody|everyone|everybody|nobody|none|who|whoever|people|persons?|adults?|child(?:ren)?|parents?"
        + @"|m[ae]n|wom[ae]n|boys?|girls?|mother|father|sisters?|brothers?|sons?|daughters?|wi(?:fe|ves)|husbands?|widow(?:er)?s?|famil(?:y|ies)|staff|crew|colleagues?|neighbou?rs?"
        + @"|heads?|leads?|chiefs?|chairs?|nurses?|coach(?:es)?|chefs?|clerks?|judges?|guards?|guides?|hosts?|king|queen|prince(?:ss)?|members?|teams?|compan(?:y|ies)|firms?"
        + @"|council|committee|board|government|ministry|department|office|desk|association|society|club|bank|school|university|agency|authority|court|police|reception"
        + @"|customers?|clients?|guests?|visitors?|volunteers?|employees?|residents?|students?|pupils?|tenants?|secretary|caretaker"
        + @"|[a-z]{2,}(?:ers?|ors?|ists?|ians?|ants?|ees?|m[ae]n|person)(?<!\b(?:other|after|under|over|never|ever|paper|water|number|order|letter|offer|power|tower|server|counter"
        + @"|meter|center|error|mirror|motor|colou?r|corner|cover|filter|summer|winter|another|further|either|rather|larger|smaller|lower|upper|higher|former|latter|river|sector"
        + @"|factor|monitor|projector|elevator|floor|door|plant|restaurant|important|relevant|apartment|free|three|agree|degree|coffee|tree|fee|see|older|newer|later|earlier|longer"
        + @"|shorter|better|greater|per|for|nor|list|exist|assist|consist|want|grant|quarter|september|october|november|december|enter|remember|consider|discover|matter|transfer)s?))\b"
        // Words for persons and bodies; counted ones are none.
        + @"|さん|氏|様(?!子|々|式)|先生|選手|(?:[長員者師士官民親]|担当|[課部室局庁省署団党校院社店会])(?=[はがのをにもで、。:）)」]|による|によ|です|$|\s|\|)(?<!機会)"
        + @"|(?<![\d一二三四五六七八九十百数何])人(?=[はがのをにも])", RegexOptions.CultureInvariant)]
    private static partial Regex Person();
}
