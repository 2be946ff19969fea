using System.Globalization;
using System.Numerics;

namespace Kotonoha.LocalModel.Chat.Jinja;

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
