using System.Globalization;
using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering.Support;

/// <summary>What part a token plays in an English clause.</summary>
internal enum EnglishRole
{
    Word,
    Name,
    Number,
    Determiner,
    Pronoun,
    Preposition,
    Auxiliary,
    Particle,
    Mark,
    Joiner,
    Condition,
    Exception,
    Cause,
    Effect,
    Relative,
    Skipped,
}

/// <summary>A token of an English sentence; several words may make one (a date, "at least 30 days").</summary>
internal sealed record EnglishToken(string Text, string Low, EnglishRole Role)
{
    internal Operators Operators { get; init; }

    internal Quantity? Quantity { get; init; }

    internal bool IsTime { get; init; }

    /// <summary>Whether it is a number with its unit that narrows the noun behind it: "a five-day pass".</summary>
    internal bool IsCompound { get; init; }
}

/// <summary>Takes English sentences apart into tokens: numbers with units and bounds, dates, names, words of grammar.</summary>
internal static partial class EnglishTokens
{
    // BE is any of "is", "are", "was" and "were".
    private static readonly Dictionary<string, Phrase<(EnglishRole Role, Operators Operators)>[]> Phrases = ReadPhrases(
        (EnglishRole.Auxiliary, Operators.Necessary,
            "have to|has to|had to|having to|need to|needs to|needed to|BE required to|BE obliged to"),
        (EnglishRole.Auxiliary, Operators.Possible, "BE able to|BE allowed to|BE permitted to"),
        (EnglishRole.Auxiliary, Operators.Future, "BE going to|BE to be|BE about to"),
        (EnglishRole.Skipped, Operators.Future, "on the verge of|on the point of|on the brink of"),
        (EnglishRole.Auxiliary, Operators.Negation, "fails to|fail to|failed to"),
        (EnglishRole.Auxiliary, Operators.Usually, "tend to|tends to|tended to"),
        (EnglishRole.Skipped, Operators.Negation, "no longer"),
        (EnglishRole.Skipped, Operators.Usually,
            "as a rule|in principle|in general|for the most part|in theory|on paper|in name|more or less"),
        (EnglishRole.Condition, Operators.Condition,
            "as long as|so long as|provided that|on condition that|in case|in case of|in the event of|in the absence of|subject to"
            + "|given that|depending on|dependent on|conditional on"),
        (EnglishRole.Condition, Operators.Condition | Operators.Only, "only if|only when|only where"),
        (EnglishRole.Condition, Operators.Purpose, "so that|in order to"),
        (EnglishRole.Condition, Operators.Negation, "rather than|instead of"),
        (EnglishRole.Exception, Operators.Exception,
            "except for|except if|except when|except that|apart from|aside from|other than|but for|but not|save for"
            + "|with the exception of|not including|not counting|exclusive of|net of"),
        (EnglishRole.Cause, Operators.Cause, "because of|due to|owing to|thanks to|as a result of"),
        (EnglishRole.Effect, Operators.Cause, "therefore|hence|thus|consequently|as a result"),
        (EnglishRole.Effect, Operators.None, "so"),
        (EnglishRole.Skipped, Operators.Regardless, "even if|regardless of"),
        (EnglishRole.Determiner, Operators.Few, "a few|a little"),
        (EnglishRole.Determiner, Operators.Nearly, "nearly all|almost all|nearly every|almost every"),
        (EnglishRole.Determiner, Operators.Some, "part of|parts of|a number of|one of|one in|some of"),
        (EnglishRole.Determiner, Operators.Most, "a majority of|the majority of|most of"),
        (EnglishRole.Preposition, Operators.None, "such as|out of|far from"),
        (EnglishRole.Skipped, Operators.None, "at all|as well|each other|of course|not only|so far|so long"));

    private static readonly Dictionary<string, (EnglishRole Role, Operators Operators)> Grammar = ReadGrammar();

