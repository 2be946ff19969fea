using System.Globalization;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.Gbnf;

/// <summary>
/// Reads grammars in GBNF, llama.cpp's notation: rules <c>name ::= alternatives</c> of texts in quotes, classes, rule names and groups,
/// with <c>*</c>, <c>+</c>, <c>?</c> and <c>{m,n}</c>; <c>#</c> begins a comment, and the rule <c>root</c> is the whole.
/// </summary>
internal sealed class GbnfParser
{
    private const string Root = "root";
    private readonly string _text;
    private readonly Dictionary<string, (RuleNode Rule, bool IsDefined, int FirstUse)> _rules = new(StringComparer.Ordinal);
    private int _at;

    private GbnfParser(string text) => _text = text;

    /// <summary>The texts of the rule <c>root</c>.</summary>
    /// <exception cref="GrammarException">The text is malformed, or a rule is missing; the error names the line.</exception>
    public static Node Parse(string text)
    {
        var parser = new GbnfParser(text);
        parser.Skip(lines: true);
        while (parser._at < text.Length)
            parser.Rule();
        foreach (var (name, entry) in parser._rules)
            if (!entry.IsDefined)
                throw parser.Malformed($"the rule '{name}' is used and not defined", entry.FirstUse);
        return parser._rules.TryGetValue(Root, out var root) ? root.Rule : throw parser.Malformed("there is no rule 'root'", 0);
    }

    private void Rule()
    {
        int start = _at;
        var name = Name();
        Skip(lines: false);
        if (string.CompareOrdinal(_text, _at, "::=", 0, 3) != 0)
            throw Malformed("a rule is written name ::= text", start);
        _at += 3;
        Skip(lines: true);
        var rule = Named(name, start);
        if (_rules[name].IsDefined)
            throw Malformed($"the rule '{name}' is defined twice", start);
        _rules[name] = (rule, true, start);
        rule.Body = Alternatives(inGroup: false);
        if (rule.Body == Node.Nothing)
            throw Malformed($"nothing satisfies the rule '{name}'", start);
        Skip(lines: true);
    }

    private Node Alternatives(bool inGroup)
    {
        var options = new List<Node> { Sequence(inGroup) };
        while (_at < _text.Length && _text[_at] == '|')
        {
            _at++;
            Skip(lines: true);
            options.Add(Sequence(inGroup));
        }

        return Node.Choice([.. options]);
    }

    private Node Sequence(bool inGroup)
    {
        var parts = new List<Node>();
        while (_at < _text.Length && _text[_at] is not ('|' or ')') && !EndsRule(inGroup))
        {
            parts.Add(Quantified(Item()));
            Skip(inGroup);
        }

        return Node.Sequence([.. parts]);
    }

    // Outside of groups a rule ends with its line, unless the next line goes on with an alternative.
    private bool EndsRule(bool inGroup)
    {
        if (inGroup || _text[_at] is not ('\n' or '\r'))
            return false;
        int before = _at;
        Skip(lines: true);
        if (_at < _text.Length && _text[_at] == '|')
            return true;
        _at = before;
        return true;
    }

    private Node Item()
    {
        int start = _at;
        switch (_text[_at])
        {
            case '"':
                _at++;
                var characters = new List<Node>();
                while (_at < _text.Length && _text[_at] != '"')
                    characters.Add(CharSet.Of((Character(start), _last)).ToUtf8());
                Expect('"', "a text in quotes does not end", start);
                return Node.Sequence([.. characters]);
            case '[':
                return Class().ToUtf8();
            case '(':
                _at++;
                Skip(lines: true);
                var inner = Alternatives(inGroup: true);
                Expect(')', "a parenthesis is not closed", start);
                return inner;
            case '.':
                _at++;
                return CharSet.All.ToUtf8();
            default:
                return Named(Name(), start);
        }
    }

    private CharSet Class()
    {
        int start = _at++;
        bool negated = _at < _text.Length && _text[_at] == '^';
        if (negated)
            _at++;
        var ranges = new List<(int, int)>();
        while (_at < _text.Length && _text[_at] != ']')
        {
            int first = Character(start), last = first;
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']')
            {
                _at++;
                last = Character(start);
            }

            if (last < first)
                throw Malformed("the bounds of a range are in the wrong order", start);
            ranges.Add((first, last));
        }

