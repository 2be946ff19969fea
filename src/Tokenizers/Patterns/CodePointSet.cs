using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>A set of code points: sorted ranges for set algebra, and a bitmap of the blocks that differ for look-ups.</summary>
internal sealed class CodePointSet
{
    public const int Limit = 0x110000;

    private const int BlockBits = 8;

    private readonly (int First, int Last)[] _ranges;
    private readonly ushort[] _blocks = new ushort[Limit >> BlockBits];
    private readonly ulong[] _bits;

    /// <summary>Whether both hold the same code points.</summary>
    public bool Holds(CodePointSet other) => _ranges.AsSpan().SequenceEqual(other._ranges);

    private CodePointSet((int First, int Last)[] ranges)
    {
        _ranges = ranges;

        // Block 0 is empty, block 1 is full; the others belong to one place each.
        var words = new List<ulong>(16) { 0, 0, 0, 0, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue, ulong.MaxValue };
        foreach (var (first, last) in ranges)
            for (int block = first >> BlockBits; block <= last >> BlockBits; block++)
            {
                int start = block << BlockBits, from = Math.Max(first - start, 0), to = Math.Min(last - start, 255);
                if (from == 0 && to == 255)
                {
                    _blocks[block] = 1;
                    continue;
                }

                if (_blocks[block] == 0)
                {
                    _blocks[block] = (ushort)(words.Count / 4);
                    words.AddRange([0, 0, 0, 0]);
                }

                for (int bit = from; bit <= to; bit++)
                    words[4 * _blocks[block] + (bit >> 6)] |= 1UL << (bit & 63);
            }

        _bits = [.. words];
    }

    public static CodePointSet Empty { get; } = new([]);

    public static CodePointSet All { get; } = new([(0, Limit - 1)]);

    public ReadOnlySpan<(int First, int Last)> Ranges => _ranges;

    /// <summary>Makes a set of ranges in any order; they may overlap.</summary>
    public static CodePointSet Of(IEnumerable<(int First, int Last)> parts)
    {
        var joined = new List<(int First, int Last)>();
        foreach (var part in parts.Order())
            if (joined.Count > 0 && part.First <= joined[^1].Last + 1)
                joined[^1] = (joined[^1].First, Math.Max(joined[^1].Last, part.Last));
            else
                joined.Add(part);
        return new CodePointSet([.. joined]);
    }

    public static CodePointSet Of(int codePoint) => new([(codePoint, codePoint)]);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public bool Contains(int codePoint)
        => (_bits[4 * _blocks[codePoint >> BlockBits] + ((codePoint >> 6) & 3)] >> (codePoint & 63) & 1) != 0;

    public CodePointSet Union(CodePointSet other) => Of([.. _ranges, .. other._ranges]);

    public CodePointSet Complement()
    {
        var gaps = new List<(int, int)>();
        int next = 0;
        foreach (var (first, last) in _ranges)
        {
            if (first > next)
                gaps.Add((next, first - 1));
            next = last + 1;
        }

        if (next < Limit)
            gaps.Add((next, Limit - 1));
        return new CodePointSet([.. gaps]);
    }

    public CodePointSet Intersect(CodePointSet other) => Complement().Union(other.Complement()).Complement();
}

/// <summary>The sets that patterns name, from the checked-in tables.</summary>
internal static class CodePointSets
{
    private static readonly string[] CategoryNames =
        ["Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Pc", "Pd", "Ps", "Pe",
            "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So", "Cn"];

