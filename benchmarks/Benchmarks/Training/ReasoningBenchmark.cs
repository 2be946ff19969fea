using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>reasoning [--steps N] [--grpo N] [--rate X] [--seed N]</c>: sums of several numbers, learned as direct results and as worked steps
/// (chain of thought), then reinforced with GRPO by the right result. Held-out exact accuracy with 95% intervals.
/// </summary>
internal static class ReasoningBenchmark
{
    // Worked steps are dear, results are cheap: GRPO has problems of its own, with their results alone.
    private const int Terms = 5, TrainProblems = 6000, RewardedProblems = 12_000, HeldOutProblems = 500;

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "steps", "grpo", "seed", "rate");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int steps = Number("steps", 1500), reinforced = Number("grpo", 300), seed = Number("seed", 1);
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        var problems = Problems(seed);
        double rate = double.Parse(options.GetValueOrDefault("rate", "1e-4"), CultureInfo.InvariantCulture);
        var (train, heldOut) = (problems[..TrainProblems], problems[^HeldOutProblems..]);
        var rewarded = problems[TrainProblems..^HeldOutProblems];
        var tokenizer = Tokenizer.TrainByteLevelBpe(["0123456789+-=; "], 260, minFrequency: 1000, [CheckpointParts.EndOfText]);
        int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;
        RewardedPrompt[] questions = [.. heldOut.Select(p => new RewardedPrompt(p.Question, p.Result))];

        using var direct = Fresh(tokenizer);
        await LearnAsync(direct, tokenizer, end, train.Select(p => (p.Question, p.Result)), steps, "direct results");
        var directly = await AccuracyAsync(direct, tokenizer, end, questions);
        Console.WriteLine($"direct results           {directly}");

        using var worked = Fresh(tokenizer);
        await LearnAsync(worked, tokenizer, end, train.Select(p => (p.Question, p.Worked)), steps, "worked steps");
        var before = await AccuracyAsync(worked, tokenizer, end, questions);
        Console.WriteLine($"worked steps             {before}");

        using var reference = Fresh(tokenizer);
        for (int i = 0; i < reference.Parameters.Count; i++)
            worked.Parameters[i].Values.CopyTo(reference.Parameters[i].Values);
        var clock = Stopwatch.StartNew();
        using var task = new GroupRelativePolicyOptimization(
            worked, reference, tokenizer, [.. rewarded.Select(p => new RewardedPrompt(p.Question, p.Result))], [], Reward, Policy(end));
        await new Trainer(new TrainingOptions { Steps = reinforced, BatchSize = 16, LearningRate = rate, Seed = (ulong)seed })
            .RunAsync(task, new Every(20));
        var after = await AccuracyAsync(worked, tokenizer, end, questions);
        Console.WriteLine($"worked steps after GRPO  {after}   ({clock.Elapsed.TotalSeconds:F0} s)");
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"steps win by {100 * (before.Share - directly.Share):F1} points, GRPO adds {100 * (after.Share - before.Share):F1}"));
        return before.Share - directly.Share >= 0.20 && after.Share - before.Share >= 0.05 ? 0 : 1;
    }

    // "17+5-3=": worked "17+5=22;22-3=19;#19".
    private static (string Question, string Result, string Worked)[] Problems(int seed)
    {
        var random = new Random(seed);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var problems = new List<(string, string, string)>();
        while (problems.Count < TrainProblems + RewardedProblems + HeldOutProblems)
        {
            int total = random.Next(1, 50);
            var question = total.ToString(CultureInfo.InvariantCulture);
            var worked = "";
            for (int i = 1; i < Terms; i++)
            {
                int term = random.Next(1, 50);
                bool minus = random.Next(2) == 0 && total >= term;
                int next = minus ? total - term : total + term;
                question += string.Create(CultureInfo.InvariantCulture, $"{(minus ? '-' : '+')}{term}");
                worked += string.Create(CultureInfo.InvariantCulture, $"{total}{(minus ? '-' : '+')}{term}={next};");
                total = next;
            }

            if (seen.Add(question))
                problems.Add((question + "=", total.ToString(CultureInfo.InvariantCulture),
                    string.Create(CultureInfo.InvariantCulture, $"{worked}#{total}")));
        }

        return [.. problems];
    }

    private static Gpt2 Fresh(Tokenizer tokenizer) => Gpt2.Create(
        new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 80, Width = 128, Layers = 4, Heads = 4 }, 1);

    private static async Task LearnAsync(
        CausalModel model, Tokenizer tokenizer, int end, IEnumerable<(string, string)> texts, int steps, string name)
    {
        using var data = ChatDataset.FromCompletions(tokenizer, texts, end, new ChatDatasetOptions { ContextLength = 80 });
        var result = await new Trainer(
            model, new TrainingOptions { Steps = steps, BatchSize = 32, LearningRate = 2e-3, EvaluateEvery = steps }).RunAsync(data);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name}: {steps} steps in {result.Duration.TotalSeconds:F0} s, held-out loss {result.ValidationLoss:F3}"));
    }

    private static double Reward(RewardedPrompt prompt, string completion)
        => completion[(completion.LastIndexOf('#') + 1)..] == prompt.Reference ? 1 : 0;

    private static PolicyOptimizationOptions Policy(int end) => new()
    {
        GroupSize = 8,
        MaxCompletionTokens = 48,
        KlWeight = 0.01f,
        EndId = end,
    };

    private static async Task<Rate> AccuracyAsync(CausalModel model, Tokenizer tokenizer, int end, RewardedPrompt[] questions)
    {
        using var reference = Fresh(tokenizer);
        using var task = new GroupRelativePolicyOptimization(model, reference, tokenizer, questions, questions, Reward, Policy(end));
        using var session = LocalModel.Devices.Device.Cpu.CreateInferenceSession();
        double share = await Task.Run(() => task.Measure(session, default)[0].Value);
        return new Rate((int)Math.Round(share * questions.Length), questions.Length);
    }
}

/// <summary>A share with its 95% interval.</summary>
internal readonly record struct Rate(int Right, int Of)
{
    public double Share => (double)Right / Of;

    public override string ToString()
    {
        var interval = Statistics.Wilson(Right, Of);
        return string.Create(CultureInfo.InvariantCulture, $"{100 * Share:F1}% ({100 * interval.Low:F1}–{100 * interval.High:F1})");
    }
}

/// <summary>Prints what recipes measure every so many steps.</summary>
internal sealed class Every(int steps) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value)
    {
        if (value.Step % steps == 0)
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  step {value.Step}: loss {value.Loss:F4}, ")
                + string.Join(", ", value.Measurements.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F3}"))));
    }
}
