using System.Runtime.CompilerServices;

namespace Kotonoha.LocalModel.Cpu;

/// <summary>
/// Elementary functions on vectors, to about 1e-7 relative; own polynomials (Chebyshev fits). No result is denormal where a plain zero
/// does.
/// </summary>
internal static unsafe class VectorMath<S, V>
    where S : struct, ISimd<V>
    where V : struct
{
    private const float LowestExponent = -87.3f;
    private const float HighestExponent = 88.7f;

    /// <summary>eˣ: x = n ln 2 + r, a polynomial of r; 0 below e^−87.3, infinity above the largest float.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Exp(V x)
    {
        V bounded = S.Min(S.Max(x, S.Create(LowestExponent)), S.Create(HighestExponent));
        V n = S.Round(S.Multiply(bounded, S.Create(1.44269504f)));
        V r = S.Fma(n, S.Create(-0.693359375f), bounded);
        r = S.Fma(n, S.Create(2.12194440e-4f), r);
        V p = S.Create(0.00139262508f);
        p = S.Fma(p, r, S.Create(0.00836323288f));
        p = S.Fma(p, r, S.Create(0.0416665542f));
        p = S.Fma(p, r, S.Create(0.166665767f));
        p = S.Fma(p, r, S.Create(0.5f));
        p = S.Fma(p, S.Multiply(r, r), S.Add(r, S.Create(1)));

        // n may be 128, which has no power of two of its own.
        V half = S.Round(S.Multiply(n, S.Create(0.5f)));
        V y = S.Multiply(S.Multiply(p, S.PowerOfTwo(half)), S.PowerOfTwo(S.Subtract(n, half)));
        y = S.IfLess(x, S.Create(LowestExponent), S.Zero, y);
        return S.IfLess(S.Create(HighestExponent), x, S.Create(float.PositiveInfinity), y);
    }

    /// <summary>eˣ for x of at most 0, as in a softmax.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V ExpOfNegative(V x)
    {
        V bounded = S.Max(x, S.Create(LowestExponent));
        V n = S.Round(S.Multiply(bounded, S.Create(1.44269504f)));
        V r = S.Fma(n, S.Create(-0.693359375f), bounded);
        r = S.Fma(n, S.Create(2.12194440e-4f), r);
        V p = S.Create(0.00139262508f);
        p = S.Fma(p, r, S.Create(0.00836323288f));
        p = S.Fma(p, r, S.Create(0.0416665542f));
        p = S.Fma(p, r, S.Create(0.166665767f));
        p = S.Fma(p, r, S.Create(0.5f));
        p = S.Fma(p, S.Multiply(r, r), S.Add(r, S.Create(1)));
        return S.IfLess(x, S.Create(LowestExponent), S.Zero, S.Multiply(p, S.PowerOfTwo(n)));
    }

    /// <summary>1 / (1 + e^−x), from the side where nothing overflows.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Sigmoid(V x)
    {
        V e = ExpOfNegative(S.Subtract(S.Zero, S.Abs(x)));
        V numerator = S.IfLess(x, S.Zero, e, S.Create(1));
        return S.Divide(numerator, S.Add(S.Create(1), e));
    }

    /// <summary>tanh: an odd polynomial near zero, (1 − e^−2|x|) / (1 + e^−2|x|) further out.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Tanh(V x)
    {
        V a = S.Abs(x), y = S.Multiply(x, x);
        V p = S.Create(0.00229274482f);
        p = S.Fma(p, y, S.Create(-0.00834394552f));
        p = S.Fma(p, y, S.Create(0.0217689187f));
        p = S.Fma(p, y, S.Create(-0.0539592596f));
        p = S.Fma(p, y, S.Create(0.133333036f));
        p = S.Fma(p, y, S.Create(-0.333333332f));
        V near = S.Fma(S.Multiply(p, y), x, x);
        V e = ExpOfNegative(S.Multiply(a, S.Create(-2)));
        V far = S.Divide(S.Subtract(S.Create(1), e), S.Add(S.Create(1), e));
        return S.IfLess(a, S.Create(0.625f), near, S.CopySign(far, x));
    }

    /// <summary>The normal distribution function Φ(x) = (1 + erf(x / √2)) / 2, and e^(−x²/2).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static V Normal(V x, out V gauss)
    {
        V z = S.Multiply(S.Abs(x), S.Create(0.707106781f)), y = S.Multiply(z, z);
        gauss = ExpOfNegative(S.Multiply(S.Multiply(x, x), S.Create(-0.5f)));

        // erf z = z P(z²) below 1
        V p = S.Create(-9.66704457e-6f);
        p = S.Fma(p, y, S.Create(0.00011265959f));
        p = S.Fma(p, y, S.Create(-0.000848408041f));
        p = S.Fma(p, y, S.Create(0.00522103181f));
        p = S.Fma(p, y, S.Create(-0.0268654307f));
        p = S.Fma(p, y, S.Create(0.112837825f));
        p = S.Fma(p, y, S.Create(-0.376126385f));
        p = S.Fma(p, y, S.Create(1.12837917f));
        V near = S.Fma(S.Multiply(S.Multiply(x, S.Create(0.707106781f)), p), S.Create(0.5f), S.Create(0.5f));

        // erfc z = e^(−z²) t Q(t) with t = 1 / (1 + 0.4 z) from there on
        V t = S.Divide(S.Create(1), S.Fma(z, S.Create(0.4f), S.Create(1)));
        V q = S.Create(0.0657760460404f);
        q = S.Fma(q, t, S.Create(-0.24179602405f));
        q = S.Fma(q, t, S.Create(0.262829878034f));
        q = S.Fma(q, t, S.Create(-0.0868848589018f));
        q = S.Fma(q, t, S.Create(0.183193003307f));
        q = S.Fma(q, t, S.Create(0.155575429215f));
        q = S.Fma(q, t, S.Create(0.210214700901f));
        q = S.Fma(q, t, S.Create(0.225435059031f));
        q = S.Fma(q, t, S.Create(0.225685560655f));
        V tail = S.Multiply(S.Multiply(gauss, S.Multiply(q, t)), S.Create(0.5f));
        V far = S.IfLess(x, S.Zero, tail, S.Subtract(S.Create(1), tail));
        return S.IfLess(z, S.Create(1), near, far);
    }
}