    // What may be due to happen; a noun behind "due to" is the cause.
    private static readonly HashSet<string> Events =
    [
        .. ("be have leave arrive open close start begin end finish depart land sail return expire retire reopen resume move launch meet "
            + "become come go take happen pass vote dock appear speak play perform complete receive reach join").Split(' '),
    ];

    // What stands right before or behind a number and makes it a bound.
    private static readonly Dictionary<string, Phrase<Bound>[]> BoundsBefore = ReadBounds(
        "at least=AtLeast", "no fewer than=AtLeast", "no less than=AtLeast", "not less than=AtLeast", "not fewer than=AtLeast",
        "a minimum of=AtLeast", "minimum of=AtLeast", "at most=AtMost", "no more than=AtMost", "not more than=AtMost",
        "no longer than=AtMost", "not exceed=AtMost", "not exceeding=AtMost", "up to=AtMost", "a maximum of=AtMost", "maximum of=AtMost",
        "no later than=AtMost", "within=AtMost", "more than=Above", "longer than=Above", "greater than=Above", "older than=Above",
        "higher than=Above", "larger than=Above", "over=Above", "above=Above", "exceeds=Above", "exceeding=Above", "less than=Below",
        "fewer than=Below", "shorter than=Below", "younger than=Below", "lower than=Below", "smaller than=Below", "below=Below",
        "under=Below", "about=About", "around=About", "approximately=About", "roughly=About", "nearly=About", "almost=About",
        "some=About", "upwards of=AtLeast", "from=AtLeast",
        "comes to=Exact", "come to=Exact", "amounts to=Exact", "amount to=Exact", "as much as=AtMost", "as many as=AtMost");

    private static readonly Dictionary<string, Phrase<Bound>[]> BoundsBehind = ReadBounds(
        "or more=AtLeast", "or older=AtLeast", "or longer=AtLeast", "or over=AtLeast", "and over=AtLeast", "and older=AtLeast",
        "at least=AtLeast", "at most=AtMost", "at the most=AtMost", "at the latest=AtMost", "or less=AtMost", "or fewer=AtMost",
        "or younger=AtMost", "or shorter=AtMost", "or under=AtMost", "and up=AtLeast", "and upwards=AtLeast", "upwards=AtLeast",
        "or above=AtLeast", "and above=AtLeast", "or higher=AtLeast", "and more=AtLeast");

    internal static readonly string[] Months =
        ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"];

    private static readonly HashSet<string> TimeWords =
    [
        .. ("monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays saturdays sundays "
            + "spring summer autumn winter today tomorrow yesterday morning afternoon evening night noon midnight weekend weekends "
            + "weekdays "
            + "weekday next last year month week day daily weekly monthly yearly annually now currently afterwards then later").Split(' '),
    ];

    private static readonly Dictionary<string, double> NumberWords = ReadNumbers();

    /// <summary>The number that a word in lower case is ("two", "hundred"), or null.</summary>
    internal static double? NumberOf(string word) => NumberWords.TryGetValue(word, out double number) ? number : null;

    internal static List<EnglishToken> Of(string text, IReadOnlySet<string> names)
    {
        text = RangeSign().Replace(text, "$1 to $2");
        // "A five-year warranty", "a half-hour detention": a number and its unit.
        text = NumberAndUnit()
            .Replace(text,
                match => Quantity.IsUnit(match.Groups["unit"].Value)
                    ? match.Groups["n"].Value + " " + match.Groups["unit"].Value
                    : match.Value);
        var words = Token().Matches(text).Select(match => match.Value.Replace('’', '\'')).ToList();
        var tokens = new List<EnglishToken>();
        for (int i = 0; i < words.Count;)
            tokens.Add(Next(words, ref i, names, tokens));
        return tokens;
    }

    /// <summary>Whether a word in lower case is one of grammar: an article, a preposition, an auxiliary, …</summary>
    internal static bool IsGrammar(string word) => Grammar.ContainsKey(word);

