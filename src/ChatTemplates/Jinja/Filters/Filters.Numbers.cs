using System.Globalization;
using System.Numerics;

namespace Kotonoha.ChatTemplates.Jinja;

// Filters that make numbers or text of numbers.
internal static partial class Filters
{
    private static readonly string[] DecimalUnits = ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
    private static readonly string[] BinaryUnits = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];

    private static object? ToFloat(object value) => value switch
    {
        PyString text => Numbers.ParseFloat(text.Text),
        Undefined missing => throw missing.Used(),
        _ when Numbers.IsNumber(value) => Numbers.ToDouble(value),
        _ => null,
    };

    private static object? ToInteger(object value, long radix)
    {
        if (value is Undefined missing)
            throw missing.Used();
        if (value is double number)
            return double.IsFinite(number) ? Numbers.Truncate(number) : double.IsNaN(number) ? null : null;
        if (Numbers.IsInteger(value))
            return Numbers.Box(Numbers.ToBig(value));
        if (value is not PyString text)
            return null;
        object? whole = null;
        if (radix == 0 || radix is >= 2 and <= 36)
            whole = Numbers.ParseInteger(text.Text, (int)radix);
        return whole ?? (Numbers.ParseFloat(text.Text) is { } parsed && double.IsFinite(parsed) ? Numbers.Truncate(parsed) : null);
    }

    private static object Round(Rendering run, object?[] a)
    {
        var method = a[2] is null ? "common" : StringMethods.Text(a[2]!).Text;
        if (method is not ("common" or "ceil" or "floor"))
            throw Fail.Value("method must be common, ceil or floor");
        var value = Used(a[0]!);
        if (!Numbers.IsNumber(value))
            throw Fail.Type($"type {Python.TypeName(value)} doesn't define __round__ method");
        var digits = a[1] ?? Numbers.Box(0L);
        if (method == "common")
        {
            if (digits is PyNone)
                return value is double whole ? Numbers.Truncate(Math.Round(whole, MidpointRounding.ToEven)) : Numbers.Box(Numbers.ToBig(value));
            return RoundTo(value, StringMethods.Integer(digits));
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

    private static PyString FileSize(Rendering run, object?[] a)
    {
        double bytes = (double)(ToFloat(a[0]!) ?? throw Fail.Value($"could not convert {Python.TypeName(a[0]!)} to float"));
        bool binary = Flag(a[1]);
        double step = binary ? 1024 : 1000;
        if (bytes == 1)
            return new PyString("1 Byte");
        if (bytes < step)
            return new PyString($"{Numbers.Truncate(bytes)} Bytes");
        double unit = step;
        for (int i = 0; ; i++)
        {
            unit *= step;
            if (bytes < unit || i == DecimalUnits.Length - 1)
                return new PyString($"{NumberFormat.Fixed(step * bytes / unit, 1)} {(binary ? BinaryUnits : DecimalUnits)[i]}");
        }
    }
}
