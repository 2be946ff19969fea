using System.Globalization;
using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

// Filters that make numbers.
internal static partial class Filters
{
    private static object? ToFloat(object value) => value switch
    {
        PyString text => Numbers.ParseFloat(text.Text),
        Undefined missing => throw missing.Used(),
        _ when Numbers.IsNumber(value) => Numbers.ToDouble(value),
        _ => null,
    };

    private static object? ToInteger(object value, object? radix)
    {
        if (value is Undefined missing)
            throw missing.Used();
        if (value is double number)
            return double.IsFinite(number) ? Numbers.Truncate(number) : null;
        if (Numbers.IsInteger(value))
            return Numbers.Box(Numbers.ToBig(value));
        if (value is not PyString text)
            return null;
        long by = radix is null ? 10 : StringMethods.Integer(radix);
        var whole = by is 0 or (>= 2 and <= 36) ? Numbers.ParseInteger(text.Text, (int)by) : null;
        return whole ?? (Numbers.ParseFloat(text.Text) is { } parsed && double.IsFinite(parsed) ? Numbers.Truncate(parsed) : null);
    }

    private static object Round(Rendering run, object?[] a)
    {
        var method = a[2] is null ? "common" : StringMethods.Text(a[2]!).Text;
        if (method is not ("common" or "ceil" or "floor"))
            throw Fail.Value("method must be common, ceil or floor");
        var value = Undefined.Checked(a[0]!);
        if (!Numbers.IsNumber(value))
            throw Fail.Type($"type {Python.TypeName(value)} doesn't define __round__ method");
        var digits = a[1] ?? Numbers.Box(0L);
        if (method == "common")
        {
            if (digits is not PyNone)
                return RoundTo(value, StringMethods.Integer(digits));
            return value is double real ? Numbers.Truncate(Math.Round(real, MidpointRounding.ToEven)) : Numbers.Box(Numbers.ToBig(value));
        }

        var power = Operators.Binary("**", Numbers.Box(10L), digits, run);
        var scaled = Operators.Binary("*", value, power, run);
        var rounded = scaled is double number
            ? Numbers.Truncate(method == "ceil" ? Math.Ceiling(number) : Math.Floor(number))
            : scaled;
        return Operators.Binary("/", rounded, power, run);
    }

    private static object RoundTo(object value, long digits)
    {
        if (value is double number)
        {
            if (!double.IsFinite(number) || digits > 323)
                return number;
            if (digits < -308)
                return Math.CopySign(0.0, number);
            var scaled = Numbers.Scaled(number, (int)digits);
            var text = digits >= 0 ? $"{scaled}e-{digits}" : $"{scaled}e{-digits}";
            double result = double.Parse(text, CultureInfo.InvariantCulture);
            return double.IsFinite(result) ? Math.CopySign(result, number) : throw Fail.Value("rounded value too large to represent");
        }

        var integer = Numbers.ToBig(value);
        if (digits >= 0)
            return Numbers.Box(integer);
        if (-digits > TemplateLimits.MaxIntegerDigits)
            return Numbers.Box(0L);
        var unit = BigInteger.Pow(10, (int)-digits);
        var quotient = BigInteger.DivRem(BigInteger.Abs(integer), unit, out var rest);
        int half = (rest << 1).CompareTo(unit);
        if (half > 0 || (half == 0 && !quotient.IsEven))
            quotient++;
        return Numbers.Box(quotient * unit * integer.Sign);
    }
}
