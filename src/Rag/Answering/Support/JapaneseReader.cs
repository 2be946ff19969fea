using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering.Support;

/// <summary>
/// Takes Japanese sentences apart into statements: runs of kanji, katakana and Latin letters with the particle behind them, numbers with
/// their counters and bounds, and the endings that deny, permit, demand, limit or condition.
/// </summary>
internal static partial class JapaneseReader
{
    // What hiragana may be without carrying content of its own, longest first.
    private static readonly string[] Grammar =
    [
        .. ("によって により による として について における に対して に対し に関して に関する にとって のために ために とともに とき "
            + "ところ こと もの ため ほう いずれも どちらも すべて ので のに から まで より では には とは への での からの までの "
            + "までに までは からは にも でも とも などの など である であり であって であった でした です でしょう だった だろう ます "
            + "ました ません ませんでした まし して した する され される された させ させる しており している していた ている ていた てい "
            + "ておく てある てから ては ても いる いた ある あり あった あっ おり おる なる なり なった なって なっ ない なかった なく "
            + "なければ ならない なりません できる できます できない できません できた でき いけない いけません よい いい ください くださ "
            + "その この それ これ あの そこ ここ こちら そちら また なお ただし そして しかし さらに および または ならびに もしくは "
            + "かつ つまり すなわち よう ように れる られる れた られた れて られて られ せる ずに たら なら ならば たい たく たり だり "
            + "そう らしい という といった といい と呼ば って んで").Split(' ')
            .OrderByDescending(word => word.Length),
    ];

    private static readonly (string Particle, string Marker)[] Particles =
    [
        .. ("によって=によって により=によって から=から からは=から からの=から まで=まで までに=まで までの=まで までは=まで より=より よりも=より では=で での=で "
            + "には=に にも=に への=へ へは=へ とは=は のは=は のが=が のを=を として=として "
            + "について=について に対して=に に対し=に のほうが=が のほうは=は などの=の など= につき=につき あたり=につき ごとに=につき は=は が=が を=を "
            + "に=に へ=へ と=と で=で の=の も=も や=や").Split(' ').Select(pair => pair.Split('=')).Select(pair => (pair[0], pair[1]))
            .OrderByDescending(pair => pair.Item1.Length),
    ];

    private static readonly (Regex Pattern, Operators Operators)[] Signs =
    [
        // The order matters: what is found is taken out of the text.
        (Must(), Operators.Necessary), (MustNot(), Operators.Negation), (Regardless(), Operators.Regardless), (May(), Operators.Possible),
        (Sometimes(), Operators.Some), (Expected(), Operators.Expected), (OnlyBut(), Operators.Only), (Only(), Operators.Only),
        (Because(), Operators.Cause), (Or(), Operators.Alternative), (Usually(), Operators.Usually),
        (Not(), Operators.Negation), (Can(), Operators.Possible), (All(), Operators.All),
        (Some(), Operators.Some), (Most(), Operators.Most), (Many(), Operators.Many), (Few(), Operators.Few), (Nearly(), Operators.Nearly),
        (Half(), Operators.Half), (Superlative(), Operators.Superlative),
    ];

    internal static bool IsJapanese(string text) => text.AsSpan().IndexOfAnyInRange('ぁ', 'ヺ') >= 0;

