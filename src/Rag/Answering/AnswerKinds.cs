using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>Tells what kind of answer a question wants by its question words, and finds things of that kind in a sentence. Works on NFKC text.</summary>
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
            if (question.AsSpan().IndexOf(sentence.AsSpan(match.Index, match.Length), StringComparison.OrdinalIgnoreCase) < 0)
                return true;
        return false;
    }

    [GeneratedRegex(@"何年|いつ|何月|何日|何曜|何世紀|何時|年は|時期|時代は|\bwhen\b|\b(what|which) (year|date|day|weekday|month|time|century)\b|\bsince when\b|\bhow often\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex TimeQuestion();

    [GeneratedRegex(@"何[人名度回種類個%パー位番号倍円メキ歳才系条章党席校カか国議分秒点件語文桁層次ト]|いくつ|いくら|どれくらい|どのくらい|割合|数は|人口|面積|\bhow (many|much|long|large|big|far|old|fast|high|deep|wide|tall|small|short|soon|expensive)\b|\bwhat (percentage|number|size|price|share|rate|fraction|version|port)\b|\b(cost|price)\b|\bwhat (do|does|must|will|would|should|can)\b.*\b(pay|cost|earn|charge)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex QuantityQuestion();

    [GeneratedRegex(@"誰|だれ|何者|人物|名前|候補者|人は|\bwho(se|m)?\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PersonQuestion();

    [GeneratedRegex(@"どこ|どの国|どの都市|場所|何国|何県|何州|地域は|都市は|国は|\bwhere\b|\b(what|which) (country|city|place|town|region|state|folder|file|directory)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex PlaceQuestion();

    [GeneratedRegex(@"なぜ|どうして|理由|\bwhy\b|\b(what|which) reasons?\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ReasonQuestion();

    [GeneratedRegex(@"ため|ので|から|理由|\b(because|cause[ds]?|since|so that|due to|therefore|as a result|to avoid|for this reason|otherwise)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Reason();

    [GeneratedRegex(@"\d+\s*(年|月|日|世紀|時)|[一二三四五六七八九十]+(年|月|世紀)|時代|以降|以来|まで|当時|\b(1\d{3}|20\d\d)\b|\b\d{1,2}:\d\d\b|\b(january|february|march|april|may|june|july|august|september|october|november|december|monday|tuesday|wednesday|thursday|friday|saturday|sunday|night|morning|daily|weekly|monthly|yearly|every|after|before|during|once|twice|until)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Time();

    [GeneratedRegex(@"\d[\d,.]*|[一二三四五六七八九十百千万]+[人名度回種個倍円歳位つ]|\b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|hundred|thousand|million|half|double|twice|once|third|quarter|free|unlimited|zero)\b", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Quantity();

    [GeneratedRegex(@"[ァ-ヴー]{2,}・[ァ-ヴー]+|[一-龥]{2,4}(氏|は|が|ら|によ|も)|[ァ-ヴー]{3,}|\b[A-Z][a-z]+( [A-Z][a-z]+)+\b|(?<=\p{Ll} )[A-Z][a-z]+\b|\b(team|desk|officer|head|engineer|manager|author|owner|editor|user|admin\w*|company|maintainers?)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Person();

    [GeneratedRegex(@"[一-龥ァ-ヴー][都道府県市区町村国州島](?!際|民|家)|地方|大陸|地域|[ァ-ヴー]{3,}|\b(in|at|on|under|from|to|near) (the )?[A-Z]\w+|\S*/\S+|\b(folder|file|directory|page|section|server|disk|machine|table|collection|store)\b", RegexOptions.CultureInvariant)]
    private static partial Regex Place();
}
