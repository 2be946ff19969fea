using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Cli.Measurements;
using Kotonoha.Cli.Output;
using Kotonoha.LocalModel.Evaluation;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha metrics</c>: what predictions are worth beside what would have been right.</summary>
internal static class MetricsCommand
{
    public static Command Create()
    {
        var file = new Argument<string>("FILE")
        {
            Description = "JSON lines (or one JSON array): {\"prediction\": …, \"reference\": …} or \"references\": […] for texts, "
                + "{\"prediction\": …, \"label\": …} for classes.",
        };
        var language = new Option<string>("--language")
        {
            Description = "The language of texts: en (default), or ja for characters instead of words.",
            HelpName = "en|ja",
            DefaultValueFactory = _ => "en",
        };
        language.AcceptOnlyFromAmong("en", "ja");
        var against = new Option<string?>("--against")
        {
            Description = "Another system's predictions, with the same references in the same order: says how much better FILE is.",
            HelpName = "FILE2",
        };
        var json = new Option<bool>("--json") { Description = "Print one JSON object." };
        var command = new Command("metrics", "Score predictions: BLEU, chrF, TER, ROUGE, exact match and F1 of texts; accuracy, F1, "
            + "Matthews' correlation and Cohen's kappa of classes; with 95% intervals.") { file };
        foreach (var option in (Option[])[language, against, json])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var predictions = Prediction.Read(parsed.GetRequiredValue(file));
            var others = parsed.GetValue(against) is { } path ? Prediction.Read(path) : null;
            if (others is not null)
                Prediction.RequireSame(predictions, others, parsed.GetValue(against)!);
            bool asJson = parsed.GetValue(json);
            if (predictions[0].Label is not null)
            {
                var score = ClassesOf(predictions);
                Console.Out.WriteLine(asJson
                    ? JsonLines.Line(writer => WriteClasses(writer, score, predictions, others))
                    : ClassText(score, predictions, others));
                return 0;
            }

            var spoken = parsed.GetValue(language) == "ja" ? AnswerLanguage.Japanese : AnswerLanguage.English;
            var (report, other) = await ProgressDisplay.RunAsync(progress => Task.Run(
                () => (TextReport.Of(predictions, spoken, progress, cancellationToken), others is null
                    ? null
                    : TextReport.Of(others, spoken, progress, cancellationToken)),
                cancellationToken).WaitAsync(cancellationToken));
            Console.Out.WriteLine(asJson
                ? JsonLines.Line(writer => WriteTexts(writer, report, other, predictions.Count, parsed.GetValue(language)!))
                : TextText(report, other, predictions.Count));
            return 0;
        });
        return command;
    }

    private static ClassificationScore<string> ClassesOf(IReadOnlyList<Prediction> predictions)
        => new([.. predictions.Select(p => p.Label!)], [.. predictions.Select(p => p.Text)]);

    private static string TextText(TextReport report, TextReport? other, int count)
    {
        var lines = new ReportLines();
        lines.Add($"{"texts",-12} {count,6:N0}");
        foreach (var score in report.Corpus)
            lines.Add($"{score.Title,-12} {score.Value,6:F2}");
        foreach (var score in report.Means)
        {
            var (low, high) = score.Interval;
            lines.Add($"{score.Title,-12} {score.Mean,6:F2}  ({low:F2}–{high:F2})");
        }

        if (other is null)
            return lines.ToString();
        lines.Add($"");
        lines.Add($"less the other system's:");
        foreach (var (score, theirs) in report.Corpus.Zip(other.Corpus))
            lines.Add($"{score.Title,-12} {score.Value - theirs.Value,6:+0.00;-0.00;0.00}");
        foreach (var score in report.Means.Zip(other.Means, (mine, theirs) => mine.Minus(theirs)))
        {
            var (low, high) = score.Interval;
            lines.Add($"{score.Title,-12} {score.Mean,6:+0.00;-0.00;0.00}  ({low:+0.00;-0.00;0.00} to {high:+0.00;-0.00;0.00})");
        }

        var test = PairedOutcome.Of(Right(report), Right(other));
        lines.Add($"{"McNemar",-12} p = {test.PValue:G3} (right in one alone: {test.OnlyFirst} and {test.OnlySecond})");
        return lines.ToString();
    }

    private static void WriteTexts(Utf8JsonWriter json, TextReport report, TextReport? other, int count, string language)
    {
        json.WriteNumber("count", count);
        json.WriteString("language", language);
        foreach (var score in report.Corpus)
            json.WriteNumber(score.Name, score.Value);
        foreach (var score in report.Means)
            WriteMean(json, score.Name, score);
        if (other is null)
            return;
        json.WriteStartObject("difference");
        foreach (var (score, theirs) in report.Corpus.Zip(other.Corpus))
            json.WriteNumber(score.Name, score.Value - theirs.Value);
        foreach (var score in report.Means.Zip(other.Means, (mine, theirs) => mine.Minus(theirs)))
            WriteMean(json, score.Name, score);
        WriteTest(json, PairedOutcome.Of(Right(report), Right(other)));
        json.WriteEndObject();
    }

    private static string ClassText(
        ClassificationScore<string> score, IReadOnlyList<Prediction> predictions, IReadOnlyList<Prediction>? others)
    {
        var lines = new ReportLines();
        var interval = Statistics.Wilson(predictions.Count(IsRight), predictions.Count);
        lines.Add($"{"predictions",-14} {predictions.Count:N0}");
        lines.Add($"{"accuracy",-14} {score.Accuracy:F4}  ({interval.Low:F4}–{interval.High:F4})");
        lines.Add($"{"macro F1",-14} {score.Macro.F1:F4}");
        lines.Add($"{"Matthews",-14} {score.MatthewsCorrelation:F4}");
        var kappa = score.Kappa()?.ToString("F4", CultureInfo.InvariantCulture) ?? "undefined";
        lines.Add($"{"Cohen's kappa",-14} {kappa}");
        int width = Math.Max(14, score.Labels.Max(label => label.Length));
        lines.Add($"");
        lines.Add($"{"class".PadRight(width)} precision  recall      F1  occurs");
        foreach (var ((label, each), support) in score.Labels.Zip(score.PerClass).Zip(score.Support))
            lines.Add($"{label.PadRight(width)} {each.Precision,9:F4}  {each.Recall:F4}  {each.F1:F4}  {support,6}");
        if (others is null)
            return lines.ToString();
        var difference = Differences(predictions, others);
        var (low, high) = difference.Interval;
        var test = PairedOutcome.Of([.. predictions.Select(IsRight)], [.. others.Select(IsRight)]);
        lines.Add($"");
        lines.Add($"less the other system's:");
        lines.Add($"{"accuracy",-14} {Signed(difference.Mean)}  ({Signed(low)} to {Signed(high)})");
        lines.Add($"{"McNemar",-14} p = {test.PValue:G3} (right in one alone: {test.OnlyFirst} and {test.OnlySecond})");
        return lines.ToString();
    }

    private static void WriteClasses(
        Utf8JsonWriter json, ClassificationScore<string> score, IReadOnlyList<Prediction> predictions, IReadOnlyList<Prediction>? others)
    {
        json.WriteNumber("count", predictions.Count);
        json.WriteStartObject("accuracy");
        json.WriteNumber("value", score.Accuracy);
        json.WriteInterval(Statistics.Wilson(predictions.Count(IsRight), predictions.Count));
        json.WriteEndObject();
        json.WriteNumber("macro_f1", score.Macro.F1);
        json.WriteNumber("matthews_correlation", score.MatthewsCorrelation);
        if (score.Kappa() is { } kappa)
            json.WriteNumber("cohen_kappa", kappa);
        else
            json.WriteNull("cohen_kappa");
        json.WriteStartObject("classes");
        foreach (var ((label, each), support) in score.Labels.Zip(score.PerClass).Zip(score.Support))
        {
            json.WriteStartObject(label);
            json.WriteNumber("precision", each.Precision);
            json.WriteNumber("recall", each.Recall);
            json.WriteNumber("f1", each.F1);
            json.WriteNumber("support", support);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        if (others is null)
            return;
        json.WriteStartObject("difference");
        WriteMean(json, "accuracy", Differences(predictions, others));
        WriteTest(json, PairedOutcome.Of([.. predictions.Select(IsRight)], [.. others.Select(IsRight)]));
        json.WriteEndObject();
    }

    private static void WriteMean(Utf8JsonWriter json, string name, TextScores score)
    {
        json.WriteStartObject(name);
        json.WriteNumber("value", score.Mean);
        json.WriteInterval(score.Interval);
        json.WriteEndObject();
    }

    private static void WriteTest(Utf8JsonWriter json, PairedOutcome test)
    {
        json.WriteStartObject("mcnemar");
        json.WriteNumber("only_first", test.OnlyFirst);
        json.WriteNumber("only_second", test.OnlySecond);
        json.WriteNumber("p", test.PValue);
        json.WriteEndObject();
    }

    private static TextScores Differences(IReadOnlyList<Prediction> predictions, IReadOnlyList<Prediction> others)
        => new("accuracy", "accuracy",
            [.. predictions.Zip(others, (mine, theirs) => (IsRight(mine) ? 1.0 : 0) - (IsRight(theirs) ? 1 : 0))]);

    private static bool[] Right(TextReport report)
        => [.. report.Means.Single(score => score.Name == TextReport.ExactMatch).Values.Select(value => value > 0)];

    private static string Signed(double value) => value.ToString("+0.0000;-0.0000;0.0000", CultureInfo.InvariantCulture);

    private static bool IsRight(Prediction prediction) => prediction.Text == prediction.Label;

    /// <summary>McNemar's exact test of two systems on the same items.</summary>
    private sealed record PairedOutcome(int OnlyFirst, int OnlySecond)
    {
        public double PValue => Statistics.McNemarExact(OnlyFirst, OnlySecond);

        public static PairedOutcome Of(bool[] first, bool[] second)
            => new(first.Zip(second).Count(pair => pair is (true, false)), first.Zip(second).Count(pair => pair is (false, true)));
    }
}
