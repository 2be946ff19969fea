namespace Kotonoha.Rag.Answering.Support;

/// <summary>A sentence of a passage as support: its statements, what stands around it, and what it may refer back to.</summary>
/// <param name="Sentence">Its statements.</param>
/// <param name="Before">The sentences before it, the nearest last.</param>
/// <param name="Context">The words of what holds for the whole passage: headings, title, the line that leads in.</param>
internal sealed record SupportingSentence(ReadSentence Sentence, IReadOnlyList<ReadSentence> Before, IReadOnlyList<Item> Context);

/// <summary>
/// Tells whether a statement follows from another one: every word, name and number of it stands there, in the same part, of the same
/// subject, under the same conditions, denied, bounded, qualified and quantified in the same way. Made to be wrong on the safe side: what
/// it cannot see does not follow.
/// </summary>
/// <param name="asked">The keys of the question's words, by which a condition counts as said.</param>
/// <param name="said">The keys of everything in the sentence that is checked.</param>
/// <param name="exceptions">Whether the sentence that is checked names an exception.</param>
internal sealed class Entailment(IReadOnlySet<string> asked, IReadOnlySet<string> said, bool exceptions)
{
    /// <summary>The keys of the question's words.</summary>
    internal IReadOnlySet<string> Asked => asked;

    /// <summary>How many sentences back a pronoun may reach.</summary>
    internal const int SentencesBack = 2;

    private const double SaidShare = 0.5;

    private static readonly Dictionary<string, string> MarkerClasses = ReadMarkers(
        "in at on inside within during", "to into onto toward towards", "until till", "below under", "above over", "に へ", "と や",
        "per a");

    // They say no more than the words that they stand with.
    private static readonly HashSet<string> LightWords = [.. "人 者 方 間 際 等".Split(' ')];

    private static readonly HashSet<string> TimeMarkers = [.. "in for に で は の".Split(' ')];

    private static readonly HashSet<string> RoleMarkers =
        [.. "by to from of with without for before after than above below between like unlike because".Split(' ')];

    // What a thing is compared with, and what an amount is paid or counted for, is never left out.
    private static readonly HashSet<string> KeptMarkers = [.. "than per plus minus より につき".Split(' ')];

    private static readonly HashSet<string> States = [.. "無料 有料 禁止 可能 必要 不可 閉鎖 休業 休館 営業 開館".Split(' ')];

    private const Operators Scoped = Operators.Negation | Operators.Only | Operators.Possible | Operators.Necessary;

    /// <summary>Whether a statement follows from a sentence.</summary>
    internal bool Follows(Statement claim, SupportingSentence support)
        => support.Sentence.Statements.Any(source => Follows(claim, source, support));

    private bool Follows(Statement claim, Statement source, SupportingSentence support)
    {
        if (claim.IsRestriction && !source.IsRestriction)
            return false;

        // What is given as a condition, an aim or an exception is not so, nor is one of these another.
        if (source.IsRestriction && (source.Operators & Operators.Unreal) != (claim.Operators & Operators.Unreal))
            return false;
        var predicate = source.HasPredicate ? null : NearestPredicate(source, support.Sentence);
        var operators = source.Operators | (predicate?.Operators ?? Operators.None);
        if (!Agree(claim, source, operators))
            return false;
        var pairs = new List<(Item Claim, Item Source)>();
        List<Item> antecedent =
            [.. source.IsSubjectElsewhere ? Antecedent(source, support) : [], .. source.IsObjectElsewhere
                ? ObjectBefore(source, support)
                : []];
        foreach (var item in claim.Items)
        {
            if (Match(item, source.Items, pairs, isGeneral: source is { IsUnordered: true, IsPast: false }) is { } own)
            {
                if (!MarkersAgree(item, own, claim, source))
                    return false;
                pairs.Add((item, own));
            }
            else if (!LightWords.Contains(item.Key)
                && !IsGivenElsewhere(item, claim, source, predicate, antecedent, support.Context, Modifiers(source, support),
                support.Sentence.Statements.TakeWhile(other => !ReferenceEquals(other, source)).SelectMany(other => other.Subject)))
            {
                return false;
            }
        }

        return TensesAgree(claim, source, source.IsAside ? source : predicate ?? source, pairs)
            && CountsTheSame(claim, source, pairs, support.Sentence) && SubjectAgrees(claim, source, pairs)
            && OrderAgrees(claim, source, pairs) && RestrictionsAreSaid(claim, source) && !JoinsAlternatives(claim, source, pairs)
            && NothingIsWidened(source, pairs) && ComparesTheSame(claim, source, pairs);
    }

