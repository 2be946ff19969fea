using System.Globalization;
using System.Numerics;
using Kotonoha.Grammars.Nodes;

namespace Kotonoha.Grammars.JsonSchema;

/// <summary>The bounds of a number, exact.</summary>
/// <param name="Minimum">The least value; null for none.</param>
/// <param name="MinimumIsExclusive">Whether the least value itself is out.</param>
/// <param name="Maximum">The greatest value; null for none.</param>
/// <param name="MaximumIsExclusive">Whether the greatest value itself is out.</param>
/// <param name="MultipleOf">What it must be a multiple of, above 0.</param>
internal sealed record NumberBounds(
    DecimalText? Minimum, bool MinimumIsExclusive, DecimalText? Maximum, bool MaximumIsExclusive, IReadOnlyList<DecimalText> MultipleOf);

/// <summary>
/// A decimal number of any length: sign, digits before the point (without leading zeros, but at least one) and behind it (without zeros at
/// the end).
/// </summary>
internal sealed record DecimalText(bool IsNegative, string Whole, string Fraction)
{
    private const int MaximumExponent = 400;

    public static DecimalText Zero { get; } = new(false, "0", "");

    public bool IsZero => Whole == "0" && Fraction.Length == 0;

    /// <summary>Reads a number of JSON; null where its exponent is beyond all that a double can hold.</summary>
    public static DecimalText? Parse(string json)
    {
        bool negative = json[0] == '-';
        var digits = negative ? json.AsSpan(1) : json;
        int exponentAt = digits.IndexOfAny('e', 'E');
        int exponent = 0;
        if (exponentAt >= 0)
        {
            if (!int.TryParse(digits[(exponentAt + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out exponent)
                || Math.Abs(exponent) > MaximumExponent)
                return null;
            digits = digits[..exponentAt];
        }

        int point = digits.IndexOf('.');
        string whole = (point < 0 ? digits : digits[..point]).ToString(), fraction = point < 0 ? "" : digits[(point + 1)..].ToString();
        if (exponent > 0)
        {
            fraction = fraction.PadRight(exponent, '0');
            (whole, fraction) = (whole + fraction[..exponent], fraction[exponent..]);
        }
        else if (exponent < 0)
        {
            whole = whole.PadLeft(-exponent + 1, '0');
            (whole, fraction) = (whole[..^-exponent], whole[^-exponent..] + fraction);
        }

        whole = whole.TrimStart('0');
        fraction = fraction.TrimEnd('0');
        var result = new DecimalText(negative, whole.Length == 0 ? "0" : whole, fraction);
        return result.IsZero ? Zero : result;
    }

    /// <summary>Compares two numbers.</summary>
    public int CompareTo(DecimalText other)
    {
        if (IsNegative != other.IsNegative)
            return IsNegative ? -1 : 1;
        int order = Whole.Length != other.Whole.Length
            ? Whole.Length.CompareTo(other.Whole.Length)
            : string.CompareOrdinal(Whole, other.Whole);
        if (order == 0)
            order = string.CompareOrdinal(Fraction, other.Fraction);
        return IsNegative ? -order : order;
    }
}

/// <summary>The texts of numbers within bounds, as automata over their digits.</summary>
internal static class JsonNumber
{
    /// <summary>The digits of a number at most: as many as a double keeps apart.</summary>
    public const int MaximumDigits = 15;

    /// <summary>A number without a sign and without bounds.</summary>
    public static Node Unsigned(bool fraction) => Magnitude(null, false, null, false, fraction, MaximumDigits, []);

    /// <summary>A number within bounds; minus zero is left out.</summary>
    /// <param name="bounds">The bounds.</param>
    /// <param name="fraction">Whether it may have digits behind a point.</param>
    /// <param name="digits">The digits before and behind the point at most, together.</param>
    public static Node Within(NumberBounds bounds, bool fraction, int digits)
    {
        var (minimum, maximum) = (bounds.Minimum, bounds.Maximum);
        var options = new List<Node>();
        if (maximum is not { IsNegative: true })
            options.Add(Magnitude(
                minimum is { IsNegative: false }
                    ? minimum
                    : null, bounds.MinimumIsExclusive, maximum, bounds.MaximumIsExclusive, fraction, digits, bounds.MultipleOf));
        if (minimum is null or { IsNegative: true })
        {
            var (least, exclusive) = maximum is { IsNegative: true }
                ? (maximum with { IsNegative = false }, bounds.MaximumIsExclusive)
                : (DecimalText.Zero, true);
            options.Add(Node.Sequence(Node.Literal("-"), Magnitude(
                least, exclusive, minimum is null
                    ? null
                    : minimum with { IsNegative = false }, bounds.MinimumIsExclusive, fraction, digits, bounds.MultipleOf)));
        }

        return Node.Choice([.. options]);
    }

    private static Node Magnitude(
        DecimalText? least, bool leastIsOut, DecimalText? greatest, bool greatestIsOut, bool fraction, int digits,
        IReadOnlyList<DecimalText> multipleOf)
    {
        // A multiple of p / 10^k, times 10^k, is a whole multiple of p.
        var (divisor, places) = multipleOf.Count == 0 ? (1, -1) : CommonDivisor(multipleOf);
        return DfaNode.Build(new Digits(Phase.Start, 0, 0, 0, 0, 0), IsFinal, Edges);

        bool IsFinal(Digits state)
        {
            if (state.Phase is Phase.Start or Phase.Point)
                return false;
            int toLeast = Final(state, state.ToLeast, least), toGreatest = Final(state, state.ToGreatest, greatest);
            if (least is not null && (toLeast < 0 || (toLeast == 0 && leastIsOut)))
                return false;
            if (greatest is not null && (toGreatest > 0 || (toGreatest == 0 && greatestIsOut)))
                return false;
            if (places < 0)
                return true;
            var rest = (BigInteger)state.Rest;
            for (int i = state.Behind; i < places; i++)
                rest = rest * 10 % divisor;
            return rest.IsZero;
        }

        IEnumerable<(byte, byte, Digits)> Edges(Digits state)
        {
            if (fraction && places != 0 && state.Before < digits && state.Phase is (Phase.Zero or Phase.Whole))
            {
                // How the whole parts compare is settled now.
                yield return ((byte)'.', (byte)'.', state with
                {
                    Phase = Phase.Point,
                    ToLeast = WholeOrder(state, state.ToLeast, least),
                    ToGreatest = WholeOrder(state, state.ToGreatest, greatest),
                });
            }

            bool isBehind = state.Phase is Phase.Point or Phase.Fraction;
            if (state.Phase == Phase.Zero || state.Before + state.Behind >= digits || (isBehind && places >= 0 && state.Behind >= places))
                yield break;
            for (int digit = 0; digit <= 9; digit++)
            {
                var phase = isBehind ? Phase.Fraction : state.Phase == Phase.Start && digit == 0 ? Phase.Zero : Phase.Whole;
                yield return ((byte)('0' + digit), (byte)('0' + digit), new Digits(
                    phase,
                    isBehind ? state.Before : state.Before + 1,
                    isBehind ? state.Behind + 1 : 0,
                    Compare(state.ToLeast, digit, isBehind ? least?.Fraction : least?.Whole, isBehind ? state.Behind : state.Before),
                    Compare(state.ToGreatest, digit, isBehind ? greatest?.Fraction : greatest?.Whole,
                        isBehind ? state.Behind : state.Before),
                    places < 0 ? 0 : (int)(((long)state.Rest * 10 + digit) % divisor)));
            }
        }
    }

    private static int Compare(int order, int digit, string? other, int at)
        => other is null || order != 0 ? order : Math.Sign(digit - (at < other.Length ? other[at] - '0' : 0));

    private static int WholeOrder(Digits state, int order, DecimalText? other)
        => other is null ? 0 : state.Before != other.Whole.Length ? state.Before.CompareTo(other.Whole.Length) : order;

    private static int Final(Digits state, int order, DecimalText? other)
    {
        if (other is null)
            return 0;
        if (state.Phase is Phase.Zero or Phase.Whole)
            order = WholeOrder(state, order, other);
        return order == 0 && state.Behind < other.Fraction.Length ? -1 : order;
    }

    // The least common multiple of all, as p / 10^k.
    private static (int Divisor, int Places) CommonDivisor(IReadOnlyList<DecimalText> multipleOf)
    {
        const int MaximumDivisor = 10_000;
        int places = multipleOf.Max(m => m.Fraction.Length);
        var common = BigInteger.One;
        foreach (var each in multipleOf)
        {
            var scaled = BigInteger.Parse(each.Whole + each.Fraction.PadRight(places, '0'), CultureInfo.InvariantCulture);
            common = common / BigInteger.GreatestCommonDivisor(common, scaled) * scaled;
        }

        // Whole numbers that are multiples of 10^j are so without digits behind the point.
        while (places > 0 && common % 10 == 0)
            (common, places) = (common / 10, places - 1);
        return common <= MaximumDivisor
            ? ((int)common, places)
            : throw new GrammarException(GrammarError.TooComplex,
                $"A multiple of {common} needs too many states; at most {MaximumDivisor} are allowed.");
    }

    private enum Phase
    {
        Start,
        Zero,
        Whole,
        Point,
        Fraction,
    }

    /// <param name="Phase">Where in the number it is.</param>
    /// <param name="Before">The digits before the point.</param>
    /// <param name="Behind">The digits behind it.</param>
    /// <param name="ToLeast">How they compare with as many of the least value.</param>
    /// <param name="ToGreatest">How they compare with as many of the greatest value.</param>
    /// <param name="Rest">The remainder of all digits by the divisor.</param>
    private readonly record struct Digits(Phase Phase, int Before, int Behind, int ToLeast, int ToGreatest, int Rest);
}
