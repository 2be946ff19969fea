// Trains the same small GPT with several optimisers for the same number of steps and compares the held-out loss; then the same for a cosine
// against warm-up, plateau and decay, and for a running average of the weights.
// Usage: dotnet run -c Release -- STEPS TEXT    (a text file, or a folder of .txt and .md)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS TEXT");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);

// 1. The text; its last tenth is held out. The baseline knows how often each token comes and nothing else.
var tokenizer = Tokenizer.TrainByteLevelBpe(TextCorpus.From(args[1]), 512, specialTokens: [CheckpointParts.EndOfText]);
using var data = TokenDataset.FromTokens(tokenizer.Encode(string.Join('\n', TextCorpus.From(args[1]))), tokenizer.VocabularySize);
Console.WriteLine($"{data.Train.Count:N0} tokens, {data.Validation.Count:N0} held out, {steps} steps; held-out loss:");
Row("token frequencies", "", Unigram(data));

// 2. Optimisers, each with a learning rate that suits it (Lion's steps all have one size, so it takes a tenth of AdamW's; SGD takes more).
(string Name, double Rate, OptimizerOptions Optimizer)[] optimizers =
[
    ("AdamW", 4e-3, new AdamWOptions()),
    ("Muon, AdamW for embeddings", 4e-3, new MuonOptions { WeightDecay = 0.1 }),
    ("Lion", 8e-4, new LionOptions { WeightDecay = 1 }),
    ("SGD with momentum", 2e-1, new SgdOptions()),
];
foreach (var (name, rate, optimizer) in optimizers)
    await TrainAsync(name, new TrainingOptions { LearningRate = rate, Optimizer = optimizer });

// 3. Schedules: a cosine needs to know the end from the start; the plateau can be left at any time, the decay brings the gain.
await TrainAsync("AdamW, constant rate", new TrainingOptions { Schedule = LearningRateSchedule.Constant(4e-3) });
await TrainAsync("AdamW, warm-up, plateau, decay", new TrainingOptions
{
    Schedule = LearningRateSchedule.WarmupStableDecay(4e-3, 4e-4, warmupSteps: steps / 20, decayStart: steps * 4 / 5, totalSteps: steps),
});

// 4. The running average of the weights smooths what a constant rate leaves restless.
await TrainAsync("AdamW, constant rate, average", new TrainingOptions
{
    Schedule = LearningRateSchedule.Constant(4e-3),
    AverageDecay = 1 - 10.0 / (steps + 10),
});
return 0;

async Task TrainAsync(string name, TrainingOptions options)
{
    using var model = Gpt2.Create(
        new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 64, Width = 64, Layers = 2, Heads = 4 }, seed: 1);
    var result = await new Trainer(model, options with { Steps = steps, BatchSize = 8, EvaluateEvery = steps, Seed = 1 }).RunAsync(data);
    Row(name, $"{result.Duration.TotalSeconds:F1} s", result.ValidationLoss!.Value);
}

static void Row(string name, string time, double loss)
    => Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name,-32}{loss,7:F3}  {time}"));

// The loss of a model that gives each token its frequency in the training part, with one added to each count.
static double Unigram(TokenDataset data)
{
    int[] train = new int[data.Train.Count], heldOut = new int[data.Validation.Count];
    data.Train.CopyTo(0, train);
    data.Validation.CopyTo(0, heldOut);
    var counts = train.CountBy(id => id).ToDictionary();
    return heldOut.Average(id => -Math.Log((counts.GetValueOrDefault(id) + 1.0) / (train.Length + data.VocabularySize)));
}
