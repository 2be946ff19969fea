using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Training;
using Kotonoha.Samples.ToolCalling;

namespace Kotonoha.Benchmarks;

/// <summary>
/// Trains the model that calls functions, of the tests' size or larger, for some seeds: time, tokens a second, and how many requests it
/// gets right, greedily and without a constraint, with values it has never seen and with such as it has learned from.
/// </summary>
internal static class ToolModelBenchmark
{
    private const int Requests = 200, RequestSeed = 77, ShownFailures = 10;

    public static async Task<int> RunAsync(string[] arguments)
    {
        var given = Arguments.Parse(
            arguments, "out", "seeds", "steps", "layers", "width", "heads", "conversations", "vocabulary", "threads");
        int Number(string name, int otherwise)
            => given.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        var defaults = new ToolCallingOptions();
        var options = defaults with
        {
            Steps = Number("steps", defaults.Steps),
            Layers = Number("layers", defaults.Layers),
            Width = Number("width", defaults.Width),
            Heads = Number("heads", defaults.Heads),
            Conversations = Number("conversations", defaults.Conversations),
            VocabularySize = Number("vocabulary", defaults.VocabularySize),
            Threads = Number("threads", defaults.Threads),
        };
        Console.WriteLine(Machine.Describe());
        for (ulong seed = 1; seed <= (ulong)Number("seeds", 1); seed++)
        {
            var folder = given.TryGetValue("out", out var kept)
                ? Path.Combine(kept, string.Create(CultureInfo.InvariantCulture, $"seed-{seed}"))
                : Directory.CreateTempSubdirectory("tool-model").FullName;
            try
            {
                await MeasureAsync(folder, options with { Seed = seed });
            }
            finally
            {
                if (kept is null)
                    Directory.Delete(folder, recursive: true);
            }
        }

        return 0;
    }

    private static async Task MeasureAsync(string folder, ToolCallingOptions options)
    {
        var progress = new Reporter(options.Steps);
        var (watch, before) = (Stopwatch.StartNew(), Environment.CpuUsage.TotalTime);
        var trained = await ToolCallingGpt.SaveAsync(folder, options, progress);
        using var gpt = LocalGpt.Load(folder);
        double processor = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"seed {options.Seed}: {gpt.ParameterCount:N0} parameters, {options.Steps} steps in {watch.Elapsed.TotalSeconds:F0} s "
                + $"({processor:F0} s of processor time, {trained.TokensPerSecond:N0} tokens/s), "
                + $"loss on held-out answers {trained.ValidationLoss:F4}"));
        foreach (var pool in (ValuePool[])[ValuePool.HeldOut, ValuePool.Training])
        {
            var data = new ToolCallingData(RequestSeed, pool);
            var requests = Enumerable.Range(0, Requests).Select(_ => data.Request()).ToList();
            var pairs = requests.Zip(await ToolCallingGpt.AskAsync(gpt, requests)).ToList();
            var wrong = pairs.Where(pair => !ToolCallingGpt.IsRight(pair.First, pair.Second)).ToList();
            var values = pool == ValuePool.HeldOut ? "unseen values" : "values of the training pool";
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {values}: {Requests - wrong.Count} of {Requests} right"));
            foreach (var (request, answer) in wrong.Take(ShownFailures))
                Console.WriteLine($"    {request.Text} -> {answer}");
        }

        var held = new ToolCallingData(RequestSeed, ValuePool.HeldOut);
        var conversations = Enumerable.Range(0, 4 * Requests).Select(i => held.Conversation(1 + i % 3))
            .Where(conversation => conversation.Turns.Any(turn => turn.ToolCalls.Count > 0)).ToList();
        var calls = await ToolCallingGpt.AskForCallsAsync(gpt, conversations);
        foreach (var kind in calls.GroupBy(call => call.Right.Name.StartsWith("handoff", StringComparison.Ordinal) ? "handoffs"
            : ToolCallingData.Functions.Any(function => function.Name == call.Right.Name) ? "calls" : "calls with a plugin's name"))
        {
            var wrong = kind.Where(call => !ToolCallingGpt.IsRight(call.Right, call.Answer)).ToList();
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  {kind.Key} in conversations, unseen values: {kind.Count() - wrong.Count} of {kind.Count()} right"));
            foreach (var (right, answer) in wrong.Take(ShownFailures))
                Console.WriteLine($"    {right.Name} {right.Arguments.GetRawText()} -> {answer}");
        }
    }

    private sealed class Reporter(int steps) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.ValidationLoss is { } loss)
                Console.Error.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  step {value.Step} of {steps}: loss on held-out answers {loss:F4}, {value.TokensPerSecond:N0} tokens/s"));
        }
    }
}
