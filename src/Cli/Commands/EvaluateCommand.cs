using System.CommandLine;
using System.Globalization;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Kotonoha.Rag.Evaluation;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha evaluate</c>: measures answers against a test set, or makes one of the folder's documents.</summary>
internal static class EvaluateCommand
{
    private const double DefaultMaxDrop = 0.01;

    public static Command Create()
    {
        var folder = new FolderOptions(searches: true);
        var questions = new QuestionOptions();
        var set = new Argument<string?>("SET")
        {
            Description = "The test set: one question as JSON a line.",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var generate = new Option<int?>("--generate") { Description = "Make a test set of N questions of the documents.", HelpName = "N" };
        var output = new Option<string?>("--out") { Description = "Where to write the test set.", HelpName = "SET" };
        var seed = new Option<int>("--seed") { Description = "Which questions are made.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var baseline = new Option<string?>("--baseline")
        {
            Description = "An earlier report (.json): the exit code is 1 where a metric has dropped.",
            HelpName = "FILE",
        };
        var maxDrop = new Option<double>("--max-drop")
        {
            Description = "How much a metric may drop below the baseline.",
            HelpName = "D",
            DefaultValueFactory = _ => DefaultMaxDrop,
        };
        var report = new Option<string?>("--report")
        {
            Description = "Write the report as FILE (one .html page) and, beside it, as .json.",
            HelpName = "FILE",
        };
        var judge = new Option<string?>("--judge-model")
        {
            Description = "A chat model that grades the answers: a Hugging Face folder, a GGUF file, or OWNER/NAME.",
            HelpName = "FILE|DIR",
        };
        var command = new Command("evaluate", "Measure the answers to a test set against what is known to be right, or make a test set.")
        {
            set,
        };
        folder.AddTo(command);
        questions.Passages.AddTo(command);
        foreach (var option in new Option[]
        {
            generate, output, seed, baseline, maxDrop, report, judge, questions.Json, questions.NoModel, questions.ChatModel,
            questions.Threshold, questions.ModelWeight,
        })
            command.Options.Add(option);
        command.SetAction((parsed, cancellationToken) =>
        {
            var settings = new EvaluateSettings(
                parsed.GetValue(set), parsed.GetValue(generate), parsed.GetValue(output), parsed.GetValue(seed), parsed.GetValue(baseline),
                parsed.GetValue(maxDrop), parsed.GetValue(report), parsed.GetValue(judge));
            settings.Validate();
            return RunAsync(folder.Read(parsed), questions.Read(parsed), settings, cancellationToken);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        FolderSettings folder, QuestionSettings questions, EvaluateSettings settings, CancellationToken cancellationToken)
    {
        // What can be wrong with files is said before the documents are read.
        var set = settings.Set is { } path ? await EvaluationSet.ReadAsync(path, cancellationToken) : null;
        var baseline = settings.Baseline is { } earlier ? await EvaluationReport.ReadAsync(earlier, cancellationToken) : null;
        var workspace = Workspace.Open(folder.Home, folder.Documents ?? Samples.Documents);
        using var held = await WorkspaceLock.TakeAsync(workspace, cancellationToken);
        await using var session = await KnowledgeSession.OpenAsync(workspace, folder, cancellationToken);
        await IngestStage.RunAsync(session, workspace, session.Rules.Sync, cancellationToken);
        held.Dispose();
        using var model = AnsweringModel.Open(workspace, folder, questions, session.Scorer, session.Search);
        if (settings.Generate is { } count)
        {
            var made = await new TestSetGenerator(session.Knowledge, model.Chat).GenerateAsync(count, settings.Seed, cancellationToken);
            EvaluationSet.Write(settings.Output!, made);
            await Console.Error.WriteLineAsync($"{settings.Output}: {made.Count} questions, "
                + $"{made.Count(question => !question.IsAnswerable)} of them not answered by the documents");
            return 0;
        }

        using var judging = settings.Judge is { } judge ? LoadedModel.Open(judge, folder.Threads) : null;
        using var judgingChat = judging?.Gpt.AsChatClient();
        var evaluation = new AnswerEvaluation(
            session.Knowledge, session.Embedder, judgingChat is null ? null : new ChatJudge(judgingChat));
        var report = await ProgressDisplay.RunAsync(
            progress => evaluation.RunAsync(set!, model.Chat, model.Options, progress, cancellationToken));
        var drops = baseline is null ? [] : report.DropsFrom(baseline, settings.MaxDrop);
        await Print(report, baseline, drops, questions.Json);
        if (settings.Report is { } page)
        {
            report.WriteHtml(page, baseline);
            report.WriteJson(Path.ChangeExtension(page, ".json"));
        }

        foreach (var remark in Remarks(report, baseline))
            await Console.Error.WriteLineAsync($"kotonoha: {remark}");
        foreach (var drop in drops)
            await Console.Error.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"kotonoha: '{drop.Metric}' has dropped from {drop.Before:F4} to "
                    + $"{(drop.Now is { } now ? now.ToString("F4", CultureInfo.InvariantCulture) : "nothing measured")}"));
        return drops.Count == 0 ? 0 : 1;
    }

    private static IEnumerable<string> Remarks(EvaluationReport report, EvaluationReport? baseline)
    {
        int ungraded = report.Questions.Count(question => question.Remarks.Contains(AnswerEvaluation.NoGrades));
        if (ungraded > 0)
            yield return $"the judge gave no grades for {ungraded} of {report.Questions.Count(question => question.Found)} answers: "
                + "what it wrote held none";
        if (baseline is not null && !baseline.Questions.Select(each => each.Question.Question).Order(StringComparer.Ordinal)
            .SequenceEqual(report.Questions.Select(each => each.Question.Question).Order(StringComparer.Ordinal)))
            yield return "the baseline is of other questions, so that its figures are not comparable as they stand";
    }

    private static async Task Print(
        EvaluationReport report, EvaluationReport? baseline, IReadOnlyList<MetricDrop> drops, bool json)
    {
        if (json)
        {
            await Console.Out.WriteLineAsync(JsonLines.Line(writer =>
            {
                writer.WriteNumber("questions", report.Questions.Count);
                writer.WriteStartObject("metrics");
                foreach (var (name, mean) in report.Metrics)
                    writer.WriteNumber(name, Math.Round(mean, 6));
                writer.WriteEndObject();
                writer.WriteStartArray("dropped");
                foreach (var drop in drops)
                    writer.WriteStringValue(drop.Metric);
                writer.WriteEndArray();
            }));
            return;
        }

        await Console.Out.WriteLineAsync($"{"metric",-22}{"mean",8}{(baseline is null ? "" : $"{"baseline",10}")}{"questions",11}");
        foreach (var name in AnswerMetrics.All.Where(report.Metrics.ContainsKey))
        {
            var before = baseline is null ? ""
                : baseline.Metrics.TryGetValue(name, out double mean) ? mean.ToString("F4", CultureInfo.InvariantCulture).PadLeft(10)
                : new string(' ', 10);
            await Console.Out.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture,
                $"{name,-22}{report.Metrics[name],8:F4}{before}{report.Questions.Count(q => q.Metrics.ContainsKey(name)),11}"));
        }
    }
}