    private Item? Match(Item item, IEnumerable<Item> items, List<(Item Claim, Item Source)> taken, bool isGeneral)
    {
        Item? found = null;
        foreach (var other in items)
        {
            if (isGeneral && (other.IsSubject || States.Any(other.Key.EndsWith)) && IsPartOnly(item, other))
                continue;

            bool isTaken = taken.Exists(pair => ReferenceEquals(pair.Source, other));

            // "開封した後" for "開封後": several words may stand in one.
            if (isTaken ? !(item.Kind == ItemKind.Word && StandsIn(item.Key, other.Key)) : !IsSame(item, other))
                continue;
            if (ClassOf(item.Marker) == ClassOf(other.Marker))
                return other;
            found ??= other;
        }

        return found;
    }

    // What holds in general for some of a kind need not hold for all of it: 特別会員, 会員.
    private bool IsPartOnly(Item item, Item other)
        => item.Kind == ItemKind.Word && StandsIn(item.Key, other.Key) && !asked.Contains(other.Key)
            && said.Where(key => StandsIn(key, other.Key)).Sum(key => key.Length) < other.Key.Length;

    internal static bool IsSame(Item item, Item other)
    {
        if (item.Quantity is not { } number)
            return other.Quantity is null && (item.Kind == other.Kind || item.Key[0] >= '\u2E80'
                ? IsSameWord(item.Key, other.Key)
                : Stem(item) == Stem(other));
        if (other.Quantity is not { } given || number.Bound != given.Bound)
            return false;
        return number.Dimension == "date" && given.Dimension == "date" ? IsWithin(number.Value, given.Value) : number.IsSameAs(given);
    }

    // A name that opens a sentence may have been read as a word.
    private static string Stem(Item item) => item.Kind == ItemKind.Name ? EnglishKeys.Of(item.Key) : item.Key;

    // A Japanese word may stand inside a longer one: 規程 in 在宅勤務規程.
    private static bool IsSameWord(string key, string other) => key == other || (key.Length >= 2 && StandsIn(key, other));

    private static bool StandsIn(string key, string other)
        => key.Length < other.Length && key.All(static c => c is (>= '一' and <= '龥') or '々')
            && other.IndexOf(key, StringComparison.Ordinal) is >= 0 and var at
            && (at == 0 || !(Turning.Contains(other[at - 1]) || "都道府県".Contains(other[^1])));

    // What turns the meaning of the word behind it: 非会員, 未成年, 副会長.
    private const string Turning = "非未不無反副準旧元前新";

    // What is said of a date must be given; what is given need not be said: "June 2023" follows from "3 June 2023".
    private static bool IsWithin(double said, double given)
    {
        var (a, b) = ((int)said, (int)given);
        return (a / 10000 == 0 || a / 10000 == b / 10000) && (a / 100 % 100 == 0 || a / 100 % 100 == b / 100 % 100)
            && (a % 100 == 0 || a % 100 == b % 100);
    }

