namespace Kotonoha.Rag.Answering.Support;

/// <summary>
/// Takes English sentences apart into statements: one for each predicate, with what it is about, what restricts it, and the prepositions of
/// its words. A rough reading that needs no dictionary of verbs; where it is unsure, sentences come out as longer statements, which support
/// less.
/// </summary>
internal sealed partial class EnglishReader
{
    private static readonly HashSet<string> IrregularVerbs =
    [
        .. ("ate beat became become began bent bit blew bore bought brought broke built came caught chose cost cut dealt did drank drew "
            + "drove "
            + "dug fed fell felt fled flew forbade forgot fought found froze gave got grew held hid hit hung kept knew laid lay led left "
            + "lent "
            + "lit lost made meant met overcame paid put ran rang read rode rose said sang sank sat saw sent set shone shook shot shut "
            + "slept "
            + "slid sold sought spent spoke sprang stood stole stuck struck swam swept swore taught thought threw told took tore "
            + "understood "
            + "went wept withdrew woke won wore wound wrote get gets give gives take takes make makes keep keeps let pay run sell send "
            + "show "
            + "shows stay stays").Split(' '),
    ];

    private static readonly HashSet<string> IrregularParticiples =
    [
        .. ("beaten begun bitten blown borne born bought broken brought built caught chosen cut dealt drawn driven drunk dug eaten "
            + "fallen fed felt "
            + "flown forgotten fought found frozen given got grown held hidden hit hung hurt kept known laid led left lent let lit lost "
            + "made "
            + "meant met paid put read ridden risen run said seen sent set shot shown shut sold sought spent spoken spread stolen struck "
            + "stuck "
            + "sung sunk swept sworn taken taught thought thrown told torn understood withdrawn woken won worn wound written "
            + "done cast").Split(' '),
    ];

    private static readonly HashSet<string> SamePast = [.. "cost cut hit let put read set shut spread".Split(' ')];

    private static readonly HashSet<string> Be = [.. "is are was were be been being am".Split(' ')];

    private static readonly HashSet<string> SubjectPronouns = [.. "he she it they we you i who".Split(' ')];

    // Who speaks and who is spoken to: the only pronouns that name somebody.
    private static readonly Dictionary<string, string> Persons = new(StringComparer.Ordinal)
    {
        ["we"] = "we",
        ["us"] = "we",
        ["you"] = "you",
        ["i"] = "i",
        ["me"] = "i",
    };

    private static readonly HashSet<string> Possessives = [.. "its their his her".Split(' ')];

    private static readonly HashSet<string> VerbsLikeAdverbs = [.. "apply comply fly imply multiply rely reply supply".Split(' ')];

    private static readonly HashSet<string> Forbidden = [.. "forbidden prohibited banned disallowed".Split(' ')];

    private static readonly HashSet<string> Breaks = [";", ":", ",", "(", ")", "—", "–", "|", ".", "?", "!"];

    private readonly List<Part> _parts;
    private readonly List<Statement> _statements = [];
    private readonly List<Statement> _pending = [];

    private EnglishReader(List<Part> parts) => _parts = parts;

    private enum Shape
    {
        /// <summary>It begins with a preposition, or has nothing that it could be about: part of what stands before or behind.</summary>
        Phrase,

        /// <summary>Nouns alone: an apposition, an item of a list.</summary>
        Nouns,

        /// <summary>It begins with its predicate.</summary>
        Verb,

        /// <summary>What it is about and a number or place, without a predicate.</summary>
        Elliptic,

        /// <summary>What it is about and a predicate.</summary>
        Clause,
    }

    /// <summary>Reads a sentence.</summary>
    /// <param name="text">The sentence in NFKC.</param>
    /// <param name="names">The names of the texts, folded.</param>
    internal static ReadSentence Read(string text, IReadOnlySet<string> names)
    {
        var reader = new EnglishReader(Split(EnglishTokens.Of(text, names)));
        reader.Build();
        return new ReadSentence(reader._statements);
    }