    internal static ReadSentence Read(string text)
    {
        var statements = new List<Statement>();
        var pending = new List<Statement>();
        Statement? current = null;
        var inherited = new List<Item>();
        bool open = false; // the current statement waits for its predicate
        text = PrivateUse().Replace(text, " ");
        text = Honorific().Replace(text.Replace("子ども", "子供", StringComparison.Ordinal), "");
        text = RangeSign().Replace(text, "$1〜$2");
        text = Suffix().Replace(TimeBefore().Replace(text, "$1 "), " $1");
        text = ClauseEnd().Replace(text, "$0、");
        var parts = Parts().Split(text.TrimEnd('。', '.', '!', '?', ' ')).Where(part => part.Length > 0).Select(ReadPart).ToList();
        for (int i = 0; i < parts.Count; i++)
        {
            var part = parts[i];
            if (part.IsCondition)
            {
                // "A は、B の場合を除き、…": the statement goes on behind the condition; without a subject, what stands open is part of it.
                bool goesOn = open && current is not null && current.Subject.Any();
                var restriction = part.Statement;
                restriction.Operators |= part.IsException ? Operators.Exception : Operators.Condition;
                (restriction.HasPredicate, restriction.IsRestriction) = (true, true);
                if (goesOn)
                {
                    current!.Restrictions.Add(restriction);
                }
                else
                {
                    if (open && current is not null)
                    {
                        restriction.Items.InsertRange(0, current.Items);
                        statements.Remove(current);
                        current = null;
                    }

                    open = false;
                    pending.Add(restriction);
                }

                statements.Add(restriction);
                continue;
            }

            var made = part.Statement;
            if (open && current is not null && !IsParallel(current, made, inherited))
            {
                if (made.Subject.Any())
                    current.Items.RemoveAll(inherited.Contains);
                if (i > 0 && parts[i - 1].IsJoining && made.Subject.Any())
                    foreach (var item in current.Items.Where(item => item.Kind != ItemKind.Number && item.Marker is "" or "の" or "と"))
                        item.IsSubject = true;
                foreach (var item in made.Items)
                    item.Member += current.Items.Select(other => other.Member).DefaultIfEmpty().Max() + 1;
                current.Items.AddRange(made.Items);
                current.Operators |= made.Operators;
                current.HasPredicate |= made.HasPredicate;
                current.IsPassive |= made.IsPassive;
                current.IsPast |= made.IsPast;
                current.HasTense |= made.HasTense;
                current.IsPerfect |= made.IsPerfect;
                current.LeavesTense |= made.LeavesTense;
                current.IsExhaustive |= made.IsExhaustive;
                current.IsCopular |= made.IsCopular;
                current.PointsBack |= made.PointsBack;
            }
            else
            {
                // What nobody is named for is said of what was spoken of before; of a list, what stands before all of it.
                inherited = made.Subject.Any(item => item.Marker is "は" or "も") || current is null ? []
                    : [.. current.Subject.Where(item => !made.Subject.Any() || item.Marker is "は" or "の")
                        .Select(item => item with { IsSubject = true, IsInherited = true })];
                made.IsExhaustive |= part.IsCleft && current is null;
                if (made.Subject.Any() && inherited.Count > 0 && !inherited.Exists(item => item.Marker == "は"))
                    inherited = [];
                made.Items.InsertRange(0, inherited);
                made.IsSubjectElsewhere = !made.Subject.Any() && !part.IsCleft;
                made.Restrictions.AddRange(pending);
                pending.Clear();
                statements.Add(made);
                current = made;
            }

            open = !current.HasPredicate;
        }

        // "建て、寄付した": the last predicate says when.
        for (int i = statements.Count - 2; i >= 0; i--)
            if (statements[i] is { LeavesTense: true, IsRestriction: false }
                && statements[i + 1] is { IsRestriction: false, IsPast: true } next)
                (statements[i].HasTense, statements[i].IsPast, statements[i].IsPerfect) = (next.HasTense, true, next.IsPerfect);
        return new ReadSentence(statements);
    }

    // "正社員は週3日まで、契約社員は…", "大人220円、子供110円": the next of its kind, not more about the same.
    private static bool IsParallel(Statement current, Statement made, List<Item> inherited)
        => (made.Subject.Any(item => item.Marker is "は" or "も")
            && current.Subject.Any(item => item.Marker is "は" or "も" && !inherited.Contains(item))
                && current.Items.Exists(item => !item.IsSubject))
            || (made.Items.Exists(item => item.Kind != ItemKind.Number)
                && made.Items.Exists(item => item is { IsSubject: false, Quantity: { } number } && current.Items.Exists(other =>
                    other is { IsSubject: false, Quantity: { } before } && before.Dimension == number.Dimension
                        && number.Dimension != "date")));

    /// <summary>What stands between two commas.</summary>
    /// <param name="Statement">What it says.</param>
    /// <param name="IsCondition">Whether it says when, or of what, the statement behind it holds.</param>
    /// <param name="IsException">Whether it says of what the statement behind it does not hold.</param>
    /// <param name="IsCleft">Whether it asks, as it were, for what stands behind it: 入れるのは.</param>
    /// <param name="IsJoining">Whether it ends with "and": what stands behind it has the same part.</param>
    private sealed record Part(Statement Statement, bool IsCondition, bool IsException, bool IsCleft, bool IsJoining);