    private static bool IsGivenElsewhere(
        Item item, Statement claim, Statement source, Statement? predicate, IReadOnlyList<Item> antecedent, IReadOnlyList<Item> context,
        IEnumerable<Item> modifiers, IEnumerable<Item> outer)
    {
        if (antecedent.Any(other => IsSame(item, other)))
            return item.Marker.Length == 0 || item.Kind == ItemKind.Word || item.IsSubject;
        // "You" may be anybody, unless the passage tells two persons apart.
        if (item.Key is "we" or "you" or "i")
            return item is { Key: "you", IsSubject: true } && !source.Items.Exists(other => other.Key is "we" or "you" or "i");
        if (item.Kind == ItemKind.Number)
        {
            bool competes = source.Items.Exists(other => other.Quantity is { } own && own.IsOfKind(item.Quantity!));
            return !competes && ((predicate?.Items.Exists(other => IsSame(item, other)) ?? false)
                || (item.Quantity!.Dimension == "date" && context.Any(other => IsSame(item, other))));
        }

        if (item.Kind == ItemKind.Word && predicate is not null && predicate.Items.Exists(other => !other.IsSubject && IsSame(item, other)
            && (other.Marker.Length == 0 || !source.Items.Exists(own => !own.IsSubject && ClassOf(own.Marker) == ClassOf(other.Marker)))))
            return true;
        // "役員は、任期が2年": what the whole sentence is about.
        if (item is { Kind: ItemKind.Word, Marker: "は" } && outer.Any(other => IsSame(item, other))
            && claim.Items.Exists(inner => inner.Marker is "が" or "の" && source.Subject.Any(own => IsSame(inner, own))))
            return true;
        if (item is { Kind: ItemKind.Word, Marker: "の" or "of" } && modifiers.Any(other => IsSame(item, other)))
            return true;
        if (!context.Any(other => IsSame(item, other)))
            return false;

        // Who did it is said by the statement itself.
        if (ClassOf(item.Marker) is "by" or "によって" && source.Items.Exists(own => ClassOf(own.Marker) == ClassOf(item.Marker)))
            return false;

        // What holds for the whole passage need not be repeated, unless the statement names another of its kind in its place.
        if (!source.HasPredicate && source.IsUnordered
            && source.Items.Exists(own => own.Quantity is null && !claim.Items.Exists(said => IsSame(said, own))))
            return false;
        return item.Kind == ItemKind.Word || !source.Items.Exists(other => other.Kind == ItemKind.Name && !other.IsTime
            && (other.IsSubject == item.IsSubject || ClassOf(other.Marker) == ClassOf(item.Marker))
            && !claim.Items.Exists(said => IsSame(said, other)));
    }

    // English leaves out the predicate behind the first of several ("…, staff for four"), Japanese before the last.
    private static Statement? NearestPredicate(Statement source, ReadSentence sentence)
    {
        var statements = sentence.Statements.ToList();
        int at = statements.IndexOf(source);
        var before = statements.Take(at).LastOrDefault(statement => statement.HasPredicate);
        return source.IsUnordered ? statements.Skip(at + 1).FirstOrDefault(statement => statement.HasPredicate) ?? before : before;
    }

    // A pronoun, or nothing at all, stands for what the statement or the sentence before is about.
    private static List<Item> Antecedent(Statement source, SupportingSentence support)
    {
        var statements = support.Sentence.Statements.TakeWhile(statement => !ReferenceEquals(statement, source)).Reverse()
            .Concat(support.Before.Reverse().Select(before => before.Statements.FirstOrDefault(each => each.Subject.Any()))
                .OfType<Statement>());
        return statements.Select(statement => statement.Subject.ToList()).FirstOrDefault(subject => subject.Count > 0) ?? [];
    }

    // "柚子の皮は…、果汁は…", "申請し、その結果を…": what a word belongs to may have been said just before.
    private static IEnumerable<Item> Modifiers(Statement source, SupportingSentence support)
    {
        var before = support.Sentence.Statements.TakeWhile(statement => !ReferenceEquals(statement, source))
            .SelectMany(statement => statement.Items);
        return source.PointsBack ? before.Concat(support.Before.Count > 0 ? support.Before[^1].Items : [])
            : before.Where(item => item is { IsSubject: true, Marker: "の" });
    }

    // "… draws up the rota, and … signs it off": what was acted upon just before.
    private static IEnumerable<Item> ObjectBefore(Statement source, SupportingSentence support)
    {
        var before = support.Sentence.Statements.TakeWhile(statement => !ReferenceEquals(statement, source)).LastOrDefault()
            ?? (support.Before.Count > 0 ? support.Before[^1].Statements.LastOrDefault() : null);
        return before?.Items.Where(item => !item.IsSubject && item.Marker.Length == 0 && item.Quantity is null) ?? [];
    }

    private static bool Agree(Statement claim, Statement source, Operators given)
    {
        var added = claim.Operators & ~given;
        if (added.HasFlag(Operators.Possible)
            && (given & (Operators.Necessary | Operators.Advised | Operators.Future | Operators.Expected)) == 0)
            added &= ~Operators.Possible;
        if (source.IsImperative)
            added &= ~Operators.Necessary;
        // "May only be used when …" and "may be used only when …" are one.
        if (source.IsRestrictedByOnly)
            added &= ~Operators.Only;
        var dropped = given & Operators.Limits & ~claim.Operators;
        if (claim.IsRestriction)
            dropped &= ~Operators.Only;

        // "A or B may be used" says that A may, "A or B must be used" does not say that A must.
        bool isChosen = given.HasFlag(Operators.Alternative) && !claim.Operators.HasFlag(Operators.Alternative);
        if (isChosen && ((given & (Operators.Possible | Operators.Negation)) == 0))
            return false;
        return added == Operators.None && dropped == Operators.None
            && (!source.IsRestrictedByOnly || claim.Restrictions.Count > 0 || claim.Operators.HasFlag(Operators.Only)
                || claim.IsRestriction);
    }

