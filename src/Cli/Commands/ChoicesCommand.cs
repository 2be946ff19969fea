using System.CommandLine;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Measurements;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation.IO;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;

namespace Kotonoha.Cli.Commands;

/// <summary><c>kotonoha choices</c>: multiple choice by log-likelihood, as lm-evaluation-harness does.</summary>
internal static class ChoicesCommand
{
    public static Command Create()
    {
        var adapter = new AdapterOptions();
        var model = new Argument<string>("MODEL") { Description = "A model's folder, a GGUF file, or OWNER/NAME of a pulled model." };
        var file = new Argument<string>("FILE")
        {
            Description = "JSON lines with 'question' (prompt, query, ctx), 'choices' (endings; choice0, choice1, …; ARC's text and label) "
                + "and 'answer' (label, gold, answerKey): an index from 0, a letter, a choice's label or its text.",
        };
        var limit = MeasuredOptions.Limit();
        var normalize = new Option<string>("--normalize")
        {
            Description = "What log-likelihoods are divided by for acc_norm: bytes (default), tokens, or none to leave acc_norm out.",
            HelpName = "none|bytes|tokens",
            DefaultValueFactory = _ => "bytes",
        };
        normalize.AcceptOnlyFromAmong("none", "bytes", "tokens");
        var separator = new Option<string?>("--separator")
        {
            Description = "What stands between question and choice (default: a space; nothing after white space or a Japanese question).",
            HelpName = "TEXT",
        };
        var output = new Option<string?>("--out") { Description = "Write each question's scores there as JSON lines.", HelpName = "FILE" };
        var json = new Option<bool>("--json") { Description = "Print one JSON object: count, acc, acc_norm, chance." };
        var command = new Command("choices", "Answer multiple-choice questions by the likelihood of each choice after the question; prints "
            + "the accuracy beside chance.") { model, file };
        foreach (var option in (Option[])[limit, normalize, separator, LineCommand.Threads, .. adapter.All, output, json])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var path = parsed.GetRequiredValue(file);
            var questions = ChoiceQuestion.Read(path, MeasuredOptions.Checked(parsed, limit));
            var target = parsed.GetValue(output);
            if (target is not null && (Directory.Exists(target) || !Directory.Exists(Path.GetDirectoryName(Path.GetFullPath(target)))))
                throw new UsageException($"--out '{target}': name a file in a folder that is there");
            using var gpt = ModelFiles.Gpt(
                parsed.GetRequiredValue(model), parsed.GetValue(LineCommand.Threads), exact: false, adapter.Read(parsed));
            var between = parsed.GetValue(separator);
            var scored = await ProgressDisplay.RunAsync(progress => MeasuredFile.ScoreAsync(
                path, "questions", questions, question => question.Line, question => ScoreAsync(gpt, question, between, cancellationToken),
                progress));
            var normalization = Enum.Parse<ChoiceNormalization>(parsed.GetValue(normalize)!, ignoreCase: true);
            if (target is not null)
                AtomicFile.WriteText(target, string.Concat(questions.Zip(scored, (q, s) => Line(q, s, normalization) + "\n")));
            Tell(questions, scored, normalization, parsed.GetValue(json));
            return 0;
        });
        return command;
    }

    private static async Task<ScoredChoice[]> ScoreAsync(
        LocalGpt gpt, ChoiceQuestion question, string? separator, CancellationToken cancellationToken)
    {
        var between = separator ?? question.Separator;
        var scores = await gpt.ScoreEndingsAsync(
            question.Text, [.. question.Choices.Select(choice => between + choice)], cancellationToken);
        return [.. question.Choices.Zip(scores, (text, score) => new ScoredChoice(text, score.LogProbability, score.TokenCount))];
    }

    private static void Tell(
        IReadOnlyList<ChoiceQuestion> questions, IReadOnlyList<ScoredChoice[]> scored, ChoiceNormalization normalization, bool asJson)
    {
        int count = questions.Count, right = Right(ChoiceNormalization.None), normalized = Right(normalization);
        double chance = questions.Average(q => 1.0 / q.Choices.Count);
        if (asJson)
        {
            Console.Out.WriteLine(JsonLines.Line(json =>
            {
                json.WriteNumber("count", count);
                json.WriteShare("acc", right, count);
                if (normalization != ChoiceNormalization.None)
                    json.WriteShare("acc_norm", normalized, count);
                json.WriteNumber("chance", chance);
            }));
            return;
        }

        var lines = new ReportLines();
        lines.Add($"questions  {count:N0}");
        lines.Add($"acc        {Shares.Text(right, count)}");
        if (normalization != ChoiceNormalization.None)
        {
            var unit = normalization == ChoiceNormalization.Bytes ? "bytes" : "tokens";
            lines.Add($"acc_norm   {Shares.Text(normalized, count)}  by {unit}");
        }

        lines.Add($"chance     {100 * chance,5:F1}%");
        Console.Out.WriteLine(lines);

        int Right(ChoiceNormalization by)
            => questions.Zip(scored).Count(pair => MultipleChoice.Choose(pair.Second, by) == pair.First.Answer);
    }

    private static string Line(ChoiceQuestion question, ScoredChoice[] choices, ChoiceNormalization normalization) => JsonLines.Line(json =>
    {
        json.WriteNumber("line", question.Line);
        json.WriteString("question", question.Text);
        json.WriteNumber("answer", question.Answer);
        json.WriteNumber("chosen", MultipleChoice.Choose(choices));
        if (normalization != ChoiceNormalization.None)
            json.WriteNumber("chosen_norm", MultipleChoice.Choose(choices, normalization));
        json.WriteStartArray("choices");
        foreach (var choice in choices)
        {
            json.WriteStartObject();
            json.WriteString("text", choice.Text);
            json.WriteNumber("log_prob", choice.LogProbability);
            json.WriteNumber("tokens", choice.Tokens);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    });
}
