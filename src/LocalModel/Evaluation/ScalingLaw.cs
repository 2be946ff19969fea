namespace Kotonoha.LocalModel.Evaluation;

/// <summary>A run of a sweep over sizes.</summary>
/// <param name="Parameters">N: the parameters of the model.</param>
/// <param name="Tokens">D: the tokens that it was trained on.</param>
/// <param name="Loss">L: its loss at the end, in nats per token.</param>
public readonly record struct ScalingRun(double Parameters, double Tokens, double Loss);

/// <summary>
/// How the loss falls with size and data: L(N, D) = E + A/N^α + B/D^β (Chinchilla, arXiv:2203.15556).
/// </summary>
/// <param name="Irreducible">E: the loss that no model gets below.</param>
/// <param name="ParameterFactor">A.</param>
/// <param name="ParameterExponent">α.</param>
/// <param name="TokenFactor">B.</param>
/// <param name="TokenExponent">β.</param>
public sealed record ScalingLaw(
    double Irreducible, double ParameterFactor, double ParameterExponent, double TokenFactor, double TokenExponent)
{
    internal const int LeastRuns = 5;
    private const int MostSteps = 500;
    private const double FlopsPerParameterAndToken = 6;

    /// <summary>The loss of a run.</summary>
    /// <param name="parameters">N.</param>
    /// <param name="tokens">D.</param>
    public double Predict(double parameters, double tokens)
        => Irreducible + ParameterFactor / Math.Pow(parameters, ParameterExponent) + TokenFactor / Math.Pow(tokens, TokenExponent);

    /// <summary>The size and the tokens of least loss that a compute allows, with C = 6 N D.</summary>
    /// <param name="flops">C.</param>
    public (double Parameters, double Tokens) Optimal(double flops)
    {
        double exponents = ParameterExponent + TokenExponent, c = flops / FlopsPerParameterAndToken;
        double g = Math.Pow(ParameterExponent * ParameterFactor / (TokenExponent * TokenFactor), 1 / exponents);
        return (g * Math.Pow(c, TokenExponent / exponents), Math.Pow(c, ParameterExponent / exponents) / g);
    }

    /// <summary>
    /// Fits the law as Chinchilla does: the Huber loss of log L, so that single runs that went wrong do not bend it, from several starts.
    /// </summary>
    /// <param name="runs">At least five, of different sizes and tokens.</param>
    /// <param name="huber">Where the loss of a run becomes linear, in log L.</param>
    /// <exception cref="ArgumentException">There are fewer than five runs, or a number is not positive.</exception>
    public static ScalingLaw Fit(IReadOnlyList<ScalingRun> runs, double huber = 1e-3)
    {
        ArgumentNullException.ThrowIfNull(runs);
        if (runs.Count < LeastRuns || runs.Any(run => !(run.Parameters > 0 && run.Tokens > 0 && run.Loss > 0)))
            throw new ArgumentException("At least five runs with positive parameters, tokens and losses are needed.", nameof(runs));
        double least = runs.Min(run => run.Loss);
        double[]? best = null;
        double bestObjective = double.PositiveInfinity;
        foreach (double exponent in (double[])[0.2, 0.35, 0.5])
            foreach (double otherExponent in (double[])[0.2, 0.35, 0.5])
                foreach (double share in (double[])[0.5, 0.9])
                {
                    // Half of what is above E lies in each term, at the median run.
                    double half = Math.Log(Math.Max((Median(runs, r => r.Loss) - share * least) / 2, 1e-6));
                    double[] start =
                    [
                        half + exponent * Math.Log(Median(runs, r => r.Parameters)), exponent,
                        half + otherExponent * Math.Log(Median(runs, r => r.Tokens)), otherExponent, Math.Log(share * least),
                    ];
                    var (found, objective) = Minimize(start, runs, huber);
                    if (objective < bestObjective)
                        (best, bestObjective) = (found, objective);
                }

        return best is null
            ? throw new ArgumentException("No law fits these runs: no start led anywhere.", nameof(runs))
            : new ScalingLaw(Math.Exp(best[4]), Math.Exp(best[0]), best[1], Math.Exp(best[2]), best[3]);
    }

    /// <summary>
    /// Laws of resampled runs (residual bootstrap): each run's loss becomes the fitted one times the relative error of a run that is drawn,
    /// and the law is fitted anew. <see cref="Statistics.PercentileInterval"/> of what they predict is a confidence interval.
    /// </summary>
    /// <param name="runs">What this law was fitted to.</param>
    /// <param name="resamples">How many laws.</param>
    /// <param name="seed">What the draws depend on.</param>
    public IReadOnlyList<ScalingLaw> Bootstrap(IReadOnlyList<ScalingRun> runs, int resamples = 200, int seed = 0)
    {
        ArgumentNullException.ThrowIfNull(runs);
        ArgumentOutOfRangeException.ThrowIfLessThan(resamples, 1);
        var random = new Random(seed);
        double[] errors = [.. runs.Select(run => run.Loss / Predict(run.Parameters, run.Tokens))];
        return [.. Enumerable.Range(0, resamples).Select(_ => Fit([.. runs.Select(run => run with
        {
            Loss = Predict(run.Parameters, run.Tokens) * errors[random.Next(errors.Length)],
        })]))];
    }

    /// <summary>Σ Huber(log of the predicted − log of the measured loss).</summary>
    internal double Objective(IReadOnlyList<ScalingRun> runs, double huber)
        => Objective(
            [Math.Log(ParameterFactor), ParameterExponent, Math.Log(TokenFactor), TokenExponent, Math.Log(Irreducible)], runs, huber);

    // Levenberg and Marquardt's method on weighted squares: the weight of a run beyond the bend of the Huber loss falls with its distance.
    private static (double[] Point, double Objective) Minimize(double[] point, IReadOnlyList<ScalingRun> runs, double huber)
    {
        double objective = Objective(point, runs, huber), damping = 1e-3;
        int size = point.Length;
        for (int step = 0; step < MostSteps && damping < 1e12; step++)
        {
            var matrix = new double[size, size];
            var descent = new double[size];
            foreach (var run in runs)
            {
                double residual = Residual(point, run, out var slopes), weight = Math.Min(1, huber / Math.Abs(residual));
                for (int i = 0; i < size; i++)
                {
                    descent[i] -= weight * residual * slopes[i];
                    for (int j = 0; j < size; j++)
                        matrix[i, j] += weight * slopes[i] * slopes[j];
                }
            }

            for (int i = 0; i < size; i++)
                matrix[i, i] += damping * Math.Max(matrix[i, i], 1e-12);
            var change = LinearSystem.Solve(matrix, descent);
            double[] next = [.. point.Zip(change, (p, c) => p + c)];
            double reached = Objective(next, runs, huber);
            if (reached < objective)
            {
                (point, objective) = (next, reached);
                damping = Math.Max(damping / 3, 1e-15);
            }
            else
            {
                damping *= 4;
            }
        }

        return (point, objective);
    }

    private static double Objective(double[] point, IReadOnlyList<ScalingRun> runs, double huber)
        => runs.Sum(run =>
        {
            double distance = Math.Abs(Residual(point, run, out _));
            return distance <= huber ? distance * distance / 2 : huber * (distance - huber / 2);
        });

    // log(e^(a − α ln N) + e^(b − β ln D) + e^e) − ln L, and its derivatives by a, α, b, β and e.
    private static double Residual(double[] point, ScalingRun run, out double[] slopes)
    {
        double n = Math.Log(run.Parameters), d = Math.Log(run.Tokens);
        double x = point[0] - point[1] * n, y = point[2] - point[3] * d, z = point[4], most = Math.Max(x, Math.Max(y, z));
        double p = Math.Exp(x - most), q = Math.Exp(y - most), r = Math.Exp(z - most), sum = p + q + r;
        slopes = [p / sum, -n * p / sum, q / sum, -d * q / sum, r / sum];
        return most + Math.Log(sum) - Math.Log(run.Loss);
    }

    private static double Median(IReadOnlyList<ScalingRun> runs, Func<ScalingRun, double> value)
        => runs.Select(value).Order().ElementAt(runs.Count / 2);
}