    private static Part ReadPart(string part)
    {
        var statement = new Statement { IsUnordered = true };
        var (masked, numbers) = TakeNumbers(part);
        var rest = masked;
        foreach (var (pattern, operators) in Signs)
            if (pattern.IsMatch(rest))
            {
                statement.Operators |= operators;
                rest = pattern.Replace(rest, match => new string('＿', match.Length));
            }

        bool condition = Condition().IsMatch(masked);
        AddItems(statement, masked, numbers);
        statement.IsPassive = Passive().IsMatch(masked);
        statement.IsCopular = Copula().IsMatch(masked);
        statement.HasPredicate = !Topic().IsMatch(masked) && (statement.IsCopular || Predicate().IsMatch(masked));
        statement.IsPast = Past().IsMatch(masked);
        statement.HasTense = statement.IsPast || (statement.HasPredicate && Finite().IsMatch(masked));
        statement.LeavesTense = statement is { HasPredicate: true, HasTense: false } && Continuative().IsMatch(masked);
        statement.IsPerfect = Perfect().IsMatch(masked);
        statement.IsExhaustive = CleftInside().IsMatch(masked);
        statement.PointsBack = Pointer().IsMatch(masked);
        bool exception = Exception().IsMatch(masked);
        condition &= statement.HasPredicate || ConditionNoun().IsMatch(masked) || Conditional().IsMatch(masked);
        return new Part(statement, exception || condition, exception, Cleft().IsMatch(masked), Joining().IsMatch(masked));
    }

    private static void AddItems(Statement statement, string text, List<Quantity> numbers)
    {
        var verb = "";
        int lastEnd = -1;
        foreach (Match match in Unit().Matches(text))
        {
            var run = match.Groups["run"].Value;
            var kana = match.Groups["kana"].Value;
            var (marker, length) = MarkerOf(kana, match.Index + match.Length >= text.Length);
            // "建て替える", "取り除く": two verbs that make one.
            if (run.Length == 1 && kana.Length == 1 && VerbStems.Contains(kana[0]) && run[0] is >= '一' and <= '龥'
                && match.NextMatch() is { Success: true } next && next.Index == match.Index + match.Length
                && next.Groups["run"].Value is [>= '一' and <= '龥'] && next.Groups["kana"].Length > 0)
            {
                verb += run;
                continue;
            }

            (run, verb) = (verb + run, "");
            Item? item = null;
            if (run.Length == 1 && run[0] >= NumberMask)
            {
                var quantity = numbers[run[0] - NumberMask];
                item = new Item(
                    string.Create(CultureInfo.InvariantCulture, $"{quantity.Value} {quantity.Dimension} {quantity.Bound}"), ItemKind.Number,
                        marker,
                    quantity.IsTime)
                {
                    Quantity = quantity,
                };
            }
            else if (run.Length > 0)
            {
                item = new Item(run.ToLowerInvariant(), char.IsAsciiLetterOrDigit(run[0]) ? ItemKind.Name : ItemKind.Word, marker,
                    Times.Contains(run));
            }

            if (item is not null && !Said.Contains(item.Key))
            {
                // "蒸留水120ミリリットルに": the particle stands behind the amount.
                if (statement.Items is [.., { } counted] && lastEnd == match.Index)
                {
                    item.Tied = counted;
                    for (var part = counted; part is { Marker: "" }; part = part.Tied)
                        part.Marker = marker;
                }

                // "持つ人", and "折り畳み机", where the stem of a verb stands before a noun.
                item.IsAdnominal = item.Kind == ItemKind.Word && marker.Length == 0 && (Adnominal().IsMatch(kana)
                    || (kana.Length == 1 && VerbStems.Contains(kana[0]) && match.NextMatch() is { Success: true } noun
                        && noun.Index == match.Index + match.Length && noun.Groups["run"].Length > 0));
                item.IsTopic = TopicOfPlace().IsMatch(kana);
                item.Member = statement.Items is [.., { Member: var member, Marker: var before }]
                    ? member + (before is "と" or "や" && item.Tied is null ? 1 : 0) : 0;
                statement.Items.Add(item);
                if (marker is "は" or "が" or "も")
                    MarkSubject(statement.Items);
            }

            lastEnd = kana.Length == 0 ? match.Index + match.Length : -1;

            // What stands behind kanji without a particle is their ending: 見つかった.
            if (length > 0 || run.Length == 0 || (run[^1] is >= 'ァ' and <= 'ー'))
                foreach (var word in ContentIn(kana[length..]))
                    statement.Items.Add(new Item(word[..Math.Min(3, word.Length)], ItemKind.Word, ""));
        }

        Count(statement.Items);
    }