    // What was so need not be so now, and what is so need not have been. A participle alone ("…, heated by gas") says nothing of when.
    private static bool TensesAgree(Statement claim, Statement source, Statement predicate, List<(Item Claim, Item Source)> pairs)
    {
        if (claim.IsUnordered)
        {
            // "設置された", "設置されている": what happened, as it stands now.
            bool isOutcome = claim.IsPerfect && predicate is { IsPerfect: false, IsCopular: false }
                && (claim.IsPassive || pairs.Exists(pair => pair.Source.Quantity?.Dimension == "date"));
            return !claim.HasTense || !predicate.HasTense || claim.IsPast == predicate.IsPast || (claim.IsPast
                // "1794年 測量が行われる": a chronicle tells in the present.
                ? predicate.IsPerfect || pairs.Exists(pair => pair.Source is { Quantity.Dimension: "date", Marker: "" })
                    || !pairs.Exists(pair => ReferenceEquals(pair.Claim, claim.Items[^1])
                        && ReferenceEquals(pair.Source, source.Items[^1]))
                : isOutcome);
        }

        bool hasOtherForm = pairs.Exists(pair => pair.Claim.IsPastForm != pair.Source.IsPastForm);
        return claim.IsPast
            ? predicate.IsPast || predicate.IsPerfect || !predicate.HasTense || !claim.HasTense
                || (!hasOtherForm && !claim.IsCopular && claim.PassiveVerb is null)
            : !predicate.IsPast || (claim.HasTense ? !source.HasTense && claim.PassiveVerb is not null : !hasOtherForm);
    }

    // "300 pupils and 20 teachers" does not say "20 pupils".
    private bool CountsTheSame(
        Statement claim, Statement source, List<(Item Claim, Item Source)> pairs, ReadSentence sentence)
    {
        foreach (var (number, given) in pairs.Where(pair => pair.Claim.Quantity is { Dimension: not ("date" or "clock") }))
        {
            var (said, counted) = (CountedBy(number, claim), CountedBy(given, source));
            bool IsOther(Item item) => !counted.Exists(other => IsSame(item, other)) && sentence.Items.Any(other
                => (counted.Count > 0 || other.CountedBy is { Marker: not "out of" }) && IsSame(item, other));
            if (said.Exists(IsOther) || (counted.Count > 0 && said.Count == 0 && !IsNamed(counted[^1])))
                return false;
        }

        return true;

        static List<Item> CountedBy(Item number, Statement statement)
            => statement.Items.FindAll(item => item.CountedBy?.Key == number.Key);
    }

    private bool IsNamed(Item item) => asked.Contains(item.Key) || said.Contains(item.Key) || LightWords.Contains(item.Key);

    private static bool MarkersAgree(Item claim, Item source, Statement said, Statement given)
    {
        var (a, b) = (ClassOf(claim.Marker), ClassOf(source.Marker));
        if (a == b)
            return true;
        if (a is "than" or "far from" || b is "than" or "far from" || (claim.Kind == ItemKind.Number && (a is "out of" || b is "out of")))
            return false;
        if (claim.IsTime || source.IsTime)
            return IsPlain(a) && IsPlain(b);
        if (said.IsUnordered)
            return ParticlesAgree(claim, source, said, given);
        bool turned = said.PassiveVerb is not null != given.PassiveVerb is not null;
        if (turned && ((a == "by" && b.Length == 0) || (a.Length == 0 && b == "by")))
            return true;
        if (!given.HasPredicate && b.Length == 0)
            return true;
        if (claim.Kind == ItemKind.Number)
            return a.Length == 0 || b.Length == 0;
        if (claim.Kind == ItemKind.Name || (RoleMarkers.Contains(a) && RoleMarkers.Contains(b)))
            return false;

        // What something is done to, or comes from, does not do it.
        return !(claim.IsSubject && !source.IsSubject && RoleMarkers.Contains(b))
            && !(source.IsSubject && !claim.IsSubject && RoleMarkers.Contains(a));
    }