    /// <summary>Whether a text is English: one word in eight, or more, is one of its words of grammar.</summary>
    internal static bool IsEnglish(string text)
    {
        var words = Word().Matches(text).Select(match => match.Value.ToLowerInvariant()).ToList();
        return words.Count > 0 && words.Count(Grammar.ContainsKey) * 8 >= words.Count;
    }

    /// <summary>
    /// The names in a text: capitalised words that open no sentence, words with capitals or digits inside, single capitals.
    /// </summary>
    internal static IEnumerable<string> NamesIn(string text)
        => Name().Matches(text).Select(match => Fold(match.Value)).Where(name => !Grammar.ContainsKey(name) && !TimeWords.Contains(name));

    internal static string Fold(string word)
    {
        var low = word.Replace('’', '\'').ToLowerInvariant();
        return low.EndsWith("'s", StringComparison.Ordinal) ? low[..^2] : low.TrimEnd('\'');
    }

    private static EnglishToken Next(List<string> words, ref int i, IReadOnlySet<string> names, List<EnglishToken> before)
    {
        int start = i;
        if (NumberAt(words, ref i, before) is { } number)
            return number;
        foreach (var (phrase, (role, operators)) in PhrasesAt(Phrases, words, i))
        {
            if (role == EnglishRole.Effect && !OpensClause(before, operators))
                continue;
            i += phrase.Length;
            var text = string.Join(' ', phrase);
            // "The tram is due to leave at ten."
            return text == "due to" && IsEvent(words, i) && before is [.., { Role: EnglishRole.Auxiliary }]
                ? new EnglishToken(text, text, EnglishRole.Auxiliary) { Operators = Operators.Future }
                : new EnglishToken(text, text, role) { Operators = role == EnglishRole.Effect ? Operators.None : operators };
        }

        var word = words[i++];
        var low = Fold(word);

        // "Everyone but the guides": not all of them.
        if (low == "but" && before.Count > 0 && before[^1] is { Role: EnglishRole.Determiner } whole
            && (whole.Operators & (Operators.All | Operators.Negation)) != Operators.None)
            return new EnglishToken(word, low, EnglishRole.Exception) { Operators = Operators.Exception };
        if (word.Length == 1 && !char.IsLetterOrDigit(word[0]) && !char.IsSymbol(word[0]) && word[0] != '%')
            return new EnglishToken(word, word, EnglishRole.Mark);
        if (word.EndsWith("n't", StringComparison.OrdinalIgnoreCase))
            return new EnglishToken(word, word.ToLowerInvariant(), EnglishRole.Auxiliary)
            {
                Operators = Operators.Negation | (Grammar.TryGetValue(low[..^3], out var modal) ? modal.Operators : Operators.None),
            };
        if (Assumptions.Contains(low) && (before.Count == 0 || before[^1].Role == EnglishRole.Mark
            || (low is "barring" or "assuming" or "pending" && before[^1].Role != EnglishRole.Auxiliary)))
            return new EnglishToken(word, low, EnglishRole.Condition) { Operators = Operators.Condition };
        bool isMonth = low == "may" && word == "May" && before.Count > 0;
        if (!isMonth && Grammar.TryGetValue(low, out var grammar) && (word.Length > 1 || char.IsLower(word[0]) || start == 0 || low == "i"))
            return new EnglishToken(word, low, grammar.Role) { Operators = grammar.Operators };
        bool isTime = TimeWords.Contains(low);
        return new EnglishToken(word, low, !isTime && names.Contains(low) ? EnglishRole.Name : EnglishRole.Word)
        {
            IsTime = isTime,
            Operators = low.Length > 5 && low.EndsWith("est", StringComparison.Ordinal) && char.IsLower(word[0])
                && !NotSuperlative.Contains(low)
                ? Operators.Superlative : Operators.None,
        };
    }

    // "…, so the school closed": what stands before is the reason. "So" that opens a sentence only leads on.
    private static bool OpensClause(List<EnglishToken> before, Operators operators)
        => before.Count == 0 ? operators != Operators.None : before[^1].Role is EnglishRole.Mark or EnglishRole.Joiner;

