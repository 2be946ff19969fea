using System.Globalization;
using System.Text;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Comparisons;

/// <summary>What votes say of a system.</summary>
/// <param name="System">Its name.</param>
/// <param name="Votes">The comparisons that it took part in.</param>
/// <param name="WinRate">Its share of wins, a tie for a half.</param>
/// <param name="Interval">The 95% interval of that share (Wilson).</param>
/// <param name="Elo">Its rating after all games in order.</param>
/// <param name="Strength">Its Bradley–Terry strength on Elo's scale, or null where the votes do not bound it.</param>
/// <param name="StrengthInterval">The 95% interval of the strength, by resampling the votes; null where too few resamples bound it.</param>
internal sealed record Rating(
    string System, int Votes, double WinRate, Interval Interval, double Elo, double? Strength, Interval? StrengthInterval);

/// <summary>Ratings of systems from votes.</summary>
internal static class RatingTable
{
    private const int Resamples = 500;

    // Resamples in which somebody won or lost everything bound nothing; without them an interval would be too narrow.
    private const double LeastBounded = 0.99;

    /// <summary>The systems, the best first.</summary>
    public static IReadOnlyList<Rating> Of(IReadOnlyList<Vote> votes)
    {
        Game[] games = [.. votes.Select(vote => new Game(vote.First, vote.Second, vote.Score))];
        var elo = Ratings.Elo(games);
        var strengths = Strengths(games);
        var resampled = Resampled(games);
        return [.. elo.Keys.Select(system =>
        {
            double[] scores = [.. games.Where(g => g.First == system).Select(g => g.Score),
                .. games.Where(g => g.Second == system).Select(g => 1 - g.Score)];
            double[] drawn = [.. resampled.Select(s => s.GetValueOrDefault(system)).OfType<double>()];
            return new Rating(system, scores.Length, scores.Average(), Statistics.WilsonOfShare(scores.Average(), scores.Length),
                elo[system], strengths?[system],
                strengths is null || drawn.Length < LeastBounded * Resamples ? null : Statistics.PercentileInterval(drawn));
        }).OrderByDescending(rating => rating.Strength ?? rating.WinRate).ThenBy(rating => rating.System, StringComparer.Ordinal)];
    }

    /// <summary>How far those who voted on the same pairs agree (Krippendorff's alpha), or null where nobody voted on the same.</summary>
    public static double? Agreed(IReadOnlyList<Vote> votes) => Agreement.KrippendorffAlpha(
        votes.GroupBy(vote => (vote.Id, vote.First, vote.Second)).Select(pair => (IReadOnlyList<double>)[.. pair.Select(v => v.Score)]),
        RatingScale.Ordinal);

    /// <summary>The table as text.</summary>
    public static string Text(IReadOnlyList<Vote> votes)
    {
        var ratings = Of(votes);
        int width = Math.Max("system".Length, ratings.Max(rating => rating.System.Length));
        var text = new StringBuilder(string.Create(CultureInfo.InvariantCulture,
            $"{"system".PadRight(width)}  {"votes",6}  {"wins",22}  {"Elo",6}  Bradley–Terry\n"));
        foreach (var rating in ratings)
        {
            var wins = string.Create(CultureInfo.InvariantCulture,
                $"{100 * rating.WinRate:F1}% ({100 * rating.Interval.Low:F1}–{100 * rating.Interval.High:F1})");
            var bounds = rating.StrengthInterval is { } interval
                ? string.Create(CultureInfo.InvariantCulture, $"{interval.Low:F0}–{interval.High:F0}")
                : "too few votes for an interval";
            var strength = rating.Strength is null ? "no bound: it won or lost everything" : string.Create(CultureInfo.InvariantCulture,
                $"{rating.Strength:F0} ({bounds})");
            text.Append(CultureInfo.InvariantCulture,
                $"{rating.System.PadRight(width)}  {rating.Votes,6}  {wins,22}  {rating.Elo,6:F0}  {strength}\n");
        }

        if (Agreed(votes) is { } agreed)
            text.Append(CultureInfo.InvariantCulture, $"agreement of those who voted on the same (Krippendorff's alpha): {agreed:F2}\n");
        return text.ToString();
    }

    private static IReadOnlyDictionary<string, double?>? Strengths(Game[] games)
    {
        try
        {
            return Ratings.BradleyTerry(games).ToDictionary(pair => pair.Key, pair => (double?)Ratings.OnEloScale(pair.Value));
        }
        catch (ArgumentException)
        {
            return null;
        }
    }

    private static IReadOnlyList<IReadOnlyDictionary<string, double?>> Resampled(Game[] games)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Resamples)
            .Select(_ => Strengths([.. games.Select(_ => games[random.Next(games.Length)])]))
            .OfType<IReadOnlyDictionary<string, double?>>()];
    }
}
