namespace Kotonoha.LocalModel.Evaluation;

/// <summary>A comparison of two answers.</summary>
/// <param name="First">Who gave the first.</param>
/// <param name="Second">Who gave the second.</param>
/// <param name="Score">1 where the first won, 0 where the second won, 0.5 for a draw.</param>
public readonly record struct Game(string First, string Second, double Score);

/// <summary>Ratings from comparisons of pairs.</summary>
public static class Ratings
{
    private const int MostSteps = 100;
    private const double Converged = 1e-12;

    /// <summary>Elo's ratings, game after game: the order matters. 400 points are odds of 10 to 1.</summary>
    /// <param name="games">The games in order.</param>
    /// <param name="factor">The most that a game may change a rating (K).</param>
    /// <param name="initial">Where everybody starts.</param>
    public static IReadOnlyDictionary<string, double> Elo(IEnumerable<Game> games, double factor = 32, double initial = 1000)
    {
        ArgumentNullException.ThrowIfNull(games);
        var ratings = new Dictionary<string, double>();
        foreach (var game in games)
        {
            double first = ratings.GetValueOrDefault(game.First, initial), second = ratings.GetValueOrDefault(game.Second, initial);
            double change = factor * (game.Score - 1 / (1 + Math.Pow(10, (second - first) / 400)));
            ratings[game.First] = first + change;
            ratings[game.Second] = second - change;
        }

        return ratings;
    }

    /// <summary>
    /// The log strengths of greatest likelihood where P(a beats b) = s_a / (s_a + s_b) (Bradley and Terry 1952), with mean 0; a draw is
    /// half a win for each. The order of games does not matter.
    /// </summary>
    /// <param name="games">The games.</param>
    /// <exception cref="ArgumentException">Somebody, or a group, never won or never lost against the others: no strength is the
    /// likeliest.</exception>
    public static IReadOnlyDictionary<string, double> BradleyTerry(IEnumerable<Game> games)
    {
        ArgumentNullException.ThrowIfNull(games);
        Game[] all = [.. games];
        string[] players = [.. all.SelectMany(game => (string[])[game.First, game.Second]).Distinct().Order(StringComparer.Ordinal)];
        var places = players.Select((name, i) => (name, i)).ToDictionary(pair => pair.name, pair => pair.i);
        int n = players.Length;
        var wins = new double[n, n];
        foreach (var game in all)
        {
            int a = places[game.First], b = places[game.Second];
            wins[a, b] += game.Score;
            wins[b, a] += 1 - game.Score;
        }

        RequireConnected(wins, players);

        // Newton's method; the last strength is held at 0, as only differences count.
        var strengths = new double[n];
        for (int step = 0; step < MostSteps; step++)
        {
            var gradient = new double[n - 1];
            var curvature = new double[n - 1, n - 1];
            for (int a = 0; a < n - 1; a++)
                for (int b = 0; b < n; b++)
                {
                    double played = a == b ? 0 : wins[a, b] + wins[b, a], p = 1 / (1 + Math.Exp(strengths[b] - strengths[a]));
                    gradient[a] += a == b ? 0 : wins[a, b] - played * p;
                    curvature[a, a] += played * p * (1 - p);
                    if (b < n - 1)
                        curvature[a, b] -= played * p * (1 - p);
                }

            var change = LinearSystem.Solve(curvature, gradient);
            double size = Math.Max(1, change.Length == 0 ? 0 : change.Max(Math.Abs));
            for (int a = 0; a < n - 1; a++)
                strengths[a] += change[a] / size;
            if (change.All(c => Math.Abs(c) < Converged))
                break;
        }

        double mean = strengths.Length == 0 ? 0 : strengths.Average();
        return players.ToDictionary(name => name, name => strengths[places[name]] - mean);
    }

    /// <summary>A log strength on Elo's scale.</summary>
    /// <param name="logStrength">From <see cref="BradleyTerry"/>.</param>
    /// <param name="center">Where a strength of 0 lies.</param>
    public static double OnEloScale(double logStrength, double center = 1000) => center + 400 / Math.Log(10) * logStrength;

    private static void RequireConnected(double[,] wins, string[] players)
    {
        foreach (bool forwards in (bool[])[true, false])
        {
            var reached = new HashSet<int>();
            var open = new Stack<int>(players.Length > 0 ? [0] : []);
            while (open.TryPop(out int a))
                if (reached.Add(a))
                    for (int b = 0; b < players.Length; b++)
                        if ((forwards ? wins[a, b] : wins[b, a]) > 0)
                            open.Push(b);
            if (players.Where((_, i) => !reached.Contains(i)).FirstOrDefault() is { } missing)
                throw new ArgumentException($"'{missing}' {(forwards ? "was never beaten by" : "never beat")} '{players[0]}' or anybody "
                    + "whom it may be compared with through others: its strength has no bound. Play more games, or count each pair as "
                    + "one draw more.");
        }
    }
}

/// <summary>Small systems of linear equations.</summary>
internal static class LinearSystem
{
    /// <summary>Solves a x = b by elimination with pivots.</summary>
    public static double[] Solve(double[,] a, double[] b)
    {
        int n = b.Length;
        var m = (double[,])a.Clone();
        var x = (double[])b.Clone();
        for (int c = 0; c < n; c++)
        {
            int pivot = Enumerable.Range(c, n - c).MaxBy(r => Math.Abs(m[r, c]));
            for (int k = 0; k < n; k++)
                (m[c, k], m[pivot, k]) = (m[pivot, k], m[c, k]);
            (x[c], x[pivot]) = (x[pivot], x[c]);
            for (int r = c + 1; r < n; r++)
            {
                double factor = m[r, c] / m[c, c];
                for (int k = c; k < n; k++)
                    m[r, k] -= factor * m[c, k];
                x[r] -= factor * x[c];
            }
        }

        for (int r = n - 1; r >= 0; r--)
        {
            for (int k = r + 1; k < n; k++)
                x[r] -= m[r, k] * x[k];
            x[r] /= m[r, r];
        }

        return x;
    }
}
