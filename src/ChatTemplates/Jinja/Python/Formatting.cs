using System.Globalization;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's <c>format % values</c> with %s, %r, %d, %i, %f and %%, their flags, widths and precisions.</summary>
internal static class PercentFormat
{
    public static PyString Format(PyString format, object values, Rendering run)
    {
        var result = new TextBuilder(run.Meter);
        var text = format.Text;
        IReadOnlyList<object> arguments = values is PyTuple tuple ? tuple.Items : [values];
        int next = 0;
        for (int at = 0; at < text.Length;)
        {
            int percent = text.IndexOf('%', at);
            result.Append(format, at, percent < 0 ? text.Length : percent);
            if (percent < 0)
                break;
            at = percent + 1;
            var spec = Read(text, ref at);
            if (spec.Kind == '%')
                result.Append('%');
            else if (next == arguments.Count)
                throw Fail.Type("not enough arguments for format string");
            else
                result.Append(Written(spec, arguments[next++], format.IsMarkup, run));
        }

        if (next < arguments.Count && values is not (PyList or PyDict or PyRange or Undefined))
            throw Fail.Type("not all arguments converted during string formatting");
        return result.ToText(format.IsMarkup);
    }

    private static FormatSpec Read(string text, ref int at)
    {
        bool left = false, zero = false;
        char sign = '\0';
        for (; at < text.Length && text[at] is '-' or '+' or ' ' or '0'; at++)
        {
            left |= text[at] == '-';
            zero |= text[at] == '0';
            sign = text[at] == '+' || (text[at] == ' ' && sign == '\0') ? text[at] : sign;
        }

        long width = FormatSpec.Number(text, ref at) ?? 0;
        int precision = -1;
        if (at < text.Length && text[at] == '.')
        {
            at++;
            precision = FormatSpec.Number(text, ref at) ?? 0;
        }

        if (at == text.Length)
            throw Fail.Value("incomplete format");
        char kind = text[at++];
        if (kind is not ('s' or 'r' or 'd' or 'i' or 'f' or '%'))
            throw Fail.Value($"unsupported format character '{kind}': chat templates here know %s, %r, %d, %i, %f and %%");
        bool isNumber = kind is 'd' or 'i' or 'f';
        bool hasZeros = isNumber && zero && !left;
        return new FormatSpec
        {
            Fill = hasZeros ? FormatSpec.Zero : null,
            Align = left ? '<' : hasZeros ? '\0' : '>',
            Sign = isNumber ? sign : '\0',
            Width = width,
            Precision = precision,
            Kind = kind == 'd' ? 'i' : kind,
        };
    }

    private static PyString Written(FormatSpec spec, object value, bool isMarkup, Rendering run)
    {
        switch (spec.Kind)
        {
            case 's' or 'r':
                var text = spec.Kind == 'r' ? Python.Repr(value, run.Meter) : value as PyString ?? Python.Str(value, run.Meter);
                return spec.ApplyTo(isMarkup ? text.Escaped(run.Meter) : text, run.Meter);
            case 'f':
                return Numbers.IsNumber(Undefined.Checked(value))
                    ? spec.ApplyTo(value, run.Meter)
                    : throw Fail.Type($"must be real number, not {Python.TypeName(value)}");
            default:
                var whole = Undefined.Checked(value) is double number ? Numbers.Truncate(number) : value;
                if (!Numbers.IsInteger(whole))
                    throw Fail.Type($"%d format: a real number is required, not {Python.TypeName(value)}");
                return spec.ApplyTo(whole, run.Meter);
        }
    }
}

/// <summary>Python's <c>str.format</c> in the sandbox: attributes and items of fields are looked up as templates do.</summary>
internal sealed class BraceFormat(PyString format, PyTuple values, List<(string Name, object Value)> named, Rendering run)
{
    private int _next;
    private bool _automatic;
    private bool _manual;

    public static PyString Format(PyString format, PyTuple values, List<(string Name, object Value)> named, Rendering run)
        => new BraceFormat(format, values, named, run).Run();

    private PyString Run()
    {
        var result = new TextBuilder(run.Meter);
        var text = format.Text;
        for (int at = 0; at < text.Length;)
        {
            int end = text.AsSpan(at).IndexOfAny('{', '}') is >= 0 and var found ? at + found : text.Length;
            result.Append(format, at, end);
            at = end;
            if (at == text.Length)
                break;
            if (at + 1 < text.Length && text[at + 1] == text[at])
            {
                result.Append(format, at, at + 1);
                at += 2;
            }
            else if (text[at] == '}')
            {
                throw Fail.Value("Single '}' encountered in format string");
            }
            else
            {
                at = Field(at + 1, result);
            }
        }

        return result.ToText(format.IsMarkup);
    }

