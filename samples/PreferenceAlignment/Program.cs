// Aligns a small GPT with preferences: DPO on pairs of answers, a reward model on the same pairs, and PPO against that reward model.
// Usage: dotnet run -c Release -- STEPS [PAIRS.jsonl]    (lines with prompt, chosen, rejected; without a file: generated pairs)
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Samples.PreferenceAlignment;
using Kotonoha.Tokenizers;

if (args.Length is not (1 or 2))
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS [PAIRS.jsonl]");
    return 1;
}

int steps = int.Parse(args[0], CultureInfo.InvariantCulture);
var pairs = args.Length > 1 ? PreferencePairs.ReadFile(args[1]) : Pairs.Generate(count: 1000, seed: 1);
PreferencePair[] train = [.. pairs.Where((_, i) => i % 5 != 0)], heldOut = [.. pairs.Where((_, i) => i % 5 == 0)];

// 1. A tokenizer, and the pairs as tokens: each answer ends with the end token.
var tokenizer = Tokenizer.TrainByteLevelBpe(
    train.Select(p => p.Prompt + p.Chosen + p.Rejected), vocabularySize: 400, specialTokens: [CheckpointParts.EndOfText]);
int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;
PreferencePairs learned = PreferencePairs.From(tokenizer, train, end), measured = PreferencePairs.From(tokenizer, heldOut, end);

// 2. The start: a model that answers, but has seen good and bad answers alike.
var work = Directory.CreateTempSubdirectory("kotonoha-preferences");
int context = pairs.Max(p => Math.Max(tokenizer.CountTokens(p.Prompt + p.Chosen), tokenizer.CountTokens(p.Prompt + p.Rejected))) + 8;
using (var model = Gpt2.Create(
    new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = context, Width = 64, Layers = 2, Heads = 4 }, seed: 1))
{
    var both = train.SelectMany(p => ((string, string)[])[(p.Prompt, p.Chosen), (p.Prompt, p.Rejected)]);
    using var answers = ChatDataset.FromCompletions(tokenizer, both, end, new ChatDatasetOptions { ContextLength = context });
    await new Trainer(model, new TrainingOptions { Steps = 3 * steps, BatchSize = 16, LearningRate = 3e-3 }).RunAsync(answers);
    model.Save(work.FullName, tokenizer);
}

// 3. The baselines: how often the start finds the better answer likelier a token, and how often a bag of words does.
using var start = ModelCheckpoint.Load(work.FullName);
Console.WriteLine($"{pairs.Count} pairs, {heldOut.Length} held out; of these the better answer is preferred by");
Console.WriteLine($"bag of words         {Share(Pairs.BagOfWords(train, heldOut))}");
Console.WriteLine($"the start            {Share(await LikelierAsync(start))}");

// 4. DPO: what the model makes of the better answer rises against the worse one, held to the start by β.
using var aligned = ModelCheckpoint.Load(work.FullName);
var training = new TrainingOptions { Steps = steps, BatchSize = 16, LearningRate = 5e-4, EvaluateEvery = steps };
using (var task = new PreferenceOptimization(aligned, learned, measured, new PreferenceOptimizationOptions { Beta = 0.1f }))
{
    var result = await new Trainer(training).RunAsync(task);
    Console.WriteLine($"DPO                  {Share(await LikelierAsync(aligned))}  "
        + string.Join(", ", result.Measurements.Select(m => string.Create(CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F3}"))));
}

// 5. A reward model: the same body with one number for each answer, the better one's larger (Bradley–Terry).
using var reward = RewardModel.Create(ModelCheckpoint.Load(work.FullName), seed: 1);
using (var task = new RewardModeling(reward, learned, measured))
    Console.WriteLine($"the reward model     {Share(Value((await new Trainer(training).RunAsync(task)).Measurements, "accuracy"))}");

// 6. PPO: the model answers prompts by itself, the reward model says what the answers are worth, and the divergence from the start counts
// against them.
using var policy = ModelCheckpoint.Load(work.FullName);
using var scorer = new RewardScorer(reward, tokenizer, end);
RewardedPrompt[] prompts = [.. train.Select(p => new RewardedPrompt(p.Prompt)).Distinct()],
    questions = [.. heldOut.Select(p => new RewardedPrompt(p.Prompt)).Distinct()];
using (var task = new ProximalPolicyOptimization(policy, start, tokenizer, prompts, questions, scorer.Score,
    new PolicyOptimizationOptions { GroupSize = 2, MaxCompletionTokens = 16, KlWeight = 0.05f, EndId = end }))
{
    int practice = Math.Max(1, steps / 4);
    var trainer = new Trainer(training with { Steps = practice, LearningRate = 2e-4, EvaluateEvery = practice });
    double before = Value(await trainer.MeasureAsync(task), "held_out_reward");
    double after = Value((await trainer.RunAsync(task)).Measurements, "held_out_reward");
    Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"reward of answers    {before:F3} before PPO, {after:F3} after"));
}

work.Delete(recursive: true);
return 0;

async Task<double> LikelierAsync(CausalModel model)
{
    var byToken = new PreferenceOptimizationOptions { Method = PreferenceMethod.SimPo };
    using var task = new PreferenceOptimization(model, learned, measured, byToken);
    return Value(await new Trainer(new TrainingOptions()).MeasureAsync(task), "accuracy");
}

string Share(double share)
{
    var interval = Statistics.Wilson((int)Math.Round(share * heldOut.Length), heldOut.Length);
    return string.Create(CultureInfo.InvariantCulture, $"{100 * share,5:F1}% ({100 * interval.Low:F1}–{100 * interval.High:F1})");
}

static double Value(IReadOnlyList<Measurement> measurements, string name) => measurements.Single(m => m.Name == name).Value;