    private static bool IsEvent(List<string> words, int at)
        => at < words.Count && Events.Contains(words[at]) && !Starts(words, at + 1, ["of"]);

    private static readonly HashSet<string> Assumptions = [.. "barring assuming supposing pending failing given absent".Split(' ')];

    // A number with what bounds it, or a range.
    private static EnglishToken? NumberAt(List<string> words, ref int i, List<EnglishToken> before)
    {
        int start = i, at = i;
        var bound = Bound.Exact;
        foreach (var (phrase, kind) in PhrasesAt(BoundsBefore, words, i))
            if (ReadNumber(words, i + phrase.Length, before) is var (bounded, _)
                && (phrase[0] != "from" || bounded.Dimension is not ("date" or "clock")))
            {
                (bound, at) = (kind, i + phrase.Length);
                break;
            }

        // "between 5 and 8 euros"
        bool isBetween = Starts(words, i, ["between"]) && ReadNumber(words, i + 1, before) is not null;
        if (isBetween)
            at = i + 1;
        // "starts at 5 euros"
        bool isStart = Starts(words, i, ["at"]) && before is [.., { Low: "start" or "starts" or "starting" or "begin" or "begins" }]
            && ReadNumber(words, i + 1, before) is ({ IsMoney: true }, _);
        if (isStart)
            (bound, at) = (Bound.AtLeast, i + 1);
        if (ReadNumber(words, at, before) is not var (quantity, length))
            return null;
        at += length;
        if (at + 1 < words.Count && Starts(words, at, [isBetween ? "and" : "to"]) && ReadNumber(words, at + 1, before) is var (upper, taken)
            && quantity.To(upper) is { } range)
        {
            (quantity, at) = (range, at + 1 + taken);
            if (Starts(words, start, ["from"]))
                bound = Bound.Exact;
        }
        else if (isBetween)
        {
            return null;
        }

        foreach (var (phrase, kind) in PhrasesAt(BoundsBehind, words, at))
        {
            (bound, at) = (kind, at + phrase.Length);
            break;
        }

        i = at;
        return new EnglishToken(string.Join(' ', words[start..at]), "", EnglishRole.Number)
        {
            Quantity = quantity with { Bound = bound },
            IsTime = quantity.IsTime,
            IsCompound = IsCompound(words, at, quantity, before),
        };
    }

    // "A five-day pass", "a 5 day pass": a unit in the singular behind several, or behind an article.
    private static bool IsCompound(List<string> words, int at, Quantity quantity, List<EnglishToken> before)
        => quantity.Dimension.Length > 0 && quantity.Dimension is not ("date" or "clock") && at < words.Count && char.IsLower(words[at][0])
            && !Grammar.ContainsKey(words[at]) && words[at - 1] is { Length: > 2 } unit && Quantity.IsUnit(unit) && unit[^1] != 's'
            && unit is not ("people" or "feet") && (quantity.Written != 1 || before is [.., { Role: EnglishRole.Determiner }]);

    private static readonly HashSet<string> NotSuperlative =
        [.. ("interest request forest harvest protest honest contest digest suggest invest modest latest northwest southwest arrest "
            + "priest manifest "
            + "detest inquest conquest tempest earnest").Split(' ')];

    private static bool Starts(List<string> words, int at, string[] phrase)
    {
        if (at + phrase.Length > words.Count)
            return false;
        for (int i = 0; i < phrase.Length; i++)
            if (!string.Equals(words[at + i], phrase[i], StringComparison.OrdinalIgnoreCase))
                return false;
        return true;
    }

