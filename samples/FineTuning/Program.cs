// Adapts a small GPT from one kind of text to another with ever fewer trained weights: all, the last layer, LoRA of ranks 8, 2 and 1, DoRA.
// Usage: dotnet run -c Release -- STEPS [BASE-TEXT DOMAIN-TEXT]    (files or folders; without them: generated notes)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Samples.FineTuning;
using Kotonoha.Tokenizers;

if (args.Length is not (1 or 3))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS [BASE-TEXT DOMAIN-TEXT]");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);
string[] general = args.Length > 1 ? [.. TextCorpus.From(args[1])] : Notes.Everyday(1500, seed: 1),
    domain = args.Length > 1 ? [.. TextCorpus.From(args[2])] : Notes.Shop(300, seed: 2);

// 1. One tokenizer for both. Of each every tenth piece is held out.
var tokenizer = Tokenizer.TrainByteLevelBpe(general.Concat(domain), 400, specialTokens: [CheckpointParts.EndOfText]);
using TokenDataset before = Split(general), after = Split(domain);
var config = new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 32, Width = 64, Layers = 3, Heads = 4 };

// 2. The base: a model of the general text, which knows the words of the other one but not how it puts them.
var work = Directory.CreateTempSubdirectory("kotonoha-fine-tuning");
using (var model = Gpt2.Create(config, seed: 1))
{
    await new Trainer(model, new TrainingOptions { Steps = 2 * steps, BatchSize = 16, LearningRate = 3e-3 }).RunAsync(before);
    model.Save(work.FullName, tokenizer);
}

using var start = ModelCheckpoint.Load(work.FullName);
Console.WriteLine($"{"",-16}{"trained",9}{"domain",9}{"base text",11}   (held-out loss)");
Row("base", 0, start);

// 3. Adapters learn with a higher rate than the weights themselves: they begin at nothing and are few.
int width = config.Width;
long lastLayer = 12 * width * width + 13 * width + 2 * width; // its weights, and the last norm's
await AdaptAsync("all weights", 1e-3, model => model.ParameterCount);
await AdaptAsync("last layer", 1e-3, _ => lastLayer, new TrainingScope { LastLayers = 1 });
await AdaptAsync("LoRA rank 8", 1e-2, model => model.AddLora(new LoraOptions { Rank = 8, Alpha = 16 }));
await AdaptAsync("LoRA rank 2", 1e-2, model => model.AddLora(new LoraOptions { Rank = 2, Alpha = 4 }));
await AdaptAsync("LoRA rank 1", 1e-2, model => model.AddLora(new LoraOptions { Rank = 1, Alpha = 2 }));
await AdaptAsync("DoRA rank 2", 1e-2, model => model.AddLora(new LoraOptions { Rank = 2, Alpha = 4, Dora = true }));
work.Delete(recursive: true);
return 0;

async Task AdaptAsync(string name, double rate, Func<CausalModel, long> prepare, TrainingScope? scope = null)
{
    using var model = ModelCheckpoint.Load(work.FullName);
    long trained = prepare(model);
    await new Trainer(model, new TrainingOptions
    {
        Steps = steps,
        BatchSize = 16,
        LearningRate = rate,
        Optimizer = new AdamWOptions { WeightDecay = 0 },
        Scope = scope,
    }).RunAsync(after);
    Row(name, trained, model);
    if (!model.HasAdapter)
        return;

    // 4. Merged into the weights, an adapter costs nothing any more, and the model says the same.
    int[] ids = [.. tokenizer.Encode(domain[0]).Take(config.ContextLength)];
    double[] apart = LogChances(model, ids);
    model.MergeLora();
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
        $"  merged: log-probabilities differ by at most {apart.Zip(LogChances(model, ids), (a, b) => Math.Abs(a - b)).Max():E1}"));
}

void Row(string name, long trained, CausalModel model) => Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
    $"{name,-16}{100.0 * trained / start.ParameterCount,8:F2}%{Perplexity.Measure(model, after.Validation).Loss,9:F3}"
        + $"{Perplexity.Measure(model, before.Validation).Loss,11:F3}"));

TokenDataset Split(string[] texts) => TokenDataset.From(tokenizer, texts.Where((_, i) => i % 10 != 0), texts.Where((_, i) => i % 10 == 0));

// The log-probability of every token after the last one: the logits but for a constant.
static double[] LogChances(CausalModel model, int[] ids)
    => [.. ModelView.Of(model, ids, model.VocabularySize).Lens[^1][^1].OrderBy(c => c.Id).Select(c => Math.Log(c.Probability))];
