using System.Globalization;
using System.Text;

namespace Kotonoha.Readers;

/// <summary>Writes the numbers of lists, headings and notes in the forms that word processors and browsers know.</summary>
internal static class ListNumbers
{
    private const string Aiueo = "アイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワヲン";
    private const string AiueoHalf = "ｱｲｳｴｵｶｷｸｹｺｻｼｽｾｿﾀﾁﾂﾃﾄﾅﾆﾇﾈﾉﾊﾋﾌﾍﾎﾏﾐﾑﾒﾓﾔﾕﾖﾗﾘﾙﾚﾛﾜｦﾝ";
    private const string Iroha = "イロハニホヘトチリヌルヲワカヨタレソツネナラムウヰノオクヤマケフコエテアサキユメミシヱヒモセス";
    private const string IrohaHalf = "ｲﾛﾊﾆﾎﾍﾄﾁﾘﾇﾙｦﾜｶﾖﾀﾚｿﾂﾈﾅﾗﾑｳヰﾉｵｸﾔﾏｹﾌｺｴﾃｱｻｷﾕﾒﾐｼヱﾋﾓｾｽ";
    private const string Hiragana = "あいうえおかきくけこさしすせそたちつてとなにぬねのはひふへほまみむめもやゆよらりるれろわゐゑをん";
    private const string HiraganaIroha = "いろはにほへとちりぬるをわかよたれそつねならむうゐのおくやまけふこえてあさきゆめみしゑひもせす";
    private const string Stems = "甲乙丙丁戊己庚辛壬癸";
    private const string Branches = "子丑寅卯辰巳午未申酉戌亥";
    private const string Ganada = "가나다라마바사아자차카타파하";
    private const string Chosung = "ㄱㄴㄷㄹㅁㅂㅅㅇㅈㅊㅋㅌㅍㅎ";
    private const string Thai = "กขคงจฉชซฌญฎฏฐฑฒณดตถทธนบปผฝพฟภมยรลวศษสหฬอฮ";
    private const string Russian = "абвгдежзиклмнопрстуфхцчшщыэюя";
    private const string Greek = "αβγδεζηθικλμνξοπρστυφχψω";
    private const string ArabicAlphabet = "أبتثجحخدذرزسشصضطظعغفقكلمنهوي";
    private const string Digits = "〇一二三四五六七八九";