    // Spelled as names are compared: lower case, without blanks, hyphens and underscores.
    private const string LongNameList =
        "letter=L uppercaseletter=Lu lowercaseletter=Ll titlecaseletter=Lt modifierletter=Lm otherletter=Lo casedletter=LC " +
        "mark=M combiningmark=M nonspacingmark=Mn spacingmark=Mc enclosingmark=Me number=N decimalnumber=Nd letternumber=Nl " +
        "othernumber=No separator=Z spaceseparator=Zs lineseparator=Zl paragraphseparator=Zp other=C control=Cc format=Cf " +
        "surrogate=Cs privateuse=Co unassigned=Cn punctuation=P connectorpunctuation=Pc dashpunctuation=Pd openpunctuation=Ps " +
        "closepunctuation=Pe initialpunctuation=Pi finalpunctuation=Pf otherpunctuation=Po symbol=S mathsymbol=Sm " +
        "currencysymbol=Sc modifiersymbol=Sk othersymbol=So";

    private static readonly Dictionary<string, string> LongNames =
        LongNameList.Split(' ').Select(pair => pair.Split('=')).ToDictionary(pair => pair[0], pair => pair[1], StringComparer.Ordinal);

    private static readonly Lazy<CodePointSet[]> Categories = new(BuildCategories);
    private static readonly Lazy<CodePointSet> Spaces = new(() => Where(UnicodeData.IsWhiteSpace));
    private static readonly Lazy<CodePointSet> RustWords = new(() => Where(CodePointClasses.IsWord));
    private static readonly Lazy<CodePointSet> BracketWords =
        new(() => Where(static c => c is not (0x200C or 0x200D) && CodePointClasses.IsWord(c)));
    private static readonly Lazy<CodePointSet> PlainWords =
        new(() => BracketWords.Value.Union(CodePointSet.Of([(0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE)])));
    private static readonly Lazy<Dictionary<int, int[]>> CaseFamilies = new(BuildCaseFamilies);

    public static CodePointSet WhiteSpace => Spaces.Value;

    public static CodePointSet Digits => Category(UnicodeCategory.DecimalDigitNumber);

    public static CodePointSet HexDigits { get; } = CodePointSet.Of([('0', '9'), ('A', 'F'), ('a', 'f')]);

    /// <summary><c>\w</c>: what is alphabetic, marks, digits and connectors.</summary>
    /// <param name="dialect">Rust's has the joiners too.</param>
    /// <param name="inBrackets">
    /// Outside of brackets, and at the borders of words, Oniguruma looks below U+0100 into a table of its own, which has the superscripts
    /// and fractions.
    /// </param>
    public static CodePointSet Word(RegexDialect dialect, bool inBrackets = true)
        => dialect == RegexDialect.Rust ? RustWords.Value : inBrackets ? BracketWords.Value : PlainWords.Value;

    /// <summary>
    /// The set of a property (<c>L</c>, <c>Lu</c>, <c>Uppercase_Letter</c>, <c>Alpha</c>, <c>White_Space</c>), or null when the tables have
    /// none of that name.
    /// </summary>
    public static CodePointSet? Named(string name)
    {
        var key = string.Concat(name.Where(c => c is not (' ' or '_' or '-'))).ToLowerInvariant();
        int equals = key.IndexOf('=', StringComparison.Ordinal);
        if (equals >= 0 && key[..equals] is "gc" or "generalcategory")
            key = key[(equals + 1)..];
        var known = LongNames.GetValueOrDefault(key, key);
        int category = Array.FindIndex(CategoryNames, c => c.Equals(known, StringComparison.OrdinalIgnoreCase));
        if (category >= 0)
            return Categories.Value[category];
        if (known.Length == 1 && known.ToUpperInvariant() is var group
            && CategoryNames.Any(c => c.StartsWith(group, StringComparison.Ordinal)))
            return Union(CategoryNames.Where(c => c.StartsWith(group, StringComparison.Ordinal)));
        return key switch
        {
            "lc" or "l&" => Union(["Lu", "Ll", "Lt"]),
            "any" => CodePointSet.All,
            "ascii" => CodePointSet.Of([(0, 0x7F)]),
            "assigned" => Named("Cn")!.Complement(),
            "whitespace" or "wspace" or "space" => WhiteSpace,
            "digit" => Digits,
            "xdigit" or "asciihexdigit" or "ahex" => HexDigits,
            _ => null,
        };
    }

