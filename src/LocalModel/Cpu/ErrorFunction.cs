namespace Kotonoha.LocalModel.Cpu;

/// <summary>The error function in double precision.</summary>
internal static class ErrorFunction
{
    private const double SeriesLimit = 2.5;
    private const int FractionTerms = 60;

    /// <summary>2/√π ∫₀ˣ exp(−t²) dt: the Maclaurin series near zero, the continued fraction of erfc further out (Abramowitz and Stegun 7.1.6, 7.1.14).</summary>
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
