using System.Globalization;

namespace Kotonoha.Agents.Tools;

/// <summary>A number: in double precision, and as a decimal where it fits into one.</summary>
/// <param name="Approximate">The value in double precision; may be NaN or infinite until the parser has looked at it.</param>
/// <param name="Exact">The value as a decimal of up to 28 digits, or null where it does not fit.</param>
internal readonly record struct CalculatorValue(double Approximate, decimal? Exact)
{
    // Below this size a decimal's 28 places keep fewer digits than a double's 15 to 17.
    private const decimal SmallestExact = 1e-12m;
    private const double LargestExactInteger = 1L << 53;
    private const int LargestExactPower = 1000;

    internal static CalculatorValue From(decimal exact) => new((double)exact, exact);

    /// <summary>A result known in double precision only; a whole number that a double holds is exact.</summary>
    internal static CalculatorValue From(double value)
        => new(value, double.IsInteger(value) && Math.Abs(value) <= LargestExactInteger ? (decimal)value : null);

    internal static CalculatorValue Parse(ReadOnlySpan<char> digits)
    {
        double value = double.Parse(digits, NumberStyles.Float, CultureInfo.InvariantCulture);
        return decimal.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var exact)
            && (value == 0 || exact >= SmallestExact) ? From(exact) : From(value);
    }

    public static CalculatorValue operator +(CalculatorValue a, CalculatorValue b)
        => Combine(a, b, a.Approximate + b.Approximate, decimal.Add, mayVanish: false);

    public static CalculatorValue operator -(CalculatorValue a, CalculatorValue b)
        => Combine(a, b, a.Approximate - b.Approximate, decimal.Subtract, mayVanish: false);

    public static CalculatorValue operator *(CalculatorValue a, CalculatorValue b)
        => Combine(a, b, a.Approximate * b.Approximate, decimal.Multiply, mayVanish: true);

    public static CalculatorValue operator /(CalculatorValue a, CalculatorValue b)
        => Combine(a, b, a.Approximate / b.Approximate, decimal.Divide, mayVanish: true);

    public static CalculatorValue operator %(CalculatorValue a, CalculatorValue b)
        => Combine(a, b, a.Approximate % b.Approximate, decimal.Remainder, mayVanish: false);

    public static CalculatorValue operator -(CalculatorValue a) => new(-a.Approximate, -a.Exact);

    internal static CalculatorValue Power(CalculatorValue a, CalculatorValue b)
    {
        double value = Math.Pow(a.Approximate, b.Approximate);
        if (a.Exact is null || b.Exact is not { } exponent || !decimal.IsInteger(exponent) || Math.Abs(exponent) > LargestExactPower)
            return From(value);
        var product = From(1m);
        var square = a;
        for (int left = (int)Math.Abs(exponent); left > 0; left >>= 1)
        {
            if ((left & 1) == 1)
                product *= square;
            if (left > 1)
                square *= square;
        }

        var result = exponent < 0 ? From(1m) / product : product;
        return result.Exact is null ? From(value) : result;
    }

    /// <summary>Applies a function that has an exact form (a sign, a rounding).</summary>
    internal CalculatorValue Map(Func<decimal, decimal> exact, Func<double, double> approximate)
        => Exact is { } value ? From(exact(value)) : From(approximate(Approximate));

    internal bool IsZero => Exact is { } exact ? exact == 0 : Approximate == 0;

    internal int CompareTo(CalculatorValue other)
        => Exact is { } a && other.Exact is { } b ? a.CompareTo(b) : Approximate.CompareTo(other.Approximate);

    /// <summary>
    /// The value in digits, or with an exponent where it is known in double precision only and is very large or very small.
    /// </summary>
    public override string ToString()
        => Exact is { } exact
            ? exact.ToString("0.############################", CultureInfo.InvariantCulture)
            : Approximate.ToString("R", CultureInfo.InvariantCulture);

    private static CalculatorValue Combine(
        CalculatorValue a, CalculatorValue b, double value, Func<decimal, decimal, decimal> calculate, bool mayVanish)
    {
        if (a.Exact is not { } x || b.Exact is not { } y)
            return From(value);
        try
        {
            var exact = calculate(x, y);
            if (!mayVanish || Math.Abs(exact) >= SmallestExact || x == 0 || y == 0)
                return From(exact);
        }
        catch (OverflowException)
        {
            // Too large for a decimal: double precision holds it.
        }

        return From(value);
    }
}