    // {name!conversion:specification}; returns the position after it.
    private int Field(int start, TextBuilder result)
    {
        var text = format.Text;
        int at = start, brackets = 0;
        while (at < text.Length && (brackets > 0 || text[at] is not ('}' or ':' or '!' or '{')))
            brackets += text[at++] switch { '[' => 1, ']' when brackets > 0 => -1, _ => 0 };
        int end = at < text.Length ? text.IndexOf('}', at) : -1;
        if (end < 0)
            throw Fail.Value("expected '}' before end of string");
        if (text.AsSpan(at, end - at).Contains('{'))
            throw Fail.Value("A field of a format cannot hold another one in chat templates here.");
        var value = Value(text[start..at]);
        if (text[at] == '!')
        {
            value = text[at + 1] switch
            {
                's' => Python.Str(value, run.Meter),
                'r' => Python.Repr(value, run.Meter),
                var other => throw Fail.Value($"Unknown conversion specifier '{other}': chat templates here know !s and !r"),
            };
            at += 2;
            if (text[at] is not (':' or '}'))
                throw Fail.Value("expected ':' after conversion specifier");
        }

        var own = Written(value, text[at] == ':' ? text[(at + 1)..end] : "");
        result.Append(format.IsMarkup ? own.Escaped(run.Meter) : own);
        return end + 1;
    }

    private PyString Written(object value, string spec)
    {
        if (spec.Length == 0)
            return Python.Str(value, run.Meter);
        return value is PyString || Numbers.IsNumber(value)
            ? FormatSpec.Parse(spec).ApplyTo(value, run.Meter)
            : throw Fail.Type($"unsupported format string passed to {Python.TypeName(value)}.__format__");
    }

    // The value that "name.attribute[key]" refers to.
    private object Value(string field)
    {
        int end = field.AsSpan().IndexOfAny('.', '[');
        var value = First(end < 0 ? field : field[..end]);
        for (int at = end < 0 ? field.Length : end; at < field.Length;)
        {
            bool isAttribute = field[at] == '.';
            int stop = isAttribute ? field.AsSpan(at + 1).IndexOfAny('.', '[') : field.IndexOf(']', at) - at - 1;
            stop = stop < 0 ? isAttribute ? field.Length : throw Fail.Value("Missing ']' in format string") : at + 1 + stop;
            var key = field[(at + 1)..stop];
            if (key.Length == 0)
                throw Fail.Value("Empty attribute in format string");
            value = isAttribute ? Attributes.GetAttribute(value, new PyString(key)) : Attributes.GetItem(value, Key(key));
            at = isAttribute ? stop : stop + 1;
            if (!isAttribute && at < field.Length && field[at] is not ('.' or '['))
                throw Fail.Value("Only '.' or '[' may follow ']' in format field specifier");
        }

        return value;
    }

    private object First(string name)
    {
        if (name.Length > 0 && !name.All(char.IsAsciiDigit))
            return named.Find(n => n.Name == name).Value ?? throw Fail.Value($"The format has no value for '{name}'.");
        if (name.Length == 0 ? _manual : _automatic)
            throw Fail.Value("cannot switch between manual and automatic field numbering");
        (_automatic, _manual) = (name.Length == 0, name.Length > 0);
        int index = name.Length == 0 ? _next++ : name.Length < 9 ? int.Parse(name, CultureInfo.InvariantCulture) : int.MaxValue;
        return index < values.Count
            ? values.Items[index]
            : throw Fail.Value($"Replacement index {index} out of range for positional args tuple");
    }

    private static object Key(string key)
        => key.All(char.IsAsciiDigit) && key.Length < 18 ? Numbers.Box(long.Parse(key, CultureInfo.InvariantCulture)) : new PyString(key);
}

