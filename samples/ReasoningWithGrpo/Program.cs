// Teaches a small GPT sums in several steps, with the results alone and with worked steps. Then one that answers at times this way, at
// times that, practises with GRPO: a right result is the only reward, and it finds out that working in steps pays.
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

const int Terms = 8, Context = 64, Learned = 300, Practised = 2000, HeldOut = 300;
int steps = int.Parse(args[0], CultureInfo.InvariantCulture), practice = int.Parse(args[1], CultureInfo.InvariantCulture);

// 1. A tank holds nine litres: what is poured in beyond them is lost, and one cannot take more than there is. "7+5-3=" has the result "6" and
// the worked steps "7+5=9,9-3=6,6". A character is a token.
var problems = Problems(Learned + Practised + HeldOut, seed: 1);
var (learned, practised, heldOut) = (problems[..Learned], problems[Learned..^HeldOut], problems[^HeldOut..]);
var tokenizer = Tokenizer.TrainByteLevelBpe(["0123456789+-=,"], 257, specialTokens: [CheckpointParts.EndOfText]);
int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;
var work = Directory.CreateTempSubdirectory("kotonoha-reasoning");

// 2. The same model, problems and number of steps for both ways of answering, and for both together (two of three answers are results alone).
var results = learned.Select(p => (p.Question, p.Result)).ToArray();
var worked = learned.Select(p => (p.Question, p.Worked)).ToArray();
string direct = await LearnAsync("direct", results), inSteps = await LearnAsync("worked", worked),
    mixed = await LearnAsync("mixed", [.. results, .. results, .. worked]);
using CausalModel directly = ModelCheckpoint.Load(direct), stepwise = ModelCheckpoint.Load(inSteps), model = ModelCheckpoint.Load(mixed),
    reference = ModelCheckpoint.Load(mixed);
Console.WriteLine($"results alone:     {await MeasureAsync(directly)}");
Console.WriteLine($"worked steps:      {await MeasureAsync(stepwise)}");
Console.WriteLine($"both, before GRPO: {await MeasureAsync(model)}");

// 3. GRPO: eight attempts at each problem; those with the right result count more than the others of their group. The reference holds the
// model to what it has learned. No worked steps are shown any more.
using (var task = Practice(model, practised, Right))
    await new Trainer(new TrainingOptions { Steps = practice, BatchSize = 16, LearningRate = 3e-4 }).RunAsync(task);
Console.WriteLine($"both, after GRPO:  {await MeasureAsync(model)}");
work.Delete(recursive: true);
return 0;

async Task<string> LearnAsync(string name, (string Question, string Answer)[] texts)
{
    var config = new Gpt2Config
    {
        VocabularySize = tokenizer.VocabularySize,
        ContextLength = Context,
        Width = 64,
        Layers = 2,
        Heads = 4,
        InitializerRange = 0.05f,
    };
    using var fresh = Gpt2.Create(config, seed: 1);
    using var data = ChatDataset.FromCompletions(tokenizer, texts, end, new ChatDatasetOptions { ContextLength = Context });
    await new Trainer(fresh, new TrainingOptions { Steps = steps, BatchSize = 12, LearningRate = 3e-3 }).RunAsync(data);
    return fresh.Save(Path.Combine(work.FullName, name), tokenizer);
}

GroupRelativePolicyOptimization Practice(CausalModel learner, Problem[] on, RewardFunction reward) => new(
    learner, reference, tokenizer, [.. on.Select(Rewarded)], [.. heldOut.Select(Rewarded)], reward,
    new PolicyOptimizationOptions { GroupSize = 8, MaxCompletionTokens = 48, KlWeight = 0.01f, EndId = end });

// Held-out problems, the likeliest token each time: the share of right results, and of answers in steps.
async Task<string> MeasureAsync(CausalModel answering)
{
    var trainer = new Trainer(new TrainingOptions());
    using var right = Practice(answering, learned, Right);
    using var stepped = Practice(answering, learned, (_, completion) => completion.Contains(',') ? 1 : 0);
    double share = (await trainer.MeasureAsync(right))[0].Value, inSteps = (await trainer.MeasureAsync(stepped))[0].Value;
    var interval = Statistics.Wilson((int)Math.Round(share * HeldOut), HeldOut);
    return string.Create(CultureInfo.InvariantCulture, $"{100 * share,5:F1}% right ({100 * interval.Low:F1}–{100 * interval.High:F1}), "
        + $"{100 * inSteps:F0}% of {HeldOut} answers in steps");
}

// The result is what stands behind the last comma, or all where there is none.
static double Right(RewardedPrompt prompt, string completion)
    => completion[(completion.LastIndexOf(',') + 1)..] == prompt.Reference ? 1 : 0;

static RewardedPrompt Rewarded(Problem problem) => new(problem.Question, problem.Result);

static Problem[] Problems(int count, int seed)
{
    var random = new Random(seed);
    var problems = new Dictionary<string, Problem>();
    while (problems.Count < count)
    {
        int litres = random.Next(10);
        string question = $"{litres}", worked = "";
        for (int i = 1; i < Terms; i++)
        {
            int term = random.Next(1, 10);
            bool minus = random.Next(2) == 0;
            int next = Math.Clamp(minus ? litres - term : litres + term, 0, 9);
            string operation = $"{(minus ? '-' : '+')}{term}";
            question += operation;
            worked += $"{litres}{operation}={next},";
            litres = next;
        }

        problems.TryAdd(question, new Problem(question + "=", $"{litres}", $"{worked}{litres}"));
    }

    return [.. problems.Values];
}

internal sealed record Problem(string Question, string Result, string Worked);
