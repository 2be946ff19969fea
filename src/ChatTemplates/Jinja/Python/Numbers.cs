using System.Globalization;
using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

/// <summary>Python's numbers: bool, int (long, and BigInteger beyond it), float.</summary>
internal static class Numbers
{
    public static readonly object True = true;
    public static readonly object False = false;

    private const int SmallestShared = -16;
    private const long ExactInDouble = 1L << 53;

    private static readonly object[] Shared = [.. Enumerable.Range(SmallestShared, 1024 - SmallestShared).Select(i => (object)(long)i)];

    public static object Box(bool value) => value ? True : False;

    public static object Box(long value) => value is >= SmallestShared and < 1024 ? Shared[value - SmallestShared] : value;

    public static object Box(BigInteger value)
        => value >= long.MinValue && value <= long.MaxValue ? Box((long)value)
            : value.GetBitLength() <= TemplateLimits.MaxIntegerBits ? value
            : throw Fail.Limit($"An integer of more than {TemplateLimits.MaxIntegerBits} bits is too large.");

    public static bool IsNumber(object value) => value is long or double or bool or BigInteger;

    public static bool IsInteger(object value) => value is long or bool or BigInteger;

    public static BigInteger ToBig(object value) => value switch
    {
        long number => number,
        bool flag => flag ? 1 : 0,
        _ => (BigInteger)value,
    };

    /// <summary>An index or count; false when the value is not an integer. Values beyond long become its ends.</summary>
    public static bool TryIndex(object value, out long index)
    {
        switch (value)
        {
            case long number:
                index = number;
                return true;
            case bool flag:
                index = flag ? 1 : 0;
                return true;
            case BigInteger big:
                index = big.Sign < 0 ? long.MinValue : long.MaxValue;
                return true;
            default:
                index = 0;
                return false;
        }
    }