    // "20人の教師", "門が3つ": what a number counts. A particle stands between them for certain only where another number is near.
    private static void Count(List<Item> items)
    {
        for (int i = 0; i < items.Count; i++)
        {
            var number = items[i];
            if (number.Quantity is null or { Dimension: "date" or "clock" })
                continue;
            if (number.Marker == "の" && i + 1 < items.Count && items[i + 1].Quantity is null)
                items[i + 1].CountedBy = number;
            else if (i > 0 && items[i - 1] is { Quantity: null, CountedBy: null } before && (before == number.Tied
                || (before.Marker is "が" or "を" or "は" or "も" && items.Exists(other => other != number
                    && other.Quantity?.Dimension == number.Quantity.Dimension))))
                before.CountedBy = number;
        }
    }

    // Words that say how something holds, which the operators tell.
    private static readonly HashSet<string> Said = [.. "不可 禁止 可能 必要 予定".Split(' ')];

    private const string VerbStems = "いきしちにびみりえけせてべめれっぎげじ";

    private static readonly HashSet<string> Times =
    [
        .. ("現在 今 今年 来年 昨年 去年 来年度 今年度 毎日 毎週 毎月 毎年 翌日 翌朝 翌月 前週 戦後 当日 平日 休日 来週 来月 来春 来夏 来秋 次回 "
        + "土日 土日祝 土日祝日 祝日 週末 夜間 日中 昼間 早朝 深夜 年末年始 春季 夏季 秋季 冬季 春期 夏期 秋期 冬期 "
        + "月曜 火曜 水曜 木曜 金曜 土曜 日曜 月曜日 火曜日 水曜日 木曜日 金曜日 土曜日 日曜日").Split(' '),
    ];

    // "YT-30 の除雪幅は": everything of the phrase.
    private static void MarkSubject(List<Item> items)
    {
        items[^1].IsSubject = true;
        int i = items.Count - 2;
        for (; i >= 0 && (items[i + 1].Tied == items[i] ? !items[i].IsTime : items[i].Marker is "の" or "と" or "や"); i--)
            items[i].IsSubject = true;

        // "免状を持つ泳者は": a verb or an adjective before a noun narrows it, and so does all that belongs to the verb.
        if (i >= 0 && items[i].IsAdnominal && i < items.Count - 1)
            for (; i >= 0 && items[i].Marker is not ("は" or "も" or "が"); i--)
                items[i].IsSubject |= items[i].Kind != ItemKind.Number;
    }

    private static (string Marker, int Length) MarkerOf(string kana, bool atEnd)
    {
        if (kana.Length == 0 || NotParticle().IsMatch(kana) || (atEnd && kana is "で" or "と"))
            return ("", 0);
        foreach (var (particle, marker) in Particles)
            if (kana.StartsWith(particle, StringComparison.Ordinal))
                return (marker, particle.Length);

        // "働きを": no word but を holds this character.
        return kana.IndexOf('を', StringComparison.Ordinal) is >= 0 and var at ? ("を", at + 1) : ("", 0);
    }

    // Hiragana that is no grammar: ぜんそく, すでに.
    private static IEnumerable<string> ContentIn(string kana)
    {
        var word = new StringBuilder();
        for (int i = 0; i < kana.Length;)
        {
            var known = word.Length == 0 || kana.Length - i > 1 ? Grammar.FirstOrDefault(each
                => kana.AsSpan(i).StartsWith(each, StringComparison.Ordinal)) : null;
            if (known is null)
            {
                word.Append(kana[i++]);
                continue;
            }

            if (word.Length >= 3)
                yield return word.ToString();
            word.Clear();
            i += known.Length;
        }

        if (word.Length >= 3)
            yield return word.ToString();
    }