    /// <summary>The number, date or time of day at a place, with the words that it takes; null for none.</summary>
    private static (Quantity Quantity, int Length)? ReadNumber(List<string> words, int at, List<EnglishToken> before)
    {
        if (at >= words.Count)
            return null;
        if (ReadDate(words, at, before) is { } date)
            return date;
        if (Clock().Match(words[at]) is { Success: true } clock)
        {
            double minutes = 60 * int.Parse(clock.Groups[1].ValueSpan, CultureInfo.InvariantCulture)
                + int.Parse(clock.Groups[2].ValueSpan, CultureInfo.InvariantCulture);
            return HalfOfDay(words, at + 1) is { } half ? (new(minutes % 720 + half, "clock", Bound.Exact), 2)
                : (new(minutes, "clock", Bound.Exact), 1);
        }

        // "CHF 40"
        if (Quantity.IsCurrencyCode(words[at]))
            return at + 1 < words.Count && ReadValue(words, at + 1) is ({ } amount, { } taken, "")
                ? (Quantity.Of(amount, words[at].ToLowerInvariant(), Bound.Exact), taken + 1) : null;
        if (ReadValue(words, at) is not var (value, length, currency))
            return null;
        if (HalfOfDay(words, at + length) is { } part && value <= 12)
            return (new(60 * (value % 12) + part, "clock", Bound.Exact), length + 1);
        if (currency.Length > 0)
            return (Quantity.Of(value, currency, Bound.Exact), length);
        if (at + length < words.Count && Fold(words[at + length]) is var unit && Quantity.IsUnit(unit))
            return (Quantity.Of(value, unit, Bound.Exact), length + 1);
        if (at + length + 1 < words.Count && Starts(words, at + length, ["per", "cent"]))
            return (Quantity.Of(value, "%", Bound.Exact), length + 2);
        // "in 2019", but "1200 chairs".
        bool counts = at + 1 < words.Count && char.IsLower(words[at + 1][0]) && !Grammar.ContainsKey(Fold(words[at + 1]))
            && (before.Count == 0 || before[^1].Role != EnglishRole.Preposition);
        return value is >= 1000 and <= 2100 && length == 1 && words[at].Length == 4 && !counts
            ? (new(value * 10000, "date", Bound.Exact), 1)
            : (new(value, "", Bound.Exact), length);
    }

    private static double? HalfOfDay(List<string> words, int at)
        => at < words.Count ? words[at].ToLowerInvariant() switch { "am" or "a.m" => 0, "pm" or "p.m" => 720, _ => null } : null;

    // Day, month and year, as far as they are given: 10000 × year + 100 × month + day.
    private static (Quantity Quantity, int Length)? ReadDate(List<string> words, int at, List<EnglishToken> before)
    {
        if (IsoDate().Match(words[at]) is { Success: true } iso)
            return (new(double.Parse(iso.Groups[1].Value + iso.Groups[2].Value + iso.Groups[3].Value, CultureInfo.InvariantCulture), "date",
                Bound.Exact), 1);
        int i = at;
        int? day = Day(words, i);
        if (day is not null)
            i++;
        if (i >= words.Count || !char.IsUpper(words[i][0]) || Array.IndexOf(Months, Fold(words[i])) is not (>= 0 and var month))
            return null;
        if (day is null && words[i] == "May" && Day(words, i + 1) is null && Year(words, i + 1) is null
            && (before.Count == 0 || before[^1].Role != EnglishRole.Preposition))
            return null;
        i++;
        if (day is null && Day(words, i) is { } behind && Year(words, i) is null)
            (day, i) = (behind, i + 1);
        int yearAt = i < words.Count && words[i] == "," ? i + 1 : i;
        int? year = Year(words, yearAt);
        if (year is not null)
            i = yearAt + 1;
        return (new((year ?? 0) * 10000 + (month + 1) * 100 + (day ?? 0), "date", Bound.Exact), i - at);
    }

