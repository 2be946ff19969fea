using System.Collections.Concurrent;
using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// What a question can be answered with, where it asks for something that has a form of its own: an amount of money, a weight, a
/// temperature, a time of day, an address. A sentence that holds nothing of that form does not answer. Works on NFKC text.
/// </summary>
internal sealed partial class AnswerTypes
{
    private const RegexOptions Options = RegexOptions.IgnoreCase | RegexOptions.CultureInvariant;

    private const string Amount = @"(?<![\p{L}\d.]|\p{L}-)\d[\d,.]*(?:\s*(?:thousand|million|billion|trillion|k))?";

    // Of ISO 4217, those that are written most.
    private const string Currencies = "(?-i:AED|AUD|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|ISK|JPY|KRW|MXN|MYR|NOK"
        + "|NZD|PHP|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR)";

    private const string Money = "euros?|dollars?|pounds?|yen|cents?";

    private const string Times = "seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|mornings?|afternoons?|evenings?|nights?"
        + "|fortnights?|decades?|centuries|century|a\\.?m|p\\.?m|o'clock"
        + "|january|february|march|april|may|june|july|august|september|october|november|december";

    private const string Persons = "(?:users|members|guests|visitors|employees|students|pupils|participants|residents|inhabitants|patients"
        + "|passengers|players|workers|seats|places|persons|customers|volunteers|adults|sailors|officers|soldiers|teachers|readers|viewers"
        + "|delegates|tenants|drivers|pilots|nurses|doctors|children|learners|others|colleagues|citizens|applicants|candidates)\\b";

    private const string Groups = "(?:team|group|department|company|staff|crew|class|choir|orchestra|band|audience|town|city|village"
        + "|population|famil(?:y|ies)|membership|club|society|council|committee|board|army|workforce|faculty|party"
        + "|congregation|electorate)\\b";

    // What has a number for a name: room 204, extension 3661, 12 May 2021.
    private const string Labels = @"\b(?:room|extension|ext|number|no|nr|floor|version|chapter|page|section|figure|table|step|line|gate|platform"
        + @"|building|suite|flat|apartment|unit|level|model|phone|tel|call|dial|in|since|until|january|february|march|april|may|june|july|august"
        + @"|september|october|november|december)[.:]? ";

    // "from 9 a.m. to 5 p.m.", "opens at 9:00", 8時から16時まで.
    private const string Hour = @"(?:\d{1,2}[:.]\d\d(?:\s*[ap]\.?m\b\.?)?|\d{1,2}\s*(?:[ap]\.?m\b\.?|o'clock|h\b)|noon|midnight)";

    private const string To = @"\s*(?:to|until|till|and|-|–|—)\s*";

    private const string OpeningHours = @"\b(?:" + Hour + To + @"(?:\d|noon|midnight)|\d{1,2}" + To + Hour + ")"
        + @"|\bopen(?:s|ed)?\b[^.]{0,40}(?:from \d{1,2} (?:to|until) \d{1,2}\b|\d{1,2}:\d\d|\d\s*(?:[ap]\.?m\b|o'clock)|\bdaily\b)|\b(?:around the clock|24 hours|closed)\b"
        + @"|[\d一二三四五六七八九十]+(?:時(?:半|\d+分)?|:\d\d)\s*(?:から|[-–—~〜～])|24時間|終日|年中無休|休業|休館";

    /// <summary>What measures, in English; a number before it counts no things.</summary>
    internal const string Units = "(?:" + Money + "|percent|per cent|" + Times
        + "|kg|g|mg|tons?|tonnes?|kilo(?:gram)?s?|km|m|cm|mm|met(?:re|er)s?|kilomet(?:re|er)s?|feet|miles|square|cubic|lit(?:re|er)s?|l"
            + "|ml|cl|cc|degrees?|hectares?|acres?|ha"
        + "|[kMGT]?W|[kMGT]?Wh|(?:kilo|mega|giga)?watts?|(?:kilo|mega|giga)?watt[ -]?hours?|volts?|m?Ah?|amperes?|dB|decibels?"
        + "|[KMGT]i?B|(?:kilo|mega|giga|tera)?bytes?|[kMG]?Hz|rpm|Nm|bar|psi|k?Pa|mph|km/h|knots?|ppm|lux|k?cal|k?J)\\b";