    private void Build()
    {
        Statement? current = null;
        Statement? condition = null;
        bool isPrefix = false; // what stands alone so far only leads in ("After the repair, …")
        for (int i = 0; i < _parts.Count; i++)
        {
            var part = _parts[i];
            if (current is { IsImperative: true })
                part.GoOnImperative();
            var made = Make(part);
            // "The delay is due to fog."
            if (part.Opener == EnglishRole.Cause && current is { IsCopular: true } && current.Items.TrueForAll(item => item.IsSubject))
            {
                foreach (var item in made.Items.TakeWhile(item => item.Marker.Length == 0))
                    item.Marker = "because";
                foreach (var item in made.Items)
                    item.IsSubject = false;
                Join(current, made, isApposition: false);
                continue;
            }

            if (part.Opener is EnglishRole.Condition or EnglishRole.Exception or EnglishRole.Relative or EnglishRole.Cause)
            {
                AddSubordinate(part, made, current);
                isPrefix = false;
                condition = part.Opener == EnglishRole.Condition ? made : null;
                continue;
            }

            // "If the bell rings and the light goes out, …": both are conditions.
            if (condition is not null && part.Opener == EnglishRole.Joiner && !part.IsAfterMark)
            {
                Join(condition, made, isApposition: false);
                continue;
            }

            condition = null;
            if (part.Opener == EnglishRole.Effect)
                (current ?? made).Operators |= Operators.Cause;
            if (current is not null && part.IsAlternative)
                current.Operators |= Operators.Alternative;

            if (current is { HasPredicate: true } && IsBranch(current, part, made))
            {
                TakeSubject(made, current);
                _statements.Add(made);
                made.Restrictions.AddRange(current.Restrictions);
                current = made;
                continue;
            }

            bool joins = current is not null && part.OpenerText != ";"
                && (isPrefix || part.Shape == Shape.Phrase || (part.Shape == Shape.Nouns && !LeadsToPredicate(i))
                    || (part.Shape == Shape.Verb && !current.HasPredicate)
                    || (part.Shape == Shape.Clause && !current.HasPredicate
                        && current.Items.TrueForAll(item => item.Kind != ItemKind.Number)));
            if (joins)
            {
                Join(current!, made, part.Shape == Shape.Nouns, part.Opener == EnglishRole.Joiner);
            }
            else
            {
                if (part.Shape == Shape.Verb && current is not null)
                {
                    TakeSubject(made, current);

                    if (!made.HasTense && current.HasTense)
                        (made.HasTense, made.IsPast, made.IsPerfect) = (true, current.IsPast, current.IsPerfect);

                    // "was drawn up by … and signed off by …"
                    if (current.PassiveVerb is not null && made.PassiveVerb is null && part.BeginsWithParticiple)
                        made.PassiveVerb = made.Items.Find(item => !item.IsSubject);
                }

                _statements.Add(made);
                made.Restrictions.AddRange(_pending);
                _pending.Clear();
                current = made;
            }

            isPrefix = part.Shape == Shape.Phrase && !current!.HasPredicate;
        }
    }

    // "Two months' rent for flats on the ground floor and three months' rent for flats on the upper floors": another number of the kind,
    // with things of its own.
    private static bool IsBranch(Statement current, Part part, Statement made)
        => part.Shape == Shape.Phrase && made.Items is [{ Quantity: { } number }, _, ..] && number.Dimension != "date"
            && current.Items.Exists(item => !item.IsSubject && item.Quantity is { } other && other.Dimension == number.Dimension);

    private void AddSubordinate(Part part, Statement made, Statement? main)
    {
        bool restricts = part.Opener is EnglishRole.Condition or EnglishRole.Exception
            || (part.Opener == EnglishRole.Relative && !part.IsAfterMark);
        made.IsRestriction = restricts;
        if (part.Opener == EnglishRole.Relative && main is not null)
            TakeSubject(made, main, lastNounOnly: true);
        if (restricts && !made.Operators.HasFlag(Operators.Purpose))
        {
            if (main is not null)
                main.Restrictions.Add(made);
            else
                _pending.Add(made);
        }

        _statements.Add(made);
    }

    private bool LeadsToPredicate(int at)
    {
        if (_parts[at].Opener != EnglishRole.Joiner)
            return false;
        for (int i = at + 1; i < _parts.Count; i++)
            if (_parts[i].Shape != Shape.Nouns || _parts[i].Opener != EnglishRole.Mark)
                return _parts[i].Shape == Shape.Verb && _parts[i].Opener == EnglishRole.Mark;
        return false;
    }

