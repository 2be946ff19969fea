using System.CommandLine;
using System.Globalization;
using Kotonoha.Agents.Optimization;
using Kotonoha.Cli.Comparisons;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;
using Kotonoha.Foundation;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// <c>kotonoha judge</c>, <c>vote</c> and <c>ratings</c>: which of two answers is better, by a model or by people, and what follows.
/// </summary>
internal static class ComparisonCommands
{
    public static IEnumerable<Command> Create() => [Judge(), Vote(), Rate()];

    private static Command Judge()
    {
        var file = ComparisonsFile();
        var output = VotesFile();
        var model = new Option<string?>("--model")
        {
            Description = "The judge: a name of models.yaml, a folder, a GGUF file, or OWNER/NAME.",
            HelpName = "NAME",
        };
        var models = new Option<string?>("--models")
        {
            Description = $"Says where models are (default: {PromptModels.FileName} beside the file, or here).",
            HelpName = "FILE",
        };
        var criterion = new Option<string?>("--criterion")
        {
            Description = "What makes an answer better (default: it is right, then helpful, then clear).",
            HelpName = "TEXT",
        };
        var command = new Command("judge", "Let a model say which of two answers is better, in both orders; what turns with the order is "
            + "a tie.") { file };
        foreach (var option in (Option[])[output, model, models, criterion, LineCommand.Threads])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var path = parsed.GetRequiredValue(file);
            var comparisons = Comparison.Read(path);
            var votes = parsed.GetRequiredValue(output);
            var by = $"judge {parsed.GetValue(model) ?? "of models.yaml"}";
            using var catalog = new PromptModels(parsed.GetValue(models), path, parsed.GetValue(LineCommand.Threads));
            var judge = new PairwiseJudge(catalog.Client(path, null, parsed.GetValue(model)), parsed.GetValue(criterion));
            var verdicts = await ProgressDisplay.RunAsync(
                progress => JudgeAsync(judge, comparisons, votes, by, progress, cancellationToken));
            int inconsistent = verdicts.Count(v => v == PairwiseVerdict.Inconsistent),
                none = verdicts.Count(v => v == PairwiseVerdict.None);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{verdicts.Count} pairs judged in both orders; {inconsistent} verdicts turned with the order, {none} replies had none"));
            if (Comparisons.Vote.Read(votes) is { Count: > 0 } all)
                Console.Write(RatingTable.Text(all));
            return 0;
        });
        return command;
    }

    // What this judge has said already is not asked again.
    private static async Task<IReadOnlyList<PairwiseVerdict>> JudgeAsync(
        PairwiseJudge judge, IReadOnlyList<Comparison> comparisons, string votes, string by, IProgress<ProgressReport> progress,
        CancellationToken cancellationToken)
    {
        var known = Comparisons.Vote.Read(votes).Where(v => v.By == by).Select(v => (v.Id, v.First, v.Second)).ToHashSet();
        var open = comparisons.SelectMany(c => c.Pairs.Select(pair => (Comparison: c, Pair: pair)))
            .Where(one => !known.Contains((one.Comparison.Id, one.Pair.First, one.Pair.Second))).ToArray();
        var verdicts = new List<PairwiseVerdict>();
        foreach (var (comparison, (first, second)) in open)
        {
            progress.Report(new ProgressReport("pairs", verdicts.Count, open.Length));
            var verdict = await judge.CompareAsync(
                comparison.Prompt, comparison.Answers[first], comparison.Answers[second], cancellationToken);
            verdicts.Add(verdict);
            double? score = verdict switch
            {
                PairwiseVerdict.First => 1,
                PairwiseVerdict.Second => 0,
                PairwiseVerdict.None => null,
                _ => 0.5,
            };
            if (score is { } said)
                Comparisons.Vote.Append(votes, new Vote(comparison.Id, first, second, said, by));
        }

        return verdicts;
    }

    private static Command Vote()
    {
        var file = ComparisonsFile();
        var output = VotesFile();
        var name = new Option<string>("--name")
        {
            Description = "Who votes.",
            HelpName = "NAME",
            DefaultValueFactory = _ => Environment.UserName,
        };
        var port = new Option<int>("--port") { Description = "The port of the page; 0 for a free one.", HelpName = "N" };
        var command = new Command("vote", "Open a page on this machine where people say which of two answers is better; the systems' names "
            + "are hidden, the order is shuffled, and each vote is written at once.") { file };
        foreach (var option in (Option[])[output, name, port])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var poll = new Poll(Comparison.Read(parsed.GetRequiredValue(file)), parsed.GetRequiredValue(output),
                parsed.GetRequiredValue(name));
            await VoteServer.RunAsync(poll, parsed.GetValue(port),
                address => Console.WriteLine($"Vote at {address} (Ctrl+C ends it; votes go to {parsed.GetRequiredValue(output)})"),
                cancellationToken);
            return 0;
        });
        return command;
    }

    private static Command Rate()
    {
        var files = new Argument<string[]>("VOTES")
        {
            Description = "Files that 'judge' and 'vote' wrote.",
            Arity = ArgumentArity.OneOrMore,
        };
        var command = new Command("ratings", "Say what votes come to: win rates with intervals, Elo, Bradley–Terry.") { files };
        command.SetAction(parsed =>
        {
            if (parsed.GetRequiredValue(files).FirstOrDefault(f => !File.Exists(f)) is { } missing)
                throw new UsageException($"'{missing}': there is no such file");
            Vote[] votes = [.. parsed.GetRequiredValue(files).SelectMany(Comparisons.Vote.Read)];
            if (votes.Length == 0)
                throw new UsageException("there is no vote yet");
            Console.Write(RatingTable.Text(votes));
            return 0;
        });
        return command;
    }

    private static Argument<string> ComparisonsFile() => new("FILE")
    {
        Description = "The answers: a line each of {\"prompt\": …, \"answers\": {\"NAME\": …, \"NAME\": …}}.",
    };

    private static Option<string> VotesFile() => new("--out")
    {
        Description = "The file that votes are added to, one a line.",
        HelpName = "VOTES.jsonl",
        Required = true,
    };
}