    // "…は何ですか", "…は？"
    private const string Asked = @"(?:の(?:上限|下限|最大|最小|合計))?(?:は(?:何|どの?く?ら?い|いく|教え|[?。 ]|$)|を(?:教え|知り))";

    private static readonly AnswerTypes[] All =
    [
        new(@"\be-?mail address\b|\b(?:what|which) .{0,20}e-?mail\b|メールアドレス", @"[^\s@]+@[^\s@]+\.\w+", isOneThing: true),
        new(@"\b(?:which|what) address\b.*\bwrite\b",
            @"[^\s@]+@[^\s@]+\.\w+|\bp\.?o\.? box\b|\b\d+\w? [A-Z]\w+ (?:street|road|avenue|lane|square)\b|\b(?:street|road|avenue|lane|square)\b", isOneThing: true),
        new(@"\b(?:tele)?phone number\b|\b(?:number|extension)\b.*\b(?:reach|call|dial|ring)\b"
            + @"|\b(?:reach|call|dial|ring)\b.*\b(?:number|extension)\b|\b(?:tele)?phone extension\b|\bextension (?:of|for|has)\b|\b(?:which|what) extension\b"
            + @"|\bhow (?:do|can|could|may|should|would) (?:i|we|you|one|customers|members) (?:call|phone|ring|dial)\b(?! off)|電話番号|内線(?:番号)?" + Asked + "|何番に(?:電話|かけ)",
            @"\d[\d ()/+-]{4,}\d|\b(?:ext(?:ension)?\.?|phone|call|dial)\W{0,3}\d{2,}|(?:内線|電話)\D{0,6}\d{2,}"
            + @"|\d{2,} (?:(?:tele)?phone|extension|内線|電話)", isOneThing: true),
        new(@"\b(?:which|what) (?:floor|storey)\b|何階",
            @"\b(?:(?:ground|top|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|\d+(?:st|nd|rd|th)?) (?:floor|storey)|floor \d"
            + @"|basement|upstairs|downstairs)\b|[\d一二三四五六七八九十]階|地[下階]|屋上", isOneThing: true),
        new(@"\b(?:which|what) colou?rs?\b|何色|色は(?:何|どん)|色を(?:教え|知り)", @"\b(?:red|orange|yellow|green|blue|purple|violet|pink|brown|black|white|gr[ea]y"
            + @"|silver|gold(?:en)?|beige|turquoise|cream|ivory|transparent|anthracite|graphite|charcoal|sand|bronze|copper|navy|teal|maroon|olive|burgundy|lilac|lavender|mint|salmon|coral|rose|ruby|emerald|amber|khaki|tan|ochre|magenta|cyan|crimson|scarlet|indigo|\w+-colou?red)\b|[赤青緑黄紫黒白灰銀金茶紺朱橙藍]|[一-龥々ァ-ヴー]{1,4}(?<!本体|外装|製品|表示|何)色|ピンク|オレンジ|ベージュ|グレー|ブルー|レッド|グリーン", isOneThing: true),
        new(@"\bweb ?(?:site )?address\b|\burl\b.*\?|(?:ホームページ|サイト)のアドレス|URL" + Asked,
            @"https?://\S+|\bwww\.\S+|\b[\w-]+\.(?:com|org|net|io|dev|jp|example)\b", isOneThing: true),
        new(@"\bhow many (?:people|persons)\b",
            @"(?<![\p{L}\d:.,/£$€¥-]|\d )(?<!" + Labels + @")(?!0\d)\d[\d,]*(?![\d:/%°-]|[.,]\d|st\b|nd\b|rd\b|th\b|\s*(?:[%°]|" + Units + @")|\s+(?!" + Persons
            + @")[a-z]+s\b)|\b(?:one(?! of\b)|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|forty|fifty|hundreds?"
            + @"|thousands?|dozens?|nobody|everybody|unlimited|any number|couple)\b", isOfPersons: true),
        new(@"\b(?:for )?how many (?!" + Units + @"|of\b|times\b)|\bwhat is the (?:(?:maximum|minimum|total|average) )?number of (?!"
            + Units + ")",
            @"(?<![\p{L}\d:.,/-]|\d )(?<!" + Labels + @")(?!0\d)\d[\d,]*(?:\.\d+)?(?![\d:/%°-]|[.,]\d|st\b|nd\b|rd\b|th\b|\s*(?:[%°]|" + Units + @"))"
            + @"|\b(?:one(?! of\b)|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fifteen|twenty|thirty|forty|fifty"
                + @"|hundreds?|thousands?"
            + @"|dozens?|both|single|no|none|several|half|unlimited|any number|pair|couple)\b(?!\s+" + Units + ")"),
        // Of teams and towns, how many they are; of other things, a size.
        new(@"\bhow (?:big|large) (?:[\w'’-]+ ){0,8}?" + Groups,
            @"(?<![\p{L}\d:.,/£$€¥-]|\d )(?<!" + Labels + @")(?!0\d)\d[\d,]*(?:\.\d+)?(?![\d:/-]|[.,]\d|\s*(?:°|degrees?\b|(?:" + Money + "|" + Times
            + @")\b))|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|half|hundreds?|thousands?|dozens?|twice)\b"),
        new(@"\bhow (?:big|large)\b(?![^?]*\b(?:fines?|discount|fee|deposit|bonus|budget|grants?|prize|loans?|bill|charge|funds?"
            + @"|difference|increase|rise|debts?|deficit|surplus|profits?|loss|losses|turnover|revenue|income|salary|investment)\b)",
            @"(?<![\p{L}\d:.,/£$€¥-]|\d )(?<!" + Labels + @")(?!0\d)\d[\d,]*(?:\.\d+)?(?![\d:/-]|[.,]\d|\s*(?:°|degrees?\b|people\b|(?:" + Money + "|" + Times
            + "|" + Persons + @")\b))|\b(?:two|three|four|five|six|seven|eight|nine|ten|twelve|twenty|half|hundreds?|thousands?|dozens?|twice)\b(?! people\b| persons?\b)"),
        new("(?<!何)回数" + Asked, @"[\d一二三四五六七八九十百]\s?[回度]"),
        new("(?:件数|(?<!人)口数|台数|個数|冊数|枚数|戸数|席数|校数|店舗数|日数)" + Asked, @"[\d一二三四五六七八九十百千万]\s?[一-龥]{0,2}?(?:件|口|台|個|冊|枚|戸|席|校|店|日)"),
        new("(?:人数|定員|[者客員]数)" + Asked, @"[\d一二三四五六七八九十百千万億数]\s?(?:人|名|部(?!屋|署|門))|無制限|全員"),
        new(@"何[人名](?!か|も|物|前)", @"[\d一二三四五六七八九十百千万億数]\s?(?:人|名)|[ァ-ヴー]人|無制限|全員"),
        new(@"\bhow (?:often|frequently)\b|\bat what intervals?\b|\bhow many times (?:a|per|each|every)\b|どの?く?れ?ら?いの(?:頻度|間隔)|頻度" + Asked
            + "|何(?:時間|日|週間|か月|カ月|ヶ月|年|分)(?:ごと|毎|おき)",
            @"\b(?:every|each|once|twice|thrice|times|daily|hourly|nightly|weekly|fortnightly|monthly|quarterly|yearly|annual(?:ly)?|biannual(?:ly)?|always|never|rarely|seldom"
            + @"|sometimes|usually|regularly|frequently|occasionally|constantly|continuous(?:ly)?|intervals?|whenever|per|on (?:mon|tues|wednes|thurs|fri|satur|sun)days?|weekdays|weekends)\b"
            + @"|\b(?:an?|one) (?:minute|hour|day|night|week|fortnight|month|quarter|season|year)\b|\b(?:after|every) \d|(?:\d|\b(?:two|three|four|five|six|eight|ten|twelve))[\s-]*"
            + @"(?:minutes?|hours?|days?|weeks?|months?|years?)\b|[\d一二三四五六七八九十百千半数隔][\d,]*\s?(?:分|時間|日|週間?|[かカヶヵ]月|年|回|度|冊|号)|[毎隔各][分時日朝晩夜週月年回季号]|ごと|おき"
            + "|定期|随時|常[時に]|たび|都度"),
        new(@"\bhow long\b(?! ago\b)",
            @"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty|half|an?|several"
                + @"|few)\b)[\s-]*"
            + @"(?:(?:and a half|full|working|business|calendar|consecutive|school|academic) )?"
            + @"(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|decades?|centur(?:y|ies)|nights?|evenings?|sessions?"
                + @"|lessons?|terms?|pages?|words?"
            + @"|characters?|miles?|feet|foot|inch(?:es)?|k?m|cm|mm|(?:kilo|centi|milli)?met(?:re|er)s?)\b"
            + @"|\b(?:until|forever|indefinitely|permanent(?:ly)?|as long as|between|from|since|lifetime|overnight|all (?:day|year))\b"),
        new(@"\bhow much (?:money|(?:is|are|was|were|do|does|did|would|will|must|should) (?:(?!water|time|of)[\w'’-]+ ){0,12}(?:cost|paid|pay"
            + @"|charged?)\b)"
            + @"|\bhow much (?:is|are|was|were) (?!left\b|in\b|of\b|it\?)[^?]*\?\s*$|いくら(?:かか|払|支払)"
            + @"|\bhow much (?:does|do|did|will|would) it cost\b|\bhow expensive\b|\bwhat (?:do|does|did|must|will"
                + @"|would) (?:.{0,60} )?(?:cost|pay|charge)\b"
            + @"|\bwhat (?:is|are|was|were|'s) the (?:\w+ ){0,3}(?:price|cost|fee|fare|rent|salary|deposit|turnover|revenue)\b"
                + @"|何(?:円(?!何月)|ユーロ|ドル)"
            + @"|(?<!人|数|率|合|者)はいくら(?:です|で|かかり|します|になり|[?]|$)"
            + "|(?:料金|価格|値段|費用|代金|家賃|賃料|(?<![燃原資材史肥飲香衣飼塗染顔])料|月額|年額|売上高?|収入)" + Asked,
            @"[£$€¥]\s*\d|" + Amount + @"\s*(?:[£$€¥]|euros?\b|dollars?\b|pounds?\b|yen\b|cents?\b|pence\b|francs?\b|kron(?:er|or|a|e)\b|rupees?\b|" + Currencies + @"\b)"
            + @"|[\d一二三四五六七八九十百千万億][\d,.一二三四五六七八九十百千万億]*\s*(?:円|ユーロ|ドル|ポンド|元|ウォン|フラン)|\bfree\b|\b(?:costs? nothing|no (?:charge|fee)|included|pays? (?:the|an?|all|half|for))\b|\b(?:double|triple|twice|half) the\b|%|percent|無料|不要|含まれ|[一二三四五六七八九\d]割|[全半]額", isMoney: true),
        new(@"\b(?:how much|what)\b[^?]*\bweighs?\b(?! (?:more|less|over|under|up))|\bhow heavy\b|\b(?:what|which|how much) .{0,30}weight\b|(?:重さ|重量|質量|体重)" + Asked + "|どの?く?れ?ら?い重|何(?:キログラム|グラム|kg|キロ(?=あ|です|の重|[?]|$))",
            Amount + @"\s*(?:kg|g|mg|t|lbs?|oz|tons?|tonnes?|kilos?|kilogram(?:me)?s?|gram(?:me)?s?|pounds?)\b|\d[\d,.]*\s*(?:キロ|グラム|トン"
                + @"|(?:kg|g|t)(?![a-z]))", isOneThing: true),
        new(@"\b(?:what|which|how high|how low) .{0,30}temperature\b|\bhow (?:hot|cold|warm)\b|(?:温度|気温|水温)" + Asked + "|何度(?:まで|です|C|℃|以)",
            @"\d\s*(?:°|℃|degrees?\b|celsius\b|fahrenheit\b|kelvin\b|K\b|度)", isOneThing: true),
        new(@"\bhow many watts\b|\bhow much power\b|\b(?:what|how (?:much|high)) .{0,30}(?:power (?:consumption|draw|rating)|wattage)\b|消費電力" + Asked
            + "|何ワット",
            @"(?<![\p{L}-])\d[\d,.]*\s*(?:[kMG]?W|watts?|kilowatts?|ワット|キロワット)(?![a-z時])", isOneThing: true),
        new(@"\bhow many decibels\b|\bhow (?:loud|noisy|quiet)\b|\bnoise level\b|(?:騒音値?|運転音)" + Asked + "|何デシベル|ど[のれ][くぐ]らい(?:うるさ|静か|煩)",
            @"(?<![\p{L}-])\d[\d,.]*\s*(?:dB|decibels?|デシベル)(?![a-z])", isOneThing: true),
        new(@"\bhow many (?:kilo|mega|giga|tera)?bytes\b|何(?:キロ|メガ|ギガ|テラ)?バイト|何[KMGT]B",
            @"\d\s*(?:[KMGTP]i?B|bytes?|バイト|ギガ|メガ|テラ)|\bunlimited\b|無制限"),
        new("容量" + Asked, @"\d\s*(?:[KMGTP]i?B|バイト|ギガ|メガ|テラ|m?l|cc|リットル|ミリリットル|kg|キロ|トン|立方|Ah|mAh)|無制限"),
        new(@"\b(?:volume|capacity) of the \w*tank\b|\btank (?:volume|capacity|size)\b|\bhow (?:much|big|large)\b[^?]*\btank\b|タンク(?:の?容量|に)[^。]*" + Asked,
            @"\d\s*(?:l|ml|cl|cc|lit(?:re|er)s?|gal(?:lon)?s?|m³|m3|cubic|リットル|ミリリットル)(?![a-z])", isOneThing: true),
        new(@"\bcapacity of (?:the )?(?:room|hall|theatre|theater|stadium|arena|restaurant|bus|ferry|ship|boat|cabin|auditorium|classroom)\b",
            @"(?<![\p{L}\d:.,/£$€¥-]|\d )(?<!" + Labels + @")(?!0\d)\d[\d,]*(?![\d:/%°-]|[.,]\d|st\b|nd\b|rd\b|th\b|\s*(?:[%°]|" + Units + @")|\s+(?!" + Persons
            + @")[a-z]+s\b)"),
        new(@"\bhow many lit(?:re|er)s\b|何リットル", @"\d\s*(?:l|ml|lit(?:re|er)s?|リットル|ミリリットル)(?![a-z])"),
        new(@"\bhow (?:many|much) (?:kilo|mega)?watt[ -]?hours\b|(?:電力使用量|消費電力量)" + Asked,
            @"\d\s*(?:[kMG]?Wh|(?:kilo|mega)?watt[ -]?hours?|キロワット時)", isOneThing: true),
        new(@"\bfloor space\b|\bwhat (?:is|was) the (?:\w+ )?area of\b|\bsquare (?:metres|meters|feet)\b|(?:面積|広さ)" + Asked + "|何平方",
            @"\d\s*(?:square\b|sq\b|k?m²|k?m2|k?m\b|ha\b|hectares?|acres?|平方|平米|㎡|坪|畳|ヘクタール)", isOneThing: true),
        new(@"\b(?:what|which) percentage\b|何(?:パーセント|%|割)", @"[\d一二三四五六七八九十百]\s*(?:%|percent|per cent|パーセント|割)|\b(?:half|third|quarter)\b|半分|半数"),
        new(@"\bhow many (?:seconds|minutes|hours|days|weeks|months|years|mornings|afternoons|evenings|nights|fortnights|decades|centuries)\b"
            + @"|何(?:秒|分間|時間|日間|週間|か月|カ月|ヶ月|年間)|何日(?!目|に|の|付|で|から|まで|です|か|[?])",
            @"(?:\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|half|an?)\b)[\s-]*"
            + @"(?:(?:and a half|full|working|business|calendar|consecutive) )?"
            + @"(?:seconds?|minutes?|mins?|hours?|days?|weeks?|months?|years?|mornings?|afternoons?|evenings?|nights?|sessions?|fortnights?"
                + @"|decades?|centur(?:y|ies))\b"
            + @"|[\d一二三四五六七八九十百半数](?:年|か月|カ月|ヶ月|週|日|時間|分|秒|泊|回)(?!目)"),
        new(@"\b(?:opening|office|business|visiting|service) (?:hours|times)\b|\bwhen (?:is|are) [^?]{1,80}\bopen\b"
            + @"|\bwhen can (?:i|we|you|one|visitors|customers) (?:visit|come to|call at)\b|何時から何時|いつ(?:開い|開き|営業|開館|利用)|(?:受付|開館|営業|診療|開庁)時間"
            + Asked,
            OpeningHours, isOneThing: true),
        new(@"\bwhat time\b|\b(?:what|when) .{0,30}closing time\b"
            + @"|何時(?:に|まで|から(?!何時)|ごろ|頃|です|か|[?]|$)|(?:閉館|開店|閉店|利用|施錠|集合)時[間刻]" + Asked,
            @"\d{1,2}[:.]\d\d|\d\s*(?:[ap]\.?m\b|o'clock)|\b(?:noon|midnight|around the clock|24 hours|dawn|dusk)\b"
            + @"|[\d一二三四五六七八九十](?:時|:)|正午|深夜|終日|年代|世紀|時代"),
        new(@"\b(?:what|which) (?:day of the week|weekday)\b|何曜",
            @"(?:mon|tues|wednes|thurs|fri|satur|sun)days?\b|weekdays?\b|\bdaily\b|every day|[月火水木金土日]曜|毎日|平日|週末", isOneThing: true),
        new("(?<![曜何])(?<=[一-龥])日はいつ",
            @"\d{1,4}[-/.年月]\d{1,2}|\d日|月\d|[一二三四五六七八九十元]年|[月火水木金土日]曜|毎[日週月]|[末平祝]日|[上中下]旬|翌日|当日"),
        new("ど(?:れだけ|[のれ]く?らい)の?(?:電力|電気)", @"\d\s*(?:[kMG]?Wh?|ワット時?|キロワット時?)(?![a-z])", isOneThing: true),
        new("ど[のれ]く?らい(?:の(?:期間|間)|長く|保[管存]|続[くき]|待[たちつ]|滞在|有効)",
            @"[\d一二三四五六七八九十百半数](?:年|[かカヶヵ]月|週|日|時間|分|秒|泊)|永[久年]|無期限|ずっと|まで"),
        new(@"\b(?:what|which) date\b|\bwhat (?:is|was|are|were) the (?:[\w-]+ ){0,2}dates?\b|\bsince when\b|何月何日|(?:年月日|日付|期日|開始日|締め?切り?日?)" + Asked + "|日付はいつ",
            @"\b(?:january|february|march|april|may|june|july|august|september|october|november|december)\b|\d{1,4}[-/.年月]\d{1,2}"
            + @"|(?<!\d)[12]\d{3}(?!\d)|[一二三四五六七八九十元]年|月\d+日|\d日"),
        new(@"\b(?:what|which) year\b|何年(?!間|生|目|か|も|分|後|前)", @"(?<!\d)[12]\d{3}(?!\d)|\d+\s*(?:年|BC|AD)|[元一二三四五六七八九十]年"),
    ];