    // Characters that no text needs, and that stand for numbers below.
    [GeneratedRegex(@"[\uE000-\uF8FF]")]
    private static partial Regex PrivateUse();

    [GeneratedRegex("(?<=[一-龥々ァ-ヴー])(?:さん|様|氏|くん|ちゃん)(?=[はがをにのもとでへ、]|$)")]
    private static partial Regex Honorific();

    [GeneratedRegex("(?<=[一-龥々])(不可|禁止|可能|必要|無料|有料|予定)")]
    private static partial Regex Suffix();

    [GeneratedRegex(@"(?<![一-龥])(土日(?:祝日?)?|[平休祝]日|週末|夜間|日中|昼間|早朝|深夜|年末年始|[春夏秋冬][季期]|[月火水木金土日]曜日?)(?=[一-龥])")]
    private static partial Regex TimeBefore();

    // "500-800円"
    [GeneratedRegex(@"(?<![A-Za-z\d.,-])([¥£$€₩₹]?\d[\d,]*)\s?[-–—−~～]\s?(\d[\d,]*)(?=[一-龥ァ-ヴー%℃A-Za-z])")]
    private static partial Regex RangeSign();

    [GeneratedRegex(@"、\s*|,(?!\d)\s*|[;:](?!\d)\s*|(?<=[うくぐすつぬぶむる]と)(?=[一-龥ァ-ヴー])(?!定|述|言|思|考|呼|共|同|認|見|記|書|聞|答|伝|表|説|規)"
        + @"|(?<=[れけせてえべめげね]ば|場合[はに]|とき[はに]|際[はに]|たら|なら)(?=[一-龥ァ-ヴーA-Za-z\d])")]
    private static partial Regex Parts();

    [GeneratedRegex(@"(?<run>[\uE000-\uE0FF]|[一-龥々〆]+|[ァ-ヴー]+(?:・[ァ-ヴー]+)*|[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*|)(?<kana>[ぁ-ゖー]+"
        + @"|)(?:(?<=.)|$)", RegexOptions.ExplicitCapture)]
    private static partial Regex Unit();

    [GeneratedRegex(@"^(?:が[るっりらげ]|も[るっり]|と[すしさせ]|や[すしさせ]|である|です|でし|でき|であっ|であり|だ|でな|ではな|から(?:です|である|だ)|もの|とも|のち)")]
    private static partial Regex NotParticle();

    [GeneratedRegex(@"な(?:ければ|くては|いと)(?:なりません|ならない|ならず|なら|いけません|いけない|だめ)|ねばなら|必要(?:が|で|と|は(?=ある))?|べき|義務|ものとする|ものとし")]
    private static partial Regex Must();

    [GeneratedRegex(@"ては(?:なりません|ならない|ならず|いけません|いけない|だめ)|では(?:なりません|ならない|いけません|いけない)|(?:こと(?:は|が))?でき(?:ない|ません|ず|なく|なかった)|禁止|禁じ|不可"
        + @"|られ(?:ない|ません)|え(?:ない|ません)")]
    private static partial Regex MustNot();

    [GeneratedRegex(@"かかわらず|問わず|なくても|なしでも|どのような|どんな|いつでも|誰でも|どこでも|何でも")]
    private static partial Regex Regardless();

    [GeneratedRegex(@"て(?:も)?(?:よい|よく|かまわ(?:ない|ず)|構わ(?:ない|ず)|いい|差し支えない)")]
    private static partial Regex May();

    [GeneratedRegex(@"(?:こと|場合|時|とき)(?:が|も)(?:ある|あり|あっ)|かもしれ(?:ない|ません|ず)?|おそれ|可能性")]
    private static partial Regex Sometimes();

