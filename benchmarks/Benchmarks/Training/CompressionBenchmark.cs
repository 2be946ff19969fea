using System.Diagnostics;
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>compression DIR [--steps N] [--seed N]</c>: a GPT on WikiText-2's test file (there is no training part; measured on the validation
/// file, so not comparable with publications), then int8, 4 bits, pruned and distilled: size, tokens a second, perplexity in one table.
/// </summary>
internal static class CompressionBenchmark
{
    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || !File.Exists(Path.Combine(args[0], "test.txt")))
        {
            Console.WriteLine("skipped: data not found (give the folder of WikiText-2 with test.txt and valid.txt)");
            return 0;
        }

        var options = Arguments.Parse(args[1..], "steps", "seed");
        int steps = int.Parse(options.GetValueOrDefault("steps", "1500"), CultureInfo.InvariantCulture);
        ulong seed = ulong.Parse(options.GetValueOrDefault("seed", "1"), CultureInfo.InvariantCulture);
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        string train = await File.ReadAllTextAsync(Path.Combine(args[0], "test.txt")),
            valid = await File.ReadAllTextAsync(Path.Combine(args[0], "valid.txt"));
        var tokenizer = Tokenizer.TrainByteLevelBpe([train], 4096, minFrequency: 2, [CheckpointParts.EndOfText]);
        using var data = new TokenDataset(new MemoryTokens(tokenizer.Encode(train), tokenizer.VocabularySize),
            new MemoryTokens(tokenizer.Encode(valid), tokenizer.VocabularySize));
        var folder = Directory.CreateTempSubdirectory("kotonoha-compression").FullName;
        try
        {
            var config = new Gpt2Config
            {
                VocabularySize = tokenizer.VocabularySize,
                ContextLength = 128,
                Width = 192,
                Layers = 4,
                Heads = 6,
                ResidualDropout = 0.1f,
                EmbeddingDropout = 0.1f,
            };
            using var teacher = Gpt2.Create(config, seed);
            var training = new TrainingOptions { Steps = steps, BatchSize = 12, LearningRate = 1.5e-3, EvaluateEvery = steps, Seed = seed };
            var learned = await new Trainer(teacher, training).RunAsync(data);
            Console.WriteLine($"teacher: {teacher.ParameterCount:N0} parameters, {learned.Duration.TotalSeconds:F0} s");
            Console.WriteLine($"{"",-34}{"MB",8}{"tok/s",9}{"perplexity",12}");
            double full = Row("float32", teacher, teacher.ParameterCount * 4, data);
            var path = Path.Combine(folder, "teacher");
            teacher.Save(path, tokenizer);
            double four = 0;
            foreach (var type in (DataType[])[DataType.Q8_0, DataType.Q4_0, DataType.Q4_K])
            {
                var file = Path.Combine(folder, $"{type}.gguf");
                try
                {
                    ModelExport.SaveGguf(path, file, type);
                }
                catch (ArgumentException exception)
                {
                    Console.WriteLine($"{type.Name()}: {exception.Message}");
                    continue;
                }

                using var quantized = ModelCheckpoint.Load(file, WeightPrecision.AsStored);
                double perplexity = Row(type.Name(), quantized, new FileInfo(file).Length, data);
                if (type == DataType.Q4_0)
                    four = perplexity;
            }

            foreach (double share in (double[])[0.2, 0.4, 0.6])
            {
                using var pruned = ModelCheckpoint.Load(path);
                long zeros = Pruning.Magnitude(pruned, share);
                Row(string.Create(CultureInfo.InvariantCulture, $"{100 * share:F0}% of the smallest weights"), pruned,
                    (pruned.ParameterCount - zeros) * 4, data);
            }

            using (var narrow = Pruning.FeedForward(teacher, 0.75))
            {
                Row("3/4 of each feed-forward part", narrow, narrow.ParameterCount * 4, data);
                await new Trainer(narrow, training with { Steps = Math.Max(1, steps / 5), LearningRate = 5e-4 }).RunAsync(data);
                Row("… after a fifth of the training", narrow, narrow.ParameterCount * 4, data);
            }

            var small = config with { Width = 96, Layers = 2, Heads = 3 };
            using var alone = Gpt2.Create(small, seed + 1);
            await new Trainer(alone, training).RunAsync(data);
            double without = Row("small, on the text alone", alone, alone.ParameterCount * 4, data);
            using var student = Gpt2.Create(small, seed + 1);
            using (var task = new Distillation(student, teacher, data) { Alpha = 0.7f, Temperature = 2 })
                await new Trainer(training).RunAsync(task);
            double distilled = Row("small, distilled", student, student.ParameterCount * 4, data);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"4 bits: {100 * (four / full - 1):+0.0;-0.0}% perplexity; distillation: {100 * (distilled / without - 1):+0.0;-0.0}%"));
            return four <= 1.03 * full && distilled < without ? 0 : 1;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static double Row(string name, CausalModel model, long bytes, TokenDataset data)
    {
        var clock = Stopwatch.StartNew();
        var result = Perplexity.Measure(model, data.Validation);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{name,-34}{bytes / 1048576.0,8:F2}{result.Tokens / clock.Elapsed.TotalSeconds,9:F0}{result.Perplexity,12:F2}"));
        return result.Perplexity;
    }
}