    private readonly Regex _question, _answer;
    private readonly bool _isOneThing, _isMoney, _isOfPersons;

    private AnswerTypes(string question, string answer, bool isOneThing = false, bool isMoney = false, bool isOfPersons = false)
    {
        (_question, _answer) = (new Regex(question, Options), new Regex(answer, Options));
        (_isOneThing, _isMoney, _isOfPersons) = (isOneThing, isMoney, isOfPersons);
    }

    /// <summary>The form that the question asks for, or null where any will do.</summary>
    internal static AnswerTypes? Of(string question)
        => Array.Find(All, type => type._question.IsMatch(question))
            ?? (AskedCounter().Match(question) is { Success: true } match ? OfCounter(match.Groups["counter"].Value) : null);

    // 何冊: five volumes are 五冊 or 5冊.
    private static AnswerTypes OfCounter(string counter)
        => Counters.GetOrAdd(counter, key => new AnswerTypes("何" + key, @"[\d一二三四五六七八九十百千万数]\s?" + (key == "個" ? "[個つの]" : key) + "|無制限|いくつでも"));

    private static readonly ConcurrentDictionary<string, AnswerTypes> Counters = new(StringComparer.Ordinal);

    [GeneratedRegex("何(?<counter>[冊個枚本台匹頭羽杯件着足軒棟席室箱袋束通社校店問曲歳才票株脚面輪両隻艘皿膳丁缶切基口畳坪段試話巻号](?![物者部社名]))")]
    private static partial Regex AskedCounter();

