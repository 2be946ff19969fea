// Teaches a small GPT sums of weekdays (after 6 comes 0), once with the results alone and once with worked steps, then lets it practise with
// GRPO: a right result is the only reward.
// Usage: dotnet run -c Release -- STEPS GRPO-STEPS
using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Evaluation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

if (args.Length != 2)
{
    Console.Error.WriteLine("Usage: dotnet run -c Release -- STEPS GRPO-STEPS");
    return 1;
}

const int Days = 7, Terms = 6, Context = 24, Learned = 2000, Practised = 2000, HeldOut = 300;
int steps = int.Parse(args[0], CultureInfo.InvariantCulture), practice = int.Parse(args[1], CultureInfo.InvariantCulture);

// 1. Problems, all different: "3+5+6+2=" has the result "2", for after Saturday, day 6, comes Sunday, day 0. The worked steps are the days on
// the way, "1,0,2". A character is a token.
var problems = Problems(Learned + Practised + HeldOut, seed: 1);
var (learned, practised, heldOut) = (problems[..Learned], problems[Learned..^HeldOut], problems[^HeldOut..]);
var tokenizer = Tokenizer.TrainByteLevelBpe(["0123456+=,"], 257, specialTokens: [CheckpointParts.EndOfText]);
int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;

// 2. The same model and as many steps for both ways of answering.
var work = Directory.CreateTempSubdirectory("kotonoha-reasoning");
string direct = await LearnAsync("direct", learned.Select(p => (p.Question, p.Result))),
    worked = await LearnAsync("worked", learned.Select(p => (p.Question, p.Worked)));
using CausalModel directly = ModelCheckpoint.Load(direct), model = ModelCheckpoint.Load(worked), reference = ModelCheckpoint.Load(worked);
Console.WriteLine($"results alone:           {await RightAsync(directly)}");
Console.WriteLine($"worked steps:            {await RightAsync(model)}");

// 3. GRPO: eight attempts at each problem; those with the right result count more than the others of their group. Of these problems the
// results are known, no worked steps. The reference holds the model to what it has learned.
using (var task = Practice(model, practised))
    await new Trainer(new TrainingOptions { Steps = practice, BatchSize = 16, LearningRate = 3e-4 }).RunAsync(task);
Console.WriteLine($"worked steps after GRPO: {await RightAsync(model)}");
work.Delete(recursive: true);
return 0;

async Task<string> LearnAsync(string name, IEnumerable<(string Question, string Answer)> texts)
{
    using var fresh = Gpt2.Create(
        new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = Context, Width = 64, Layers = 2, Heads = 4 }, seed: 1);
    using var data = ChatDataset.FromCompletions(tokenizer, texts, end, new ChatDatasetOptions { ContextLength = Context });
    await new Trainer(fresh, new TrainingOptions { Steps = steps, BatchSize = 32, LearningRate = 4e-3 }).RunAsync(data);
    return fresh.Save(Path.Combine(work.FullName, name), tokenizer);
}

GroupRelativePolicyOptimization Practice(CausalModel learner, Problem[] on) => new(
    learner, reference, tokenizer, [.. on.Select(Rewarded)], [.. heldOut.Select(Rewarded)], Reward,
    new PolicyOptimizationOptions { GroupSize = 8, MaxCompletionTokens = 12, KlWeight = 0.01f, EndId = end });

// The result is what stands behind the last comma, or all where there is none.
static double Reward(RewardedPrompt prompt, string completion)
    => completion[(completion.LastIndexOf(',') + 1)..] == prompt.Reference ? 1 : 0;

static RewardedPrompt Rewarded(Problem problem) => new(problem.Question, problem.Result);

// Held-out problems, the likeliest token each time.
async Task<string> RightAsync(CausalModel answering)
{
    using var task = Practice(answering, learned);
    double share = (await new Trainer(new TrainingOptions()).MeasureAsync(task))[0].Value;
    var interval = Statistics.Wilson((int)Math.Round(share * HeldOut), HeldOut);
    return string.Create(CultureInfo.InvariantCulture,
        $"{100 * share:F1}% of {HeldOut} problems right ({100 * interval.Low:F1}–{100 * interval.High:F1})");
}

static Problem[] Problems(int count, int seed)
{
    var random = new Random(seed);
    var problems = new Dictionary<string, Problem>();
    while (problems.Count < count)
    {
        int[] terms = [.. Enumerable.Range(0, Terms).Select(_ => random.Next(Days))];
        var totals = Enumerable.Range(2, Terms - 1).Select(count => terms.Take(count).Sum() % Days);
        var question = string.Join('+', terms) + "=";
        problems.TryAdd(question, new Problem(question, $"{terms.Sum() % Days}", string.Join(',', totals)));
    }

    return [.. problems.Values];
}

internal sealed record Problem(string Question, string Result, string Worked);
