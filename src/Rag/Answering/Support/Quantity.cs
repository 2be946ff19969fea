using System.Globalization;

namespace Kotonoha.Rag.Answering.Support;

/// <summary>A number with what it counts or measures.</summary>
/// <param name="Value">The number, in the base unit of its dimension.</param>
/// <param name="Dimension">
/// The dimension of a unit that is known ("second", "gram", "clock"), the key of any other noun behind the number, or empty.
/// </param>
/// <param name="Bound">Whether it is a bound.</param>
internal sealed record Quantity(double Value, string Dimension, Bound Bound)
{
    /// <summary>The number as it is written.</summary>
    internal double Written { get; init; } = Value;

    /// <summary>The upper end of a range, in the same unit: 8 in "5 to 8 euros".</summary>
    internal double? UpTo { get; init; }

    private static readonly Dictionary<string, (string Dimension, double Factor)> Units = Read(
        "second: second=1 seconds=1 sec=1 secs=1 s=1 秒=1 秒間=1 minute=60 minutes=60 min=60 mins=60 分=60 分間=60 hour=3600 hours=3600 "
        + "h=3600 hr=3600 hrs=3600 時間=3600 day=86400 days=86400 日=86400 日間=86400 week=604800 weeks=604800 週間=604800 週=604800",
        "month: month=1 months=1 か月=1 ヶ月=1 カ月=1 ヵ月=1 ケ月=1 箇月=1 か月間=1 ヶ月間=1 year=12 years=12 年間=12 decade=120 decades=120 "
        + "century=1200 centuries=1200",
        "metre: metre=1 metres=1 meter=1 meters=1 m=1 メートル=1 centimetre=.01 centimetres=.01 centimeter=.01 centimeters=.01 cm=.01 "
        + "センチメートル=.01 センチ=.01 millimetre=.001 millimetres=.001 millimeter=.001 millimeters=.001 mm=.001 ミリメートル=.001 ミリ=.001 "
        + "kilometre=1000 kilometres=1000 kilometer=1000 kilometers=1000 km=1000 キロメートル=1000 mile=1609.344 miles=1609.344 "
        + "foot=.3048 feet=.3048 ft=.3048 inch=.0254 inches=.0254",
        "gram: gram=1 grams=1 gramme=1 g=1 グラム=1 mg=.001 milligram=.001 milligrams=.001 ミリグラム=.001 kg=1000 kilogram=1000 "
        + "kilograms=1000 kilo=1000 kilos=1000 キログラム=1000 キロ=1000 tonne=1e6 tonnes=1e6 ton=1e6 tons=1e6 t=1e6 トン=1e6 lb=453.59237 "
        + "lbs=453.59237",
        "litre: litre=1 litres=1 liter=1 liters=1 l=1 リットル=1 ml=.001 millilitre=.001 millilitres=.001 ミリリットル=.001 cl=.01 dl=.1",
        "celsius: °c=1 ℃=1 度=1 摂氏=1 celsius=1 degrees=1 degree=1", "percent: %=1 percent=1 パーセント=1 割=10 per-cent=1",
        "watt: w=1 watt=1 watts=1 ワット=1 kw=1000 kilowatt=1000 kilowatts=1000 キロワット=1000 mw=1e6 megawatt=1e6 megawatts=1e6",
        "byte: byte=1 bytes=1 kb=1e3 mb=1e6 gb=1e9 tb=1e12 キロバイト=1e3 メガバイト=1e6 ギガバイト=1e9", "volt: v=1 volt=1 volts=1 ボルト=1",
        "hertz: hz=1 khz=1e3 mhz=1e6 ghz=1e9", "pound: £=1 pound=1 pounds=1 gbp=1 ポンド=1", "euro: €=1 euro=1 euros=1 eur=1 ユーロ=1",
        "dollar: $=1 dollar=1 dollars=1 usd=1 ドル=1 米ドル=1", "yen: ¥=1 yen=1 円=1 jpy=1",
        "franc: franc=1 francs=1 chf=1 フラン=1", "crown: crown=1 crowns=1", "krona: krona=1 kronor=1 sek=1 クローナ=1",
        "krone: krone=1 kroner=1 クローネ=1", "nok: nok=1", "dkk: dkk=1", "koruna: koruna=1 korunas=1 koruny=1 czk=1 コルナ=1",
        "won: ₩=1 won=1 krw=1 ウォン=1", "yuan: yuan=1 cny=1 rmb=1 元=1 人民元=1", "rupee: ₹=1 rupee=1 rupees=1 inr=1 ルピー=1",
        "peso: peso=1 pesos=1 ペソ=1", "zloty: zloty=1 zlotys=1 pln=1", "baht: baht=1 thb=1 バーツ=1", "clock: 時=60", "spoon: 大さじ=3 小さじ=1",
        "person: people=1 persons=1 person=1 人=1 名=1", "age: 歳=1 才=1", "item: 個=1 つ=1", "night: 泊=1");

