using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering.Support;

/// <content>Numbers with their counters and bounds, ranges, dates and times of day.</content>
internal static partial class JapaneseReader
{
    private const char NumberMask = '\uE000';
    private const int MostNumbers = 256;

    // Each number with counter and bound becomes one private-use character.
    private static (string Text, List<Quantity> Numbers) TakeNumbers(string text)
    {
        var numbers = new List<Quantity>();
        var masked = Number().Replace(text, match =>
        {
            if (numbers.Count == MostNumbers || QuantityOf(match) is not { } quantity)
                return match.Value;
            numbers.Add(quantity);
            return ((char)(NumberMask + numbers.Count - 1)).ToString();
        });
        masked = Range().Replace(masked, match =>
        {
            int lower = match.Value[0] - NumberMask, upper = match.Value[^1] - NumberMask;
            if (numbers[lower].To(numbers[upper]) is not { } range)
                return match.Value;
            numbers[lower] = range;
            return match.Value[..1];
        });
        masked = From().Replace(masked, match =>
        {
            int at = match.Value[0] - NumberMask;
            if (numbers[at] is { Dimension: "date" or "clock" } or { Bound: not Bound.Exact })
                return match.Value;
            numbers[at] = numbers[at] with { Bound = Bound.AtLeast };
            return match.Value[..1];
        });
        return (masked, numbers);
    }

    private static Quantity? QuantityOf(Match match)
    {
        if (match.Groups["y"].Success || match.Groups["m"].Success)
        {
            double year = match.Groups["y"].Success ? Value(match.Groups["y"].Value) : 0;
            year += match.Groups["era"].Value switch { "令和" => 2018, "平成" => 1988, "昭和" => 1925, "大正" => 1911, "明治" => 1867, _ => 0 };
            return new Quantity(year * 10000 + Optional(match, "m") * 100 + Optional(match, "d"), "date", Bound.Exact);
        }

        if (match.Groups["h"].Success)
        {
            double minutes = Value(match.Groups["h"].Value) * 60 + Optional(match, "min") + (match.Groups["half"].Success ? 30 : 0);
            return new Quantity(match.Groups["pm"].Value == "午後" && minutes < 720 ? minutes + 720 : minutes, "clock", Bound.Exact);
        }

        var digits = match.Groups["n"].Value;
        var unit = match.Groups["unit"] is { Length: > 0, Value: var behind } ? behind : match.Groups["sign"].Value;
        if (unit.Length == 0 && !char.IsAsciiDigit(digits[0]))
            return null;
        var bound = match.Groups["bound"].Value switch
        {
            "以上" => Bound.AtLeast,
            "以下" or "以内" or "まで" => Bound.AtMost,
            "前後" or "程度" or "ほど" or "くらい" or "ぐらい" or "近く" or "余り" or "あまり" or "強" or "弱" => Bound.About,
            "" => match.Groups["about"].Success ? Bound.About : Bound.Exact,
            var other when other.StartsWith("未満", StringComparison.Ordinal) || other.Contains("満た", StringComparison.Ordinal)
                || other.Contains("下回", StringComparison.Ordinal) => Bound.Below,
            _ => Bound.Above,
        };
        double value = Value(digits);
        if (match.Groups["scale"].Success)
            value *= match.Groups["scale"].Value switch { "万" => 1e4, "億" => 1e8, "千" => 1e3, "兆" => 1e12, _ => 1e2 };
        var before = match.Groups["spoon"].Value;
        return before.Length > 0 ? Quantity.Of(value, before, bound) : Quantity.Of(value, unit, bound);
    }

    private static double Optional(Match match, string group) => match.Groups[group].Success ? Value(match.Groups[group].Value) : 0;

