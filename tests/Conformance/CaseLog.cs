namespace Kotonoha.Conformance;

/// <summary>Counts the cases of one family and keeps what failed.</summary>
internal sealed class CaseLog
{
    public int Passed { get; private set; }

    public int Failed { get; private set; }

    public int Skipped { get; private set; }

    public List<string> Failures { get; } = [];

    public List<string> SkipReasons { get; } = [];

    public void Pass() => Passed++;

    public void Fail(string name, string difference)
    {
        Failed++;
        Failures.Add($"{name}: {difference}");
    }

    public void Skip(string name, string reason)
    {
        Skipped++;
        SkipReasons.Add($"{name}: {reason}");
    }

    /// <summary>Runs one case: null means passed, a text says what differed, an exception is a failure.</summary>
    public void Case(string name, Func<string?> check)
    {
        try
        {
            var difference = check();
            if (difference is null)
                Pass();
            else
                Fail(name, difference);
        }
        catch (Exception exception)
        {
            Fail(name, $"{exception.GetType().Name}: {exception.Message}");
        }
    }

    /// <summary>
    /// Compares numbers; null when every |got - want| is at most absolute + relative * |want| and NaN and infinities agree.
    /// </summary>
    public static string? Compare(ReadOnlySpan<float> got, ReadOnlySpan<float> want, double absolute, double relative)
    {
        if (got.Length != want.Length)
            return $"{got.Length} values instead of {want.Length}";
        int worst = -1;
        double worstExcess = 0;
        for (int i = 0; i < got.Length; i++)
        {
            if (got[i].Equals(want[i]))
                continue;
            double excess = Math.Abs((double)got[i] - want[i]) - (absolute + relative * Math.Abs((double)want[i]));
            if (double.IsNaN(excess))
                excess = double.PositiveInfinity;
            if (excess > worstExcess)
                (worst, worstExcess) = (i, excess);
        }

        return worst < 0 ? null : $"value {worst} is {got[worst]:R}, expected {want[worst]:R}";
    }
}