        Expect(']', "a class is not closed", start);
        return negated ? CharSet.Of(ranges).Complement() : CharSet.Of(ranges);
    }

    private Node Quantified(Node item)
    {
        while (_at < _text.Length && _text[_at] is '*' or '+' or '?' or '{')
        {
            int start = _at;
            switch (_text[_at++])
            {
                case '*':
                    item = Node.Repeat(item, 0, null);
                    break;
                case '+':
                    item = Node.Repeat(item, 1, null);
                    break;
                case '?':
                    item = Node.Optional(item);
                    break;
                default:
                    int close = _text.IndexOf('}', _at);
                    string[] bounds = close < 0 ? [] : _text[_at..close].Split(',');
                    if (bounds.Length is not (1 or 2)
                        || !int.TryParse(bounds[0], NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                            CultureInfo.InvariantCulture, out int minimum))
                        throw Malformed("a repetition is written {2}, {2,} or {2,4}", start);
                    int? maximum = bounds.Length == 1 ? minimum : null;
                    if (bounds is [_, var most] && !string.IsNullOrWhiteSpace(most))
                        maximum =
                            int.TryParse(most, NumberStyles.AllowLeadingWhite | NumberStyles.AllowTrailingWhite,
                                CultureInfo.InvariantCulture, out int count) && count >= minimum
                            ? count
                            : throw Malformed("a repetition is written {2}, {2,} or {2,4}", start);
                    _at = close + 1;
                    item = Node.Repeat(item, minimum, maximum);
                    break;
            }
        }

        return item;
    }

    private int _last;

    private int Character(int start)
    {
        if (_text[_at] != '\\')
        {
            int length = char.IsSurrogatePair(_text, _at) ? 2 : 1;
            if (length == 1 && char.IsSurrogate(_text[_at]))
                throw Malformed("there is half of a surrogate pair", _at);
            _last = char.ConvertToUtf32(_text, _at);
            _at += length;
            return _last;
        }

        if (++_at >= _text.Length)
            throw Malformed("an escape does not end", start);
        char c = _text[_at++];
        int digits = c switch { 'x' => 2, 'u' => 4, 'U' => 8, _ => 0 };
        if (digits > 0)
        {
            if (_at + digits > _text.Length
                || !int.TryParse(_text.AsSpan(_at, digits), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out _last)
                || _last is < 0 or > CharSet.Maximum or (>= 0xD800 and <= 0xDFFF))
                throw Malformed("a code point is written wrongly", _at);
            _at += digits;
            return _last;
        }

        return _last = c switch
        {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '\\' or '"' or '[' or ']' or '-' or '^' => c,
            _ => throw Malformed($"the escape '\\{c}' is not known", _at - 2),
        };
    }

    private string Name()
    {
        int start = _at;
        while (_at < _text.Length && (char.IsAsciiLetterOrDigit(_text[_at]) || _text[_at] is '-' or '_'))
            _at++;
        return _at > start ? _text[start.._at] : throw Malformed($"'{_text[_at]}' does not belong here", start);
    }

    private RuleNode Named(string name, int at)
    {
        if (!_rules.TryGetValue(name, out var entry))
            _rules[name] = entry = (new RuleNode(name), false, at);
        return entry.Rule;
    }

    private void Expect(char c, string problem, int start)
    {
        if (_at >= _text.Length || _text[_at] != c)
            throw Malformed(problem, start);
        _at++;
    }

    private void Skip(bool lines)
    {
        while (_at < _text.Length)
            if (_text[_at] == '#')
                while (_at < _text.Length && _text[_at] is not ('\n' or '\r'))
                    _at++;
            else if (_text[_at] is ' ' or '\t' || (lines && _text[_at] is '\n' or '\r'))
                _at++;
            else
                return;
    }

    private GrammarException Malformed(string what, int at)
    {
        string line = (_text.AsSpan(0, Math.Min(at, _text.Length)).Count('\n') + 1).ToString(CultureInfo.InvariantCulture);
        return new GrammarException(GrammarError.Syntax, $"The grammar cannot be read in line {line}: {what}.", line);
    }
}
