using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's <c>format % values</c>.</summary>
internal static class PercentFormat
{
    public static PyString Format(PyString format, object values, Rendering run)
    {
        var result = new TextBuilder(run.Meter);
        var text = format.Text;
        var tuple = values as PyTuple;
        var dict = values as PyDict;
        int next = 0;
        bool usedNames = false;

        object Take()
        {
            if (tuple is null)
                return next++ == 0 ? values : throw Fail.Type("not enough arguments for format string");
            return next < tuple.Count ? tuple.Items[next++] : throw Fail.Type("not enough arguments for format string");
        }

        for (int at = 0; at < text.Length;)
        {
            int percent = text.IndexOf('%', at);
            if (percent < 0)
            {
                result.Append(format, at, text.Length);
                break;
            }

            result.Append(format, at, percent);
            at = percent + 1;
            object? named = null;
            if (at < text.Length && text[at] == '(')
            {
                int depth = 1, start = ++at;
                while (at < text.Length && depth > 0)
                    depth += text[at++] switch { '(' => 1, ')' => -1, _ => 0 };
                if (depth > 0)
                    throw Fail.Value("incomplete format key");
                if (dict is null)
                    throw Fail.Type("format requires a mapping");
                if (!dict.TryGet(format.Part(start, at - 1), out named))
                    throw Fail.Value($"format has no value for the key '{text[start..(at - 1)]}'");
                usedNames = true;
            }

            bool left = false, plus = false, blank = false, alternate = false, zero = false;
            for (; at < text.Length && text[at] is '-' or '+' or ' ' or '#' or '0'; at++)
                switch (text[at])
                {
                    case '-':
                        left = true;
                        break;
                    case '+':
                        plus = true;
                        break;
                    case ' ':
                        blank = true;
                        break;
                    case '#':
                        alternate = true;
                        break;
                    default:
                        zero = true;
                        break;
                }

            long width = Size(text, ref at, Take);
            if (width < 0)
                (left, width) = (true, -width);
            long precision = -1;
            if (at < text.Length && text[at] == '.')
            {
                at++;
                precision = Math.Max(0, Size(text, ref at, Take));
            }

            while (at < text.Length && text[at] is 'l' or 'h' or 'L')
                at++;
            if (at >= text.Length)
                throw Fail.Value("incomplete format");
            char kind = text[at++];
            run.Meter.Text(Math.Max(width, 0));
            if (kind == '%')
            {
                result.Append('%');
                continue;
            }

            var value = named ?? Take();
            if (kind is 's' or 'r' or 'a')
            {
                var own = kind == 's' ? value as PyString ?? Python.Str(value, run.Meter) : Python.Repr(value, run.Meter);
                if (kind == 'a')
                    own = new PyString(Json.AsciiEscaped(own.Text), own.Data is null ? null : [0, Json.AsciiEscaped(own.Text).Length]);
                if (precision >= 0 && own.Length > precision)
                    own = own.Slice(0, (int)precision);
                if (format.IsMarkup)
                    own = Html.Escape(own, run.Meter);
                result.Append(StringMethods.Pad(own, width, null, left ? '<' : '>', run.Meter));
                continue;
            }

            if (kind == 'c')
            {
                var own = value is PyString { Length: 1 } single ? single
                    : Numbers.TryIndex(value, out long code) && code is >= 0 and <= 0x10FFFF and not (>= 0xD800 and < 0xE000) ? new PyString(char.ConvertFromUtf32((int)code))
                    : throw Fail.Type("%c requires int or char");
                result.Append(StringMethods.Pad(own, width, null, left ? '<' : '>', run.Meter));
                continue;
            }

            if (precision > TemplateLimits.MaxPrecision)
                throw Fail.Limit($"A number is to have {precision} digits; at most {TemplateLimits.MaxPrecision} are allowed.");
            var number = Number(kind, value, (int)precision, alternate);
            var sign = number.StartsWith('-') ? "-" : plus ? "+" : blank ? " " : "";
            if (number.StartsWith('-'))
                number = number[1..];
            long gap = width - sign.Length - number.Length;
            if (gap > 0 && !left && !zero)
                result.Append(' ', (int)gap);
            result.Append(sign);
            int prefix = alternate && kind is 'x' or 'X' or 'o' && number.Length > 2 && !char.IsAsciiDigit(number[1]) ? 2 : 0;
            result.Append(number[..prefix]);
            if (gap > 0 && zero && !left)
                result.Append('0', (int)gap);
            result.Append(number[prefix..]);
            if (gap > 0 && left)
                result.Append(' ', (int)gap);
        }

        if (!usedNames && (tuple is not null ? next < tuple.Count : next == 0 && dict is null && values is not (PyList or PyRange or PyBytes or Undefined)))
            throw Fail.Type("not all arguments converted during string formatting");
        return result.ToText(format.IsMarkup);
    }

