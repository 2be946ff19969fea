using System.Diagnostics;
using System.Globalization;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tests.Support.InContext;
using Microsoft.Extensions.AI;

namespace Kotonoha.Benchmarks.Agents;

/// <summary>
/// The optimisers on a classification and an extraction task with a model that is trained here: the score on validation examples before
/// and after, and on examples that no search has seen, for some seeds.
/// </summary>
internal static class OptimizerBenchmark
{
    private const int Examples = 80, TestExamples = 100, Concurrency = 8;

    public static async Task<int> RunAsync(string[] args)
    {
        var given = Arguments.Parse(args, "model", "out", "seeds", "steps", "threads");
        int Number(string name, int otherwise) => int.Parse(given.GetValueOrDefault(name, $"{otherwise}"), CultureInfo.InvariantCulture);
        Console.WriteLine(Machine.Describe());
        var work = Directory.CreateTempSubdirectory("optimizers");
        try
        {
            var folder = given.GetValueOrDefault("model");
            if (folder is null)
            {
                folder = given.GetValueOrDefault("out", Path.Combine(work.FullName, "model"));
                var clock = Stopwatch.StartNew();
                var trained = await InContextGpt.SaveAsync(folder, InContextGpt.Defaults with
                {
                    Steps = Number("steps", InContextGpt.Defaults.Steps),
                    Threads = Number("threads", 0),
                }, new Reporter());
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"trained in {clock.Elapsed.TotalSeconds:F0} s, loss on held-out answers {trained.ValidationLoss:F3}"));
            }

            using var model = LocalGpt.Load(folder);
            using var chat = model.AsChatClient();
            Console.WriteLine(
                "| task | method | seed | validation before | after | test before | after | difference, 95% | requests | seconds |");
            Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
            bool isBetter = true;
            foreach (var kind in Enum.GetValues<InContextKind>())
                foreach (var method in Enum.GetValues<PromptOptimizationMethod>())
                    for (int seed = 1; seed <= Number("seeds", 3); seed++)
                        isBetter &= await MeasureAsync(chat, work.FullName, kind, method, seed);
            Console.WriteLine(isBetter ? "every search found a better prompt" : "a search found no better prompt");
            return isBetter ? 0 : 1;
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static async Task<bool> MeasureAsync(
        IChatClient chat, string folder, InContextKind kind, PromptOptimizationMethod method, int seed)
    {
        // Words and meanings of the task are drawn anew for each seed; the model has trained on other ones.
        var data = new InContextData(-seed);
        var task = data.Task(kind);
        var (file, lines, test) =
            (Path.Combine(folder, "prompt.yaml"), Path.Combine(folder, "data.jsonl"), Path.Combine(folder, "test.jsonl"));
        await File.WriteAllTextAsync(file, task.PromptFile);
        var all = data.Lines(task, Examples + TestExamples).Split('\n');
        await File.WriteAllLinesAsync(lines, all[..Examples]);
        await File.WriteAllLinesAsync(test, all[Examples..]);
        var prompt = PromptFile.Load(file);
        var metric = kind == InContextKind.Classification ? PromptMetric.ExactMatch : PromptMetric.JsonFields;
        var clock = Stopwatch.StartNew();
        var result = await new PromptOptimizer(chat, metric, new PromptOptimizerOptions
        {
            Method = method,
            Seed = seed,
            Concurrency = Concurrency,
            // What an author might try: the last one says what the words mean.
            Instructions = method == PromptOptimizationMethod.InstructionSearch
                ? [$"{task.Instruction} Be exact .", "Answer in one word .", task.FullInstruction]
                : [],
        }).OptimizeAsync(prompt, await PromptDataset.LoadAsync(lines, prompt));
        double seconds = clock.Elapsed.TotalSeconds;
        var saved = Path.Combine(folder, "better.yaml");
        result.Prompt.Save(saved);
        var unseen = await PromptDataset.LoadAsync(test, prompt);
        var before = await PromptEvaluation.RunAsync(prompt, chat, unseen, metric, concurrency: Concurrency);
        var after = await PromptEvaluation.RunAsync(PromptFile.Load(saved), chat, unseen, metric, concurrency: Concurrency);
        var compared = PromptComparison.Of(before, after, seed);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {kind} | {method} | {seed} | {result.Before.Score:F3} | {result.After.Score:F3} | {before.Score:F3} | {after.Score:F3} | "
                + $"{compared.Difference:+0.000;-0.000} ({compared.Low:+0.000;-0.000} to {compared.High:+0.000;-0.000}) | {result.Calls} | "
                + $"{seconds:F1} |"));
        return result.After.Score > result.Before.Score;
    }

    private sealed class Reporter : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.ValidationLoss is { } loss)
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  step {value.Step} of {value.Steps}: loss on held-out answers {loss:F4}, {value.TokensPerSecond:N0} tokens/s"));
        }
    }
}
