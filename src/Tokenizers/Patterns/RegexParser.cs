using System.Globalization;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Reads a pattern; what the engine does not know is an error that names it and its place.</summary>
internal ref struct RegexParser
{
    private const int MaxDepth = 100;
    private const int MaxStackedQuantifiers = 8;
    private const int MaxRepeat = 100_000;

    private readonly string pattern;
    private readonly RegexDialect dialect;
    private int at;
    private int depth;
    private Modes modes;

    private RegexParser(string pattern, RegexDialect dialect) => (this.pattern, this.dialect) = (pattern, dialect);

    /// <summary>Parses a whole pattern.</summary>
    /// <exception cref="TokenizerException">The pattern is malformed or asks for something that the engine lacks.</exception>
    public static RegexNode Parse(string pattern, RegexDialect dialect)
    {
        var parser = new RegexParser(pattern, dialect);
        var node = parser.ParseChoice();
        return parser.at == pattern.Length ? node : throw parser.Wrong("a ')' without its '('");
    }

    private RegexNode ParseChoice()
    {
        if (++depth > MaxDepth)
            throw Wrong($"groups deeper than {MaxDepth}");
        var kept = modes;
        var options = new List<RegexNode>();
        var parts = new List<RegexNode>();
        while (at < pattern.Length && pattern[at] != ')')
        {
            if (pattern[at] == '|')
            {
                at++;
                options.Add(Joined(parts));
                parts = [];
                continue;
            }

            if (ParseAtom() is not { } atom)
                continue;
            parts.Add(ParseQuantifiers(atom));
        }

        options.Add(Joined(parts));
        modes = kept;
        depth--;
        return options.Count == 1 ? options[0] : new RegexNode.Choice(options);
    }

    private static RegexNode Joined(List<RegexNode> parts) => parts.Count == 1 ? parts[0] : new RegexNode.Sequence(parts);

    /// <summary>Null for what is nothing to match: comments, switches, blanks of the extended form.</summary>
    private RegexNode? ParseAtom()
    {
        char c = pattern[at];
        if (modes.Extended)
        {
            if (char.IsWhiteSpace(c))
            {
                at++;
                return null;
            }

            if (c == '#')
            {
                int end = pattern.IndexOf('\n', at);
                at = end < 0 ? pattern.Length : end + 1;
                return null;
            }
        }

        switch (c)
        {
            case '(':
                return ParseGroup();
            case '[':
                at++;
                return new RegexNode.Set(ParseClass());
            case '.':
                at++;
                return new RegexNode.Set(modes.DotMatchesLineEnd ? CodePointSet.All : CodePointSet.Of('\n').Complement());
            case '^':
                at++;
                return new RegexNode.Anchor(modes.LineAnchors || dialect == RegexDialect.Oniguruma ? RegexAnchor.LineStart : RegexAnchor.TextStart);
            case '$':
                at++;
                return new RegexNode.Anchor(modes.LineAnchors || dialect == RegexDialect.Oniguruma ? RegexAnchor.LineEnd : RegexAnchor.TextEnd);
            case '*' or '+' or '?':
                throw Wrong($"'{c}' with nothing to repeat");
            case '\\':
                return ParseEscape();
            default:
                return Literal(CodePoints.Next(pattern, ref at));
        }
    }

    private readonly RegexNode.Set Literal(int codePoint) => new(Cased(CodePointSet.Of(codePoint)));

    private readonly CodePointSet Cased(CodePointSet set) => modes.IgnoreCase ? CodePointSets.IgnoreCase(set) : set;

    private RegexNode? ParseGroup()
    {
        int open = at++;
        if (at >= pattern.Length || pattern[at] != '?')
            return Closed(open, ParseChoice());
        at++;
        if (Skip("#"))
        {
            int end = pattern.IndexOf(')', at);
            at = end < 0 ? throw Wrong("a comment without its end") : end + 1;
            return null;
        }

        if (Skip(":"))
            return Closed(open, ParseChoice());
        if (Skip(">"))
            return new RegexNode.Atomic(Closed(open, ParseChoice()));
        if (Skip("="))
            return new RegexNode.Look(Closed(open, ParseChoice()), IsBehind: false, IsNegative: false);
        if (Skip("!"))
            return new RegexNode.Look(Closed(open, ParseChoice()), IsBehind: false, IsNegative: true);
        if (Skip("<="))
            return new RegexNode.Look(Closed(open, ParseChoice()), IsBehind: true, IsNegative: false);
        if (Skip("<!"))
            return new RegexNode.Look(Closed(open, ParseChoice()), IsBehind: true, IsNegative: true);
        if (Skip("<") || (dialect == RegexDialect.Rust && Skip("P<")))
        {
            // Names are for captures, which nothing here asks for.
            int end = pattern.IndexOf('>', at);
            if (end <= at)
                throw Wrong("a group without a name");
            at = end + 1;
            return Closed(open, ParseChoice());
        }

        return ParseModes(open);
    }

    private RegexNode? ParseModes(int open)
    {
        var changed = modes;
        bool on = true;
        for (; at < pattern.Length; at++)
            switch (pattern[at])
            {
                case '-':
                    on = false;
                    break;
                case 'i':
                    changed = changed with { IgnoreCase = on };
                    break;
                case 'x':
                    changed = changed with { Extended = on };
                    break;
                case 'm' when dialect == RegexDialect.Oniguruma:
                case 's' when dialect == RegexDialect.Rust:
                    changed = changed with { DotMatchesLineEnd = on };
                    break;
                case 'm':
                    changed = changed with { LineAnchors = on };
                    break;
                case 'u' when dialect == RegexDialect.Rust && on:
                    break;
                case ':':
                    at++;
                    var kept = modes;
                    modes = changed;
                    var body = Closed(open, ParseChoice());
                    modes = kept;
                    return body;
                case ')':
                    at++;
                    modes = changed;

                    // Oniguruma: what follows, with all its alternatives, is one group under the new switches.
                    return dialect == RegexDialect.Oniguruma && at < pattern.Length && pattern[at] != ')' ? ParseChoice() : null;
                default:
                    throw Wrong($"a group that starts with '(?{pattern[at]}'");
            }

        throw Wrong("a '(' without its ')'", open);
    }

    private RegexNode Closed(int open, RegexNode body)
    {
        if (at >= pattern.Length)
            throw Wrong("a '(' without its ')'", open);
        at++;
        return body;
    }

    private RegexNode ParseQuantifiers(RegexNode node)
    {
        for (int stacked = 0; at < pattern.Length; stacked++)
        {
            int start = at, min, max;
            char c = pattern[at];
            bool isInterval = false;
            if (c is '*' or '+' or '?')
            {
                (min, max) = c == '*' ? (0, int.MaxValue) : c == '+' ? (1, int.MaxValue) : (0, 1);
                at++;
            }
            else if (c == '{' && TryParseInterval(out min, out max))
            {
                isInterval = true;
            }
            else
            {
                break;
            }

            if (node is RegexNode.Anchor or RegexNode.Look && dialect == RegexDialect.Rust)
                throw Wrong("a repeated condition", start);
            var greed = RegexGreed.Greedy;
            bool plainInterval = isInterval && dialect == RegexDialect.Oniguruma;
            if (at < pattern.Length && pattern[at] == '?' && !(plainInterval && min == max))
            {
                greed = RegexGreed.Lazy;
                at++;
            }
            else if (at < pattern.Length && pattern[at] == '+' && !plainInterval)
            {
                greed = RegexGreed.Possessive;
                at++;
            }

            if (stacked == MaxStackedQuantifiers)
                throw Wrong($"more than {MaxStackedQuantifiers} quantifiers behind each other", start);
            node = new RegexNode.Repeat(node, min, max, greed);
        }

        return node;
    }

    /// <summary>An interval, or nothing where the brace is an ordinary character.</summary>
    private bool TryParseInterval(out int min, out int max)
    {
        int start = at++;
        bool hasMin = TryParseNumber(out min), comma = false;
        max = min;
        if (at < pattern.Length && pattern[at] == ',')
        {
            at++;
            comma = true;
            if (!TryParseNumber(out max))
                max = hasMin ? int.MaxValue : -1;
        }

        if (at < pattern.Length && pattern[at] == '}' && (hasMin || (comma && max >= 0 && dialect == RegexDialect.Oniguruma)))
        {
            at++;
            if (max < min)
                throw Wrong("an interval whose end is below its start", start);
            if (min > MaxRepeat || (max != int.MaxValue && max > MaxRepeat))
                throw Wrong($"an interval over {MaxRepeat}", start);
            return true;
        }

        if (dialect == RegexDialect.Rust)
            throw Wrong("a '{' that opens no interval", start);
        at = start;
        return false;
    }

    private bool TryParseNumber(out int value)
    {
        int start = at;
        long number = 0;
        for (; at < pattern.Length && char.IsAsciiDigit(pattern[at]); at++)
            number = Math.Min(10 * number + (pattern[at] - '0'), int.MaxValue - 1);
        value = (int)number;
        return at > start;
    }

    private RegexNode ParseEscape()
    {
        int start = at++;
        if (at >= pattern.Length)
            throw Wrong("a '\\' at the end", start);
        RegexAnchor? anchor = pattern[at] switch
        {
            'b' => RegexAnchor.WordBoundary,
            'B' => RegexAnchor.NoWordBoundary,
            'A' => RegexAnchor.TextStart,
            'z' => RegexAnchor.TextEnd,
            'Z' => RegexAnchor.LastLineEnd,
            _ => null,
        };
        if (anchor is { } kind)
        {
            at++;
            return new RegexNode.Anchor(kind);
        }

        if (pattern[at] == 'R')
        {
            at++;
            var carriageReturn = new RegexNode.Set(CodePointSet.Of('\r'));
            var lineEnds = new RegexNode.Set(CodePointSet.Of([('\n', '\r'), (0x85, 0x85), (0x2028, 0x2029)]));
            return new RegexNode.Atomic(new RegexNode.Choice([new RegexNode.Sequence([carriageReturn, new RegexNode.Set(CodePointSet.Of('\n'))]), lineEnds]));
        }

        at = start;
        return ParseSetEscape(out int single, inBrackets: false) is { } set ? new RegexNode.Set(Cased(set)) : Literal(single);
    }

    /// <summary>An escape that stands for a set, or (null) for one code point.</summary>
    private CodePointSet? ParseSetEscape(out int single, bool inBrackets = true)
    {
        int start = at++;
        single = 0;
        if (at >= pattern.Length)
            throw Wrong("a '\\' at the end", start);
        int c = CodePoints.Next(pattern, ref at);
        switch (c)
        {
            case 's':
                return CodePointSets.WhiteSpace;
            case 'S':
                return CodePointSets.WhiteSpace.Complement();
            case 'd':
                return CodePointSets.Digits;
            case 'D':
                return CodePointSets.Digits.Complement();
            case 'w':
                return CodePointSets.Word(dialect, inBrackets);
            case 'W':
                return CodePointSets.Word(dialect, inBrackets).Complement();
            case 'h':
                return CodePointSets.HexDigits;
            case 'H':
                return CodePointSets.HexDigits.Complement();
            case 'p' or 'P':
                return ParseProperty(start, c == 'P');
            case 'n':
                single = '\n';
                return null;
            case 'r':
                single = '\r';
                return null;
            case 't':
                single = '\t';
                return null;
            case 'f':
                single = '\f';
                return null;
            case 'v':
                single = '\v';
                return null;
            case 'a':
                single = '\a';
                return null;
            case 'e':
                single = 0x1B;
                return null;
            case 'x' or 'u' or 'U':
                single = ParseHex(start, c == 'x' ? 2 : c == 'u' ? 4 : 8);
                return null;
            case '0':
                for (int i = 0; i < 2 && at < pattern.Length && pattern[at] is >= '0' and <= '7'; i++)
                    single = 8 * single + (pattern[at++] - '0');
                return null;
            default:
                if (c < 0x80 && char.IsAsciiLetterOrDigit((char)c))
                    throw Wrong(char.IsAsciiDigit((char)c) || c == 'k' ? "a back reference" : $"the escape '\\{(char)c}'", start);
                single = c;
                return null;
        }
    }

    private int ParseHex(int start, int digits)
    {
        int end = at + digits;
        if (at < pattern.Length && pattern[at] == '{')
        {
            at++;
            end = pattern.IndexOf('}', at);
            if (end < 0 || end == at || end - at > 8)
                throw Wrong("a code point without its end", start);
            int value = Hex(pattern.AsSpan(at, end - at), start);
            at = end + 1;
            return value;
        }

        if (end > pattern.Length)
            throw Wrong($"a code point of fewer than {digits} digits", start);
        int result = Hex(pattern.AsSpan(at, digits), start);
        at = end;
        return result;
    }

    private readonly int Hex(ReadOnlySpan<char> digits, int start)
        => int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) && value is >= 0 and < CodePointSet.Limit
            ? value : throw Wrong("a code point that there is not", start);

    private CodePointSet ParseProperty(int start, bool negative)
    {
        if (at >= pattern.Length)
            throw Wrong("a property without a name", start);
        string name;
        if (pattern[at] == '{')
        {
            int end = pattern.IndexOf('}', at);
            if (end < 0)
                throw Wrong("a property without its '}'", start);
            name = pattern[(at + 1)..end];
            at = end + 1;
            if (name.StartsWith('^'))
            {
                negative = !negative;
                name = name[1..];
            }
        }
        else
        {
            name = pattern[at++].ToString();
        }

        var set = CodePointSets.Named(name) ?? throw Wrong($"the property '{name}', which the tables lack", start);
        return negative ? set.Complement() : set;
    }

    /// <summary>What stands between brackets; the opening one has been read.</summary>
    private CodePointSet ParseClass()
    {
        int open = at - 1;
        if (++depth > MaxDepth)
            throw Wrong($"classes deeper than {MaxDepth}", open);
        bool negative = Skip("^");
        CodePointSet? intersection = null;
        var ranges = new List<(int, int)>();
        bool first = true;
        while (true)
        {
            if (at >= pattern.Length)
                throw Wrong("a '[' without its ']'", open);
            char c = pattern[at];
            if (c == ']' && !first)
            {
                at++;
                break;
            }

            first = false;
            if (Skip("&&"))
            {
                var part = CodePointSet.Of(ranges);
                intersection = intersection?.Intersect(part) ?? part;
                ranges.Clear();
                continue;
            }

            if (dialect == RegexDialect.Rust && (Skip("--") || Skip("~~")))
                throw Wrong("a difference of classes", at - 2);
            if (c == '[')
            {
                at++;
                ranges.AddRange((TryParsePosix() ?? ParseClass()).Ranges);
                continue;
            }

            int from = at;
            if (ParseClassMember(out int low) is { } set)
            {
                ranges.AddRange(set.Ranges);
                continue;
            }

            if (at + 1 < pattern.Length && pattern[at] == '-' && pattern[at + 1] != ']')
            {
                int hyphen = at++;
                if (pattern[at] == '[' || ParseClassMember(out int high) is not null)
                {
                    // A hyphen before a set is a hyphen.
                    at = hyphen;
                    ranges.Add((low, low));
                    ranges.Add(('-', '-'));
                    at++;
                    continue;
                }

                if (high < low)
                    throw Wrong("a range whose end is below its start", from);
                ranges.Add((low, high));
                continue;
            }

            ranges.Add((low, low));
        }

        var result = CodePointSet.Of(ranges);
        if (intersection is not null)
            result = intersection.Intersect(result);
        result = Cased(result);
        depth--;
        return negative ? result.Complement() : result;
    }

    private CodePointSet? ParseClassMember(out int single)
    {
        if (pattern[at] != '\\')
        {
            single = CodePoints.Next(pattern, ref at);
            return null;
        }

        if (at + 1 < pattern.Length && pattern[at + 1] == 'b')
        {
            at += 2;
            single = '\b';
            return null;
        }

        return ParseSetEscape(out single);
    }

    private CodePointSet? TryParsePosix()
    {
        if (at >= pattern.Length || pattern[at] != ':')
            return null;
        int end = pattern.IndexOf(":]", at + 1, StringComparison.Ordinal);
        if (end < 0)
            return null;
        var name = pattern.AsSpan(at + 1, end - at - 1);
        bool negative = name.StartsWith("^");
        if (negative)
            name = name[1..];
        if (CodePointSets.Posix(name.ToString()) is not { } set)
            return null;
        at = end + 2;
        return negative ? set.Complement() : set;
    }

    private bool Skip(string text)
    {
        if (!pattern.AsSpan(at).StartsWith(text, StringComparison.Ordinal))
            return false;
        at += text.Length;
        return true;
    }

    private readonly TokenizerException Wrong(string what, int place = -1)
        => new($"pattern '{pattern}' has {what} at index {(place < 0 ? at : place)}. Check the pattern, or write it without.");

    /// <summary>The switches in force.</summary>
    private readonly record struct Modes(bool IgnoreCase, bool Extended, bool DotMatchesLineEnd, bool LineAnchors);
}
