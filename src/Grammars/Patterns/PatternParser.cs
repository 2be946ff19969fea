using System.Globalization;
using Kotonoha.Foundation.Unicode;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Patterns;

/// <summary>Reads regular expressions as .NET and ECMAScript write them, as far as they describe regular languages.</summary>
/// <remarks>
/// Where the two differ, and in classes that are open (a dot, a negated class), the characters are those that match in both, of the basic
/// plane: <c>\d</c>, <c>\w</c> and <c>\s</c> are ASCII, a dot is no line end.
/// </remarks>
internal sealed class PatternParser
{
    private const int MaximumDepth = 200;
    private static readonly CharSet Digits = CharSet.Of(('0', '9'));
    private static readonly CharSet Word = CharSet.Of(('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z'));
    private static readonly CharSet Space = CharSet.Of((9, 13), (32, 32));
    private static readonly CharSet LineEnds = CharSet.Of((10, 10), (13, 13), (0x85, 0x85), (0x2028, 0x2029));

    // What the negated classes leave out: all that either dialect counts among the class.
    private static readonly Lazy<CharSet> NoDigits = new(() => OfCategories(c => c != UnicodeCategory.DecimalDigitNumber));
    private static readonly Lazy<CharSet> NoWord = new(() => OfCategories(c => c is not (UnicodeCategory.UppercaseLetter
        or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter or UnicodeCategory.ModifierLetter
        or UnicodeCategory.OtherLetter or UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark
        or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation)).Except(CharSet.Of((0x200C, 0x200D))));
    private static readonly Lazy<CharSet> NoSpace = new(() => CharSet.BasicPlane.Except(CharSet.Of((9, 13), (32, 32), (0x85, 0x85),
        (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029), (0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000),
        (0xFEFF, 0xFEFF))));

    private readonly string _pattern;
    private readonly Func<CharSet, Node> _character;
    private readonly bool _isSearch;
    private bool _ignoreCase;
    private int _at;
    private int _depth;

    private PatternParser(string pattern, Func<CharSet, Node> character, bool isSearch)
        => (_pattern, _character, _isSearch) = (pattern, character, isSearch);

    private bool AtEnd => _at == _pattern.Length;

    /// <summary>The texts that a pattern matches.</summary>
    /// <param name="pattern">The pattern.</param>
    /// <param name="character">How one character of a set is written.</param>
    /// <param name="isSearch">Whether the pattern may match anywhere in the text, as in JSON schemas; otherwise it is the whole
    /// text.</param>
    /// <exception cref="GrammarException">The pattern is malformed, or uses what is not regular; the error names the place.</exception>
    public static Node Parse(string pattern, Func<CharSet, Node> character, bool isSearch)
    {
        var parser = new PatternParser(pattern, character, isSearch);
        var node = parser.Alternatives(isTop: true);
        return parser.AtEnd ? node : throw parser.Malformed("a parenthesis is closed that was not opened");
    }

    private Node Alternatives(bool isTop)
    {
        if (++_depth > MaximumDepth)
            throw Unsupported("groups in each other so deep");
        bool outer = _ignoreCase;
        var options = new List<Node> { Alternative(isTop) };
        while (!AtEnd && _pattern[_at] == '|')
        {
            _at++;
            options.Add(Alternative(isTop));
        }

        _ignoreCase = outer;
        _depth--;
        return Node.Choice([.. options]);
    }

    private Node Alternative(bool isTop)
    {
        var parts = new List<Node>();
        bool begins = false, ends = false;
        while (!AtEnd && _pattern[_at] is not ('|' or ')'))
        {
            if (Anchor() is { } isStart)
            {
                // An anchor says something only at the ends of the whole; there it is what it says.
                if (!isTop || (isStart && parts.Count > 0) || (!isStart && !AtEnd && _pattern[_at] != '|'))
                    throw Unsupported("an anchor in the middle");
                begins |= isStart;
                ends |= !isStart;
                continue;
            }

            var item = Item();
            parts.Add(item is null ? Node.Empty : Quantified(item));
        }

        if (isTop && _isSearch)
        {
            var any = Node.Repeat(_character(CharSet.BasicPlane), 0, null);
            if (!begins)
                parts.Insert(0, any);
            if (!ends)
                parts.Add(any);
        }

        return Node.Sequence([.. parts]);
    }

