using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// How often an amount of money is paid: what is paid once is no price a month, and the other way round. Works on NFKC text.
/// </summary>
internal static partial class Rates
{
    private const int Before = 12;

    /// <summary>
    /// Whether an amount in a text is paid at another rate than the one that the question asks for, or is a charge of its own, such as a
    /// deposit, that the question does not ask for.
    /// </summary>
    /// <param name="question">The question.</param>
    /// <param name="text">The text.</param>
    /// <param name="start">Where the amount starts in the text.</param>
    /// <param name="end">Where it ends.</param>
    internal static bool IsOther(string question, string text, int start, int end)
        => (RateOf(Asked().Match(question)) is { } asked && RateOfAmount(text, start, end) is { } given && asked != given)
            || (!Charge().IsMatch(question) && Charge().IsMatch(ClauseAt(text, start, end)));

    // From the border before an amount to the one behind it.
    private static string ClauseAt(string text, int start, int end)
    {
        int from = Border().Matches(text).LastOrDefault(border => border.Index < start) is { } before ? before.Index + before.Length : 0;
        return Border().Match(text, end) is { Success: true } after ? text[from..after.Index] : text[from..];
    }

    [GeneratedRegex(@"[。、;|\n]|[,.!?](?=\s|$)|\b(?:and|but|while|whereas|plus)\b")]
    private static partial Regex Border();

    private static string? RateOfAmount(string text, int start, int end)
        => RateOf(Behind().Match(text, end)) ?? RateOf(Ahead().Match(text[Math.Max(0, start - Before)..start]));

    private static string? RateOf(Match match)
        => match.Success ? match.Groups.Values.Skip(1).First(group => group.Success).Name : null;

    [GeneratedRegex(@"(?<month>\bmonthly\b|\b(?:a|per|each|every) month\b|月額|毎月|月々|(?<![\d.,一二三四五六七八九十百千])[1一]か月)|(?<year>\b(?:yearly|annual)\b|\b(?:a|per|each|every) year\b|年額|毎年|年会費)"
        + @"|(?<week>\bweekly\b|\b(?:a|per|each|every) week\b|毎週)|(?<day>\bdaily\b|\b(?:a|per|each|every) day\b|日額|(?<![\d.,一二三四五六七八九十百千])[1一]日(?:あたり|当たり))"
        + @"|(?<hour>\bhourly\b|\b(?:an|per|each|every) hour\b|時給|(?<![\d.,一二三四五六七八九十百千])[1一]時間)|(?<once>\bset(?:ting)?[ -]?up\b|\b(?:initial|one-off|one-time|joining|registration|enrolment)\b"
        + "|初期|入会|入学|登録料|加入|開設)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Asked();

    [GeneratedRegex(@"\b(?:set(?:ting)?[ -]?up|deposits?|(?:activation|enrolment|registration|joining|late|cancellation|shipping|delivery|handling|booking) (?:fees?|charges?|costs?)|surcharges?"
        + @"|penalt(?:y|ies)|fines?(?= (?:of|is|are|was|were|for|may|can|will|up)\b|\s?[\d£$€¥.,;:)|]|$))\b|初期費用|入会金|登録料|加入金|敷金|礼金|保証金|手付金|違約金|キャンセル料|延滞|追加料金|送料|配送料|罰金",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Charge();

    [GeneratedRegex(@"\G[\s,(]*(?:(?:a|an|per|each|every|/) ?(?:(?<month>month)|(?<year>year)|(?<week>week)|(?<day>day)|(?<hour>hour))\b|(?<month>monthly|月々|/月|毎月)|(?<year>yearly|annually|/年)"
        + @"|(?<once>once\b|一回|1回限り|一度))", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Behind();

    [GeneratedRegex(@"(?:(?<month>月額|毎月|月々|monthly)|(?<year>年額|毎年|yearly|annual)|(?<day>日額)|(?<hour>時給|(?<![\d.,一二三四五六七八九十百千])[1一]時間(?:あたり|当たり)?|hourly)|(?<once>一時金|一括で))[^\d]{0,4}$",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Ahead();
}
