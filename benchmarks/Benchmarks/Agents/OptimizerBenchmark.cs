using System.Globalization;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Training;
using Kotonoha.ChatTemplates;
using Kotonoha.Tests.Support.InContext;

namespace Kotonoha.Benchmarks.Agents;

internal static class OptimizerBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "steps", "layers", "width", "heads", "window", "lr", "steptokens", "threads", "out");
        int Number(string name, int otherwise) => int.Parse(options.GetValueOrDefault(name, $"{otherwise}"), CultureInfo.InvariantCulture);
        var d = InContextGpt.Defaults;
        var o = d with { Steps = Number("steps", d.Steps), Layers = Number("layers", d.Layers), Width = Number("width", d.Width), Heads = Number("heads", d.Heads), Window = Number("window", d.Window), StepTokens = Number("steptokens", d.StepTokens), Threads = Number("threads", 1), LearningRate = double.Parse(options.GetValueOrDefault("lr", "0.004"), CultureInfo.InvariantCulture) };
        var folder = options.GetValueOrDefault("out") ?? Directory.CreateTempSubdirectory("incontext").FullName;
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var r = await InContextGpt.SaveAsync(folder, o, new Reporter());
        Console.WriteLine($"{folder} loss {r.ValidationLoss} in {clock.Elapsed.TotalSeconds:F0} s");
        using var gpt = LocalGpt.Load(folder);
        foreach (var kind in Enum.GetValues<InContextKind>())
            foreach (var (demos, full) in new[] { (0, false), (0, true), (2, false), (4, false), (8, false) })
            {
                int right = 0;
                var data = new InContextData(777);
                for (int i = 0; i < 100; i++)
                {
                    var task = data.Task(kind);
                    var turns = new List<ChatTurn> { new(ChatTurn.System, full ? task.FullInstruction : task.Instruction) };
                    for (int k = 0; k < demos; k++)
                    {
                        var e = data.Example(task);
                        turns.Add(new(ChatTurn.User, e.Input));
                        turns.Add(new(ChatTurn.Assistant, e.Output));
                    }
                    var q = data.Example(task);
                    turns.Add(new(ChatTurn.User, q.Input));
                    var a = (await gpt.CompleteAsync(new GenerationRequest { Turns = turns, MaxOutputTokens = 40, Sampling = SamplingOptions.Greedy })).Text;
                    right += a == q.Output ? 1 : 0;
                    if (i < 2) Console.WriteLine($"   {q.Input} -> {a} ({q.Output})");
                }
                Console.WriteLine($"{kind} demos {demos} full {full}: {right}");
            }
        return 0;
    }

    private sealed class Reporter : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.ValidationLoss is { } loss)
                Console.WriteLine($"  step {value.Step} of {value.Steps}: {loss:F4}, {value.TokensPerSecond:N0} tokens/s");
        }
    }
}