    // "closed Monday" is "closed on Monday", not "closed until Monday".
    private static bool IsPlain(string marker) => marker.Length == 0 || TimeMarkers.Contains(marker);

    private static bool ParticlesAgree(Item claim, Item source, Statement said, Statement given)
    {
        var (a, b) = (ClassOf(claim.Marker), ClassOf(source.Marker));
        if (claim.Kind == ItemKind.Number && (a.Length == 0 || b.Length == 0))
            return true;
        bool hasActor = given.Items.Exists(item => item.Marker == "が" && !ReferenceEquals(item, source));
        if (said.IsPassive != given.IsPassive)
        {
            var (passive, active) = said.IsPassive ? (a, b) : (b, a);
            if ((passive is "は" or "が" or "も" && active == "を") || (passive is "に" or "から" or "によって" && active is "は" or "が" or "も"))
                return true;
        }

        return (a, b) switch
        {
            ("は" or "も", "が" or "を" or "は" or "も" or "の" or "") => true,
            ("が", "は" or "も") => !hasActor,

            // The topic may be what something is done to, or where it is, if another one does it or is there.
            ("を", "は" or "も") => hasActor,
            ("は" or "も", "に") or ("に", "は" or "も") => hasActor && said.Items.Exists(item => item.Marker == "が"),
            ("が", "の") or ("の", "は" or "が" or "を" or "で" or "に" or "" or "も") => true,
            ("を" or "に" or "で", "の") => true,
            ("は" or "で", "で" or "は") => claim.Kind != ItemKind.Name || given.Items.TrueForAll(item => item.Marker != "は"),
            ("", "は" or "が" or "を" or "の" or "も" or "と") or ("は" or "が" or "を" or "の" or "も" or "と", "") => true,
            ("で" or "に", "") => true,
            ("で", "が") => given.IsCopular || !given.HasPredicate,
            ("と", "は" or "が" or "を") or ("は" or "が" or "を" or "も", "と") => true,
            _ => !given.HasPredicate && b.Length == 0,
        };
    }

    private bool SubjectAgrees(Statement claim, Statement source, List<(Item Claim, Item Source)> pairs)
    {
        // "… was negotiated" leaves out who did it.
        bool isTurned = claim.IsPassive && !source.IsPassive
            || (claim.PassiveVerb is not null && source.PassiveVerb is null && source.HasPredicate);
        var subject = source.Subject.Where(item => !isTurned || item.Kind == ItemKind.Number).ToList();
        if (subject.Count == 0)
            return true;
        bool IsSaid(Item item) => pairs.Exists(pair => ReferenceEquals(pair.Source, item)) || (item.IsInherited && said.Contains(item.Key));
        var names = subject.Where(item => item.Kind == ItemKind.Name).ToList();

        // "We" is whoever wrote the passage; the topic of a list need not be said with each of its members.
        var words = subject.Where(item => item.Kind == ItemKind.Word && !(item is { Key: "we" or "you" or "i", Marker: "" })
            && !(item.IsInherited && subject.Exists(own => !own.IsInherited))).ToList();
        // "300人の生徒と20人の教師": a number goes with what it counts.
        bool IsOfAnotherMember(Item number) => claim.IsUnordered && words.Exists(item => item.Member == number.Member)
            && !words.Exists(item => item.Member == number.Member && IsSaid(item));
        bool IsGiven(Item item) => IsSaid(item) || asked.Contains(item.Key) || LightWords.Contains(item.Key)
            || (claim.IsUnordered && said.Contains(item.Key));
        return subject.Where(item => item.Kind == ItemKind.Number && !IsOfAnotherMember(item))
                .All(item => IsSaid(item) || asked.Contains(item.Key))
            && (names.Count == 0 || names.Exists(IsSaid))
            && (words.Count == 0 || names.Count > 0
                || MembersAgree(words, IsGiven));
    }

    // "A or B may be used" does not say that both may be.
    private static bool JoinsAlternatives(Statement claim, Statement source, List<(Item Claim, Item Source)> pairs)
        => source.Operators.HasFlag(Operators.Alternative) && !claim.Operators.HasFlag(Operators.Alternative)
            && pairs.Where(pair => !pair.Source.IsSubject).Select(pair => pair.Source.Member).Distinct().Skip(1).Any();