    private static readonly string[] Ones =
    [
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
        "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    ];

    private static readonly string[] Tens = ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

    private static readonly Dictionary<string, string> Ordinals = new(StringComparer.Ordinal)
    {
        ["one"] = "first",
        ["two"] = "second",
        ["three"] = "third",
        ["five"] = "fifth",
        ["eight"] = "eighth",
        ["nine"] = "ninth",
        ["twelve"] = "twelfth",
    };

    /// <summary>Writes a number in a format of Office Open XML (ST_NumberFormat).</summary>
    /// <param name="number">The number.</param>
    /// <param name="format">The name of the format; an unknown one is decimal.</param>
    /// <param name="custom">The pattern of the format <c>custom</c>, such as <c>001, 002, 003, ...</c>, or null.</param>
    internal static string Office(int number, string format, string? custom = null) => format switch
    {
        "none" or "bullet" => "",
        "upperRoman" => Roman(number),
        "lowerRoman" => Roman(number).ToLowerInvariant(),
        "upperLetter" => Repeated(number, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
        "lowerLetter" => Repeated(number, "abcdefghijklmnopqrstuvwxyz"),
        "ordinal" => Ordinal(number),
        "cardinalText" => Capital(Cardinal(number)),
        "ordinalText" => Capital(OrdinalWords(number)),
        "hex" => number.ToString("X", CultureInfo.InvariantCulture),
        "chicago" => Repeated(number, "*†‡§"),
        "decimalZero" => number.ToString("00", CultureInfo.InvariantCulture),
        "decimalFullWidth" or "decimalFullWidth2" => WithDigits(number, "０１２３４５６７８９"),
        "numberInDash" => $"- {number} -",
        "decimalEnclosedCircle" or "decimalEnclosedCircleChinese" => Circled(number),
        "decimalEnclosedFullstop" => Enclosed(number, '\u2488', 20),
        "decimalEnclosedParen" => Enclosed(number, '\u2474', 20),
        "ideographEnclosedCircle" => Enclosed(number, '\u3280', 10),
        "aiueo" => Cyclic(number, AiueoHalf),
        "aiueoFullWidth" => Cyclic(number, Aiueo),
        "iroha" => Cyclic(number, IrohaHalf),
        "irohaFullWidth" => Cyclic(number, Iroha),
        "ideographDigital" or "japaneseDigitalTenThousand" or "taiwaneseDigital" => WithDigits(number, Digits),
        "japaneseCounting" => Ideographs(number, Digits, "十百千", '\0'),
        "japaneseLegal" => Ideographs(number, "〇壱弐参四伍六七八九", "拾百阡", '\0', bare: false),
        "chineseCounting" or "taiwaneseCounting" => number < 100 ? Ideographs(number, Digits, "十百千", '\0') : WithDigits(number, Digits),
        "chineseCountingThousand" => Ideographs(number, Digits, "十百千", '零', bare: false, wan: '万'),
        "taiwaneseCountingThousand" => Ideographs(number, Digits, "十百千", '零', bare: false, wan: '萬'),
        "chineseLegalSimplified" => Ideographs(number, "零壹贰叁肆伍陆柒捌玖", "拾佰仟", '零', bare: false, wan: '万'),
        "ideographLegalTraditional" => Ideographs(number, "零壹貳參肆伍陸柒捌玖", "拾佰仟", '零', bare: false, wan: '萬'),
        "ideographTraditional" => Cyclic(number, Stems),
        "ideographZodiac" => Cyclic(number, Branches),
        "ideographZodiacTraditional" => Cyclic(number, Stems) + Cyclic(number, Branches),
        "koreanDigital" or "koreanDigital2" => WithDigits(number, "영일이삼사오육칠팔구"),
        "koreanCounting" => Ideographs(number, "영일이삼사오육칠팔구", "십백천", '\0', wan: '만'),
        "ganada" => Cyclic(number, Ganada),
        "chosung" => Cyclic(number, Chosung),
        "thaiLetters" => Repeated(number, Thai),
        "thaiNumbers" => WithDigits(number, "๐๑๒๓๔๕๖๗๘๙"),
        "hindiNumbers" => WithDigits(number, "०१२३४५६७८९"),
        "russianLower" => Repeated(number, Russian),
        "russianUpper" => Repeated(number, Russian.ToUpperInvariant()),
        "arabicAlpha" => Repeated(number, ArabicAlphabet),
        "hebrew1" => Hebrew(number),
        "custom" when custom is not null => Padded(number, custom),
        _ => number.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Writes the number of an item of an HTML list.</summary>
    /// <param name="number">The number.</param>
    /// <param name="type">The <c>type</c> attribute (<c>1 a A i I</c>) or a name of CSS's <c>list-style-type</c>.</param>
    internal static string Html(int number, string? type) => type switch
    {
        "a" or "lower-alpha" or "lower-latin" when number > 0 => Alphabetic(number, 'a'),
        "A" or "upper-alpha" or "upper-latin" when number > 0 => Alphabetic(number, 'A'),
        "i" or "lower-roman" when number is > 0 and < 4000 => Roman(number).ToLowerInvariant(),
        "I" or "upper-roman" when number is > 0 and < 4000 => Roman(number),
        "decimal-leading-zero" => Office(number, "decimalZero"),
        "lower-greek" when number > 0 => Cyclic(number, Greek),
        "hiragana" when number > 0 => Cyclic(number, Hiragana),
        "katakana" when number > 0 => Cyclic(number, Aiueo),
        "hiragana-iroha" when number > 0 => Cyclic(number, HiraganaIroha),
        "katakana-iroha" when number > 0 => Cyclic(number, Iroha),
        "cjk-decimal" => WithDigits(number, Digits),
        "cjk-ideographic" or "japanese-informal" or "trad-chinese-informal"
            or "simp-chinese-informal" => Office(number, "japaneseCounting"),
        "cjk-heavenly-stem" when number > 0 => Cyclic(number, Stems),
        "cjk-earthly-branch" when number > 0 => Cyclic(number, Branches),
        _ => number.ToString(CultureInfo.InvariantCulture),
    };

    private static string Roman(int number)
    {
        if (number is < 1 or > 32_767)
            return number.ToString(CultureInfo.InvariantCulture);
        ReadOnlySpan<int> values = [1000, 900, 500, 400, 100, 90, 50, 40, 10, 9, 5, 4, 1];
        string[] signs = ["M", "CM", "D", "CD", "C", "XC", "L", "XL", "X", "IX", "V", "IV", "I"];
        var text = new StringBuilder();
        for (int i = 0; i < values.Length; i++)
            for (; number >= values[i]; number -= values[i])
                text.Append(signs[i]);
        return text.ToString();
    }

    /// <summary>a, b, … z, aa, bb, …: as word processors count.</summary>
    private static string Repeated(int number, string letters)
        => number < 1 || number > 100 * letters.Length ? number.ToString(CultureInfo.InvariantCulture)
            : new string(letters[(number - 1) % letters.Length], ((number - 1) / letters.Length) + 1);

    private static string Cyclic(int number, string signs)
        => number < 1 ? number.ToString(CultureInfo.InvariantCulture) : signs[(number - 1) % signs.Length].ToString();

    /// <summary>a, b, … z, aa, ab, …: as browsers count.</summary>
    private static string Alphabetic(int number, char first)
    {
        var text = new StringBuilder();
        for (; number > 0; number = (number - 1) / 26)
            text.Insert(0, (char)(first + ((number - 1) % 26)));
        return text.ToString();
    }

    private static string WithDigits(int number, string digits)
        => string.Concat(number.ToString(CultureInfo.InvariantCulture).Select(c => char.IsAsciiDigit(c) ? digits[c - '0'] : c));

    private static string Enclosed(int number, char first, int count)
        => number >= 1 && number <= count ? ((char)(first + number - 1)).ToString() : number.ToString(CultureInfo.InvariantCulture);

    private static string Circled(int number) => number switch
    {
        0 => "⓪",
        > 20 and <= 35 => ((char)('\u3251' + number - 21)).ToString(),
        > 35 and <= 50 => ((char)('\u32B1' + number - 36)).ToString(),
        _ => Enclosed(number, '\u2460', 20),
    };

    /// <summary>A number in words of digits and units: 二百三十一.</summary>
    /// <param name="number">The number.</param>
    /// <param name="digits">The signs of 0 to 9.</param>
    /// <param name="units">The signs of 10, 100 and 1000.</param>
    /// <param name="zero">What stands for skipped places (一百零一), or NUL for nothing.</param>
    /// <param name="bare">Whether a one before a unit is left out (百, 千).</param>
    /// <param name="wan">The sign of 10,000.</param>
    private static string Ideographs(int number, string digits, string units, char zero, bool bare = true, char wan = '万')
    {
        if (number < 0 || number >= 100_000_000)
            return number.ToString(CultureInfo.InvariantCulture);
        if (number == 0)
            return digits[0].ToString();
        var text = new StringBuilder();
        if (number >= 10_000)
        {
            Append(number / 10_000);
            text.Append(wan);
            if (zero != '\0' && number % 10_000 is > 0 and < 1000)
                text.Append(zero);
        }

        Append(number % 10_000);
        // 10 to 19 begin with the ten itself, except in the forms for contracts.
        if (!bare && zero != '\0' && digits[1] == '一' && number is >= 10 and < 20)
            text.Remove(0, 1);
        return text.ToString();

        void Append(int part)
        {
            bool skipped = false, begun = false;
            for (int place = 3, scale = 1000; place >= 0; place--, scale /= 10)
            {
                int digit = part / scale % 10;
                if (digit == 0)
                {
                    skipped |= begun;
                    continue;
                }

                if (skipped && zero != '\0')
                    text.Append(zero);
                (skipped, begun) = (false, true);
                if (digit > 1 || place == 0 || !bare)
                    text.Append(digits[digit]);
                if (place > 0)
                    text.Append(units[place - 1]);
            }
        }
    }

    private static string Ordinal(int number)
        => number.ToString(CultureInfo.InvariantCulture) + ((number % 100) is >= 11 and <= 13 ? "th"
            : (number % 10) switch { 1 => "st", 2 => "nd", 3 => "rd", _ => "th" });

    private static string Cardinal(int number) => number switch
    {
        < 0 or > 9999 => number.ToString(CultureInfo.InvariantCulture),
        < 20 => Ones[number],
        < 100 => Tens[number / 10] + (number % 10 == 0 ? "" : "-" + Ones[number % 10]),
        < 1000 => Ones[number / 100] + " hundred" + (number % 100 == 0 ? "" : " " + Cardinal(number % 100)),
        _ => Cardinal(number / 1000) + " thousand" + (number % 1000 == 0 ? "" : " " + Cardinal(number % 1000)),
    };

    private static string OrdinalWords(int number)
    {
        var words = Cardinal(number);
        int last = words.LastIndexOfAny([' ', '-']) + 1;
        var (head, tail) = (words[..last], words[last..]);
        return head + (Ordinals.TryGetValue(tail, out var ordinal) ? ordinal
            : tail.EndsWith('y') ? tail[..^1] + "ieth" : tail + "th");
    }

    private static string Capital(string text) => char.ToUpperInvariant(text[0]) + text[1..];

    private static string Hebrew(int number)
    {
        if (number is < 1 or > 499)
            return number.ToString(CultureInfo.InvariantCulture);
        var text = new StringBuilder();
        if (number >= 100)
            text.Append("קרשת"[(number / 100) - 1]);
        number %= 100;
        if (number is 15 or 16)
            return text.Append(number == 15 ? "טו" : "טז").ToString();
        if (number >= 10)
            text.Append("יכלמנסעפצ"[(number / 10) - 1]);
        if (number % 10 > 0)
            text.Append("אבגדהוזחט"[(number % 10) - 1]);
        return text.ToString();
    }

    /// <summary>001, 002, … as a pattern shows it.</summary>
    private static string Padded(int number, string pattern)
    {
        var first = pattern.Split(',')[0].Trim();
        return first.Length is > 0 and < 20 && first.All(char.IsAsciiDigit)
            ? number.ToString(new string('0', first.Length), CultureInfo.InvariantCulture)
            : number.ToString(CultureInfo.InvariantCulture);
    }
}