    // What is planned, wanted, weighed or proposed, as the predicate.
    [GeneratedRegex(@"予定|見込み|見通し|つもり|方針|おそらく|恐らく|たぶん|多分|きっと|ように?[見み]え|だろう|でしょう|と思われ|とみられ|計画"
        + @"|(?:意向|検討|提案|希望|構想|目標|予想|期待|約束|要望|要求|推奨|努力|交渉|準備|案)(?:[をがにで]?[一-龥]{0,2}[ぁ-ん]{0,8})$"
        + @"|はず(?:だ|で|$)|ことになっ|[うくぐすつぬぶむる]ところ(?:だ|で)"
        + @"|よう(?:に)?(?:と)?(?:命|指示|指導|言|いわ|求|頼|依頼|要請|促|勧|注意|伝え)"
        + @"|との(?:噂|うわさ|話|説|情報|報告|見方|評判)|(?:の|こと)を(?:拒|断|やめ|止め|忘れ|怠|避け)"
        + @"|と(?:は)?(?:言われ|いわれ|言う|言って|述べ|話し|話す|語[らっるり]|伝えられ|聞[いかく]|報じ|噂|主張|され[るてた]|されま|信じられ|考えられ|[見み]られ)"
        + @"|らしい|みたい(?:だ|で)|そう(?:だ|で)[ぁ-ん]{0,3}$|よう(?:だ|です|である|だった|でした)$|[一-龥ぁ-ん]かけ(?:てい|た$|る$)|とは限ら"
        + @"|(?:目指|めざ|望|求め|図|試み|努め|考え)[ぁ-ん]{1,6}$|(?:たい|たく|たかっ|[おこそとのもよろごぼ]うと|たがって)[ぁ-ん]{0,8}$")]
    private static partial Regex Expected();

    [GeneratedRegex(@"しか.{0,12}?(?:ない|ません|なかった|ず)")]
    private static partial Regex OnlyBut();

    [GeneratedRegex(@"のみ(?![ぁ-んー])|のみ(?=[がをにでとはもの])|だけ|に限り|に限る|に限っ|に限ら|限定")]
    private static partial Regex Only();

    [GeneratedRegex(@"(?:ため|(?<!て)から|おかげ|せい)(?:である|です|だ|で(?=す|あ)|$)|ので|原因|理由|ことから")]
    private static partial Regex Because();

    [GeneratedRegex(@"ない(?!し)|なかっ|ません|なく(?!て?な)|せず|ずに|ず(?=、|$|持)|れず|かず|無(?=効|い|く)|なければ|なけれ")]
    private static partial Regex Not();

    [GeneratedRegex(@"でき(?:る|ます|た|ました|て|$)|可能|られ(?:る|ます)(?:。|$)|認め(?:る|られ)")]
    private static partial Regex Can();

    [GeneratedRegex(@"すべて|全て|全員|全部|いずれも|どちらも|両方|必ず|常に|あらゆる|毎回")]
    private static partial Regex All();

    [GeneratedRegex(@"一部|いくつか|数人|数名|数件|少なくとも一部")]
    private static partial Regex Some();

    [GeneratedRegex(@"ほとんど|大半|過半数|大部分|半数以上")]
    private static partial Regex Most();

    [GeneratedRegex(@"多く|多数")]
    private static partial Regex Many();

    [GeneratedRegex(@"わずか|少数|まれに|めったに")]
    private static partial Regex Few();

    [GeneratedRegex(@"原則(?:として)?|通常|普段|普通は|ふつう|一般に|基本的に|たいてい|主に|主として")]
    private static partial Regex Usually();

    // One of several: the word for "or", or か between two nouns.
    [GeneratedRegex(@"または|もしくは|あるいは|又は|若しくは|ないし(?=[一-龥ァ-ヴー])|どちらか|いずれか"
        + @"|(?<=[一-龥ァ-ヴーA-Za-z\d\uE000-\uE0FF]|[一-龥][いきしちりえけせてめれうくすつむる])か、?(?=[一-龥ァ-ヴーA-Za-z\uE000-\uE0FF])(?![所国条])")]
    private static partial Regex Or();

