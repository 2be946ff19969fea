using System.Globalization;
using System.Numerics;
using System.Text;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>The kinds of tokens of a template.</summary>
internal enum TokenKind
{
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    Integer,
    Float,
    Text,
    Operator,
    End,
}

/// <summary>A token of a template.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">The text of data, the name, the operator, or the spelling of a number or string.</param>
/// <param name="Line">Its line, from 1.</param>
/// <param name="Value">The value of a number or string.</param>
internal readonly record struct Token(TokenKind Kind, string Text, int Line, object? Value = null)
{
    public bool IsName(string name) => Kind == TokenKind.Name && Text == name;

    public bool IsOperator(string sign) => Kind == TokenKind.Operator && Text == sign;

    public string Describe() => Kind switch
    {
        TokenKind.Data => "template data",
        TokenKind.VariableBegin => "begin of print statement",
        TokenKind.VariableEnd => "end of print statement",
        TokenKind.BlockBegin => "begin of statement block",
        TokenKind.BlockEnd => "end of statement block",
        TokenKind.Integer => "integer",
        TokenKind.Float => "float",
        TokenKind.Text => "string",
        TokenKind.End => "end of template",
        _ => Text,
    };
}

/// <summary>
/// Cuts a template into tokens as Jinja2 3.1 does with <c>trim_blocks</c>, <c>lstrip_blocks</c> and without <c>keep_trailing_newline</c>:
/// a line end after a block or comment is dropped, as are blanks between the start of a line and a block; <c>-</c> strips more and <c>+</c>
/// nothing.
/// </summary>
internal sealed class Lexer
{
    // Longest first.
    private static readonly string[] Operators =
    [
        "//", "**", "==", "!=", ">=", "<=",
        "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ];

    private readonly string _source;
    private readonly Meter _meter;
    private readonly List<Token> _tokens = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> _namesBySpan;
    private readonly Stack<char> _brackets = new();
    private int _at;
    private int _line = 1;
    private int _lineCountedTo;
    private bool _atLineStart = true;

    private Lexer(string template, Meter meter)
    {
        _meter = meter;
        _source = template.Replace("\r\n", "\n", StringComparison.Ordinal).Replace('\r', '\n');
        if (_source.EndsWith('\n'))
            _source = _source[..^1];
        _namesBySpan = _names.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Cuts a template.</summary>
    public static List<Token> Read(string template, Meter meter)
    {
        if (template.Length > TemplateLimits.MaxTemplateLength)
            throw Fail.Limit($"The template has {template.Length} characters; at most {TemplateLimits.MaxTemplateLength} are allowed.");
        var lexer = new Lexer(template, meter);
        meter.Work(template.Length);
        lexer.ReadAll();
        return lexer._tokens;
    }

    private void ReadAll()
    {
        while (_at < _source.Length)
        {
            int open = FindOpening(_at);
            if (open < 0)
            {
                AddData(_source[_at..]);
                break;
            }

            char kind = _source[open + 1];
            if (kind == '%' && RawBlock(open, "raw", out char rawSign, out char rawEndSign, out int behindRaw, allowPlus: false))
            {
                AddData(Stripped(open, rawSign, mayStripLine: true));
                _at = rawEndSign == '-' ? SkipSpace(behindRaw) : behindRaw;
                _atLineStart = _source[_at - 1] == '\n';
                ReadRaw();
                continue;
            }

            char sign = open + 2 < _source.Length && _source[open + 2] is '-' or '+' ? _source[open + 2] : '\0';
            AddData(Stripped(open, sign, mayStripLine: kind != '{'));
            _at = open + (sign == '\0' ? 2 : 3);
            _atLineStart = false;
            switch (kind)
            {
                case '#':
                    ReadComment();
                    break;
                case '%':
                    Add(TokenKind.BlockBegin, "{%");
                    ReadTag(isBlock: true);
                    break;
                default:
                    Add(TokenKind.VariableBegin, "{{");
                    ReadTag(isBlock: false);
                    break;
            }
        }

        _at = _source.Length;
        Add(TokenKind.End, "");
    }

    private int FindOpening(int from)
    {
        while (true)
        {
            int brace = _source.IndexOf('{', from);
            if (brace < 0 || brace + 1 >= _source.Length)
                return -1;
            if (_source[brace + 1] is '{' or '%' or '#')
                return brace;
            from = brace + 1;
        }
    }

    // The data up to an opening, without what the opening strips.
    private string Stripped(int open, char sign, bool mayStripLine)
    {
        int end = open;
        if (sign == '-')
        {
            while (end > _at && PyChar.IsSpace(_source[end - 1]))
                end--;
        }
        else if (sign != '+' && mayStripLine)
        {
            int lineEnd = open > _at ? _source.LastIndexOf('\n', open - 1, open - _at) : -1;
            if (lineEnd >= 0 || _atLineStart)
            {
                int lineStart = lineEnd >= 0 ? lineEnd + 1 : _at;
                bool blank = true;
                for (int i = lineStart; i < open && blank; i++)
                    blank = PyChar.IsSpace(_source[i]);
                if (blank)
                    end = lineStart;
            }
        }

        return _source[_at..end];
    }

    private void AddData(string text)
    {
        if (text.Length > 0)
            Add(TokenKind.Data, text);
    }

    private int SkipSpace(int from)
    {
        while (from < _source.Length && PyChar.IsSpace(_source[from]))
            from++;
        return from;
    }

    // {%- raw -%} and {%- endraw -%}.
    private bool RawBlock(int open, string word, out char sign, out char endSign, out int behind, bool allowPlus)
    {
        (sign, endSign, behind) = ('\0', '\0', 0);
        int i = open + 2;
        if (i < _source.Length && _source[i] is '-' or '+')
            sign = _source[i++];
        i = SkipSpace(i);
        if (string.CompareOrdinal(_source, i, word, 0, word.Length) != 0)
            return false;
        i = SkipSpace(i + word.Length);
        if (i < _source.Length && (_source[i] == '-' || (_source[i] == '+' && allowPlus)))
            endSign = _source[i++];
        if (string.CompareOrdinal(_source, i, "%}", 0, 2) != 0)
            return false;
        behind = i + 2;
        return true;
    }

    private void ReadRaw()
    {
        int open = _at - 2;
        while ((open = _source.IndexOf("{%", open + 2, StringComparison.Ordinal)) >= 0)
        {
            if (!RawBlock(open, "endraw", out char sign, out char endSign, out int behind, allowPlus: true))
                continue;
            AddData(Stripped(open, sign, mayStripLine: true));
            _at = BehindEnd(behind, endSign);
            return;
        }

        throw Fail.Syntax("Missing end of raw directive", LineAt(_at));
    }

    private void ReadComment()
    {
        int end = _source.IndexOf("#}", _at, StringComparison.Ordinal);
        if (end < 0)
            throw Fail.Syntax("Missing end of comment tag", LineAt(_at));
        char sign = end > _at && _source[end - 1] is '-' or '+' ? _source[end - 1] : '\0';
        _at = BehindEnd(end + 2, sign);
    }

    // After the end of a block or comment: '-' strips all white space, '+' nothing, otherwise one line end is dropped.
    private int BehindEnd(int behind, char sign)
    {
        if (sign == '-')
            behind = SkipSpace(behind);
        else if (sign != '+' && behind < _source.Length && _source[behind] == '\n')
            behind++;
        _atLineStart = _source[behind - 1] == '\n';
        return behind;
    }

    private void ReadTag(bool isBlock)
    {
        var end = isBlock ? "%}" : "}}";
        _brackets.Clear();
        while (_at < _source.Length)
        {
            if (_brackets.Count == 0)
            {
                char sign = _source[_at] == '-' || (_source[_at] == '+' && isBlock) ? _source[_at] : '\0';
                int close = sign == '\0' ? _at : _at + 1;
                if (string.CompareOrdinal(_source, close, end, 0, 2) == 0)
                {
                    Add(isBlock ? TokenKind.BlockEnd : TokenKind.VariableEnd, end);
                    if (isBlock)
                        _at = BehindEnd(close + 2, sign);
                    else
                    {
                        _at = sign == '-' ? SkipSpace(close + 2) : close + 2;
                        _atLineStart = _source[_at - 1] == '\n';
                    }

                    return;
                }
            }

            ReadToken();
        }
    }

    private void ReadToken()
    {
        char c = _source[_at];
        if (PyChar.IsSpace(c))
            _at = SkipSpace(_at);
        else if (char.IsAsciiDigit(c))
            ReadNumber();
        else if (c == '_' || char.IsAsciiLetter(c) || (c >= 128 && PyChar.IsWord(CodePointAt(_at))))
            ReadName();
        else if (c is '\'' or '"')
            ReadText(c);
        else
            ReadOperator();
    }

    private int CodePointAt(int index)
        => char.IsHighSurrogate(_source[index]) && index + 1 < _source.Length && char.IsLowSurrogate(_source[index + 1])
            ? char.ConvertToUtf32(_source[index], _source[index + 1])
            : _source[index];

    private void ReadName()
    {
        int start = _at;
        while (_at < _source.Length)
        {
            int codePoint = CodePointAt(_at);
            if (!PyChar.IsWord(codePoint))
                break;
            _at += codePoint > 0xFFFF ? 2 : 1;
        }

        if (CodePointAt(start) is var first && first != '_' && !PyChar.IsIdentifierStart(first))
            throw Fail.Syntax("Invalid character in identifier", LineAt(start));
        var span = _source.AsSpan(start, _at - start);
        if (!_namesBySpan.TryGetValue(span, out var name))
            _names.Add(name = span.ToString());
        Add(TokenKind.Name, name);
    }

    private void ReadNumber()
    {
        int start = _at;
        if (_source[_at] == '0' && _at + 2 < _source.Length && "xXbBoO".Contains(_source[_at + 1]))
        {
            int radix = char.ToLowerInvariant(_source[_at + 1]) switch { 'x' => 16, 'b' => 2, _ => 8 };
            int i = _at + 2;
            while (IsDigit(i, radix) || (i < _source.Length && _source[i] == '_' && IsDigit(i + 1, radix)))
                i++;
            if (i > _at + 2)
            {
                var value = BigInteger.Zero;
                if (i - _at > TemplateLimits.MaxIntegerDigits)
                    throw Fail.Limit("A number of the template has too many digits.");
                foreach (char c in _source.AsSpan(_at + 2, i - _at - 2))
                    if (c != '_')
                        value = value * radix + Numbers.DigitValue(c);
                _at = i;
                Add(TokenKind.Integer, _source[start.._at], Numbers.Box(value));
                return;
            }
        }

        int end = Digits(_at);
        int fraction = end + 1 < _source.Length && _source[end] == '.' && char.IsAsciiDigit(_source[end + 1]) ? Digits(end + 1) : end;
        int exponent = fraction;
        if (fraction < _source.Length && _source[fraction] is 'e' or 'E')
        {
            int digits = fraction + 1 < _source.Length && _source[fraction + 1] is '+' or '-' ? fraction + 2 : fraction + 1;
            if (digits < _source.Length && char.IsAsciiDigit(_source[digits]))
                exponent = Digits(digits);
        }

        if (exponent > end && (start == 0 || _source[start - 1] != '.'))
        {
            _at = exponent;
            var spelling = _source[start.._at];
            var plain = spelling.Replace("_", "", StringComparison.Ordinal);
            Add(TokenKind.Float, spelling, double.Parse(plain, NumberStyles.Float, CultureInfo.InvariantCulture));
            return;
        }

        // A number that begins with 0 is 0 alone.
        if (_source[start] == '0')
        {
            end = start;
            while (IsDigit(end, 1) || (end < _source.Length && _source[end] == '_' && IsDigit(end + 1, 1)))
                end++;
        }

        _at = end;
        var text = _source[start.._at].Replace("_", "", StringComparison.Ordinal);
        if (text.Length > TemplateLimits.MaxIntegerDigits)
            throw Fail.Limit("A number of the template has too many digits.");
        Add(TokenKind.Integer, text, Numbers.Box(BigInteger.Parse(text, CultureInfo.InvariantCulture)));
    }

    private bool IsDigit(int index, int radix = 10) => index < _source.Length && Numbers.DigitValue(_source[index]) < radix;

    private int Digits(int from)
    {
        while (IsDigit(from) || (from < _source.Length && _source[from] == '_' && IsDigit(from + 1)))
            from++;
        return from;
    }

    private void ReadText(char quote)
    {
        int start = _at, i = _at + 1;
        bool escapes = false;
        while (i < _source.Length && _source[i] != quote)
        {
            if (_source[i] == '\\')
            {
                escapes = true;
                i++;
            }

            i++;
        }

        if (i >= _source.Length)
            throw Fail.Syntax($"unexpected char {quote} at {start}: the string is not closed", LineAt(start));
        var body = _source[(start + 1)..i];
        int textLine = LineAt(start);
        _at = i + 1;
        _tokens.Add(new Token(TokenKind.Text, body, textLine, new PyString(escapes ? Unescape(body, textLine) : body)));
        _meter.Step();
    }

    // Python's string escapes; anything else stays as it is.
    private static string Unescape(string body, int line)
    {
        var text = new StringBuilder(body.Length);
        for (int i = 0; i < body.Length; i++)
        {
            if (body[i] != '\\' || i + 1 >= body.Length)
            {
                text.Append(body[i]);
                continue;
            }

            char c = body[++i];
            switch (c)
            {
                case '\n':
                    break;
                case '\\' or '\'' or '"':
                    text.Append(c);
                    break;
                case 'a':
                    text.Append('\a');
                    break;
                case 'b':
                    text.Append('\b');
                    break;
                case 'f':
                    text.Append('\f');
                    break;
                case 'n':
                    text.Append('\n');
                    break;
                case 'r':
                    text.Append('\r');
                    break;
                case 't':
                    text.Append('\t');
                    break;
                case 'v':
                    text.Append('\v');
                    break;
                case >= '0' and <= '7':
                    int octal = 0, length = 0;
                    for (; length < 3 && i + length < body.Length && body[i + length] is >= '0' and <= '7'; length++)
                        octal = octal * 8 + (body[i + length] - '0');
                    text.Append((char)octal);
                    i += length - 1;
                    break;
                case 'x' or 'u' or 'U':
                    int count = c switch { 'x' => 2, 'u' => 4, _ => 8 };
                    var digits = body.AsSpan(i + 1, Math.Min(count, body.Length - i - 1));
                    if (digits.Length < count
                        || !int.TryParse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int codePoint)
                        || codePoint is < 0 or > 0x10FFFF)
                        throw Fail.Syntax($"A string of the template has a broken escape \\{c}.", line);
                    Foundation.Unicode.CodePoints.Append(text, codePoint);
                    i += count;
                    break;
                case 'N':
                    throw Fail.Syntax("A string of the template names a character by \\N; write the character itself.", line);
                default:
                    // Python sees a character beyond ASCII as an escape of its own by then.
                    text.Append('\\');
                    if (c < 128)
                        text.Append(c);
                    else if (c < 256)
                        text.Append("x").Append(((int)c).ToString("x2", CultureInfo.InvariantCulture));
                    else if (char.IsHighSurrogate(c) && i + 1 < body.Length && char.IsLowSurrogate(body[i + 1]))
                        text.Append("U").Append(char.ConvertToUtf32(c, body[++i]).ToString("x8", CultureInfo.InvariantCulture));
                    else
                        text.Append("u").Append(((int)c).ToString("x4", CultureInfo.InvariantCulture));
                    break;
            }
        }

        return text.ToString();
    }

    private void ReadOperator()
    {
        foreach (var sign in Operators)
        {
            if (string.CompareOrdinal(_source, _at, sign, 0, sign.Length) != 0)
                continue;
            if (sign is "{" or "(" or "[")
            {
                _brackets.Push(sign switch { "{" => '}', "(" => ')', _ => ']' });
            }
            else if (sign is "}" or ")" or "]")
            {
                if (_brackets.Count == 0)
                    throw Fail.Syntax($"unexpected '{sign}'", LineAt(_at));
                if (_brackets.Pop() is var expected && expected != sign[0])
                    throw Fail.Syntax($"unexpected '{sign}', expected '{expected}'", LineAt(_at));
            }

            Add(TokenKind.Operator, sign);
            _at += sign.Length;
            return;
        }

        throw Fail.Syntax($"unexpected char '{_source[_at]}' at {_at}", LineAt(_at));
    }

    private void Add(TokenKind kind, string text, object? value = null)
    {
        _meter.Step();
        _tokens.Add(new Token(kind, text, LineAt(kind == TokenKind.Data ? _at : Math.Min(_at, _source.Length)), value));
    }

    // Positions only grow, so counting stays linear.
    private int LineAt(int place)
    {
        if (place > _lineCountedTo)
        {
            _line += _source.AsSpan(_lineCountedTo, place - _lineCountedTo).Count('\n');
            _lineCountedTo = place;
        }

        return _line;
    }
}