/// <summary>What the options of <c>evaluate</c> said.</summary>
internal sealed record EvaluateSettings(
    string? Set, int? Generate, string? Output, int Seed, string? Baseline, double MaxDrop, string? Report, string? Judge)
{
    public void Validate()
    {
        if ((Set is null) == (Generate is null))
            throw new UsageException("give a test set to measure with, or --generate N --out SET to make one");
        if (Generate is <= 0)
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--generate {Generate}: 1 or more"));
        if ((Generate is null) != (Output is null))
            throw new UsageException("--generate N and --out SET go together");
        if (Generate is not null && (Baseline ?? Report ?? Judge) is not null)
            throw new UsageException("--baseline, --report and --judge-model go with a test set, not with --generate");
        if (!(MaxDrop >= 0))
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"--max-drop {MaxDrop}: 0 or more"));
        if (Report is not null && !Report.EndsWith(".html", StringComparison.OrdinalIgnoreCase))
            throw new UsageException($"--report '{Report}': a name that ends with .html; the .json is written beside it");
        if (Baseline is not null && Report is not null
            && Path.GetFullPath(Path.ChangeExtension(Report, ".json")) == Path.GetFullPath(Baseline))
            throw new UsageException($"--report '{Report}' would write over the baseline '{Baseline}': give the report another name");
        foreach (var file in (string?[])[Report, Output])
            if (file is not null && !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(file))))
                throw new UsageException($"the folder of '{file}' does not exist");
    }
}
