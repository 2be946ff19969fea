using System.Runtime.CompilerServices;

namespace Kotonoha.Rag.Answering.Support;

/// <summary>What a statement says of how it holds: a sentence that drops or adds one of these says something else.</summary>
[Flags]
internal enum Operators
{
    None = 0,
    Negation = 1,
    Only = 1 << 1,
    All = 1 << 2,
    Most = 1 << 3,
    Some = 1 << 4,
    Few = 1 << 5,
    Many = 1 << 6,
    Nearly = 1 << 7,
    Possible = 1 << 8,
    Necessary = 1 << 9,
    Advised = 1 << 10,
    Future = 1 << 11,
    Expected = 1 << 12,
    More = 1 << 13,
    Less = 1 << 14,
    Superlative = 1 << 15,
    Condition = 1 << 16,
    Cause = 1 << 17,
    Regardless = 1 << 18,
    Half = 1 << 19,
    Usually = 1 << 20,

    /// <summary>One of several, it is not said which.</summary>
    Alternative = 1 << 21,

    /// <summary>What is named is what the statement beside it does not hold for.</summary>
    Exception = 1 << 22,

    /// <summary>What is to be reached, which need not be so.</summary>
    Purpose = 1 << 23,

    /// <summary>What of a statement beside the main one says that it need not be so.</summary>
    Unreal = Condition | Exception | Purpose,

    /// <summary>What a sentence may not leave out: without it, the statement says more.</summary>
    Limits = Negation | Only | Most | Some | Few | Many | Nearly | Possible | Necessary | Advised | Future | Expected | More | Less
        | Superlative | Half | Usually,
}

/// <summary>How a number bounds what it measures.</summary>
internal enum Bound
{
    Exact,
    AtLeast,
    AtMost,
    Above,
    Below,
    About,
}

/// <summary>What an item of a statement is.</summary>
internal enum ItemKind
{
    /// <summary>A word with content.</summary>
    Word,

    /// <summary>A name, or a code such as T3: what tells things of one kind apart.</summary>
    Name,

    /// <summary>A number with its unit, a date or a time of day.</summary>
    Number,
}

/// <summary>A word, name or number of a statement.</summary>
/// <param name="Key">What it is compared by.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Marker">The preposition before it or the particle after it; empty for none.</param>
/// <param name="IsTime">Whether it names a time, which may stand anywhere in its clause.</param>
internal sealed record Item(string Key, ItemKind Kind, string Marker, bool IsTime = false)
{
    /// <summary>The preposition before it or the particle after it; empty for none.</summary>
    internal string Marker { get; set; } = Marker;

    /// <summary>The number's value and unit.</summary>
    internal Quantity? Quantity { get; init; }

    /// <summary>Whether it was named for a statement before this one, and holds on.</summary>
    internal bool IsInherited { get; init; }

    /// <summary>Whether it belongs to what the statement is about.</summary>
    internal bool IsSubject { get; set; }

    /// <summary>
    /// Whether it narrows the noun behind it: a verb or an adjective in a language whose endings say so, a number in "a five-day pass".
    /// </summary>
    internal bool IsAdnominal { get; set; }

    /// <summary>Whether it is set apart as where or when the statement holds: 北の塔には.</summary>
    internal bool IsTopic { get; set; }

    /// <summary>Which of several things that "and" joins it belongs to; what is said of all of them is said of each.</summary>
    internal int Member { get; set; }

    /// <summary>Whether what stands behind it is planned, wanted, tried or said, and need not be so ("plans to buy").</summary>
    internal bool IsGovernor { get; set; }

    /// <summary>Whether the word has the form of a past tense or a participle.</summary>
    internal bool IsPastForm { get; init; }

    /// <summary>The word or number that stands right before it and is one with it: 一泊 in 一泊9,000円.</summary>
    internal Item? Tied { get; set; }

    /// <summary>The number that counts or measures it: 20 for "pupils" in "20 pupils".</summary>
    internal Item? CountedBy { get; set; }

    // Items refer to one another, and two that read alike are two.
    public bool Equals(Item? other) => ReferenceEquals(this, other);

    public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);
}

/// <summary>A clause, taken apart: what it says of what, and how.</summary>
internal sealed class Statement
{
    internal List<Item> Items { get; init; } = [];

    internal Operators Operators { get; set; }

    /// <summary>Whether it has a predicate of its own; otherwise it takes that of a neighbour ("…, staff for four").</summary>
    internal bool HasPredicate { get; set; }

    /// <summary>Whether what it is about stands before it: a pronoun, or nothing at all.</summary>
    internal bool IsSubjectElsewhere { get; set; }

    /// <summary>Whether a pronoun stands for what is done to something ("signs it off").</summary>
    internal bool IsObjectElsewhere { get; set; }

    /// <summary>Whether it only says of which things, or when, the statement beside it holds.</summary>
    internal bool IsRestriction { get; set; }

    /// <summary>What restricts it.</summary>
    internal List<Statement> Restrictions { get; } = [];

    /// <summary>Whether some condition or relative clause restricts it with "only".</summary>
    internal bool IsRestrictedByOnly => Restrictions.Exists(restriction => restriction.Operators.HasFlag(Operators.Only));

    /// <summary>Whether it does nothing but say what something is; such a statement may be turned round.</summary>
    internal bool IsCopular { get; set; }

    /// <summary>Whether it is an instruction, which also says that it must be done.</summary>
    internal bool IsImperative { get; init; }

    /// <summary>Whether it points back with "this" or "that" at something said before.</summary>
    internal bool PointsBack { get; set; }

    /// <summary>Whether particles, and not the order of words, say who does what.</summary>
    internal bool IsUnordered { get; init; }

    /// <summary>Whether it tells of what has happened, and not of what holds in general.</summary>
    internal bool IsPast { get; set; }

    /// <summary>Whether it stands in brackets behind what it is said of, and has nothing to do with the predicate around it.</summary>
    internal bool IsAside { get; set; }

    /// <summary>Whether its verb, or its ending, says when it holds: now and in general, or in the past.</summary>
    internal bool HasTense { get; set; }

    /// <summary>Whether the predicate behind it says when it holds: 建て in 建て、寄付した.</summary>
    internal bool LeavesTense { get; set; }

    /// <summary>Whether it tells, in the present, of what has happened: "has moved".</summary>
    internal bool IsPerfect { get; set; }

    /// <summary>Whether it names all that the predicate holds for: 入れるのは会員である.</summary>
    internal bool IsExhaustive { get; set; }

    /// <summary>Whether its predicate is a passive, in a language whose particles say so.</summary>
    internal bool IsPassive { get; set; }

    /// <summary>The participle of a passive ("was carried out"), or null.</summary>
    internal Item? PassiveVerb { get; set; }

    internal IEnumerable<Item> Subject => Items.Where(item => item.IsSubject);
}

/// <summary>The statements of a sentence.</summary>
/// <param name="Statements">In their order.</param>
internal sealed record ReadSentence(IReadOnlyList<Statement> Statements)
{
    /// <summary>Every item of it.</summary>
    internal IEnumerable<Item> Items => Statements.SelectMany(statement => statement.Items);
}
