using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;
using Kotonoha.Samples.ToolCalling;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Agents;

/// <summary>Trains a small model on word problems as every strategy solves them, for <c>benchmarks agents</c>.</summary>
internal static partial class ReasoningModelBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        var given = Arguments.Parse(args, "out", "steps", "problems", "layers", "width", "heads", "threads", "seed");
        int Number(string name, int otherwise) => int.Parse(given.GetValueOrDefault(name, $"{otherwise}"), CultureInfo.InvariantCulture);
        if (!given.TryGetValue("out", out var folder))
            throw new ArgumentException("Say where the model goes: --out DIR.");
        Console.WriteLine(Machine.Describe());
        var clock = Stopwatch.StartNew();
        var conversations = await WordProblems.ToLearnAsync(
            Number("problems", 30_000), 1000 + Number("seed", 1), WordProblems.ToAsk(60, 1));
        // Digits stay apart, so that numbers are read digit by digit.
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            conversations.Take(3000).Select(conversation =>
                Digits().Replace(ChatTemplate.Kotonoha.RenderText(conversation.Turns, addGenerationPrompt: false), "")),
            vocabularySize: 700, minFrequency: 2, [.. ChatTemplate.Kotonoha.ControlTokens]);
        var options = new SmallChatGptOptions
        {
            Steps = Number("steps", 6000),
            ContextLength = 1024,
            Layers = Number("layers", 4),
            Width = Number("width", 128),
            Heads = Number("heads", 4),
            LearningRate = 3e-3,
            ValidationFraction = 0.002,
            Threads = Number("threads", 0),
            Seed = (ulong)Number("seed", 1),
        };
        Console.WriteLine($"{conversations.Count} conversations made in {clock.Elapsed.TotalSeconds:F0} s");
        var trained = await SmallChatGpt.SaveAsync(folder, tokenizer, conversations, options, new Reporter());
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"trained in {clock.Elapsed.TotalSeconds:F0} s, loss on held-out answers {trained.ValidationLoss:F3}: {folder}"));
        return 0;
    }

    [GeneratedRegex(@"[0-9]")]
    private static partial Regex Digits();

    private sealed class Reporter : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.ValidationLoss is { } loss)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  step {value.Step} of {value.Steps}: loss on held-out answers {loss:F4}, {value.TokensPerSecond:N0} tokens/s"));
        }
    }
}
