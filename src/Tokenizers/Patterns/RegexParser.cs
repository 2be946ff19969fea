using System.Globalization;
using Kotonoha.Foundation.Unicode;

namespace Kotonoha.Tokenizers;

/// <summary>Reads a pattern; what the engine does not know is an error that names it and its place.</summary>
internal ref struct RegexParser
{
    private const int MaxDepth = 100;
    private const int MaxStackedQuantifiers = 8;
    private const int MaxRepeat = 100_000;

    private readonly string _pattern;
    private readonly RegexDialect _dialect;
    private int _at;
    private int _depth;
    private Modes _modes;

    private RegexParser(string pattern, RegexDialect dialect) => (_pattern, _dialect) = (pattern, dialect);

    /// <summary>Parses a whole pattern.</summary>
    /// <exception cref="TokenizerException">The pattern is malformed or asks for something that the engine lacks.</exception>
    public static RegexNode Parse(string pattern, RegexDialect dialect)
    {
        var parser = new RegexParser(pattern, dialect);
        var node = parser.ParseChoice();
        return parser._at == pattern.Length ? node : throw parser.Wrong("a ')' without its '('");
    }

    private RegexNode ParseChoice()
    {
        if (++_depth > MaxDepth)
            throw Wrong($"groups deeper than {MaxDepth}");
        var kept = _modes;
        var options = new List<RegexNode>();
        var parts = new List<RegexNode>();
        while (_at < _pattern.Length && _pattern[_at] != ')')
        {
            if (_pattern[_at] == '|')
            {
                _at++;
                options.Add(Joined(parts));
                parts = [];
                continue;
            }

            if (ParseAtom() is not { } atom)
                continue;
            parts.Add(ParseQuantifiers(atom));
        }

        options.Add(Joined(parts));
        _modes = kept;
        _depth--;
        return options.Count == 1 ? options[0] : new RegexNode.Choice(options);
    }

    private static RegexNode Joined(List<RegexNode> parts) => parts.Count == 1 ? parts[0] : new RegexNode.Sequence(parts);

    /// <summary>Null for what matches nothing: comments, switches, blanks of the extended form.</summary>
    private RegexNode? ParseAtom()
    {
        char c = _pattern[_at];
        if (_modes.Extended)
        {
            if (char.IsWhiteSpace(c))
            {
                _at++;
                return null;
            }

            if (c == '#')
            {
                int end = _pattern.IndexOf('\n', _at);
                _at = end < 0 ? _pattern.Length : end + 1;
                return null;
            }
        }

        switch (c)
        {
            case '(':
                return ParseGroup();
            case '[':
                _at++;
                return new RegexNode.Set(ParseClass());
            case '.':
                _at++;
                return new RegexNode.Set(_modes.DotMatchesLineEnd ? CodePointSet.All : CodePointSet.Of('\n').Complement());
            case '^':
                _at++;
                return new RegexNode.Anchor(_modes.LineAnchors || _dialect == RegexDialect.Oniguruma
                    ? RegexAnchor.LineStart
                    : RegexAnchor.TextStart);
            case '$':
                _at++;
                return new RegexNode.Anchor(_modes.LineAnchors || _dialect == RegexDialect.Oniguruma
                    ? RegexAnchor.LineEnd
                    : RegexAnchor.TextEnd);
            case '*' or '+' or '?':
                throw Wrong($"'{c}' with nothing to repeat");
            case '\\':
                return ParseEscape();
            default:
                return Literal(CodePoints.Next(_pattern, ref _at));
        }
    }

    private readonly RegexNode.Set Literal(int codePoint) => new(Cased(CodePointSet.Of(codePoint)));

    private readonly CodePointSet Cased(CodePointSet set) => _modes.IgnoreCase ? CodePointSets.IgnoreCase(set) : set;

    private RegexNode? ParseGroup()
    {
        int open = _at++;
        if (_at >= _pattern.Length || _pattern[_at] != '?')
            return Closed(open, ParseChoice());
        _at++;
        if (Skip("#"))
        {
            int end = _pattern.IndexOf(')', _at);
            _at = end < 0 ? throw Wrong("a comment without its end") : end + 1;
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
        if (Skip("<") || (_dialect == RegexDialect.Rust && Skip("P<")))
        {
            // Names are for captures, which are not used here.
            int end = _pattern.IndexOf('>', _at);
            if (end <= _at)
                throw Wrong("a group without a name");
            _at = end + 1;
            return Closed(open, ParseChoice());
        }

        return ParseModes(open);
    }

    private RegexNode? ParseModes(int open)
    {
        var changed = _modes;
        bool on = true;
        for (; _at < _pattern.Length; _at++)
            switch (_pattern[_at])
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
                case 'm' when _dialect == RegexDialect.Oniguruma:
                case 's' when _dialect == RegexDialect.Rust:
                    changed = changed with { DotMatchesLineEnd = on };
                    break;
                case 'm':
                    changed = changed with { LineAnchors = on };
                    break;
                case 'u' when _dialect == RegexDialect.Rust && on:
                    break;
                case ':':
                    _at++;
                    var kept = _modes;
                    _modes = changed;
                    var body = Closed(open, ParseChoice());
                    _modes = kept;
                    return body;
                case ')':
                    _at++;
                    _modes = changed;

                    // Oniguruma: what follows, with all its alternatives, is one group under the new switches.
                    return _dialect == RegexDialect.Oniguruma && _at < _pattern.Length && _pattern[_at] != ')' ? ParseChoice() : null;
                default:
                    throw Wrong($"a group that starts with '(?{_pattern[_at]}'");
            }

        throw Wrong("a '(' without its ')'", open);
    }

    private RegexNode Closed(int open, RegexNode body)
    {
        if (_at >= _pattern.Length)
            throw Wrong("a '(' without its ')'", open);
        _at++;
        return body;
    }

    private RegexNode ParseQuantifiers(RegexNode node)
    {
        for (int stacked = 0; _at < _pattern.Length; stacked++)
        {
            int start = _at, min, max;
            char c = _pattern[_at];
            bool isInterval = false;
            if (c is '*' or '+' or '?')
            {
                (min, max) = c == '*' ? (0, int.MaxValue) : c == '+' ? (1, int.MaxValue) : (0, 1);
                _at++;
            }
            else if (c == '{' && TryParseInterval(out min, out max))
            {
                isInterval = true;
            }
            else
            {
                break;
            }

            if (node is RegexNode.Anchor or RegexNode.Look && _dialect == RegexDialect.Rust)
                throw Wrong("a repeated condition", start);
            var greed = RegexGreed.Greedy;
            bool plainInterval = isInterval && _dialect == RegexDialect.Oniguruma;
            if (_at < _pattern.Length && _pattern[_at] == '?' && !(plainInterval && min == max))
            {
                greed = RegexGreed.Lazy;
                _at++;
            }
            else if (_at < _pattern.Length && _pattern[_at] == '+' && !plainInterval)
            {
                greed = RegexGreed.Possessive;
                _at++;
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
        int start = _at++;
        bool hasMin = TryParseNumber(out min), comma = false;
        max = min;
        if (_at < _pattern.Length && _pattern[_at] == ',')
        {
            _at++;
            comma = true;
            if (!TryParseNumber(out max))
                max = hasMin ? int.MaxValue : -1;
        }

        if (_at < _pattern.Length && _pattern[_at] == '}' && (hasMin || (comma && max >= 0 && _dialect == RegexDialect.Oniguruma)))
        {
            _at++;
            if (max < min)
                throw Wrong("an interval whose end is below its start", start);
            if (min > MaxRepeat || (max != int.MaxValue && max > MaxRepeat))
                throw Wrong($"an interval over {MaxRepeat}", start);
            return true;
        }

        if (_dialect == RegexDialect.Rust)
            throw Wrong("a '{' that opens no interval", start);
        _at = start;
        return false;
    }

    private bool TryParseNumber(out int value)
    {
        int start = _at;
        long number = 0;
        for (; _at < _pattern.Length && char.IsAsciiDigit(_pattern[_at]); _at++)
            number = Math.Min(10 * number + (_pattern[_at] - '0'), int.MaxValue - 1);
        value = (int)number;
        return _at > start;
    }

    private RegexNode ParseEscape()
    {
        int start = _at++;
        if (_at >= _pattern.Length)
            throw Wrong("a '\\' at the end", start);
        RegexAnchor? anchor = _pattern[_at] switch
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
            _at++;
            return new RegexNode.Anchor(kind);
        }

        if (_pattern[_at] == 'R')
        {
            _at++;
            var carriageReturn = new RegexNode.Set(CodePointSet.Of('\r'));
            var lineEnds = new RegexNode.Set(CodePointSet.Of([('\n', '\r'), (0x85, 0x85), (0x2028, 0x2029)]));
            return new RegexNode.Atomic(
                new RegexNode.Choice([new RegexNode.Sequence([carriageReturn, new RegexNode.Set(CodePointSet.Of('\n'))]), lineEnds]));
        }

        _at = start;
        return ParseSetEscape(out int single, inBrackets: false) is { } set ? new RegexNode.Set(Cased(set)) : Literal(single);
    }

    /// <summary>An escape that stands for a set, or (null) for one code point.</summary>
    private CodePointSet? ParseSetEscape(out int single, bool inBrackets = true)
    {
        int start = _at++;
        single = 0;
        if (_at >= _pattern.Length)
            throw Wrong("a '\\' at the end", start);
        int c = CodePoints.Next(_pattern, ref _at);
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
                return CodePointSets.Word(_dialect, inBrackets);
            case 'W':
                return CodePointSets.Word(_dialect, inBrackets).Complement();
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
                for (int i = 0; i < 2 && _at < _pattern.Length && _pattern[_at] is >= '0' and <= '7'; i++)
                    single = 8 * single + (_pattern[_at++] - '0');
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
        int end = _at + digits;
        if (_at < _pattern.Length && _pattern[_at] == '{')
        {
            _at++;
            end = _pattern.IndexOf('}', _at);
            if (end < 0 || end == _at || end - _at > 8)
                throw Wrong("a code point without its end", start);
            int value = Hex(_pattern.AsSpan(_at, end - _at), start);
            _at = end + 1;
            return value;
        }

        if (end > _pattern.Length)
            throw Wrong($"a code point of fewer than {digits} digits", start);
        int result = Hex(_pattern.AsSpan(_at, digits), start);
        _at = end;
        return result;
    }

    private readonly int Hex(ReadOnlySpan<char> digits, int start)
        => int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            && value is >= 0 and < CodePointSet.Limit
            ? value : throw Wrong("a code point that there is not", start);

    private CodePointSet ParseProperty(int start, bool negative)
    {
        if (_at >= _pattern.Length)
            throw Wrong("a property without a name", start);
        string name;
        if (_pattern[_at] == '{')
        {
            int end = _pattern.IndexOf('}', _at);
            if (end < 0)
                throw Wrong("a property without its '}'", start);
            name = _pattern[(_at + 1)..end];
            _at = end + 1;
            if (name.StartsWith('^'))
            {
                negative = !negative;
                name = name[1..];
            }
        }
        else
        {
            name = _pattern[_at++].ToString();
        }

        var set = CodePointSets.Named(name) ?? throw Wrong($"the property '{name}', which the tables lack", start);
        return negative ? set.Complement() : set;
    }

    /// <summary>What stands between brackets; the opening one has been read.</summary>
    private CodePointSet ParseClass()
    {
        int open = _at - 1;
        if (++_depth > MaxDepth)
            throw Wrong($"classes deeper than {MaxDepth}", open);
        bool negative = Skip("^");
        CodePointSet? intersection = null;
        var ranges = new List<(int, int)>();
        bool first = true;
        while (true)
        {
            if (_at >= _pattern.Length)
                throw Wrong("a '[' without its ']'", open);
            char c = _pattern[_at];
            if (c == ']' && !first)
            {
                _at++;
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

            if (_dialect == RegexDialect.Rust && (Skip("--") || Skip("~~")))
                throw Wrong("a difference of classes", _at - 2);
            if (c == '[')
            {
                _at++;
                ranges.AddRange((TryParsePosix() ?? ParseClass()).Ranges);
                continue;
            }

            int from = _at;
            if (ParseClassMember(out int low) is { } set)
            {
                ranges.AddRange(set.Ranges);
                continue;
            }

            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] != ']')
            {
                int hyphen = _at++;
                if (_pattern[_at] == '[' || ParseClassMember(out int high) is not null)
                {
                    // A hyphen before a set is a hyphen.
                    _at = hyphen;
                    ranges.Add((low, low));
                    ranges.Add(('-', '-'));
                    _at++;
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
        _depth--;
        return negative ? result.Complement() : result;
    }

    private CodePointSet? ParseClassMember(out int single)
    {
        if (_pattern[_at] != '\\')
        {
            single = CodePoints.Next(_pattern, ref _at);
            return null;
        }

        if (_at + 1 < _pattern.Length && _pattern[_at + 1] == 'b')
        {
            _at += 2;
            single = '\b';
            return null;
        }

        return ParseSetEscape(out single);
    }

    private CodePointSet? TryParsePosix()
    {
        if (_at >= _pattern.Length || _pattern[_at] != ':')
            return null;
        int end = _pattern.IndexOf(":]", _at + 1, StringComparison.Ordinal);
        if (end < 0)
            return null;
        var name = _pattern.AsSpan(_at + 1, end - _at - 1);
        bool negative = name.StartsWith("^");
        if (negative)
            name = name[1..];
        if (CodePointSets.Posix(name.ToString()) is not { } set)
            return null;
        _at = end + 2;
        return negative ? set.Complement() : set;
    }

    private bool Skip(string text)
    {
        if (!_pattern.AsSpan(_at).StartsWith(text, StringComparison.Ordinal))
            return false;
        _at += text.Length;
        return true;
    }

    private readonly TokenizerException Wrong(string what, int place = -1)
        => new($"pattern '{_pattern}' has {what} at index {(place < 0 ? _at : place)}. Check the pattern, or write it without.");

    /// <summary>The switches in force.</summary>
    private readonly record struct Modes(bool IgnoreCase, bool Extended, bool DotMatchesLineEnd, bool LineAnchors);
}