/// <summary>
/// How a value is written: <c>[[fill]align][sign][0][width][,][.precision][type]</c> with the types s, d, f and %. That is what chat
/// templates use of Python's format specifications.
/// </summary>
internal readonly record struct FormatSpec
{
    public static readonly PyString Zero = new("0");

    private static readonly PyString Blank = new(" ");

    public FormatSpec()
    {
    }

    /// <summary>What fills the width; null for blanks. Zeros without an alignment come after the sign of a number.</summary>
    public PyString? Fill { get; init; }

    /// <summary><c>&lt;</c>, <c>&gt;</c>, <c>^</c>, or <c>=</c> to fill between the sign and the digits; 0 where none is given.</summary>
    public char Align { get; init; }

    public char Sign { get; init; }

    public long Width { get; init; }

    public bool IsGrouped { get; init; }

    /// <summary>-1 where none is given.</summary>
    public int Precision { get; init; } = -1;

    /// <summary>The type, with i for the %d and %i of <c>format % values</c>; 0 where none is given.</summary>
    public char Kind { get; init; }

    public static FormatSpec Parse(string text)
    {
        int at = 0;
        int afterFill = text.Length > 0 && char.IsHighSurrogate(text[0]) ? 2 : 1;
        var (fill, align) = ((PyString?)null, '\0');
        if (text.Length > afterFill && IsAlign(text[afterFill]))
            (fill, align, at) = (new PyString(text[..afterFill]), text[afterFill], afterFill + 1);
        else if (text.Length > 0 && IsAlign(text[0]))
            (align, at) = (text[0], 1);
        char sign = at < text.Length && text[at] is '+' or '-' or ' ' ? text[at++] : '\0';
        if (at < text.Length && text[at] == '0')
        {
            at++;
            fill ??= Zero;
        }

        long width = Number(text, ref at) ?? 0;
        bool isGrouped = at < text.Length && text[at] == ',';
        at += isGrouped ? 1 : 0;
        int precision = -1;
        if (at < text.Length && text[at] == '.')
        {
            at++;
            precision = Number(text, ref at) ?? throw Fail.Value("Format specifier missing precision");
        }

        char kind = at < text.Length ? text[at++] : '\0';
        bool groupsZeros = isGrouped && fill is not null && align is '\0' or '=' && width > 0;
        if (at < text.Length || kind is not ('\0' or 's' or 'd' or 'f' or '%') || groupsZeros)
            throw Fail.Value(
                $"Invalid format specifier '{text}': chat templates here know [[fill]align][sign][0][width][,][.precision] "
                + "and the types s, d, f and %, and no zeros in front of groups of digits");
        return new FormatSpec
        {
            Fill = fill,
            Align = align,
            Sign = sign,
            Width = width,
            IsGrouped = isGrouped,
            Precision = precision,
            Kind = kind,
        };
    }

    /// <summary>The number at a position in a text; null where there is no digit.</summary>
    public static int? Number(string text, ref int at)
    {
        int start = at;
        long number = 0;
        for (; at < text.Length && char.IsAsciiDigit(text[at]); at++)
        {
            number = number * 10 + (text[at] - '0');
            if (number > int.MaxValue)
                throw Fail.Limit("A width or precision of a format is too big.");
        }

        return at == start ? null : (int)number;
    }

    /// <summary>Writes a text or a number.</summary>
    public PyString ApplyTo(object value, Meter meter)
    {
        meter.Text(Width);
        if (value is PyString text)
        {
            if (Kind is not ('\0' or 's' or 'r') || Sign != '\0' || IsGrouped || Align == '=')
                throw Fail.Value("The format specification does not suit a string.");
            var shown = Precision >= 0 && text.Length > Precision ? text.Slice(0, Precision) : text;
            return Padded(shown, Align == '\0' ? '<' : Align, Width, meter);
        }

        if (Precision > TemplateLimits.MaxPrecision)
            throw Fail.Limit($"A number is to have {Precision} digits; at most {TemplateLimits.MaxPrecision} are allowed.");
        var digits = Digits(value);
        var sign = digits.StartsWith('-') ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        digits = digits.TrimStart('-');
        if (IsGrouped)
            digits = Grouped(digits);
        return Align == '=' || (Align == '\0' && Fill is not null)
            ? new PyString(sign + Padded(new PyString(digits), '>', Width - sign.Length, meter).Text)
            : Padded(new PyString(sign + digits), Align == '\0' ? '>' : Align, Width, meter);
    }

    private PyString Padded(PyString text, char align, long width, Meter meter)
    {
        long gap = width - text.Length;
        if (gap <= 0)
            return text;
        long left = align switch { '<' => 0, '>' => gap, _ => gap / 2 };
        var result = new TextBuilder(meter);
        for (long i = 0; i < gap; i++)
        {
            if (i == left)
                result.Append(text);
            result.Append(Fill ?? Blank);
        }

        if (left == gap)
            result.Append(text);
        return result.ToText();
    }

    private string Digits(object value)
    {
        switch (Kind)
        {
            case 'i':
                // The precision of an integer is the least number of its digits.
                var digits = Numbers.Text(Numbers.ToBig(value));
                return (digits.StartsWith('-') ? "-" : "") + digits.TrimStart('-').PadLeft(Math.Max(0, Precision), '0');
            case 'd' or '\0' when Numbers.IsInteger(value):
                return Precision < 0
                    ? Numbers.Text(Numbers.ToBig(value))
                    : throw Fail.Value("Precision not allowed in integer format specifier");
            case '\0' when Precision < 0:
                return Numbers.Repr((double)value);
            case 'f':
                return Fixed(Numbers.ToDouble(value));
            case '%':
                return Fixed(Numbers.ToDouble(value) * 100) + "%";
            case '\0':
                throw Fail.Value("The precision of a number needs the type f or % behind it in chat templates here.");
            default:
                throw Fail.Value($"Unknown format code '{Kind}' for object of type '{Python.TypeName(value)}'");
        }
    }

    // With a given number of digits after the point, rounded half to even from the exact value.
    private string Fixed(double value)
    {
        if (!double.IsFinite(value))
            return Numbers.Repr(value);
        int precision = Precision < 0 ? 6 : Precision;
        var digits = Numbers.Scaled(value, precision).ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        var text = precision == 0 ? digits : $"{digits[..^precision]}.{digits[^precision..]}";
        return double.IsNegative(value) ? "-" + text : text;
    }

    private static string Grouped(string digits)
    {
        int end = digits.AsSpan().IndexOfAnyExceptInRange('0', '9');
        for (int i = (end < 0 ? digits.Length : end) - 3; i > 0; i -= 3)
            digits = digits.Insert(i, ",");
        return digits;
    }

    private static bool IsAlign(char c) => c is '<' or '>' or '^' or '=';
}
