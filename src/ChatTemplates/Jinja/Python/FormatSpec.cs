using System.Globalization;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>A format specification: <c>[[fill]align][sign][z][#][0][width][grouping][.precision][type]</c>.</summary>
internal sealed record FormatSpec
{
    public PyString? Fill { get; init; }

    public char Align { get; init; }

    public char Sign { get; init; }

    public bool Alternate { get; init; }

    public long Width { get; init; }

    public char Grouping { get; init; }

    public int Precision { get; init; } = -1;

    public char Kind { get; init; }

    public static FormatSpec Parse(string text)
    {
        var spec = new FormatSpec();
        int at = 0;
        int fill = text.Length > 0 && char.IsHighSurrogate(text[0]) ? 2 : 1;
        if (text.Length > fill && text[fill] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Fill = new PyString(text[..fill]), Align = text[fill] };
            at = fill + 1;
        }
        else if (text.Length > 0 && text[0] is '<' or '>' or '^' or '=')
        {
            spec = spec with { Align = text[0] };
            at = 1;
        }

        if (at < text.Length && text[at] is '+' or '-' or ' ')
            spec = spec with { Sign = text[at++] };
        if (at < text.Length && text[at] == 'z')
            at++;
        if (at < text.Length && text[at] == '#')
        {
            spec = spec with { Alternate = true };
            at++;
        }

        if (at < text.Length && text[at] == '0')
        {
            spec = spec with { Fill = spec.Fill ?? new PyString("0"), Align = spec.Align == '\0' ? '=' : spec.Align };
            at++;
        }

        spec = spec with { Width = Number(text, ref at) ?? 0 };
        if (at < text.Length && text[at] is ',' or '_')
            spec = spec with { Grouping = text[at++] };
        if (at < text.Length && text[at] == '.')
        {
            at++;
            long precision = Number(text, ref at) ?? throw Fail.Value("Format specifier missing precision");
            spec = spec with { Precision = (int)precision };
        }

        if (at < text.Length)
            spec = spec with { Kind = text[at++] };
        return at == text.Length ? spec : throw Fail.Value("Invalid format specifier");
    }

    public PyString Apply(object value, Rendering run)
    {
        run.Meter.Text(Width);
        if (value is PyString text)
        {
            if (Kind is not ('\0' or 's') || Align == '=' && Fill?.Text != "0" || Sign != '\0' || Alternate || Grouping != '\0')
                throw Fail.Value("The format specification does not suit a string.");
            if (Precision >= 0 && text.Length > Precision)
                text = text.Slice(0, Precision);
            return StringMethods.Pad(text.AsPlain(), Width, Fill, Align is '\0' or '=' ? '<' : Align, run.Meter);
        }

        if (Precision > TemplateLimits.MaxPrecision)
            throw Fail.Limit($"A number is to have {Precision} digits; at most {TemplateLimits.MaxPrecision} are allowed.");
        var (prefix, digits) = Digits(value);
        bool negative = digits.StartsWith('-');
        digits = negative ? digits[1..] : digits;
        var sign = negative ? "-" : Sign is '+' or ' ' ? Sign.ToString() : "";
        if (Grouping != '\0')
        {
            int size = Kind is 'x' or 'X' or 'o' or 'b' ? 4 : 3;
            if (Align == '=' && Fill?.Text == "0")
            {
                // Zeros that fill are grouped too.
                int end = digits.AsSpan().IndexOfAnyExcept("0123456789abcdefABCDEF") is >= 0 and var stop ? stop : digits.Length;
                var rest = digits[end..];
                var whole = digits[..end];
                while (NumberFormat.Grouped(whole, Grouping, size).Length + rest.Length + sign.Length + prefix.Length < Width)
                    whole = "0" + whole;
                var grouped = NumberFormat.Grouped(whole, Grouping, size);
                if (grouped.Length + rest.Length + sign.Length + prefix.Length > Width && whole.Length > end && whole.Length % size == 1 && grouped[1] == Grouping)
                    grouped = NumberFormat.Grouped(whole, Grouping, size);
                digits = grouped + rest;
            }
            else
            {
                digits = NumberFormat.Grouped(digits, Grouping, size);
            }
        }

        if (Align == '=')
        {
            long gap = Math.Max(0, Width - sign.Length - prefix.Length - digits.Length);
            var result = new TextBuilder(run.Meter);
            result.Append(sign + prefix);
            for (long i = 0; i < gap; i++)
                result.Append(Fill ?? new PyString(" "));
            result.Append(digits);
            return result.ToText();
        }

        return StringMethods.Pad(new PyString(sign + prefix + digits), Width, Fill, Align == '\0' ? '>' : Align, run.Meter);
    }

    private (string Prefix, string Digits) Digits(object value)
    {
        if (Numbers.IsInteger(value) && Kind is '\0' or 'd' or 'n' or 'b' or 'o' or 'x' or 'X' or 'c')
        {
            if (!Numbers.IsInteger(value))
                throw Fail.Value($"Unknown format code '{Kind}' for object of type 'float'");
            if (Precision >= 0)
                throw Fail.Value("Precision not allowed in integer format specifier");
            var number = Numbers.ToBig(value);
            switch (Kind)
            {
                case 'c':
                    return ("", number >= 0 && number < 0x110000 && number is var code && (code < 0xD800 || code >= 0xE000) ? char.ConvertFromUtf32((int)number) : throw Fail.Value("%c arg not in range(0x110000)"));
                case 'b' or 'o' or 'x' or 'X':
                    var digits = PercentFormat.Digits(number, Kind switch { 'b' => 2, 'o' => 8, _ => 16 }, -1, "");
                    return (Alternate ? "0" + Kind : "", Kind == 'X' ? digits.ToUpperInvariant() : digits);
                default:
                    return ("", PercentFormat.Digits(number, 10, -1, ""));
            }
        }

        double real = Numbers.ToDouble(value);
        string text;
        switch (char.ToLowerInvariant(Kind))
        {
            case 'e':
                text = NumberFormat.Scientific(real, Precision < 0 ? 6 : Precision);
                break;
            case 'f':
                text = NumberFormat.Fixed(real, Precision < 0 ? 6 : Precision);
                break;
            case 'g' or 'n':
                text = NumberFormat.General(real, Precision < 0 ? 6 : Precision, Alternate);
                break;
            case '%':
                text = NumberFormat.Fixed(real * 100, Precision < 0 ? 6 : Precision) + "%";
                break;
            case '\0':
                text = Precision < 0 ? Numbers.Repr(real) : WithPoint(NumberFormat.General(real, Precision, keepZeros: false), real, Precision);
                break;
            default:
                throw Fail.Value($"Unknown format code '{Kind}' for object of type '{Python.TypeName(value)}'");
        }

        return ("", char.IsUpper(Kind) ? text.ToUpperInvariant() : text);
    }

    // Without a type a float keeps one digit behind the point, and turns scientific one digit earlier.
    private static string WithPoint(string text, double value, int precision)
    {
        if (!double.IsFinite(value) || text.AsSpan().IndexOfAny('.', 'e') >= 0)
            return text;
        if (text.TrimStart('-').Length >= Math.Max(1, precision))
            return NumberFormat.Scientific(value, Math.Max(0, precision - 1)) is var scientific ? Trimmed(scientific) : text;
        return text + ".0";
    }

    private static string Trimmed(string scientific)
    {
        int e = scientific.IndexOf('e', StringComparison.Ordinal);
        var head = scientific[..e];
        return (head.Contains('.', StringComparison.Ordinal) ? head.TrimEnd('0').TrimEnd('.') : head) + scientific[e..];
    }

    private static long? Number(string text, ref int at)
    {
        int start = at;
        long number = 0;
        for (; at < text.Length && char.IsAsciiDigit(text[at]); at++)
        {
            number = number * 10 + (text[at] - '0');
            if (number > int.MaxValue)
                throw Fail.Limit("A width or precision of a format is too big.");
        }

        return at == start ? null : number;
    }
}

