using System.Collections.Concurrent;
using System.Text;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>
/// Spells a pattern of Rust's engine for Oniguruma. Both spellings are parsed and compared, so that none is written that means something
/// else.
/// </summary>
internal static class RegexTranslation
{
    /// <summary>The pattern in Oniguruma's spelling, or null when none is known.</summary>
    public static string? ToOniguruma(string pattern)
    {
        var spelled = Respell(pattern);
        try
        {
            return AreSame(RegexParser.Parse(pattern, RegexDialect.Rust), RegexParser.Parse(spelled, RegexDialect.Oniguruma))
                ? spelled
                : null;
        }
        catch (TokenizerException)
        {
            return null;
        }
    }

    /// <summary>Anchors of the whole text get their own escapes; a possessive interval becomes an atomic group.</summary>
    private static string Respell(string pattern)
    {
        var output = new StringBuilder();
        var groups = new Stack<int>();
        int part = 0; // where the part begins that a quantifier would repeat
        for (int at = 0, end; at < pattern.Length; at = end)
        {
            end = at + 1;
            switch (pattern[at])
            {
                case '\\':
                    part = output.Length;
                    end = Math.Min(at + 2, pattern.Length);
                    if (end < pattern.Length && pattern[end] == '{' && pattern[at + 1] is 'p' or 'P' or 'x')
                        end = EndOf('}', end, pattern);
                    output.Append(pattern, at, end - at);
                    break;
                case '[':
                    part = output.Length;
                    end = EndOfSet(pattern, at);
                    output.Append(pattern, at, end - at);
                    break;
                case '(':
                    groups.Push(output.Length);
                    if (end < pattern.Length && pattern[end] == '?')
                        end++;
                    output.Append(pattern, at, end - at);
                    break;
                case ')':
                    part = groups.TryPop(out int open) ? open : output.Length;
                    output.Append(')');
                    break;
                case '^' or '$':
                    part = output.Length;
                    output.Append(pattern[at] == '^' ? @"\A" : @"\z");
                    break;
                case '{':
                    end = EndOf('}', at, pattern);
                    output.Append(pattern, at, end - at);
                    if (end < pattern.Length && pattern[end] == '+')
                    {
                        output.Insert(part, "(?>").Append(')');
                        end++;
                    }

                    break;
                case '?' or '*' or '+':
                    output.Append(pattern[at]);
                    break;
                default:
                    part = output.Length;
                    if (char.IsHighSurrogate(pattern[at]))
                        end = Math.Min(at + 2, pattern.Length);
                    output.Append(pattern, at, end - at);
                    break;
            }
        }

        return output.ToString();
    }

    private static int EndOf(char close, int at, string pattern)
        => pattern.IndexOf(close, at) is >= 0 and var end ? end + 1 : pattern.Length;

    private static int EndOfSet(string pattern, int at)
    {
        int depth = 0;
        for (; at < pattern.Length; at++)
            switch (pattern[at])
            {
                case '\\':
                    at++;
                    break;
                case '[':
                    depth++;
                    break;
                case ']' when --depth == 0:
                    return at + 1;
            }

        return pattern.Length;
    }

    private static bool AreSame(RegexNode one, RegexNode other) => (one, other) switch
    {
        (RegexNode.Set a, RegexNode.Set b) => a.CodePoints.Holds(b.CodePoints),
        (RegexNode.Sequence a, RegexNode.Sequence b) => AreAllSame(a.Parts, b.Parts),
        (RegexNode.Choice a, RegexNode.Choice b) => AreAllSame(a.Options, b.Options),
        (RegexNode.Repeat { Greed: RegexGreed.Possessive } a, RegexNode.Atomic { Body: RegexNode.Repeat { Greed: RegexGreed.Greedy } b })
            => a.Min == b.Min && a.Max == b.Max && AreSame(a.Body, b.Body),
        (RegexNode.Repeat a, RegexNode.Repeat b) => a.Min == b.Min && a.Max == b.Max && a.Greed == b.Greed && AreSame(a.Body, b.Body),
        (RegexNode.Atomic a, RegexNode.Atomic b) => AreSame(a.Body, b.Body),
        (RegexNode.Look a, RegexNode.Look b) => a.IsBehind == b.IsBehind && a.IsNegative == b.IsNegative && AreSame(a.Body, b.Body),

        // The ends of words depend on the engine's idea of a word.
        (RegexNode.Anchor a, RegexNode.Anchor b) => a.Kind == b.Kind && a.Kind is RegexAnchor.TextStart or RegexAnchor.TextEnd,
        _ => false,
    };