    private static bool Narrows(Item item, Item next, Statement source)
    {
        bool mayNarrow = item.Kind == ItemKind.Word || item is { Quantity: not null, IsAdnominal: true };
        if (!mayNarrow || next.Quantity is not null || item.IsInherited || item.Member != next.Member
            || source.Items.Exists(other => other.Key == next.Key && other.Member != next.Member))
            return false;
        return source.IsUnordered
            ? (item.Marker == "の" && (next.IsSubject || next.IsTopic))
                || (item.IsAdnominal && next.Marker is "は" or "が" or "も" or "に" or "を" or "の")
            : next.Kind == ItemKind.Word && item.Marker == next.Marker && item.IsSubject == next.IsSubject
                && !item.Key.EndsWith("ly", StringComparison.Ordinal);
    }

    // 甲の橋は乙の橋より長い: everything before より belongs to what is compared with.
    private static bool ComparesTheSame(Statement claim, Statement source, List<(Item Claim, Item Source)> pairs)
    {
        var (inClaim, inSource) = (Compared(claim), Compared(source));
        return inClaim.Count == 0 || inSource.Count == 0
            || pairs.TrueForAll(pair => inClaim.Contains(pair.Claim) == inSource.Contains(pair.Source));

        static HashSet<Item> Compared(Statement statement)
        {
            int at = statement.Items.FindIndex(item => item.Marker == "より");
            var compared = new HashSet<Item>(ReferenceEqualityComparer.Instance);
            for (int i = at; i >= 0 && (i == at || statement.Items[i].Marker is not ("は" or "が" or "も" or "を")); i--)
                compared.Add(statement.Items[i]);
            return compared;
        }
    }

    // Of what "and" joins, some may be left out; each of the others must be said with all that narrows it.
    private static bool MembersAgree(List<Item> words, Func<Item, bool> isGiven)
    {
        var members = words.GroupBy(item => item.Member).Select(member => member.ToList()).ToList();
        var whole = members.Where(member => member.TrueForAll(item => isGiven(item))).ToList();
        return whole.Count > 0 && members.Except(whole).All(member => member.Where(isGiven)
            .All(item => whole.Exists(other => other.Exists(given => given.Key == item.Key))));
    }

    // What bounds, compares, shares out or governs what is said must be said with it.
    private bool NothingIsWidened(Statement source, List<(Item Claim, Item Source)> pairs)
    {
        bool IsSaid(Item item) => pairs.Exists(pair => ReferenceEquals(pair.Source, item));
        bool IsKnown(Item item) => IsSaid(item) || asked.Contains(item.Key) || LightWords.Contains(item.Key);
        bool isPrice = pairs.Exists(pair => pair.Source.Quantity is { IsMoney: true });
        for (int i = 0; i < source.Items.Count; i++)
        {
            var item = source.Items[i];
            if (item.IsGovernor && !IsSaid(item) && source.Items.Skip(i + 1).Any(IsSaid))
                return false;
            if (IsSaid(item) && item is { Quantity: null, IsSubject: true, Tied: { Quantity.Dimension: not ("date" or "clock") } measure }
                && !IsKnown(measure))
                return false;
            if (IsSaid(item) && item.Quantity is not null && item.Tied is { } tied && !IsKnown(tied) && !said.Contains(tied.Key))
                return false;
            if (IsKnown(item) || (item.IsInherited && said.Contains(item.Key)))
                continue;
            // "Nine of the applicants": without the number, all of them.
            if (item.Quantity is { Dimension: "" or "person" or "percent" } && i + 1 < source.Items.Count
                && source.Items[i + 1].Marker is "of" or "out of" && source.Items[i + 1].CountedBy != item && source.Items.Skip(i + 1)
                    .TakeWhile(next => next.Marker is "of" or "out of").Any(IsSaid))
                return false;
            // "平日無料", "来月から500円になる", "500円に税を加えた額".
            if (source is { IsUnordered: true, IsPast: false } && !item.IsInherited && (
                (item.Marker.Length == 0 && i + 1 < source.Items.Count && IsSaid(source.Items[i + 1])
                    && (item is { IsTime: true, Quantity: null } || States.Contains(source.Items[i + 1].Key)))
                || (item.IsTime && item.Marker is "から" or "まで" && !source.IsPerfect)
                || (isPrice && item is { Marker: "で", IsSubject: false })
                || (isPrice && source.Items.Take(i).Any(before
                    => before is { Quantity.IsMoney: true, Marker: "に" or "を" } && IsSaid(before)))))
                return false;
            // A word right before another narrows it, and what holds in general of the narrower need not hold of the wider.
            if (!source.IsPast && i + 1 < source.Items.Count && IsSaid(source.Items[i + 1]) && Narrows(item, source.Items[i + 1], source))
                return false;
            // "on Mondays in August", "open to guests with a ticket": what stands behind what says when, where or for whom.
            if (source is { IsPast: false, IsUnordered: false, HasPredicate: true } && i > 0 && item.Marker.Length > 0
                && source.Items[i - 1] is { Marker.Length: > 0 } before && before.Marker != item.Marker && IsSaid(before)
                && !item.IsInherited && !(before.IsTime && !item.IsTime && ClassOf(item.Marker) == "in"))
                return false;
            // "8 euros on Mondays", "from 2027": a price, and what only begins or ends, with everything that it holds for.
            if (source is { IsPast: false, IsUnordered: false } && !item.IsInherited && !item.IsSubject && (isPrice
                ? item.Marker.Length > 0 || item.IsTime : item.IsTime && item.Marker is "from" or "until" or "till"))
                return false;
            if (KeptMarkers.Contains(item.Marker) || (source.IsExhaustive && !item.IsInherited)
                || (item.Quantity is { Bound: not Bound.Exact, Dimension: not "date" } && !item.IsInherited))
                return false;

            // What is forbidden, allowed or demanded somewhere or with something is not so everywhere and with everything.
            bool isLight = source.IsUnordered && (item.Kind == ItemKind.Word && item.Marker.Length == 0 && item.Key.Length == 1
                || item is { Quantity.Dimension: "" });
            if ((source.Operators & Scoped) != Operators.None && !(item.IsTime && source.IsPast) && !item.IsInherited
                && !item.IsSubject && !isLight)
                return false;
        }

        return true;
    }