    private static int? Day(List<string> words, int at)
        => at < words.Count && DayOfMonth().Match(words[at]) is { Success: true } match
            ? int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture) : null;

    private static int? Year(List<string> words, int at)
        => at < words.Count && words[at].Length == 4
            && int.TryParse(words[at], NumberStyles.None, CultureInfo.InvariantCulture, out int year)
            && year is >= 1000 and <= 2100 ? year : null;

    private static (double Value, int Length, string Currency)? ReadValue(List<string> words, int at)
    {
        double value;
        int length = 1;
        var currency = "";
        if (Digits().Match(words[at]) is { Success: true } digits)
        {
            currency = digits.Groups[1].Value;
            value = double.Parse(digits.Groups[2].ValueSpan, NumberStyles.Float | NumberStyles.AllowThousands,
                CultureInfo.InvariantCulture);
        }
        else if (Spelled(words, at) is var (spelled, count))
        {
            (value, length) = (spelled, count);
        }
        else
        {
            return null;
        }

        if (at + length < words.Count && words[at + length].ToLowerInvariant() is var scale)
            (value, length) = scale switch
            {
                "thousand" => (value * 1e3, length + 1),
                "million" => (value * 1e6, length + 1),
                "billion" => (value * 1e9, length + 1),
                _ => (value, length),
            };
        if (Starts(words, at + length, ["and", "a", "half"]))
            (value, length) = (value + 0.5, length + 3);
        return (value, length, currency);
    }

    // "three thousand two hundred", "thirty-six", "half an hour", "a dozen", "a decade".
    private static (double Value, int Length)? Spelled(List<string> words, int at)
    {
        if (Starts(words, at, ["half", "an"]) || Starts(words, at, ["half", "a"]))
            return (0.5, 2);
        if (Starts(words, at, ["half"]) && at + 1 < words.Count && Quantity.IsUnit(words[at + 1]))
            return (0.5, 1);
        if (Starts(words, at, ["a"]) && at + 1 < words.Count)
            return words[at + 1].ToLowerInvariant() switch
            {
                "hundred" => (100, 2),
                "thousand" => (1000, 2),
                "dozen" => (12, 2),
                "decade" or "century" => (1, 1),
                _ => null,
            };
        double total = 0, part = 0;
        int i = at;
        for (; i < words.Count; i++)
        {
            var word = words[i].ToLowerInvariant();
            if (word == "and" && i > at && part >= 100 && i + 1 < words.Count && NumberWords.ContainsKey(words[i + 1].ToLowerInvariant()))
                continue;
            if (!NumberWords.TryGetValue(word, out double value))
                break;
            if (value == 1000)
                (total, part) = (total + Math.Max(part, 1) * 1000, 0);
            else if (value == 100)
                part = Math.Max(part, 1) * 100;
            else
                part += value;
        }

        return i == at || (i == at + 1 && words[at].Equals("one", StringComparison.OrdinalIgnoreCase) && !CountsOne(words, i))
            ? null : (total + part, i - at);
    }

    private static bool CountsOne(List<string> words, int next)
        => next < words.Count && char.IsLower(words[next][0]) && (!Grammar.ContainsKey(Fold(words[next])) || words[next] == "and");

    private static Dictionary<string, Phrase<(EnglishRole Role, Operators Operators)>[]> ReadPhrases(
        params (EnglishRole Role, Operators Operators, string Phrases)[] lines)
        => ByFirstWord(lines.SelectMany(line => line.Phrases.Split('|')
            .SelectMany(phrase => phrase.StartsWith("BE ", StringComparison.Ordinal)
                ? "is are was were".Split(' ').Select(be => be + phrase[2..]) : [phrase])
            .Select(phrase => new Phrase<(EnglishRole Role, Operators Operators)>(phrase.Split(' '), (line.Role, line.Operators))))
            .OrderByDescending(phrase => phrase.Words.Length));

    private static Dictionary<string, Phrase<Bound>[]> ReadBounds(params string[] bounds)
        => ByFirstWord(bounds.Select(bound => bound.Split('='))
            .Select(pair => new Phrase<Bound>(pair[0].Split(' '), Enum.Parse<Bound>(pair[1]))));

    private static Dictionary<string, Phrase<T>[]> ByFirstWord<T>(IEnumerable<Phrase<T>> phrases)
        => phrases.GroupBy(phrase => phrase.Words[0], StringComparer.OrdinalIgnoreCase)
            .ToDictionary(group => group.Key, group => group.ToArray(), StringComparer.OrdinalIgnoreCase);

    // What stands at a place, in the order of the phrases.
    private static IEnumerable<Phrase<T>> PhrasesAt<T>(Dictionary<string, Phrase<T>[]> phrases, List<string> words, int at)
        => at < words.Count && phrases.TryGetValue(words[at], out var begun) ? begun.Where(phrase => Starts(words, at, phrase.Words)) : [];

    private static Dictionary<string, double> ReadNumbers()
    {
        var numbers = new Dictionary<string, double>(StringComparer.Ordinal) { ["hundred"] = 100, ["thousand"] = 1000 };
        var small = ("zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
            + "eighteen nineteen").Split(' ');
        for (int i = 0; i < small.Length; i++)
            numbers[small[i]] = i;
        var tens = "twenty thirty forty fifty sixty seventy eighty ninety".Split(' ');
        for (int i = 0; i < tens.Length; i++)
        {
            numbers[tens[i]] = 10 * (i + 2);
            for (int j = 1; j <= 9; j++)
                numbers[tens[i] + "-" + small[j]] = 10 * (i + 2) + j;
        }

        return numbers;
    }

    private static Dictionary<string, (EnglishRole, Operators)> ReadGrammar()
    {
        var grammar = new Dictionary<string, (EnglishRole, Operators)>(StringComparer.Ordinal);
        Add("a an the this that these those its their his her hers my our your such another", EnglishRole.Determiner);
        Add("it they he she we you i them him us me itself himself herself themselves there", EnglishRole.Pronoun);
        Add("of in on at by for with from to into onto upon between through during than as against near since until till before after "
            + "behind "
            + "beside beyond along across around about over under above below inside outside within among per toward towards via like "
            + "unlike despite throughout plus minus", EnglishRole.Preposition);
        Add("is are was were be been being am do does did done has have had having", EnglishRole.Auxiliary);
        Add("can could may might", EnglishRole.Auxiliary, Operators.Possible);
        Add("must shall", EnglishRole.Auxiliary, Operators.Necessary);
        Add("should ought", EnglishRole.Auxiliary, Operators.Advised);
        Add("will would", EnglishRole.Auxiliary, Operators.Future);
        Add("cannot", EnglishRole.Auxiliary, Operators.Possible | Operators.Negation);
        Add("not never", EnglishRole.Auxiliary, Operators.Negation);
        Add("no none nobody nothing nowhere neither nor", EnglishRole.Determiner, Operators.Negation);
        Add("without", EnglishRole.Preposition, Operators.Negation);
        Add("either", EnglishRole.Determiner, Operators.Alternative);
        Add("all every each both any always everyone everything everywhere", EnglishRole.Determiner, Operators.All);
        Add("some several sometimes partly occasionally someone something", EnglishRole.Determiner, Operators.Some);
        Add("most mostly", EnglishRole.Determiner, Operators.Most);
        Add("many often frequently", EnglishRole.Determiner, Operators.Many);
        Add("few rarely seldom hardly barely scarcely little", EnglishRole.Determiner, Operators.Few);
        Add("nearly almost", EnglishRole.Determiner, Operators.Nearly);
        Add("half", EnglishRole.Determiner, Operators.Half);
        Add("only solely exclusively just", EnglishRole.Skipped, Operators.Only);
        Add("more", EnglishRole.Skipped, Operators.More);
        Add("less fewer least", EnglishRole.Skipped, Operators.Less);
        Add("probably perhaps possibly likely maybe presumably", EnglishRole.Skipped, Operators.Expected);
        Add("supposedly allegedly reportedly apparently seemingly theoretically nominally purportedly ostensibly conceivably hopefully "
            + "provisionally tentatively", EnglishRole.Word, Operators.Expected);
        Add("unlikely doubtful", EnglishRole.Word, Operators.Expected | Operators.Negation);
        Add("usually normally generally typically ordinarily mainly largely chiefly primarily", EnglishRole.Skipped, Operators.Usually);
        Add("and but while whereas although though yet", EnglishRole.Joiner);
        Add("or and/or", EnglishRole.Joiner, Operators.Alternative);
        Add("if unless provided when whenever", EnglishRole.Condition, Operators.Condition);
        Add("except excepting excluding", EnglishRole.Exception, Operators.Exception);
        Add("because", EnglishRole.Cause, Operators.Cause);
        foreach (var (words, (_, operators)) in Phrases.Values.SelectMany(phrases => phrases).Where(phrase => phrase.Words.Length == 1))
            Add(words[0], EnglishRole.Skipped, operators);
        Add("who which whom whose", EnglishRole.Relative);
        Add("out up off down away back", EnglishRole.Particle);
        Add("also too very then however indeed please own same one ones", EnglishRole.Skipped);
        return grammar;

        void Add(string words, EnglishRole role, Operators operators = Operators.None)
        {
            foreach (var word in words.Split(' '))
                grammar[word] = (role, operators);
        }
    }

    // Words that mean something together.
    private readonly record struct Phrase<T>(string[] Words, T Meaning);

    [GeneratedRegex(@"[0-9]{4}-[0-9][0-9]-[0-9][0-9]|[£$€¥₩₹]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)*(?::[0-9][0-9])?(?:st|nd|rd"
        + @"|th)?(?![\p{L}0-9-])|%|°[CFcf]|[\p{L}\p{N}]+(?:[-'’.&/][\p{L}\p{N}]+)*['’]?|[;:,()|—–?!.£$€¥₩₹]")]
    private static partial Regex Token();

    [GeneratedRegex(@"(?<=[\p{Ll}\d,;:)(|—–-]['’]?\s*)\b\p{Lu}[\p{L}\p{N}]*(?:[-'’.&/][\p{L}\p{N}]+)*"
        + @"|\b(?=[\p{L}-]*\d)(?=[\d-]*\p{L})[\p{L}\p{N}]+(?:-[\p{L}\p{N}]+)*|\b\p{Lu}{2,}\b|(?<=\p{L} )\b\p{Lu}\b")]
    private static partial Regex Name();

    [GeneratedRegex(@"(?<![\p{L}0-9-])(?<n>[0-9]+(?:\.[0-9]+)?|half|one|two|three|four|five|six|seven|eight|nine|ten|twelve|twenty"
        + @"|thirty)-(?<unit>[a-z]+)(?![\p{L}0-9-])")]
    private static partial Regex NumberAndUnit();

    // "3-4 hours", "€12–15".
    [GeneratedRegex(@"(?<![\p{L}\d.,-])([£$€¥₩₹]?\d{1,3}(?:\.\d+)?)\s?[-–—]\s?([£$€¥₩₹]?\d{1,3}(?:\.\d+)?)(?![-–—\d.,]\d|[\p{L}-])")]
    private static partial Regex RangeSign();

    [GeneratedRegex(@"[\p{L}']+")]
    private static partial Regex Word();

    [GeneratedRegex(@"^([0-9]{1,2}):([0-9][0-9])$")]
    private static partial Regex Clock();

    [GeneratedRegex(@"^([0-9]{4})-([0-9][0-9])-([0-9][0-9])$")]
    private static partial Regex IsoDate();

    [GeneratedRegex(@"^([0-9]{1,2})(?:st|nd|rd|th)?$")]
    private static partial Regex DayOfMonth();

    [GeneratedRegex(@"^([£$€¥₩₹]?)([0-9][0-9,]*(?:\.[0-9]+)?)(?:st|nd|rd|th)?$")]
    private static partial Regex Digits();
}
