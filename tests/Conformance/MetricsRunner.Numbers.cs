using System.Text.Json;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Numerics;

namespace Kotonoha.Conformance;

/// <content>Metrics of classes, numbers and comparisons, and what all kinds share.</content>
internal sealed partial class MetricsRunner
{
    private static void Classes(JsonElement fixture, string name, string path, CaseLog log)
    {
        string[] Labels(string field) => [.. fixture.GetProperty(field).EnumerateArray().Select(label => label.ToString())];
        var score = new ClassificationScore<string>(Labels("y_true"), Labels("y_pred"), Labels("labels"));
        log.Case($"{name} confusion", () => Near(
            [.. score.Confusion.SelectMany(row => row).Select(count => (double)count)],
            [.. fixture.GetProperty("confusion").EnumerateArray().SelectMany(row => row.Numbers())]));
        var rows = fixture.GetProperty("per_class").EnumerateArray().Select(row => row.Numbers()).ToArray();
        for (int i = 0; i < rows.Length; i++)
        {
            int at = i;
            log.Case($"{name} class {score.Labels[i]}", () => Near(
                [score.PerClass[at].Precision, score.PerClass[at].Recall, score.PerClass[at].F1, score.Support[at]], rows[at]));
        }

        foreach (var (field, mean) in ((string, PrecisionRecall)[])[("macro", score.Macro), ("micro", score.Micro),
            ("weighted", score.Weighted)])
            log.Case($"{name} {field}", () => Near([mean.Precision, mean.Recall, mean.F1], fixture, field));
        Every(fixture, name, log, field => field switch
        {
            "accuracy" => score.Accuracy,
            "balanced_accuracy" => score.BalancedAccuracy,
            "mcc" => score.MatthewsCorrelation,
            "kappa_none" => score.Kappa(),
            "kappa_linear" => score.Kappa(KappaWeights.Linear),
            "kappa_quadratic" => score.Kappa(KappaWeights.Quadratic),
            _ => null,
        });
    }

    private static void Binary(JsonElement fixture, string name, string path, CaseLog log)
    {
        var scores = fixture.GetProperty("scores").Numbers();
        var positive = Flags(fixture.GetProperty("y_true"));
        Every(fixture, name, log, field => field switch
        {
            "roc_auc" => BinaryRanking.RocArea(scores, positive),
            "average_precision" => BinaryRanking.AveragePrecision(scores, positive),
            _ => null,
        });
    }

    private static void Correlations(JsonElement fixture, string name, string path, CaseLog log)
    {
        double[] x = fixture.GetProperty("x").Numbers(), y = fixture.GetProperty("y").Numbers();
        Every(fixture, name, log, field => field switch
        {
            "pearson" => Correlation.Pearson(x, y),
            "spearman" => Correlation.Spearman(x, y),
            "kendall_tau_b" => Correlation.KendallTauB(x, y),
            "mse" => Correlation.MeanSquaredError(x, y),
            "mae" => Correlation.MeanAbsoluteError(x, y),
            _ => null,
        });
    }

    private static void Confidences(JsonElement fixture, string name, string path, CaseLog log)
    {
        int bins = fixture.GetProperty("bins").GetInt32();
        var got = Calibration.Of(fixture.GetProperty("confidences").Numbers(), Flags(fixture.GetProperty("correct")), bins);
        log.Case($"{name} bin_table", () => Near(
            [.. got.Bins.SelectMany(bin => (double[])[bin.Count, bin.Confidence, bin.Accuracy])],
            [.. fixture.GetProperty("bin_table").EnumerateArray().SelectMany(row => row.Numbers())]));
        Every(fixture, name, log, field => field switch
        {
            "bins" => got.Bins.Count,
            "ece" => got.ExpectedError,
            "mce" => got.MaximumError,
            "brier" => got.Brier,
            "log_loss" => got.LogLoss,
            _ => null,
        });
    }

