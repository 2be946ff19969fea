using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Cpu;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>
/// <c>translation DIR [--source en] [--target ja] [--minutes N] [--steps N] [--vocabulary N] [--width N] [--layers N] [--inner N]
/// [--batch N] [--rate X] [--dropout X] [--seed N] [--threads N] [--out FOLDER]</c>: trains a Transformer on DIR/train.SOURCE and
/// DIR/train.TARGET within a time limit, and rates what it makes of DIR/dev.SOURCE by BLEU (sacrebleu's definition, tokens at spaces).
/// </summary>
internal static class TranslationBenchmark
{
    private const double Bar = 20;
    private const int Beams = 5;
    private const int MeasuredSteps = 20;
    private const int FirstMeasuredStep = 5;

    // What tokenizing, measuring and the last search take of the time.
    private const double ShareOfTraining = 0.9;
    private const int PointsOfTheCurve = 10;
    private static readonly CultureInfo Invariant = CultureInfo.InvariantCulture;
    private static readonly string[] Special = ["<pad>", "</s>"];

    public static async Task<int> RunAsync(string[] args)
    {
        var total = Stopwatch.StartNew();
        if (args.Length == 0 || !Directory.Exists(args[0]))
        {
            Console.Error.WriteLine("translation: give a folder with train.en, train.ja, dev.en and dev.ja");
            return 2;
        }

        var options = Arguments.Parse(args[1..], "source", "target", "minutes", "steps", "vocabulary", "width", "layers", "inner", "batch",
            "rate", "dropout", "seed", "threads", "out");
        string Text(string name, string otherwise) => options.GetValueOrDefault(name, otherwise);
        double Number(string name, double otherwise)
            => options.TryGetValue(name, out var text) ? double.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        string source = Text("source", "en"), target = Text("target", "ja");
        var limit = TimeSpan.FromMinutes(Number("minutes", 30));
        int threads = (int)Number("threads", 0);
        ulong seed = (ulong)Number("seed", 1);

        IReadOnlyList<TranslationPair> Pairs(string part)
            => TranslationPair.ReadParallel(Path.Combine(args[0], $"{part}.{source}"), Path.Combine(args[0], $"{part}.{target}"));

        IReadOnlyList<TranslationPair> train = Pairs("train"), dev = Pairs("dev");
        var tokenizer = Tokenizer.TrainByteLevelBpe(train.SelectMany(p => (string[])[p.Source, p.Target]), new BpeTrainingOptions
        {
            VocabularySize = (int)Number("vocabulary", 4000),
            SpecialTokens = Special,
            AddPrefixSpace = true,
        });
        int layers = (int)Number("layers", 3), inner = (int)Number("inner", 768);
        var config = new MarianConfig
        {
            VocabularySize = tokenizer.VocabularySize,
            Width = (int)Number("width", 256),
            EncoderLayers = layers,
            DecoderLayers = layers,
            EncoderFeedForwardWidth = inner,
            DecoderFeedForwardWidth = inner,
            Dropout = (float)Number("dropout", 0.1),
        };
        var settings = new SequenceSettings { EndTokenIds = [1], PadTokenId = 0 };
        var training = new TrainingOptions
        {
            BatchSize = (int)Number("batch", 64),
            LabelSmoothing = 0.1,
            MaxGradientNorm = 1,
            Optimizer = new AdamWOptions { Beta2 = 0.98, Epsilon = 1e-9, WeightDecay = 0.01 },
            Seed = seed,
            Threads = threads,
        };
        using (var backend = new CpuBackend(threads))
            Say(Invariant, $"Machine: {Machine.Describe()}; {backend.Description}");
        using var model = Marian.Create(config, seed);
        Say(Invariant, $"{source} to {target}: {train.Count:N0} pairs, {tokenizer.VocabularySize:N0} tokens (byte-level BPE of both "
            + $"sides), {model.ParameterCount:N0} parameters ({layers} + {layers} layers, {config.Width} wide)");

        int steps = (int)Number("steps", 0);
        if (steps == 0)
        {
            double seconds = await SecondsAStep(config, tokenizer, settings, train, training);
            steps = (int)((limit - total.Elapsed).TotalSeconds * ShareOfTraining / seconds);
            Say(Invariant, $"A step takes {1000 * seconds:F0} ms, so {steps:N0} steps are planned; the limit is "
                + $"{limit.TotalMinutes:F0} minutes");
        }

        double epochs = (double)steps * training.BatchSize / train.Count, rate = Number("rate", 1e-3);
        training = training with
        {
            Steps = steps,
            Schedule = LearningRateSchedule.WarmupCosine(rate, rate / 50, Math.Min(800, steps / 10), steps),
            EvaluateEvery = Math.Max(1, steps / PointsOfTheCurve),
            Checkpoints = options.TryGetValue("out", out var folder) ? new TrainingCheckpoints(folder) { Every = 0 } : null,
        };
        Say(Invariant, $"| step | of {epochs:F1} epochs | minutes | processor minutes | train loss | dev loss | "
            + $"dev token accuracy | dev BLEU, greedy |");
        Say(Invariant, $"| --- | --- | --- | --- | --- | --- | --- | --- |");
        using var task = new Translation(model, tokenizer, settings, train, dev)
        {
            Score = (found, right) => new Measurement("bleu", BleuOf(found, right)),
        };
        using var deadline = new CancellationTokenSource();
        deadline.CancelAfter(limit * 0.97 - total.Elapsed);
        try
        {
            await new Trainer(training).RunAsync(
                task,
                new Told(p =>
                {
                    double? Figure(string name) => p.Measurements.Where(m => m.Name == name).Select(m => (double?)m.Value).FirstOrDefault();
                    if (Figure("bleu") is { } bleu)
                        Say(Invariant, $"| {p.Step} | {epochs * p.Step / steps:F2} | {total.Elapsed.TotalMinutes:F1} | "
                            + $"{Environment.CpuUsage.TotalTime.TotalMinutes:F1} | {p.Loss:F3} | "
                            + $"{Figure("loss"):F3} | {Figure("accuracy"):P1} | {bleu:F2} |");
                }),
                deadline.Token);
        }
        catch (OperationCanceledException)
        {
            Say(Invariant, $"The time was over before the last step; what follows is of the weights as they were then.");
        }

        using var translator = SequenceToSequence.Of(model, tokenizer,
            settings with { BeamCount = Beams, LengthPenalty = 1 }, threads: threads);
        var translations = (await translator.GenerateAsync([.. dev.Select(p => p.Source)])).Select(r => r.Text.Trim()).ToArray();
        for (int i = 0; i < 5; i++)
            Say(Invariant, $"  {dev[i].Source} → {translations[i]} (reference: {dev[i].Target})");
        double best = BleuOf(translations, [.. dev.Select(p => p.Target)]);
        bool passed = best >= Bar;
        Say(Invariant, $"{source} to {target}: dev BLEU {best:F2} with {Beams} beams after {total.Elapsed.TotalMinutes:F1} minutes, "
            + $"{Environment.CpuUsage.TotalTime.TotalMinutes:F1} processor minutes (bar: at least {Bar:F0}): "
            + $"{(passed ? "passed" : "FAILED")}");
        return passed ? 0 : 1;
    }

    private static double BleuOf(IReadOnlyList<string> found, IReadOnlyList<string> right)
        => Bleu.Corpus(found, [.. right.Select(r => (IReadOnlyList<string>)[r])], new BleuOptions { Tokenizer = BleuTokenizer.None }).Score;

    // On a model of its own, which is then forgotten.
    private static async Task<double> SecondsAStep(
        MarianConfig config, Tokenizer tokenizer, SequenceSettings settings, IReadOnlyList<TranslationPair> train, TrainingOptions training)
    {
        using var model = Marian.Create(config);
        using var task = new Translation(model, tokenizer, settings, train, []);
        var clock = new Stopwatch();
        await new Trainer(training with { Steps = MeasuredSteps }).RunAsync(task, new Told(p =>
        {
            if (p.Step == FirstMeasuredStep)
                clock.Start();
        }));
        return clock.Elapsed.TotalSeconds / (MeasuredSteps - FirstMeasuredStep);
    }

    private static void Say(
        IFormatProvider culture, [InterpolatedStringHandlerArgument(nameof(culture))] ref DefaultInterpolatedStringHandler text)
        => Console.WriteLine(string.Create(culture, ref text));

    private sealed class Told(Action<TrainingProgress> tell) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => tell(value);
    }
}