/// <summary>The error function in double precision.</summary>
internal static class ErrorFunction
{
    private const double SeriesLimit = 2.5;
    private const int FractionTerms = 60;

    /// <summary>
    /// 2/√π ∫₀ˣ exp(−t²) dt: the Maclaurin series near zero, the continued fraction of erfc further out (Abramowitz and Stegun 7.1.6,
    /// 7.1.14).
    /// </summary>
    public static double Erf(double x)
    {
        double a = Math.Abs(x);
        if (double.IsNaN(x))
            return x;
        if (a > 6.5)
            return Math.Sign(x);
        if (a < SeriesLimit)
        {
            // erf x = 2/√π exp(−x²) Σ 2ⁿ x^(2n+1) / (2n+1)!!: all terms positive, nothing cancels.
            double term = x, sum = x;
            for (int n = 1; n < 200 && Math.Abs(term) > 1e-18 * Math.Abs(sum); n++)
            {
                term *= 2 * x * x / (2 * n + 1);
                sum += term;
            }

            return 2 / Math.Sqrt(Math.PI) * Math.Exp(-x * x) * sum;
        }

        double fraction = a;
        for (int n = FractionTerms; n > 0; n--)
            fraction = a + n * 0.5 / fraction;
        return Math.Sign(x) * (1 - Math.Exp(-a * a) / (Math.Sqrt(Math.PI) * fraction));
    }
}