    private static void Join(Statement statement, Statement made, bool isApposition, bool isJoined = false)
    {
        if (made.PassiveVerb is { } verb && statement.PassiveVerb is null)
            statement.PassiveVerb = verb;
        if (made.HasPredicate && !statement.HasPredicate)
            foreach (var item in statement.Items)
                item.IsSubject |= item.Marker is "" or "of";
        if (isApposition && statement.Items.Count > 0)
            foreach (var item in made.Items.TakeWhile(item => item.Marker.Length == 0))
                item.Marker = statement.Items[^1].Marker;
        if (isJoined)
            foreach (var item in made.Items)
                item.Member = statement.Items.Select(other => other.Member).DefaultIfEmpty().Max() + 1;
        statement.IsCopular |= made.IsCopular && !statement.HasPredicate;
        statement.IsSubjectElsewhere = made.IsSubjectElsewhere && statement.Items.TrueForAll(item => !item.IsSubject);
        statement.HasPredicate |= made.HasPredicate;
        statement.IsPast |= made.IsPast;
        statement.HasTense |= made.HasTense;
        statement.IsPerfect |= made.IsPerfect;
        statement.IsObjectElsewhere |= made.IsObjectElsewhere;
        statement.PointsBack |= made.PointsBack;
        statement.Items.AddRange(made.Items);
        statement.Operators |= made.Operators;
    }

    private static void TakeSubject(Statement statement, Statement from, bool lastNounOnly = false)
    {
        var subject = from.Subject.ToList();
        if (lastNounOnly && from.Items.Count > 0)
        {
            // "made by Ludo Varga, who …": the name, or the noun, that stands last.
            var last = from.Items.FindLast(item => item.Kind != ItemKind.Number);
            subject = last is null ? [] : last.Kind == ItemKind.Name
                ? [.. Enumerable.Reverse(from.Items).SkipWhile(item => item != last).TakeWhile(item => item.Kind == ItemKind.Name)
                    .Reverse()]
                : [last];
        }

        statement.Items.InsertRange(0, subject.Select(item => item with { Marker = "", IsSubject = true, IsInherited = true }));
        statement.IsSubjectElsewhere = subject.Count == 0;
    }

    private static List<Part> Split(List<EnglishToken> tokens)
    {
        var parts = new List<Part>();
        var part = new Part(EnglishRole.Mark, "", false);
        bool afterMark = false;
        foreach (var token in tokens)
        {
            bool isMark = token.Role == EnglishRole.Mark && Breaks.Contains(token.Low);
            bool opens = token.Role is EnglishRole.Joiner or EnglishRole.Condition or EnglishRole.Exception or EnglishRole.Cause
                or EnglishRole.Effect or EnglishRole.Relative;
            if (!isMark && !opens)
            {
                part.Tokens.Add(token);
                continue;
            }

            afterMark = isMark || (afterMark && part.Tokens.Count == 0);
            if (part.Tokens.Count > 0)
                parts.Add(part);
            if (part.Tokens.Count == 0 && isMark && part.Opener != EnglishRole.Mark)
                continue;
            part = new Part(token.Role, token.Low, afterMark) { Tokens = opens && token.Operators != Operators.None ? [token] : [] };
        }

        if (part.Tokens.Count > 0)
            parts.Add(part);
        for (int i = 0; i < parts.Count; i++)
        {
            parts[i].Find();
            if (parts[i].CutBehindException() is { } rest)
                parts.Insert(i + 1, rest);
            else if (i == 0 && parts[0].GivesReason)
                (parts[0] = new Part(EnglishRole.Cause, "as", false)
                {
                    Tokens = [.. parts[0].Tokens.Skip(1)],
                    Adds = Operators.Cause,
                }).Find();
            else if (parts[i].IsProviso)
                parts[i] = new Part(EnglishRole.Condition, "if", true) { Tokens = parts[i].Tokens, Adds = Operators.Condition };
            else if (i > 0 && parts[i - 1].Verb >= 0 && parts[i].DeniesPredicate)
                (parts[i] = new Part(EnglishRole.Joiner, "but", parts[i].IsAfterMark)
                {
                    Tokens = [new EnglishToken("not", "not", EnglishRole.Auxiliary) { Operators = Operators.Negation },
                        .. parts[i].Tokens.Skip(1)],
                }).Find();
        }

        return parts;
    }