    /// <summary>A POSIX bracket (<c>[:alpha:]</c>) in Unicode's sense, or null when there is none of that name.</summary>
    public static CodePointSet? Posix(string name) => name switch
    {
        "alpha" => Named("L")!.Union(Named("M")!).Union(Named("Nl")!),
        "alnum" => Named("L")!.Union(Named("M")!).Union(Named("Nl")!).Union(Digits),
        "ascii" => Named("ASCII"),
        "blank" => Named("Zs")!.Union(CodePointSet.Of('\t')),
        "cntrl" => Named("Cc"),
        "digit" => Digits,
        "graph" => WhiteSpace.Union(Union(["Cc", "Cn", "Cs"])).Complement(),
        "lower" => Named("Ll"),
        "print" => WhiteSpace.Union(Union(["Cc", "Cn", "Cs"])).Complement().Union(Named("Zs")!),
        "punct" => Named("P")!.Union(Named("S")!),
        "space" => WhiteSpace,
        "upper" => Named("Lu"),
        "word" => Word(RegexDialect.Oniguruma),
        "xdigit" => HexDigits,
        _ => null,
    };

    /// <summary>The set with every character that differs only in case from one of its own (simple folding).</summary>
    public static CodePointSet IgnoreCase(CodePointSet set)
    {
        var more = new List<(int, int)>(set.Ranges.ToArray());
        foreach (var (codePoint, family) in CaseFamilies.Value)
            if (!set.Contains(codePoint) && family.Any(set.Contains))
                more.Add((codePoint, codePoint));
        return CodePointSet.Of(more);
    }

    public static CodePointSet Where(Func<int, bool> holds)
    {
        var ranges = new List<(int, int)>();
        int start = -1;
        for (int codePoint = 0; codePoint <= CodePointSet.Limit; codePoint++)
        {
            bool now = codePoint < CodePointSet.Limit && holds(codePoint);
            if (now && start < 0)
                start = codePoint;
            if (!now && start >= 0)
            {
                ranges.Add((start, codePoint - 1));
                start = -1;
            }
        }

        return CodePointSet.Of(ranges);
    }

    private static CodePointSet Category(UnicodeCategory category) => Categories.Value[(int)category];

    private static CodePointSet Union(IEnumerable<string> names)
        => CodePointSet.Of(names.SelectMany(n => Categories.Value[Array.IndexOf(CategoryNames, n)].Ranges.ToArray()));

    private static CodePointSet[] BuildCategories()
    {
        var ranges = new List<(int, int)>[CategoryNames.Length];
        for (int i = 0; i < ranges.Length; i++)
            ranges[i] = [];
        for (int start = 0, next = 1; start < CodePointSet.Limit; start = next)
        {
            var category = UnicodeData.GetCategory(start);
            for (next = start + 1; next < CodePointSet.Limit && UnicodeData.GetCategory(next) == category;)
                next++;
            ranges[(int)category].Add((start, next - 1));
        }

        return [.. ranges.Select(CodePointSet.Of)];
    }

    /// <summary>For every code point with a simple case folding: all that fold to the same.</summary>
    private static Dictionary<int, int[]> BuildCaseFamilies()
    {
        var byTarget = new Dictionary<int, List<int>>();
        for (int codePoint = 0; codePoint < CodePointSet.Limit; codePoint++)
        {
            int target = UnicodeData.SimpleFolding(codePoint);
            if (target == codePoint)
                continue;
            if (!byTarget.TryGetValue(target, out var family))
                byTarget[target] = family = [target];
            family.Add(codePoint);
        }

        var families = new Dictionary<int, int[]>();
        foreach (var family in byTarget.Values)
            foreach (int member in family)
                families[member] = [.. family];
        return families;
    }
}