    private static readonly HashSet<string> Currencies =
        [.. "pound euro dollar yen franc crown krona krone nok dkk koruna won yuan rupee peso zloty baht".Split(' ')];

    // A word that several currencies share names each of them.
    private static readonly Dictionary<string, string[]> SharedCurrencies = new(StringComparer.Ordinal)
    {
        ["crown"] = ["krona", "krone", "nok", "dkk", "koruna"],
        ["krone"] = ["nok", "dkk"],
    };

    /// <summary>Whether it is an amount of money.</summary>
    internal bool IsMoney => Currencies.Contains(Dimension);

    /// <summary>Whether a word is the code of a currency, which stands before its amount too.</summary>
    internal static bool IsCurrencyCode(string word)
        => word.Length == 3 && word.All(char.IsAsciiLetterUpper) && Units.TryGetValue(word.ToLowerInvariant(), out var unit)
            && Currencies.Contains(unit.Dimension);

    /// <summary>Whether a word is a unit of measurement.</summary>
    internal static bool IsUnit(string word) => Units.ContainsKey(word);

    /// <summary>A number with the word behind or before it.</summary>
    /// <param name="value">The number as written.</param>
    /// <param name="unit">The unit as written in lower case, or the key of another noun, or empty.</param>
    /// <param name="bound">How it bounds.</param>
    internal static Quantity Of(double value, string unit, Bound bound)
        => Units.TryGetValue(unit, out var known)
            ? new(value * known.Factor, known.Dimension, bound) { Written = value }
            : new(value, unit, bound) { Written = value };

    /// <summary>Whether it is a date, a time of day or a duration.</summary>
    internal bool IsTime => Dimension is "date" or "clock" or "second" or "month";

    /// <summary>
    /// Whether it says what another one says, bounds apart; a number without a unit fits any but money, a currency's name that others
    /// share fits each of them.
    /// </summary>
    internal bool IsSameAs(Quantity other)
        => IsNear(Value, other.Value) && UpTo.HasValue == other.UpTo.HasValue && IsNear(UpTo ?? 0, other.UpTo ?? 0)
            && (Dimension == other.Dimension || (!IsMoney && !other.IsMoney && (Dimension.Length == 0 || other.Dimension.Length == 0))
                || (SharedCurrencies.TryGetValue(Dimension, out var shared) && shared.Contains(other.Dimension)));

    /// <summary>The range from this number to another one, of which one may lack the unit; null where they make none.</summary>
    internal Quantity? To(Quantity upper)
    {
        if (Dimension is "date" or "clock" || upper.Dimension is "date" or "clock" || upper.UpTo is not null
            || upper.Bound is not (Bound.Exact or Bound.AtMost))
            return null;
        if (Dimension == upper.Dimension)
            return this with { UpTo = upper.Value };
        return upper.Dimension.Length == 0 ? this with { UpTo = upper.Value * Value / Written }
            : Dimension.Length == 0 ? upper with { Value = Value * upper.Value / upper.Written, Written = Value, UpTo = upper.Value }
            : null;
    }

    private static bool IsNear(double value, double other) => Math.Abs(value - other) <= 1e-9 * Math.Max(1, Math.Abs(value));

    /// <summary>Whether both could stand in one place: of one dimension, or one without any.</summary>
    internal bool IsOfKind(Quantity other) => Dimension == other.Dimension || Dimension.Length == 0 || other.Dimension.Length == 0;

    private static Dictionary<string, (string Dimension, double Factor)> Read(params string[] lines)
    {
        var units = new Dictionary<string, (string, double)>(StringComparer.Ordinal);
        foreach (var line in lines)
        {
            var parts = line.Split(": ");
            foreach (var pair in parts[1].Split(' ', StringSplitOptions.RemoveEmptyEntries))
                if (pair.Split('=') is [var name, var factor])
                    units[name] = (parts[0], double.Parse(factor, CultureInfo.InvariantCulture));
        }

        return units;
    }
}