    private static void Significance(JsonElement fixture, string name, string path, CaseLog log)
    {
        switch (Text(fixture, "kind", ""))
        {
            case "paired":
                Paired(fixture, name, log);
                break;
            case "mcnemar":
                int b = fixture.GetProperty("only_a_right").GetInt32(), c = fixture.GetProperty("only_b_right").GetInt32();
                TestResult plain = Statistics.McNemar(b, c), corrected = Statistics.McNemar(b, c, continuity: true);
                Every(fixture, name, log, field => field switch
                {
                    "only_a_right" => b,
                    "only_b_right" => c,
                    "statistic" => plain.Statistic,
                    "p_chi2" => plain.PValue,
                    "statistic_continuity" => corrected.Statistic,
                    "p_chi2_continuity" => corrected.PValue,
                    "p_exact" => Statistics.McNemarExact(b, c),
                    _ => null,
                });
                break;
            case "proportion":
                int k = fixture.GetProperty("k").GetInt32(), n = fixture.GetProperty("n").GetInt32();
                log.Case($"{name} wilson_95", () => Near(Ends(Statistics.Wilson(k, n)), fixture, "wilson_95"));
                log.Case($"{name} clopper_pearson_95", () => Near(Ends(Statistics.ClopperPearson(k, n)), fixture, "clopper_pearson_95"));
                log.Case($"{name} standard_error", () => Near(Statistics.StandardError(k, n), fixture, "standard_error"));
                break;
            case "multiple_testing":
                var p = fixture.GetProperty("p").Numbers();
                log.Case($"{name} bonferroni", () => Near(Statistics.Bonferroni(p), fixture, "bonferroni"));
                log.Case($"{name} holm", () => Near(Statistics.Holm(p), fixture, "holm"));
                log.Case($"{name} benjamini_hochberg", () => Near(Statistics.BenjaminiHochberg(p), fixture, "benjamini_hochberg"));
                break;
            case var other:
                log.Fail(name, $"unknown kind '{other}'");
                break;
        }
    }

    private static void Paired(JsonElement fixture, string name, CaseLog log)
    {
        double[] a = fixture.GetProperty("a").Numbers(), b = fixture.GetProperty("b").Numbers();
        double[] differences = [.. a.Zip(b, (x, y) => x - y)];
        int[][] draws = [.. fixture.GetProperty("resample_indices").EnumerateArray().Select(row => row.Ids())];
        double[] means = [.. draws.Select(draw => Statistics.ResampledMean(a, draw))];
        double[] meanDifferences = [.. draws.Select(draw => Statistics.ResampledMean(differences, draw))];
        var (mean, deviation) = Statistics.MeanAndDeviation(a);
        TestResult t = Statistics.PairedTTest(a, b), wilcoxon = Statistics.WilcoxonSignedRank(a, b);
        log.Case($"{name} bootstrap_means_first_5", () => Near(means[..5], fixture, "bootstrap_means_first_5"));
        log.Case($"{name} ci_95", () => Near(Ends(Statistics.PercentileInterval(means)), fixture, "ci_95_percentile_a"));
        log.Case($"{name} ci_90",
            () => Near(Ends(Statistics.PercentileInterval(meanDifferences, 0.9)), fixture, "ci_90_percentile_difference"));
        Every(fixture, name, log, field => field switch
        {
            "mean_a" => mean,
            "sd_a" => deviation,
            "standard_error_a" => deviation / Math.Sqrt(a.Length),
            "paired_bootstrap_fraction_difference_le_0" => meanDifferences.Count(d => d <= 0) / (double)draws.Length,
            "t_statistic" => t.Statistic,
            "t_p_two_sided" => t.PValue,
            "t_degrees" => a.Length - 1,
            "wilcoxon_statistic" => wilcoxon.Statistic,
            "wilcoxon_p_exact" => wilcoxon.PValue,
            _ => null,
        });
    }

    private static void Rated(JsonElement fixture, string name, string path, CaseLog log)
    {
        Game[] games = [.. fixture.GetProperty("games").EnumerateArray().Select(
            game => new Game(game[0].GetString()!, game[1].GetString()!, game[2].GetDouble()))];
        var elo = Ratings.Elo(games, fixture.GetProperty("k").GetDouble(), fixture.GetProperty("elo_initial").GetDouble());
        var strengths = Ratings.BradleyTerry(games);
        foreach (var player in Texts(fixture.GetProperty("players")))
        {
            log.Case($"{name} elo {player}", () => Near(elo[player], fixture.GetProperty("elo"), player));
            log.Case($"{name} strength {player}",
                () => Near(strengths[player], fixture.GetProperty("bradley_terry_log_strength"), player));
            log.Case($"{name} scale {player}",
                () => Near(Ratings.OnEloScale(strengths[player]), fixture.GetProperty("bradley_terry_elo_scale"), player));
        }

        log.Case($"{name} neg_log_likelihood", () => Near(
            games.Sum(game => game.Score * Math.Log(1 + Math.Exp(strengths[game.Second] - strengths[game.First]))
                + (1 - game.Score) * Math.Log(1 + Math.Exp(strengths[game.First] - strengths[game.Second]))),
            fixture, "neg_log_likelihood"));
    }

    private static void Agreements(JsonElement fixture, string name, string path, CaseLog log)
    {
        IReadOnlyList<double>[] units = [.. fixture.GetProperty("units").EnumerateArray().Select(
            unit => unit.EnumerateArray().Where(rating => rating.ValueKind == JsonValueKind.Number).Select(r => r.GetDouble()).ToArray())];
        Every(fixture, name, log, field => Agreement.KrippendorffAlpha(units, field switch
        {
            "nominal" => RatingScale.Nominal,
            "ordinal" => RatingScale.Ordinal,
            _ => RatingScale.Interval,
        }));
    }