    public static double ToDouble(object value, bool overflow = false)
    {
        switch (value)
        {
            case double number:
                return number;
            case long number:
                return number;
            case bool flag:
                return flag ? 1 : 0;
            default:
                // The text is parsed with correct rounding; the conversion of BigInteger truncates.
                double result = double.Parse(((BigInteger)value).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
                return overflow || double.IsFinite(result) ? result : throw Fail.Value("int too large to convert to float");
        }
    }

    /// <summary>-1, 0 or 1; 2 when one is not a number.</summary>
    public static int Compare(object x, object y)
    {
        if (x is long a && y is long b)
            return a.CompareTo(b);
        if (x is not double && y is not double)
            return ToBig(x).CompareTo(ToBig(y));
        if (x is double left && y is double right)
            return double.IsNaN(left) || double.IsNaN(right) ? 2 : left.CompareTo(right);
        if (x is double number)
            return CompareMixed(number, ToBig(y));
        int reverse = CompareMixed((double)y, ToBig(x));
        return reverse == 2 ? 2 : -reverse;
    }

    public static object Add(object x, object y)
    {
        if (x is long a && y is long b)
        {
            long sum = unchecked(a + b);
            return ((a ^ sum) & (b ^ sum)) < 0 ? Box((BigInteger)a + b) : Box(sum);
        }

        return x is double || y is double ? ToDouble(x) + ToDouble(y) : Box(ToBig(x) + ToBig(y));
    }

    public static object Subtract(object x, object y)
        => x is double || y is double ? ToDouble(x) - ToDouble(y) : Box(ToBig(x) - ToBig(y));

    public static object Multiply(object x, object y)
    {
        if (x is double || y is double)
            return ToDouble(x) * ToDouble(y);
        if (x is long a && y is long b && Math.BigMul(a, b, out long low) is var high && (high == 0 && low >= 0 || high == -1 && low < 0))
            return Box(low);
        return Box(ToBig(x) * ToBig(y));
    }

    public static object Divide(object x, object y)
    {
        if (IsZero(y))
            throw Fail.Value(x is double || y is double ? "float division by zero" : "division by zero");
        if (x is double || y is double)
            return ToDouble(x) / ToDouble(y);
        BigInteger a = ToBig(x), b = ToBig(y);
        if (BigInteger.Abs(a) <= ExactInDouble && BigInteger.Abs(b) <= ExactInDouble)
            return (double)a / (double)b;

        // 66 bits of quotient and one for the rest round correctly.
        int shift = (int)(66 - (a.GetBitLength() - b.GetBitLength()));
        var (n, d) = shift >= 0 ? (BigInteger.Abs(a) << shift, BigInteger.Abs(b)) : (BigInteger.Abs(a), BigInteger.Abs(b) << -shift);
        var quotient = BigInteger.DivRem(n, d, out var rest);
        double result = Math.ScaleB(RoundToDouble((quotient << 1) + (rest.IsZero ? 0 : 1)), -shift - 1);
        if (!double.IsFinite(result))
            throw Fail.Value("integer division result too large for a float");
        return a.Sign * b.Sign < 0 ? -result : result;
    }

    public static object FloorDivide(object x, object y)
    {
        if (IsZero(y))
            throw Fail.Value(x is double || y is double ? "float floor division by zero" : "integer division or modulo by zero");
        if (x is double || y is double)
            return FloatDivMod(ToDouble(x), ToDouble(y)).Quotient;
        var quotient = BigInteger.DivRem(ToBig(x), ToBig(y), out var rest);
        return Box(!rest.IsZero && rest.Sign != ToBig(y).Sign ? quotient - 1 : quotient);
    }

    public static object Modulo(object x, object y)
    {
        if (IsZero(y))
            throw Fail.Value(x is double || y is double ? "float modulo" : "integer modulo by zero");
        if (x is double || y is double)
            return FloatDivMod(ToDouble(x), ToDouble(y)).Modulo;
        var divisor = ToBig(y);
        var rest = BigInteger.Remainder(ToBig(x), divisor);
        return Box(!rest.IsZero && rest.Sign != divisor.Sign ? rest + divisor : rest);
    }

    public static object Power(object x, object y)
    {
        if (IsInteger(x) && IsInteger(y))
        {
            BigInteger number = ToBig(x), exponent = ToBig(y);
            if (exponent.Sign >= 0)
            {
                if (number.IsZero || number.IsOne || number == BigInteger.MinusOne)
                    return Box(exponent.IsZero ? 1 : exponent.IsEven ? number * number : number);
                if (exponent * (number.GetBitLength() - 1) > TemplateLimits.MaxIntegerBits)
                    throw Fail.Limit($"An integer of more than {TemplateLimits.MaxIntegerBits} bits is too large.");
                return Box(BigInteger.Pow(number, (int)exponent));
            }
        }

        double a = ToDouble(x), b = ToDouble(y);
        if (a == 0 && b < 0)
            throw Fail.Value("0.0 cannot be raised to a negative power");
        if (a < 0 && double.IsFinite(a) && double.IsFinite(b) && b != Math.Floor(b))
            throw Fail.Type("A negative number to a fractional power is complex, which templates cannot use.");
        double result = Math.Pow(a, b);
        return double.IsInfinity(result) && double.IsFinite(a) && double.IsFinite(b) ? throw Fail.Value("Result too large") : result;
    }

    public static object Negate(object x) => x is double number ? -number : Box(-ToBig(x));

    public static bool IsZero(object x) => x switch
    {
        long number => number == 0,
        double number => number == 0,
        bool flag => !flag,
        _ => ((BigInteger)x).IsZero,
    };

    /// <summary>The integer part of a float.</summary>
    public static object Truncate(double value)
        => double.IsNaN(value) ? throw Fail.Value("cannot convert float NaN to integer")
            : double.IsInfinity(value) ? throw Fail.Value("cannot convert float infinity to integer")
            : Box(new BigInteger(Math.Truncate(value)));

    /// <summary><c>repr</c> of a float: the shortest digits that read back as the same float.</summary>
    public static string Repr(double value)
    {
        if (double.IsNaN(value))
            return "nan";
        if (double.IsInfinity(value))
            return value > 0 ? "inf" : "-inf";
        var (negative, digits, point) = Digits(value);
        string text;
        if (point is > -4 and <= 16)
            text = point <= 0 ? "0." + new string('0', -point) + digits
                : digits.Length <= point ? digits + new string('0', point - digits.Length) + ".0"
                : digits[..point] + "." + digits[point..];
        else
            text = digits[..1] + (digits.Length > 1 ? "." + digits[1..] : "") + Exponent(point - 1);
        return negative ? "-" + text : text;
    }

    /// <summary><c>str</c> of an integer.</summary>
    public static string Text(BigInteger value)
    {
        if (value.GetBitLength() > TemplateLimits.MaxIntegerDigits * 3.3219)
            throw Fail.Limit($"Exceeds the limit ({TemplateLimits.MaxIntegerDigits} digits) for integer string conversion");
        return value.ToString(CultureInfo.InvariantCulture);
    }

    /// <summary>The exponent as Python writes it: a sign and at least two digits.</summary>
    private static string Exponent(int exponent)
        => string.Create(CultureInfo.InvariantCulture, $"e{(exponent < 0 ? '-' : '+')}{Math.Abs(exponent):00}");

    /// <summary>The float times 10 to the given number, rounded half to even; the sign is left out.</summary>
    public static BigInteger Scaled(double value, int decimals)
    {
        long bits = BitConverter.DoubleToInt64Bits(value);
        int exponent = (int)((bits >> 52) & 0x7FF);
        BigInteger mantissa = bits & ((1L << 52) - 1);
        if (exponent == 0)
            exponent = 1;
        else
            mantissa += 1L << 52;
        exponent -= 1075;
        var (n, d) = (mantissa, BigInteger.One);
        if (exponent >= 0)
            n <<= exponent;
        else
            d <<= -exponent;
        if (decimals >= 0)
            n *= BigInteger.Pow(10, decimals);
        else
            d *= BigInteger.Pow(10, -decimals);
        var quotient = BigInteger.DivRem(n, d, out var rest);
        int half = (rest << 1).CompareTo(d);
        return half > 0 || (half == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    /// <summary>The shortest digits of a finite float; its point comes after that many of them.</summary>
    public static (bool Negative, string Digits, int Point) Digits(double value)
    {
        bool negative = double.IsNegative(value);
        if (value == 0)
            return (negative, "0", 1);
        var text = Math.Abs(value).ToString("R", CultureInfo.InvariantCulture);
        int exponent = 0, e = text.IndexOf('E', StringComparison.Ordinal);
        if (e >= 0)
        {
            exponent = int.Parse(text.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
            text = text[..e];
        }

        int dot = text.IndexOf('.', StringComparison.Ordinal);
        int point = (dot < 0 ? text.Length : dot) + exponent;
        var digits = text.Replace(".", "", StringComparison.Ordinal);
        int zeros = digits.Length - digits.TrimStart('0').Length;
        digits = digits[zeros..].TrimEnd('0');
        return (negative, digits, point - zeros);
    }

    /// <summary><c>int(text, base)</c>; null when the text is not such a number.</summary>
    public static object? ParseInteger(string text, int radix)
    {
        if (radix is not 0 and (< 2 or > 36))
            throw Fail.Value("int() base must be >= 2 and <= 36, or 0");
        var digits = Digits(text);
        if (digits is null)
            return null;
        int at = 0;
        bool negative = false;
        if (at < digits.Length && digits[at] is '+' or '-')
            negative = digits[at++] == '-';
        bool prefixed = false;
        if (at + 1 < digits.Length && digits[at] == '0' && char.ToLowerInvariant(digits[at + 1]) is 'x' or 'o' or 'b')
        {
            int named = char.ToLowerInvariant(digits[at + 1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
            if (radix == 0 || radix == named)
            {
                (radix, prefixed) = (named, true);
                at += 2;
            }
        }

        bool plainZeroOnly = radix == 0 && at < digits.Length && digits[at] == '0';
        if (radix == 0)
            radix = 10;
        if (at < digits.Length && digits[at] == '_' && prefixed)
            at++;
        if (digits.Length - at > TemplateLimits.MaxIntegerDigits)
            return null;
        var value = BigInteger.Zero;
        bool any = false, underscore = true;
        for (; at < digits.Length; at++)
        {
            if (digits[at] == '_')
            {
                if (underscore)
                    return null;
                underscore = true;
                continue;
            }

            int digit = DigitValue(digits[at]);
            if (digit >= radix)
                return null;
            value = value * radix + digit;
            (any, underscore) = (true, false);
        }

        if (!any || underscore || (plainZeroOnly && !value.IsZero))
            return null;
        return Box(negative ? -value : value);
    }

    /// <summary><c>float(text)</c>; null when the text is not a number.</summary>
    public static double? ParseFloat(string text)
    {
        var digits = Digits(text);
        if (string.IsNullOrEmpty(digits))
            return null;
        var body = digits.TrimStart('+', '-');
        if (digits.Length - body.Length > 1)
            return null;
        double sign = digits[0] == '-' ? -1 : 1;
        switch (body.ToLowerInvariant())
        {
            case "inf" or "infinity":
                return sign * double.PositiveInfinity;
            case "nan":
                return double.NaN;
        }

        for (int i = 0; i < body.Length; i++)
        {
            bool between = i > 0 && i + 1 < body.Length && body[i] == '_' && char.IsAsciiDigit(body[i - 1])
                && char.IsAsciiDigit(body[i + 1]);
            if (!char.IsAsciiDigit(body[i]) && !between && body[i] is not ('.' or 'e' or 'E' or '+' or '-'))
                return null;
        }

        const NumberStyles Styles = NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent;
        return double.TryParse(body.Replace("_", "", StringComparison.Ordinal), Styles, CultureInfo.InvariantCulture, out double value)
            ? sign * value
            : null;
    }

    /// <summary>The value of an ASCII letter or digit as a digit of some base; more than any base for other characters.</summary>
    public static int DigitValue(char c)
        => char.IsAsciiDigit(c) ? c - '0' : char.IsAsciiLetter(c) ? char.ToLowerInvariant(c) - 'a' + 10 : int.MaxValue;

    // Without white space around it, with ASCII digits; null where there is any other character beyond ASCII.
    private static string? Digits(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && PyChar.IsSpace(text[start]))
            start++;
        while (end > start && PyChar.IsSpace(text[end - 1]))
            end--;
        var result = text[start..end];
        if (System.Text.Ascii.IsValid(result))
            return result;
        var plain = new System.Text.StringBuilder(result.Length);
        foreach (var rune in result.EnumerateRunes())
        {
            if (rune.IsAscii)
                plain.Append((char)rune.Value);
            else if (PyChar.IsDecimal(rune.Value))
                plain.Append((char)('0' + PyChar.DecimalValue(rune.Value)));
            else
                return null;
        }

        return plain.ToString();
    }

    private static (double Quotient, double Modulo) FloatDivMod(double x, double y)
    {
        double rest = x % y;
        double quotient = (x - rest) / y;
        if (rest != 0)
        {
            if ((y < 0) != (rest < 0))
            {
                rest += y;
                quotient -= 1;
            }
        }
        else
        {
            rest = Math.CopySign(0, y);
        }

        if (quotient != 0)
        {
            double floor = Math.Floor(quotient);
            quotient = quotient - floor > 0.5 ? floor + 1 : floor;
        }
        else
        {
            quotient = Math.CopySign(0, x / y);
        }

        return (quotient, rest);
    }

    private static int CompareMixed(double x, BigInteger y)
    {
        if (double.IsNaN(x))
            return 2;
        if (double.IsInfinity(x))
            return x > 0 ? 1 : -1;
        double floor = Math.Floor(x);
        int order = new BigInteger(floor).CompareTo(y);
        return order != 0 ? order : x > floor ? 1 : 0;
    }

    // Correct rounding of an integer with a sticky last bit.
    private static double RoundToDouble(BigInteger value)
    {
        int excess = (int)Math.Max(0, value.GetBitLength() - 53);
        if (excess == 0)
            return (double)value;
        var kept = value >> excess;
        var rest = value - (kept << excess);
        var half = BigInteger.One << (excess - 1);
        if (rest > half || (rest == half && !kept.IsEven))
            kept++;
        return Math.ScaleB((double)kept, excess);
    }
}