    // Without prepositions, the order of words says who does what.
    private static bool OrderAgrees(Statement claim, Statement source, List<(Item Claim, Item Source)> pairs)
    {
        // "日比野が学生の記録を" does not say "学生が日比野の記録を".
        if (claim.IsUnordered && pairs.Exists(pair => pair is { Claim.Marker: "の", Source.Marker: "が" or "は" })
            && pairs.Exists(pair => pair is { Claim.Marker: "が" or "は", Source.Marker: "の" }))
            return false;
        if (claim.IsUnordered || claim.IsCopular || source.IsCopular || !source.HasPredicate)
            return true;
        var given = InOrder(source);
        int last = -1;
        foreach (var item in InOrder(claim))
        {
            if (pairs.Find(pair => ReferenceEquals(pair.Claim, item)) is not { Source: { } partner })
                continue;
            int at = given.FindIndex(other => ReferenceEquals(other, partner));
            if (at < 0)
                continue;
            if (at < last)
                return false;
            last = at;
        }

        return true;
    }

    // The words that no preposition marks, a passive turned into the active.
    private static List<Item> InOrder(Statement statement)
    {
        var items = statement.Items;
        int verb = statement.PassiveVerb is { } passive ? items.IndexOf(passive) : -1;
        if (verb >= 0)
            items = [.. items.Where(item => item.Marker == "by"), items[verb], .. items.Take(verb), .. items.Skip(verb + 1)
                .Where(item => item.Marker != "by")];
        return [.. items.Where(item => (item.Marker.Length == 0 || (verb >= 0 && item.Marker == "by")) && !item.IsTime)];
    }

    private bool RestrictionsAreSaid(Statement claim, Statement source)
    {
        var restrictions = source.IsRestriction && !claim.IsRestriction ? source.Restrictions.Append(source) : source.Restrictions;
        return restrictions.All(restriction => restriction.Items.Count == 0
            || restriction.Operators.HasFlag(Operators.Exception)
                ? restriction.Items.TrueForAll(item => said.Contains(item.Key)) && exceptions
                : restriction.Items.Count(item => said.Contains(item.Key) || asked.Contains(item.Key))
                    > SaidShare * restriction.Items.Count);
    }

    private static string ClassOf(string marker) => MarkerClasses.GetValueOrDefault(marker, marker);

    private static Dictionary<string, string> ReadMarkers(params string[] classes)
        => classes.Select(line => line.Split(' ')).SelectMany(line => line.Select(marker => (marker, line[0])))
            .DistinctBy(pair => pair.marker).ToDictionary(pair => pair.marker, pair => pair.Item2, StringComparer.Ordinal);
}
