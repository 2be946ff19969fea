// Makes a small GPT smaller: 8 and 4 bits a weight, pruning, distillation. Prints size and perplexity of each.
// Usage: dotnet run -c Release -- STEPS TEXT    (a text file, or a folder of .txt and .md)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS TEXT");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);
var tokenizer = Tokenizer.TrainByteLevelBpe(TextCorpus.From(args[1]), 512, specialTokens: [CheckpointParts.EndOfText]);
using var data = TokenDataset.From(tokenizer, args[1]);

// 1. The model that is to be made smaller.
var config = new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 64, Width = 96, Layers = 3, Heads = 4 };
var training = new TrainingOptions { Steps = steps, BatchSize = 8, LearningRate = 3e-3 };
using var model = Gpt2.Create(config, seed: 1);
await new Trainer(model, training).RunAsync(data);
var work = Directory.CreateTempSubdirectory("kotonoha-compression");
string folder = Path.Combine(work.FullName, "model");
ModelExport.SaveFolder(model, CheckpointParts.Of(tokenizer), folder);
Console.WriteLine($"{"",-34}{"KiB",8}{"perplexity",12}");
Row("single precision", model, Bytes(model));

// 2. Fewer bits a weight: blocks of 32 weights share a scale. Nothing is trained again.
foreach (var type in (DataType[])[DataType.Q8_0, DataType.Q4_0])
{
    var file = Path.Combine(work.FullName, $"{type}.gguf");
    ModelExport.SaveGguf(folder, file, type);
    using var quantized = ModelCheckpoint.Load(file, WeightPrecision.AsStored);
    Row($"{type} (the GGUF file)", quantized, new FileInfo(file).Length);
}

// 3. Fewer weights: the smallest become zero (counted as not there), or whole units of the feed-forward parts go and the rest learns a
// little.
foreach (double share in (double[])[0.25, 0.5])
{
    using var pruned = ModelCheckpoint.Load(folder);
    long zeros = Pruning.Magnitude(pruned, share);
    Row(string.Create(CultureInfo.InvariantCulture, $"without {100 * share:F0}% of the weights"), pruned,
        Bytes(pruned) - sizeof(float) * zeros);
}

using (var narrow = Pruning.FeedForward(model, keep: 0.5))
{
    Row("half of each feed-forward part", narrow, Bytes(narrow));
    await new Trainer(narrow, training with { Steps = Math.Max(1, steps / 5), LearningRate = 1e-3 }).RunAsync(data);
    Row("the same, after a little training", narrow, Bytes(narrow));
}

// 4. A smaller model: it learns from the text alone, or also from what the larger one thinks of every next token.
var small = config with { Width = 32, Layers = 2 };
using (var alone = Gpt2.Create(small, seed: 2))
{
    await new Trainer(alone, training).RunAsync(data);
    Row("a small model, text alone", alone, Bytes(alone));
}

using (var student = Gpt2.Create(small, seed: 2))
{
    using var task = new Distillation(student, model, data) { Alpha = 0.7f, Temperature = 2 };
    await new Trainer(training).RunAsync(task);
    Row("a small model, distilled", student, Bytes(student));
}

work.Delete(recursive: true);
return 0;

static long Bytes(CausalModel model) => model.ParameterCount * sizeof(float);

void Row(string name, CausalModel measured, long bytes) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{name,-34}{bytes / 1024,8}{Perplexity.Measure(measured, data.Validation).Perplexity,12:F2}"));