    /// <summary>
    /// Where a question asks for the form, if things have one value of it, as they do of weight and of few others: an amount of money may
    /// be a price, a fee or a deposit. Null for those.
    /// </summary>
    internal (int Start, int End)? AskedIn(string question)
        => _isOneThing && _question.Match(question) is { Success: true } match ? (match.Index, match.Index + match.Length) : null;

    /// <summary>
    /// Whether a text holds something of the form that the question does not hold already: of money, at the rate that is asked for.
    /// </summary>
    internal bool IsIn(string text, string question)
    {
        foreach (var match in _answer.EnumerateMatches(text))
            if (question.AsSpan().IndexOf(text.AsSpan(match.Index, match.Length), StringComparison.OrdinalIgnoreCase) < 0
                && !(_isMoney && Rates.IsOther(question, text, match.Index, match.Index + match.Length)))
                return true;
        return _isOfPersons && CountsTheirDeeds(text, question);
    }

    // "How many people complained?" – "613 complaints reached us."
    private static bool CountsTheirDeeds(string text, string question)
    {
        if (Deed().Match(question) is not { Success: true } deed)
            return false;
        var stem = EnglishStemmer.Stem(deed.Groups["verb"].Value.ToLowerInvariant());
        return Counted().Matches(text)
            .Any(match => AreOfOneWord(stem, EnglishStemmer.Stem(match.Groups["things"].Value.ToLowerInvariant())));
    }

    private static bool AreOfOneWord(string one, string other)
    {
        int shorter = Math.Min(one.Length, other.Length);
        return shorter >= LeastOfOneWord && Math.Abs(one.Length - other.Length) <= LongestSuffix
            && one.AsSpan().CommonPrefixLength(other) >= Math.Max(LeastOfOneWord, shorter - 1);
    }

    private const int LeastOfOneWord = 4, LongestSuffix = 3;

    [GeneratedRegex(@"\b(?:people|persons) (?:(?:have|had|has|did|do|were|are|will|can|could|ever|already) )*(?<verb>[a-z]+)", Options)]
    private static partial Regex Deed();

    [GeneratedRegex(@"(?<![\p{L}\d:.,/£$€¥-])\d[\d,]* (?<things>[a-z]+s)\b", Options)]
    private static partial Regex Counted();
}