    // True for the start, false for the end of the text, null for no anchor.
    private bool? Anchor()
    {
        if (_pattern[_at] is '^' or '$')
            return _pattern[_at++] == '^';
        if (_pattern[_at] == '\\' && _at + 1 < _pattern.Length && _pattern[_at + 1] is 'A' or 'z' or 'Z')
        {
            _at += 2;
            return _pattern[_at - 1] == 'A';
        }

        return null;
    }

    private Node? Item()
    {
        char c = _pattern[_at];
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return _character(Class());
            case '.':
                _at++;
                return _character(CharSet.BasicPlane.Except(LineEnds));
            case '*' or '+' or '?':
                throw Malformed($"'{c}' has nothing before it to repeat");
            case '\\':
                return _character(Cased(Escape(inClass: false)));
            default:
                return _character(Cased(Single()));
        }
    }

    private Node? Group()
    {
        int start = _at++;
        if (!AtEnd && _pattern[_at] == '?')
        {
            _at++;
            int rest = _pattern.Length - _at;
            if (rest > 0 && _pattern[_at] == ':')
                _at++;
            else if (rest > 2 && _pattern[_at] == 'i' && _pattern[_at + 1] == ')')
            {
                _at += 2;
                _ignoreCase = true;
                return null;
            }
            else if (rest > 1 && _pattern[_at] == '<' && _pattern[_at + 1] is not ('=' or '!'))
            {
                int close = _pattern.IndexOf('>', _at);
                if (close < 0)
                    throw Malformed("the name of a group does not end");
                _at = close + 1;
            }
            else
            {
                _at = start;
                throw Unsupported("a lookaround or an option in a group");
            }
        }

        var node = Alternatives(isTop: false);
        if (AtEnd)
        {
            _at = start;
            throw Malformed("a parenthesis is not closed");
        }

        _at++;
        return node;
    }

    private Node Quantified(Node item)
    {
        while (!AtEnd)
        {
            var (minimum, maximum) = _pattern[_at] switch
            {
                '*' => (0, (int?)null),
                '+' => (1, null),
                '?' => (0, 1),
                '{' when Count() is { } count => count,
                _ => (-1, null),
            };
            if (minimum < 0)
                return item;
            if (_pattern[_at] != '{')
                _at++;
            else
                _at = _pattern.IndexOf('}', _at) + 1;
            if (!AtEnd && _pattern[_at] == '?')
                _at++;
            else if (!AtEnd && _pattern[_at] == '+')
                throw Unsupported("a possessive quantifier");
            item = Node.Repeat(item, minimum, maximum);
        }

        return item;
    }

    // {m}, {m,} or {m,n}; other braces are letters.
    private (int Minimum, int? Maximum)? Count()
    {
        int close = _pattern.IndexOf('}', _at);
        if (close < 0)
            return null;
        string[] bounds = _pattern[(_at + 1)..close].Split(',');
        if (bounds.Length > 2 || bounds[0].Length == 0 || bounds.Any(b => !b.All(char.IsAsciiDigit)))
            return null;
        if (!int.TryParse(bounds[0], NumberStyles.None, CultureInfo.InvariantCulture, out int minimum))
            throw Unsupported("a repetition of so many times");
        if (bounds.Length == 1)
            return (minimum, minimum);
        if (bounds[1].Length == 0)
            return (minimum, null);
        if (!int.TryParse(bounds[1], NumberStyles.None, CultureInfo.InvariantCulture, out int maximum))
            throw Unsupported("a repetition of so many times");
        return maximum >= minimum ? (minimum, maximum) : throw Malformed("the bounds of a repetition are in the wrong order");
    }

    private CharSet Class()
    {
        int start = _at++;
        bool negated = !AtEnd && _pattern[_at] == '^';
        if (negated)
            _at++;
        var set = CharSet.None;
        CharSet? without = null;
        for (bool first = true; ; first = false)
        {
            if (AtEnd)
            {
                _at = start;
                throw Malformed("a class is not closed");
            }

            if (_pattern[_at] == ']' && !first)
                break;
            if (_pattern[_at] == '-' && _at + 1 < _pattern.Length && _pattern[_at + 1] == '[' && !first)
            {
                _at++;
                without = Class();
                if (AtEnd || _pattern[_at] != ']')
                    throw Malformed("a class goes on behind what is taken from it");
                break;
            }

            var low = _pattern[_at] == '\\' ? Escape(inClass: true) : Single();
            if (_at + 1 < _pattern.Length && _pattern[_at] == '-' && _pattern[_at + 1] is not (']' or '['))
            {
                _at++;
                var high = _pattern[_at] == '\\' ? Escape(inClass: true) : Single();
                if (One(low) is not { } from || One(high) is not { } to || from > to)
                    throw Malformed("the bounds of a range are no characters in order");
                low = CharSet.Of((from, to));
            }

            set = set.Union(low);
        }

        _at++;
        set = Cased(set);
        if (negated)
            set = CharSet.BasicPlane.Except(set);
        return without is null ? set : set.Except(without);
    }

    private CharSet Single()
    {
        int length = char.IsSurrogatePair(_pattern, _at) ? 2 : 1;
        if (length == 1 && char.IsSurrogate(_pattern[_at]))
            throw Malformed("there is half of a surrogate pair");
        int value = char.ConvertToUtf32(_pattern, _at);
        _at += length;
        return CharSet.Of((value, value));
    }

    private CharSet Escape(bool inClass)
    {
        int start = _at++;
        if (AtEnd)
            throw Malformed("the pattern ends in a backslash");
        char c = _pattern[_at++];
        switch (c)
        {
            case 'd':
                return Digits;
            case 'D':
                return NoDigits.Value;
            case 'w':
                return Word;
            case 'W':
                return NoWord.Value;
            case 's':
                return Space;
            case 'S':
                return NoSpace.Value;
            case 't':
                return CharSet.Of("\t");
            case 'n':
                return CharSet.Of("\n");
            case 'r':
                return CharSet.Of("\r");
            case 'f':
                return CharSet.Of("\f");
            case 'v':
                return CharSet.Of("\v");
            case 'a':
                return CharSet.Of("\a");
            case 'e':
                return CharSet.Of("\u001b");
            case 'b' when inClass:
                return CharSet.Of("\b");
            case '0' when AtEnd || !char.IsAsciiDigit(_pattern[_at]):
                return CharSet.Of("\0");
            case 'x':
                return Hex(2);
            case 'u' when !AtEnd && _pattern[_at] == '{':
                int close = _pattern.IndexOf('}', _at);
                var code = close < 0 ? "" : _pattern[(_at + 1)..close];
                _at = close + 1;
                return int.TryParse(code, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
                    && value <= CharSet.Maximum
                    ? CharSet.Of((value, value))
                    : throw Malformed("a code point is written wrongly", start);
            case 'u':
                return Hex(4);
            case 'c' when !AtEnd && char.IsAsciiLetter(_pattern[_at]):
                int control = _pattern[_at++] & 31;
                return CharSet.Of((control, control));
            case 'p' or 'P':
                var set = Category(start);
                return c == 'p' ? set : CharSet.BasicPlane.Except(set);
            default:
                if (char.IsAsciiLetterOrDigit(c))
                {
                    _at = start;
                    throw Unsupported($"'\\{c}'");
                }

                _at--;
                return Single();
        }
    }

    private CharSet Hex(int digits)
    {
        if (_at + digits <= _pattern.Length
            && int.TryParse(_pattern.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value)
            && value is < 0xD800 or > 0xDFFF)
        {
            _at += digits;
            return CharSet.Of((value, value));
        }

        throw Malformed("a code point is written wrongly");
    }

    private CharSet Category(int start)
    {
        int close = !AtEnd && _pattern[_at] == '{' ? _pattern.IndexOf('}', _at) : -1;
        if (close < 0)
            throw Malformed("a category is written \\p{L}", start);
        var name = _pattern[(_at + 1)..close];
        _at = close + 1;
        var categories = Enum.GetValues<UnicodeCategory>()
            .Where(category => Abbreviation(category).StartsWith(name, StringComparison.Ordinal)).ToHashSet();
        if (name.Length is 0 or > 2 || categories.Count == 0)
        {
            _at = start;
            throw Unsupported($"the category '{name}'");
        }

        return OfCategories(categories.Contains);
    }

    private static string Abbreviation(UnicodeCategory category) => category switch
    {
        UnicodeCategory.UppercaseLetter => "Lu",
        UnicodeCategory.LowercaseLetter => "Ll",
        UnicodeCategory.TitlecaseLetter => "Lt",
        UnicodeCategory.ModifierLetter => "Lm",
        UnicodeCategory.OtherLetter => "Lo",
        UnicodeCategory.NonSpacingMark => "Mn",
        UnicodeCategory.SpacingCombiningMark => "Mc",
        UnicodeCategory.EnclosingMark => "Me",
        UnicodeCategory.DecimalDigitNumber => "Nd",
        UnicodeCategory.LetterNumber => "Nl",
        UnicodeCategory.OtherNumber => "No",
        UnicodeCategory.SpaceSeparator => "Zs",
        UnicodeCategory.LineSeparator => "Zl",
        UnicodeCategory.ParagraphSeparator => "Zp",
        UnicodeCategory.Control => "Cc",
        UnicodeCategory.Format => "Cf",
        UnicodeCategory.Surrogate => "Cs",
        UnicodeCategory.PrivateUse => "Co",
        UnicodeCategory.ConnectorPunctuation => "Pc",
        UnicodeCategory.DashPunctuation => "Pd",
        UnicodeCategory.OpenPunctuation => "Ps",
        UnicodeCategory.ClosePunctuation => "Pe",
        UnicodeCategory.InitialQuotePunctuation => "Pi",
        UnicodeCategory.FinalQuotePunctuation => "Pf",
        UnicodeCategory.OtherPunctuation => "Po",
        UnicodeCategory.MathSymbol => "Sm",
        UnicodeCategory.CurrencySymbol => "Sc",
        UnicodeCategory.ModifierSymbol => "Sk",
        UnicodeCategory.OtherSymbol => "So",
        _ => "Cn",
    };

    private static CharSet OfCategories(Predicate<UnicodeCategory> belongs)
    {
        var ranges = new List<(int, int)>();
        for (int value = 0; value <= 0xFFFF; value++)
            if (belongs(UnicodeData.GetCategory(value)))
                ranges.Add((value, value));
        return CharSet.Of(ranges);
    }

    // With (?i), the other case of each ASCII letter belongs to a set too.
    private CharSet Cased(CharSet set)
    {
        if (!_ignoreCase)
            return set;
        var more = new List<(int, int)>();
        for (int letter = 'a'; letter <= 'z'; letter++)
            if (set.Contains(letter) != set.Contains(letter - 32))
                more.Add(set.Contains(letter) ? (letter - 32, letter - 32) : (letter, letter));
        return set.Union(CharSet.Of(more));
    }

    private static int? One(CharSet set)
        => set.Ranges.Length == 1 && set.Ranges[0].First == set.Ranges[0].Last ? set.Ranges[0].First : null;

    private GrammarException Malformed(string what, int? at = null) => new(
        GrammarError.Syntax,
        string.Create(CultureInfo.InvariantCulture, $"The pattern '{_pattern}' cannot be read at position {at ?? _at}: {what}."),
        (at ?? _at).ToString(CultureInfo.InvariantCulture));

    private GrammarException Unsupported(string what) => new(
        GrammarError.Unsupported,
        string.Create(CultureInfo.InvariantCulture, $"The pattern '{_pattern}' has {what} at position {_at}, which is not supported in "
            + $"constraints. Say it with classes, groups and repetitions."),
        _at.ToString(CultureInfo.InvariantCulture));
}