    /// <summary>The value of digits, Arabic or kanji.</summary>
    internal static double Value(string digits)
    {
        if (digits == "元")
            return 1;
        if (char.IsAsciiDigit(digits[0]))
            return double.Parse(digits, NumberStyles.Float | NumberStyles.AllowThousands, CultureInfo.InvariantCulture);
        double total = 0, part = 0, last = 0;
        foreach (char c in digits)
        {
            double value = "〇一二三四五六七八九".IndexOf(c, StringComparison.Ordinal);
            double scale = c switch { '十' => 10, '百' => 100, '千' => 1000, '万' => 10000, _ => 0 };
            if (scale == 0)
            {
                last = last * 10 + value;
            }
            else if (scale == 10000)
            {
                total += Math.Max(part + last, 1) * scale;
                (part, last) = (0, 0);
            }
            else
            {
                part += Math.Max(last, 1) * scale;
                last = 0;
            }
        }

        return total + part + last;
    }

    [GeneratedRegex(@"[\uE000-\uE0FF]\s?(?:から|[~〜～–−-]|ないし)\s?[\uE000-\uE0FF]")]
    private static partial Regex Range();

    // "500円からである": what it costs at the least.
    [GeneratedRegex(@"[\uE000-\uE0FF](?:(?:から|[~〜～])(?=です|である|でした|であった|だ|で$|の|と|$)|より(?=です|である|$))")]
    private static partial Regex From();

    [GeneratedRegex(@"(?<era>令和|平成|昭和|大正|明治)?(?<y>\d{4}|(?<=令和|平成|昭和|大正|明治)(?:\d{1,2}|元"
        + @"|[一二三四五六七八九十]+))年(?!間)(?:(?<m>\d{1,2})月(?:(?<d>\d{1,2})日)?)?|(?<m>\d{1,2}|[一二三四五六七八九十]+)月(?:(?<d>\d{1,2}"
        + @"|[一二三四五六七八九十]+)日)?(?!\d*[間])|(?<pm>午前|午後)?(?<h>\d{1,2}):(?<min>\d\d)|(?<pm>午前|午後)?(?<h>\d{1,2}"
        + @"|[一二三四五六七八九十]+)時(?!間)(?:(?<min>\d{1,2}|[一二三四五六七八九十]+)分|(?<half>半))?|(?<spoon>大さじ|小さじ)?(?<about>約"
        + @"|およそ)?(?<sign>[¥£$€₩₹])?(?<![A-Za-z\d][-.]?)(?<n>\d[\d,]*(?:\.\d+)?|[〇一二三四五六七八九十百千]+(?=[万億]?(?:つ|人|名|円|回|個|本|冊|件|台|錠|粒|枚|歳|才|年|か月|ヶ月|週|泊"
        + @"|日|時間|分|秒|度|頭|匹|階|号|番|倍|割|点|章|条|項|区|種|社|校|軒|席|部|度|便)))(?<scale>[万億千兆](?=[^\d]))?(?<unit>キログラム|ミリグラム|グラム|センチメートル|ミリメートル"
        + @"|キロメートル|メートル|センチ|ミリリットル|ミリ|リットル|キロワット|ワット|ボルト|パーセント|キロバイト|メガバイト|ギガバイト|ユーロ|ポンド|米ドル|ドル|フラン"
        + @"|ウォン|ルピー|クローネ|クローナ|バーツ|ペソ|人民元|元|トン|時間|分間|秒間|日間|週間|年間|[かヶカヵケ箇]月間?|号室|号車|号|番線"
        + @"|番|粒|錠|切れ|便|円|泊|人|名|回|個|本|冊|件|台|枚|歳|才|年|週|日|分|秒|度|℃|頭|匹|階|倍|割|点|章|条|項|種|社|校|軒|席|部|つ|(?:[区羽脚隻巻通基棟戸組班杯缶袋箱束曲問株両艘票着])(?![一-龥-[以未超]])|%|kg|mg|g|km|cm|mm|m|ml|l|kw|w|gb|mb|kb"
        + @"|時)?(?:ごと)?(?<bound>以上|以下|以内|未満|超|まで(?!に)|を超え|を上回|を下回|に満たな|に満たず|より多|より少な|前後|程度|ほど|[くぐ]らい|近く|余り|あまり|[強弱](?![い一-龥く]))?",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Number();
}