    private static long Size(string text, ref int at, Func<object> take)
    {
        if (at < text.Length && text[at] == '*')
        {
            at++;
            return Numbers.TryIndex(take(), out long given) ? Math.Clamp(given, -int.MaxValue, int.MaxValue) : throw Fail.Type("* wants int");
        }

        long size = 0;
        for (; at < text.Length && char.IsAsciiDigit(text[at]); at++)
        {
            size = size * 10 + (text[at] - '0');
            if (size > int.MaxValue)
                throw Fail.Limit("A width or precision of a format is too big.");
        }

        return size;
    }

    private static string Number(char kind, object value, int precision, bool alternate)
    {
        if (value is Undefined missing)
            throw missing.Used();
        switch (kind)
        {
            case 'd' or 'i' or 'u':
                return Digits(value switch
                {
                    double number => Numbers.ToBig(Numbers.Truncate(number)),
                    _ when Numbers.IsInteger(value) => Numbers.ToBig(value),
                    _ => throw Fail.Type($"%{kind} format: a real number is required, not {Python.TypeName(value)}"),
                }, 10, precision, "");
            case 'x' or 'X' or 'o':
                if (!Numbers.IsInteger(value))
                    throw Fail.Type($"%{kind} format: an integer is required, not {Python.TypeName(value)}");
                var digits = Digits(Numbers.ToBig(value), kind == 'o' ? 8 : 16, precision, alternate ? kind == 'o' ? "0o" : "0x" : "");
                return kind == 'X' ? digits.ToUpperInvariant() : digits;
            case 'e' or 'E' or 'f' or 'F' or 'g' or 'G':
                if (!Numbers.IsNumber(value))
                    throw Fail.Type($"must be real number, not {Python.TypeName(value)}");
                double real = Numbers.ToDouble(value);
                int places = precision < 0 ? 6 : precision;
                var text = char.ToLowerInvariant(kind) switch
                {
                    'e' => NumberFormat.Scientific(real, places),
                    'f' => NumberFormat.Fixed(real, places),
                    _ => NumberFormat.General(real, places, alternate),
                };
                if (alternate && !text.Contains('.', StringComparison.Ordinal) && double.IsFinite(real))
                {
                    int e = text.IndexOf('e', StringComparison.Ordinal);
                    text = e < 0 ? text + "." : text.Insert(e, ".");
                }

                return char.IsUpper(kind) ? text.ToUpperInvariant() : text;
            default:
                throw Fail.Value($"unsupported format character '{kind}'");
        }
    }

    /// <summary>The digits of an integer in some base.</summary>
    public static string Digits(BigInteger value, int radix, int precision, string prefix)
    {
        string digits;
        var size = BigInteger.Abs(value);
        if (radix == 10)
        {
            digits = Numbers.Text(size);
        }
        else
        {
            int bits = radix switch { 2 => 1, 8 => 3, _ => 4 };
            var characters = new List<char>();
            var rest = size;
            if (size.GetBitLength() > TemplateLimits.MaxIntegerDigits * 4L)
                throw Fail.Limit("An integer is too long to be written.");
            do
            {
                characters.Add("0123456789abcdef"[(int)(rest & (radix - 1))]);
                rest >>= bits;
            }
            while (!rest.IsZero);
            characters.Reverse();
            digits = new string([.. characters]);
        }

        if (precision > digits.Length)
            digits = digits.PadLeft(precision, '0');
        return (value.Sign < 0 ? "-" : "") + prefix + digits;
    }
}