    private static bool AreAllSame(IReadOnlyList<RegexNode> ones, IReadOnlyList<RegexNode> others)
    {
        if (ones.Count != others.Count)
            return false;
        for (int i = 0; i < ones.Count; i++)
            if (!AreSame(ones[i], others[i]))
                return false;
        return true;
    }
}

/// <summary>
/// A regular expression from a file, run within limits on steps and memory. It works on code points and on the checked-in
/// Unicode tables, finds the leftmost match by backtracking order, and remembers what has failed where, so that the work stays
/// proportional to pattern times text for all but repetitions of what may be empty.
/// </summary>
/// <remarks>
/// It knows literals, sets with nested sets and <c>&amp;&amp;</c>, POSIX brackets, general categories, <c>\s \d \w \h \R</c>, anchors,
/// groups, greedy, lazy and possessive quantifiers, atomic groups, look-ahead and look-behind (the latter with a maximum length), and the
/// switches <c>i x m s</c>; ignoring case uses simple folding. Back references and calls are refused. Immutable and thread-safe. Source of
/// the rules: the documentation of Oniguruma 6.9 and of the Rust crates regex and fancy-regex.
/// </remarks>
internal sealed class BoundedRegex : IMatchFinder
{
    private const int MaxPatternLength = 100_000;
    private const int MaxKept = 256;

    // Unicode sets are large and tokenizers of one family share their patterns.
    private static readonly ConcurrentDictionary<(string, RegexDialect), BoundedRegex> Kept = new();

    private BoundedRegex(string pattern, RegexDialect dialect, RegexNode node)
    {
        (Pattern, Dialect) = (pattern, dialect);
        (Code, Loops, Forks) = RegexCompiler.Compile(pattern, node);
        First = RegexCompiler.FirstOf(node);
        Word = Code.Any(c => c.Operation == RegexOperation.Anchor && c.Anchor is RegexAnchor.WordBoundary or RegexAnchor.NoWordBoundary)
            ? CodePointSets.Word(dialect, inBrackets: false) : CodePointSet.Empty;
    }

    /// <summary>The pattern as it was written.</summary>
    public string Pattern { get; }

    public RegexDialect Dialect { get; }

    internal RegexInstruction[] Code { get; }

    internal int Loops { get; }

    internal int Forks { get; }

    /// <summary>What a match can start with; null for anything, or nothing.</summary>
    internal CodePointSet? First { get; }

    internal CodePointSet Word { get; }

    /// <summary>Reads a pattern.</summary>
    /// <exception cref="TokenizerException">The pattern is malformed, too large, or asks for something that is not supported.</exception>
    public static BoundedRegex Parse(string pattern, RegexDialect dialect = RegexDialect.Oniguruma)
    {
        if (pattern.Length > MaxPatternLength)
            throw new TokenizerException(
                $"A pattern of {pattern.Length} characters is too long: at most {MaxPatternLength} are read. Check the file.");
        if (Kept.TryGetValue((pattern, dialect), out var known))
            return known;
        var regex = new BoundedRegex(pattern, dialect, RegexParser.Parse(pattern, dialect));
        if (Kept.Count < MaxKept)
            Kept[(pattern, dialect)] = regex;
        return regex;
    }

    /// <summary>A pattern that matches a text as it stands.</summary>
    public static BoundedRegex Literal(string text)
    {
        var parts = new List<RegexNode>();
        for (int at = 0; at < text.Length;)
            parts.Add(new RegexNode.Set(CodePointSet.Of(CodePoints.Next(text, ref at))));
        return new BoundedRegex(text, RegexDialect.Oniguruma, new RegexNode.Sequence(parts));
    }

    /// <summary>
    /// Appends all matches, from left to right; an empty one that touches the match before it is left out.
    /// </summary>
    /// <exception cref="TokenizerException">The search went beyond its bound of steps or memory.</exception>
    public void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches) => FindAll(text, matches, out _);

    internal void FindAll(ReadOnlySpan<char> text, List<RegexMatch> matches, out long steps)
    {
        var matcher = RegexMatcher.Rent(this, text.Length);
        int at = 0, lastEnd = -1;
        while (at <= text.Length && matcher.Find(text, at, out var match))
        {
            if (match.Start == match.End && match.End == lastEnd)
            {
                at += at + 1 < text.Length && char.IsSurrogatePair(text[at], text[at + 1]) ? 2 : 1;
                continue;
            }

            matches.Add(match);
            at = lastEnd = match.End;
        }

        steps = matcher.Steps;
        matcher.Return();
    }
}