    private static void Scaling(JsonElement fixture, string name, string path, CaseLog log)
    {
        ScalingRun[] runs = [.. fixture.GetProperty("points").EnumerateArray().Select(p => p.Numbers())
            .Select(p => new ScalingRun(p[0], p[1], p[2]))];
        double huber = fixture.GetProperty("huber_delta").GetDouble(), compute = fixture.GetProperty("compute").GetDouble();
        var law = ScalingLaw.Fit(runs, huber);
        var fitted = fixture.GetProperty("fitted");
        log.Case($"{name} objective", () =>
        {
            double got = law.Objective(runs, huber), most = 1.01 * fixture.GetProperty("objective").GetDouble() + 1e-12;
            return got <= most ? null : FormattableString.Invariant($"{got:R}, more than {most:R}");
        });
        log.Case($"{name} alpha", () => FixtureTensors.Close(law.ParameterExponent, fitted.GetProperty("alpha").GetDouble(), 0.005, 0));
        log.Case($"{name} beta", () => FixtureTensors.Close(law.TokenExponent, fitted.GetProperty("beta").GetDouble(), 0.005, 0));
        log.Case($"{name} E", () => Near(law.Irreducible, fitted, "E", 0.01));
        log.Case($"{name} A", () => Near(law.ParameterFactor, fitted, "A", 0.05));
        log.Case($"{name} B", () => Near(law.TokenFactor, fitted, "B", 0.05));

        // The optimum of the law that was fitted there: it depends strongly on the last digits of a fit.
        var given = new ScalingLaw(fitted.GetProperty("E").GetDouble(), fitted.GetProperty("A").GetDouble(),
            fitted.GetProperty("alpha").GetDouble(), fitted.GetProperty("B").GetDouble(), fitted.GetProperty("beta").GetDouble());
        log.Case($"{name} optimal_parameters", () => Near(given.Optimal(compute).Parameters, fixture, "optimal_parameters"));
        log.Case($"{name} optimal_tokens", () => Near(given.Optimal(compute).Tokens, fixture, "optimal_tokens"));
    }

    // ---- shared

    // Every numeric field of a case but what went in; a metric may be null where it is undefined.
    private static void Every(JsonElement fixture, string name, CaseLog log, Func<string, double?> metric)
    {
        foreach (var field in fixture.EnumerateObject())
            if (field.Value.ValueKind is JsonValueKind.Number or JsonValueKind.Null)
                log.Case($"{name} {field.Name}", () => (metric(field.Name), field.Value.ValueKind) switch
                {
                    (null, JsonValueKind.Null) => null,
                    (null, _) => "undefined here, or not computed",
                    ({ } got, JsonValueKind.Null) => $"{got} instead of undefined",
                    ({ } got, _) => Near(got, fixture, field.Name),
                });
    }

    private static string? Near(double got, JsonElement fixture, string field, double tolerance = Tolerance)
        => Near([got], [fixture.GetProperty(field).GetDouble()], tolerance) is { } difference ? $"{field}: {difference}" : null;

    private static string? Near(IReadOnlyList<double> got, JsonElement fixture, string field, double tolerance = Tolerance)
        => Near(got, fixture.GetProperty(field).Numbers(), tolerance) is { } difference ? $"{field}: {difference}" : null;

    private static string? Near(IReadOnlyList<double> got, IReadOnlyList<double> want, double tolerance = Tolerance)
    {
        if (got.Count != want.Count)
            return $"{got.Count} values instead of {want.Count}";
        for (int i = 0; i < want.Count; i++)
            if (!(Math.Abs(got[i] - want[i]) <= 1e-12 + tolerance * Math.Abs(want[i])))
                return FormattableString.Invariant($"value {i} is {got[i]:R}, expected {want[i]:R}");
        return null;
    }

    private static string? Same(string got, JsonElement want) => Same(got, want.GetString()!);

    private static string? Same(string got, string want) => got == want ? null : $"'{got}', expected '{want}'";

    private static double[] Ends(Interval interval) => [interval.Low, interval.High];

    private static bool[] Flags(JsonElement element)
        => [.. element.EnumerateArray().Select(e => e.ValueKind == JsonValueKind.Number ? e.GetDouble() == 1 : e.GetBoolean())];

    private static string[] Texts(JsonElement element) => [.. element.EnumerateArray().Select(e => e.GetString()!)];

    private static string Text(JsonElement c, string field, string otherwise)
        => c.TryGetProperty(field, out var value) ? value.GetString()! : otherwise;

    private static double? Number(JsonElement c, string field)
        => c.TryGetProperty(field, out var value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;

    private static bool Flag(JsonElement c, string field) => c.TryGetProperty(field, out var value) && value.GetBoolean();
}
