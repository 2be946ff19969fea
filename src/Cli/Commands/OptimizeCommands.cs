using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Cli.Lines;
using Kotonoha.Cli.Models;
using Kotonoha.Cli.Output;

namespace Kotonoha.Cli.Commands;

/// <summary>
/// <c>kotonoha optimize FILE</c> looks for a better version of a prompt file on examples; <c>kotonoha compare A B</c> measures two of them.
/// </summary>
internal static class OptimizeCommands
{
    private static readonly (string Name, PromptOptimizationMethod Method)[] Methods =
    [
        ("bootstrap", PromptOptimizationMethod.Bootstrap),
        ("random-search", PromptOptimizationMethod.RandomSearch),
        ("instructions", PromptOptimizationMethod.InstructionSearch),
    ];

    public static Command Optimize()
    {
        var defaults = new PromptOptimizerOptions();
        var file = new Argument<string>("FILE") { Description = "A prompt file." };
        var shared = new MeasuringOptions();
        var method = new Option<string>("--method")
        {
            Description = "bootstrap (examples that the model answers well), random-search (several sets of them), or instructions.",
            HelpName = "NAME",
            DefaultValueFactory = _ => "random-search",
        };
        var output = new Option<string>("--output")
        {
            Description = "The file, or folder, for the best version.",
            HelpName = "PATH",
            Required = true,
        };
        var validation = new Option<double>("--validation")
        {
            Description = "The part of the examples that is held out to score versions on.",
            HelpName = "PART",
            DefaultValueFactory = _ => defaults.ValidationFraction,
        };
        var calls = new Option<int?>("--budget") { Description = "The most requests (default: no limit).", HelpName = "CALLS" };
        var tokens = new Option<long?>("--token-budget")
        {
            Description = "The tokens, read and written, after which no further request starts (default: no limit).",
            HelpName = "N",
        };
        var candidates = Number("--candidates", "How many sets of examples random-search tries.", defaults.Candidates);
        var bootstrapped = Number("--bootstrapped", "The most examples with answers of the model's own.", defaults.MaxBootstrapped);
        var demonstrations = Number("--demonstrations", "The most examples in all.", defaults.MaxDemonstrations);
        var instructions = new Option<string?>("--instructions")
        {
            Description = "Instructions to try, one a line (default: the model proposes four).",
            HelpName = "FILE",
        };
        var proposals = new Option<int?>("--proposals") { Description = "How many instructions the model proposes.", HelpName = "N" };
        var teacher = new Option<string?>("--teacher")
        {
            Description = "The model that answers training examples and proposes instructions (default: the prompt's own).",
            HelpName = "NAME",
        };
        var command = new Command("optimize", "Look for a better version of a prompt file on examples, and save it as a prompt file.")
        {
            file,
        };
        Option[] own =
            [method, output, validation, calls, tokens, candidates, bootstrapped, demonstrations, instructions, proposals, teacher];
        foreach (var option in (Option[])[.. shared.All, .. own])
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            var word = parsed.GetValue(method)!;
            var chosen = Array.Find(Methods, known => known.Name == word);
            if (chosen.Name is null)
                throw new UsageException(
                    $"--method: '{word}' is not known; write {string.Join(", ", Methods.Select(known => known.Name))}");
            bool isInstructions = chosen.Method == PromptOptimizationMethod.InstructionSearch;
            if (!isInstructions && (parsed.GetValue(instructions) is not null || parsed.GetValue(proposals) is not null))
                throw new UsageException("--instructions and --proposals go with --method instructions");
            var prompt = shared.Load(parsed, parsed.GetRequiredValue(file));
            var examples = await PromptDataset.LoadAsync(parsed.GetRequiredValue(shared.Data), prompt);
            using var models = shared.Models(parsed, prompt);
            var (client, modelDefaults) = models.Open(prompt, parsed.GetValue(shared.Model));
            PromptOptimizer optimizer;
            try
            {
                optimizer = new PromptOptimizer(client, shared.Metric(parsed), new PromptOptimizerOptions
                {
                    Method = chosen.Method,
                    Seed = parsed.GetValue(shared.Seed),
                    ValidationFraction = parsed.GetValue(validation),
                    MaxCalls = parsed.GetValue(calls),
                    MaxTokens = parsed.GetValue(tokens),
                    Candidates = parsed.GetValue(candidates),
                    MaxBootstrapped = parsed.GetValue(bootstrapped),
                    MaxDemonstrations = parsed.GetValue(demonstrations),
                    Instructions = parsed.GetValue(instructions) is { } list ? ReadLines(list) : [],
                    Proposals = parsed.GetValue(proposals),
                    Teacher = parsed.GetValue(teacher) is { } name ? models.Open(prompt, name).Client : null,
                    Defaults = modelDefaults,
                    Concurrency = parsed.GetValue(shared.Concurrency),
                });
            }
            catch (ArgumentOutOfRangeException exception)
            {
                var option = exception.ParamName switch
                {
                    nameof(PromptOptimizerOptions.ValidationFraction) => validation.Name,
                    nameof(PromptOptimizerOptions.MaxCalls) => calls.Name,
                    nameof(PromptOptimizerOptions.MaxTokens) => tokens.Name,
                    nameof(PromptOptimizerOptions.MaxBootstrapped) => bootstrapped.Name,
                    nameof(PromptOptimizerOptions.MaxDemonstrations) => demonstrations.Name,
                    nameof(PromptOptimizerOptions.Candidates) => candidates.Name,
                    nameof(PromptOptimizerOptions.Proposals) => proposals.Name,
                    _ => shared.Concurrency.Name,
                };
                throw new UsageException($"{option}: {UserText.Of(exception.Message.Split('\n')[0])}");
            }

            var result = await ProgressDisplay.RunAsync(progress => optimizer.OptimizeAsync(prompt, examples, progress, cancellationToken));
            result.Prompt.Save(parsed.GetRequiredValue(output));
            foreach (var remark in result.Remarks)
                await Console.Error.WriteLineAsync($"note: {remark}");
            if (parsed.GetValue(shared.Json))
                await Console.Out.WriteLineAsync(result.ToJson());
            else
                await WriteAsync(result, shared.Metric(parsed), parsed.GetRequiredValue(output));
            return 0;
        });
        return command;

        static Option<int> Number(string name, string description, int standard)
            => new(name) { Description = description, HelpName = "N", DefaultValueFactory = _ => standard };
    }

    public static Command Compare()
    {
        var first = new Argument<string>("A") { Description = "A prompt file." };
        var second = new Argument<string>("B") { Description = "Another with the same inputs." };
        var shared = new MeasuringOptions();
        var command = new Command("compare", "Run two prompt files on the same examples and say which one is better.") { first, second };
        foreach (var option in shared.All)
            command.Options.Add(option);
        command.SetAction(async (parsed, cancellationToken) =>
        {
            PromptFile[] prompts =
                [shared.Load(parsed, parsed.GetRequiredValue(first)), shared.Load(parsed, parsed.GetRequiredValue(second))];
            var examples = await PromptDataset.LoadAsync(parsed.GetRequiredValue(shared.Data), prompts);
            int concurrency = parsed.GetValue(shared.Concurrency);
            if (concurrency < 1)
                throw new UsageException("--concurrency: at least 1");
            var metric = shared.Metric(parsed);
            var (a, b) = await ProgressDisplay.RunAsync(async progress =>
            {
                var done = new List<PromptEvaluation>();
                foreach (var prompt in prompts)
                {
                    using var models = shared.Models(parsed, prompt);
                    var (client, defaults) = models.Open(prompt, parsed.GetValue(shared.Model));
                    done.Add(await PromptEvaluation.RunAsync(
                        prompt, client, examples, metric, defaults, concurrency, progress, cancellationToken));
                }

                return (done[0], done[1]);
            });
            var comparison = PromptComparison.Of(a, b, parsed.GetValue(shared.Seed));
            await Console.Out.WriteLineAsync(parsed.GetValue(shared.Json)
                ? JsonLines.Line(json => Write(json, a, b, comparison, metric))
                : string.Create(CultureInfo.InvariantCulture,
                    $"""
                    {metric.Name} on {a.Answers.Count} examples
                    A  {a.Score:F3}  {prompts[0].Path}
                    B  {b.Score:F3}  {prompts[1].Path}
                    B - A  {comparison.Difference:+0.000;-0.000}  (95%: {comparison.Low:+0.000;-0.000} to {comparison.High:+0.000;-0.000}, seed {comparison.Seed})
                    B better on {comparison.Wins}, worse on {comparison.Losses}, the same on {comparison.Ties}
                    """));
            return 0;
        });
        return command;
    }

    private static async Task WriteAsync(PromptOptimizationResult result, PromptMetric metric, string output)
    {
        foreach (var candidate in result.Candidates)
            await Console.Out.WriteLineAsync(candidate.Evaluation is { } evaluation
                ? string.Create(CultureInfo.InvariantCulture, $"{evaluation.Score:F3}  {candidate.Name}")
                : $"  –    {candidate.Name}: {candidate.Problem}");
        var usage = result.Usage;
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture,
            $"""
            {metric.Name} on {result.Before.Answers.Count} validation examples: {result.Before.Score:F3} before, {result.After.Score:F3} after
            {result.Calls} requests, {usage.InputTokenCount ?? 0} tokens read, {usage.OutputTokenCount ?? 0} written, seed {result.Seed}{(
                result.IsBudgetSpent ? "; the budget ended the search" : "")}
            saved: {output}
            """));
    }

    private static void Write(
        Utf8JsonWriter json, PromptEvaluation first, PromptEvaluation second, PromptComparison comparison, PromptMetric metric)
    {
        json.WriteString("metric", metric.Name);
        json.WriteNumber("examples", first.Answers.Count);
        json.WriteNumber("a", first.Score);
        json.WriteNumber("b", second.Score);
        json.WriteNumber("difference", comparison.Difference);
        json.WriteNumber("low", comparison.Low);
        json.WriteNumber("high", comparison.High);
        json.WriteNumber("wins", comparison.Wins);
        json.WriteNumber("losses", comparison.Losses);
        json.WriteNumber("ties", comparison.Ties);
        json.WriteNumber("seed", comparison.Seed);
    }

    private static string[] ReadLines(string path) => File.Exists(path)
        ? [.. File.ReadLines(path).Where(line => !string.IsNullOrWhiteSpace(line))]
        : throw new UsageException($"--instructions: there is no file '{path}'");

    /// <summary>The options of both commands: what is measured, and on which model.</summary>
    private sealed class MeasuringOptions
    {
        private readonly Option<string> _metric = new("--metric")
        {
            Description = $"How answers are scored: {string.Join(", ", PromptMetric.All.Select(metric => metric.Name))}.",
            HelpName = "NAME",
            DefaultValueFactory = _ => PromptMetric.ExactMatch.Name,
        };

        private readonly Option<string?> _models = new("--models")
        {
            Description = $"Says where models are (default: {PromptModels.FileName} beside the prompt, or here).",
            HelpName = "FILE",
        };

        private readonly Option<string[]> _environment = new("--allow-env")
        {
            Description = "An environment variable that the prompt may read; may be repeated.",
            HelpName = "NAME",
        };

        public Option<string> Data { get; } = new("--data")
        {
            Description = "Examples, one JSON object a line: the inputs by name, and the right answer as 'expected'.",
            HelpName = "FILE",
            Required = true,
        };

        public Option<string?> Model { get; } = new("--model")
        {
            Description =
                "A name in models.yaml, a checkpoint folder, a GGUF file, or OWNER/NAME (default: the one that the prompt names).",
            HelpName = "NAME",
        };

        public Option<int> Seed { get; } = new("--seed") { Description = "Decides every random choice.", HelpName = "N" };

        public Option<int> Concurrency { get; } = new("--concurrency")
        {
            Description = "How many requests run at the same time.",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };

        public Option<bool> Json { get; } = new("--json") { Description = "Write the result as one JSON object." };

        public Option[] All => [Data, _metric, Seed, Concurrency, Model, _models, _environment, LineCommand.Threads, Json];

        public PromptMetric Metric(ParseResult parsed)
            => PromptMetric.All.FirstOrDefault(metric => metric.Name == parsed.GetValue(_metric)) ?? throw new UsageException(
                $"--metric: '{parsed.GetValue(_metric)}' is not known; write {string.Join(", ", PromptMetric.All.Select(m => m.Name))}");

        public PromptFile Load(ParseResult parsed, string path)
        {
            _ = Metric(parsed);
            var prompt = PromptFile.Load(path, new PromptFileOptions { AllowedEnvironment = parsed.GetValue(_environment) ?? [] });
            foreach (var remark in prompt.Remarks)
                Console.Error.WriteLine($"note: {remark}");
            return prompt;
        }

        public PromptModels Models(ParseResult parsed, PromptFile prompt)
            => new(parsed.GetValue(_models), prompt.Path, parsed.GetValue(LineCommand.Threads));
    }
}