/// <summary>Floats with a given number of digits, rounded half to even from their exact value.</summary>
internal static class NumberFormat
{
    /// <summary><c>%.nf</c>.</summary>
    public static string Fixed(double value, int precision)
    {
        if (!double.IsFinite(value))
            return Numbers.Repr(value);
        var digits = Numbers.Scaled(value, precision).ToString(CultureInfo.InvariantCulture).PadLeft(precision + 1, '0');
        var text = precision == 0 ? digits : $"{digits[..^precision]}.{digits[^precision..]}";
        return double.IsNegative(value) ? "-" + text : text;
    }

    /// <summary><c>%.ne</c>.</summary>
    public static string Scientific(double value, int precision)
    {
        if (!double.IsFinite(value))
            return Numbers.Repr(value);
        var (digits, exponent) = Significant(value, precision + 1);
        var text = digits[..1] + (precision > 0 ? "." + digits[1..] : "") + Numbers.Exponent(exponent);
        return double.IsNegative(value) ? "-" + text : text;
    }

    /// <summary><c>%.ng</c>: fixed or scientific, whichever is shorter; zeros at the end go unless they are asked for.</summary>
    public static string General(double value, int precision, bool keepZeros)
    {
        if (!double.IsFinite(value))
            return Numbers.Repr(value);
        precision = Math.Max(1, precision);
        var (digits, exponent) = Significant(value, precision);
        string text;
        if (exponent < -4 || exponent >= precision)
        {
            if (!keepZeros)
                digits = digits[..1] + digits[1..].TrimEnd('0');
            text = digits[..1] + (digits.Length > 1 ? "." + digits[1..] : keepZeros ? "." : "") + Numbers.Exponent(exponent);
        }
        else
        {
            text = exponent < 0 ? "0." + new string('0', -exponent - 1) + digits : digits[..(exponent + 1)] + "." + digits[(exponent + 1)..];
            if (!keepZeros)
                text = text.TrimEnd('0').TrimEnd('.');
        }

        return double.IsNegative(value) ? "-" + text : text;
    }

    /// <summary>Groups the digits of the integer part by three (or another number).</summary>
    public static string Grouped(string text, char separator, int size = 3)
    {
        int start = text.StartsWith('-') ? 1 : 0, end = start;
        while (end < text.Length && char.IsAsciiLetterOrDigit(text[end]) && text[end] is not 'e')
            end++;
        for (int i = end - size; i > start; i -= size)
            text = text.Insert(i, separator.ToString());
        return text;
    }

    private static (string Digits, int Exponent) Significant(double value, int count)
    {
        if (value == 0)
            return (new string('0', count), 0);
        int exponent = Numbers.Digits(value).Point - 1;
        var scaled = Numbers.Scaled(value, count - 1 - exponent);
        var digits = scaled.ToString(CultureInfo.InvariantCulture);
        if (digits.Length > count)
        {
            exponent++;
            digits = Numbers.Scaled(value, count - 1 - exponent).ToString(CultureInfo.InvariantCulture);
        }

        return (digits, exponent);
    }
}