    private static Statement Make(Part part)
    {
        var statement = new Statement
        {
            HasPredicate = part.Verb >= 0,
            IsImperative = part.IsImperative,
            Operators = part.Adds,
        };
        Item? counter = null;
        var marker = "";
        int inPhrase = 0;
        bool pronounIsSubject = false;
        for (int i = 0; i < part.Tokens.Count; i++)
        {
            var token = part.Tokens[i];
            statement.Operators |= token.Operators;
            if (!part.IsCounted(i))
                counter = null;
            switch (token.Role)
            {
                case EnglishRole.Preposition:
                    // "cheaper at the market than at the shop"
                    (marker, inPhrase) = (marker == "than" && inPhrase == 0 ? marker : token.Low, 0);
                    break;
                case EnglishRole.Auxiliary:
                    marker = "";
                    break;
                case EnglishRole.Determiner or EnglishRole.Pronoun:
                    if (inPhrase > 0)
                        marker = "";
                    if (part.IsRate(i))
                        marker = "per";
                    if (Persons.TryGetValue(token.Low, out var person))
                    {
                        statement.Items.Add(new Item(person, ItemKind.Word, marker) { IsSubject = part.Verb >= 0 && i < part.Verb });
                        inPhrase++;
                    }

                    pronounIsSubject |= token.Role == EnglishRole.Pronoun && i < part.Verb;
                    statement.IsObjectElsewhere |= token.Role == EnglishRole.Pronoun && i > part.Verb && part.Verb >= 0;
                    statement.PointsBack |= Possessives.Contains(token.Low);
                    break;
                case EnglishRole.Number:
                    // "12 of the 40 guests", "of 40 guests, 12": a whole, of which the rest says something of a part.
                    if (marker == "of" && (statement.Items.Count == 0 ? part.BeginsWithPhrase
                        : statement.Items[^1].Quantity is { Dimension: "" or "person" or "percent" }))
                        marker = "out of";
                    counter = new Item(token.Text, ItemKind.Number, marker, token.IsTime)
                    {
                        Quantity = token.Quantity,
                        IsSubject = i < part.Verb && (token.IsCompound || (!token.IsTime && statement.Subject.Any())),
                        IsAdnominal = token.IsCompound,
                    };
                    statement.Items.Add(counter);
                    // "with one month's notice": the noun stands under the same preposition.
                    if (token is { IsTime: true, IsCompound: false } && !token.Text.EndsWith('\'')
                        && !token.Text.EndsWith("'s", StringComparison.Ordinal))
                        marker = "";
                    break;
                case EnglishRole.Word or EnglishRole.Name:
                    if (i == part.Verb)
                        marker = "";
                    if (Forbidden.Contains(token.Low))
                        statement.Operators |= Operators.Negation;
                    var item = new Item(
                        token.Role == EnglishRole.Name ? token.Low
                            : Forbidden.Contains(token.Low) ? EnglishKeys.Of("allow")
                            : EnglishKeys.Of(token.Low),
                        token.Role == EnglishRole.Name ? ItemKind.Name : ItemKind.Word, marker, token.IsTime)
                    {
                        IsPastForm = token.Role == EnglishRole.Word && IsPastForm(token.Low),
                    };
                    item.CountedBy = counter;
                    statement.Items.Add(item);
                    item.IsSubject = part.Verb >= 0 && i < part.Verb && (marker is "" or "of" || !part.BeginsWithPhrase);
                    inPhrase++;
                    item.IsGovernor = part.Governs(i);
                    if (i > part.Verb && part.Verb >= 0 && statement.PassiveVerb is null && part.IsParticiple(i))
                        statement.PassiveVerb = item;
                    break;
            }
        }

        if (part.Shape == Shape.Elliptic)
            foreach (var item in statement.Items.TakeWhile(item => item.Kind != ItemKind.Number && item.Marker is "" or "of"))
                item.IsSubject = true;
        statement.IsSubjectElsewhere = part.Shape == Shape.Verb
            || (pronounIsSubject && !statement.Subject.Any(item => item.Marker.Length == 0));
        statement.IsPast = part.Verb >= 0 && part.IsPast;
        statement.HasTense = part.Verb >= 0 && part.HasTense;
        statement.IsPerfect = part.Verb >= 0 && part.Tokens[part.Verb].Low is "has" or "have" or "hasn't" or "haven't";
        statement.IsCopular = part.Verb >= 0 && Be.Contains(part.Tokens[part.Verb].Low) && statement.PassiveVerb is null;
        return statement;
    }

    private static bool IsPastForm(string verb)
        => (verb.EndsWith("ed", StringComparison.Ordinal)
            && (verb is "agreed" or "freed" || !verb.EndsWith("eed", StringComparison.Ordinal)))
            || (EnglishStemmer.Irregular.TryGetValue(verb, out var root) && root != verb && !verb.EndsWith('s'));
}