    // Behind a reason and behind an exception, another clause begins.
    [GeneratedRegex(@"(?:(?<=[たいるうくすつぬぶむ])ため(?:に)?|(?<=[たいるうくすつぬぶむだな])ので|ことから|(?<=[たいるうくすつぬぶむだ])から"
        + @"|を除[くいき](?:た|て)?|以外[のはに]|のほかは?)(?=[一-龥々ァ-ヴーA-Za-zすあい])(?!から)")]
    private static partial Regex ClauseEnd();

    [GeneratedRegex(@"(?:を除[くいき](?:た|て|ては)?|以外[のはに]?|のほかは?)$")]
    private static partial Regex Exception();

    [GeneratedRegex(@"(?:た|(?<!な)んだ)(?:が|し|ので|から|ため(?:に)?|けれども?|ものの|ものである|ものです)?$|たの(?:は|が)")]
    private static partial Regex Past();

    [GeneratedRegex(@"(?:[うくぐすつぬぶむるいだ]|です|ます|ません)(?:が|し|ので|から|ため(?:に)?|けれども?|ものの)?$")]
    private static partial Regex Finite();

    [GeneratedRegex("[いきぎしちにびみりえけげせてでねべめれくず]$")]
    private static partial Regex Continuative();

    [GeneratedRegex(@"[てで](?:いる|います|いない|いません|おり|おります|いた|いました|いて)(?:が|ので|から|ため)?$")]
    private static partial Regex Perfect();

    [GeneratedRegex(@"[うくすつぬぶむるた]の(?:は|が)(?=.)")]
    private static partial Regex CleftInside();

    [GeneratedRegex(@"ほぼ|おおむね")]
    private static partial Regex Nearly();

    [GeneratedRegex(@"半数|半分")]
    private static partial Regex Half();

    [GeneratedRegex(@"最も|もっとも|一番|最大|最小|最高|最低|最初|最新|最古|唯一|随一")]
    private static partial Regex Superlative();

    [GeneratedRegex(@"(?:場合|とき|時|際)(?:は|に|には|で|を除き|を除いて|に限り|に限っ|$)|(?:なら|ならば|たら|だら|[けせてえべめげねれ]ば|限り|を除き|を除いて|以外|条件に|(?<=[うくぐすつぬぶむる])と)$")]
    private static partial Regex Condition();

    [GeneratedRegex("[うくぐすつぬぶむるただいな]$")]
    private static partial Regex Adnominal();

    [GeneratedRegex("^(?:に|で|から|まで|へ)は")]
    private static partial Regex TopicOfPlace();

    [GeneratedRegex("(?:たら|だら|なら|ならば)$")]
    private static partial Regex Conditional();

    [GeneratedRegex("(?:と|や|および|及び|ならびに|並びに)$")]
    private static partial Regex Joining();

    [GeneratedRegex(@"(?:場合|とき|時|際|限り|除き|除いて)")]
    private static partial Regex ConditionNoun();

    [GeneratedRegex(@"(?:さ|ら|か|わ|ま|た|ば|が|な)れ(?:る|た|て|ます|まし|、|$|ない|なかっ|ず)")]
    private static partial Regex Passive();

    [GeneratedRegex(@"(?:[一-龥々ァ-ヴーA-Za-z0-9\uE000-\uE0FF」』)]|の|こと|もの|ところ|ほう|うち|たち|とき|ごと|よう|まま|ほか|すぐ|とも|さら|ため)(?:には|では|とは|からは|までは|までに|は|も"
        + @"|を|に|へ|から|まで|と|が|より)$")]
    private static partial Regex Topic();

    [GeneratedRegex(@"[うくすつぬぶむるた]の(?:は|が)$")]
    private static partial Regex Cleft();

    [GeneratedRegex(@"その|この|これ|それ|同(?=[一-龥])")]
    private static partial Regex Pointer();

    [GeneratedRegex(@"(?:である|です|でした|であった|だった|だ|であり|で)$")]
    private static partial Regex Copula();

    [GeneratedRegex(@"(?:[うくすつぬぶむるたてしりいきぎちにびみえけせねべめれがずばとのん]|こと|よう|もの|ため|から|ので|が|まし|ます|ません|予定|禁止|必要|可能|無料|場合|とき|時)$|(?:する|した|して|れる|れた|れて"
        + @"|ある|いる|なる).{0,8}$")]
    private static partial Regex Predicate();
}
