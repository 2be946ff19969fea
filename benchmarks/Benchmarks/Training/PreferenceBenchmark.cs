using System.Globalization;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks.Training;

/// <summary>
/// <c>preferences [--steps N] [--seed N] [--hh FILE] [--parts generated,hh]</c>: pairs whose better answer does what the prompt asks and
/// whose worse one makes one mistake of a kind (wrong place, wrong count, wrong order). A GPT learns to answer, then DPO, a reward model
/// and PPO on held-out prompts, beside a bag of words; what adapters of each rank gain of full fine-tuning; hh-harmless where its file is
/// given.
/// </summary>
internal static class PreferenceBenchmark
{
    private static readonly string[] Things =
        ["lamp", "chair", "table", "book", "cup", "plate", "box", "coat", "ring", "shoe", "ball", "bell", "rope", "drum", "kite", "sail"];

    private static readonly string[] Places = ["shelf", "desk", "floor", "wall", "bed", "cart", "porch", "roof"];

    public static async Task<int> RunAsync(string[] args)
    {
        var options = Arguments.Parse(args, "steps", "seed", "hh", "parts");
        int Number(string name, int otherwise)
            => options.TryGetValue(name, out var text) ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
        int steps = Number("steps", 400), seed = Number("seed", 1);
        Console.WriteLine($"Machine: {Machine.Describe()}; seed {seed}");
        var parts = options.GetValueOrDefault("parts", "generated,hh").Split(',');
        if (parts.Contains("generated"))
            await GeneratedAsync(steps, seed);
        if (parts.Contains("hh") && options.TryGetValue("hh", out var file))
            await HarmlessAsync(file, steps, (ulong)seed);
        return 0;
    }

    private static async Task GeneratedAsync(int steps, int seed)
    {
        var pairs = Pairs(new Random(seed), 3000);
        var (train, heldOut) = (pairs[..2700], pairs[2700..]);
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            pairs.Select(p => p.Prompt + p.Chosen), 400, minFrequency: 2, [CheckpointParts.EndOfText]);
        int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;
        PreferencePairs trained = PreferencePairs.From(tokenizer, train, end), held = PreferencePairs.From(tokenizer, heldOut, end);
        Console.WriteLine($"bag of words            {BagOfWords(train, heldOut)}");

        // The model that is aligned answers often, not always, as asked: it has seen both sides.
        using var model = Fresh(tokenizer);
        using (var answers = ChatDataset.FromCompletions(
            tokenizer, train.SelectMany(p => ((string, string)[])[(p.Prompt, p.Chosen), (p.Prompt, p.Rejected)]), end,
            new ChatDatasetOptions { ContextLength = 48 }))
            await new Trainer(model, new TrainingOptions { Steps = 2 * steps, BatchSize = 24, LearningRate = 2e-3 }).RunAsync(answers);
        using var start = Copy(model, tokenizer);

        using (var task = new PreferenceOptimization(model, trained, held))
            Report("DPO", await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 16,
                LearningRate = 2e-4,
                EvaluateEvery = steps,
            }).RunAsync(task));

        using var reward = RewardModel.Create(Copy(start, tokenizer), 1);
        using (var task = new RewardModeling(reward, trained, held))
            Report("reward model", await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 16,
                LearningRate = 5e-4,
                EvaluateEvery = steps,
            }).RunAsync(task));

        using var policy = Copy(start, tokenizer);
        RewardedPrompt[] prompts = [.. train.Select(p => new RewardedPrompt(p.Prompt)).Distinct()],
            questions = [.. heldOut.Select(p => new RewardedPrompt(p.Prompt)).Distinct().Take(64)];
        using var scorer = new RewardScorer(reward, tokenizer, end);
        using (var task = new ProximalPolicyOptimization(policy, start, tokenizer, prompts, questions,
            scorer.Score,
            new PolicyOptimizationOptions { GroupSize = 2, MaxCompletionTokens = 24, KlWeight = 0.05f, EndId = end }))
            await new Trainer(new TrainingOptions { Steps = Math.Max(1, steps / 4), BatchSize = 16, LearningRate = 1e-4 })
                .RunAsync(task, new Every(Math.Max(1, steps / 40)));

        await RanksAsync(start, tokenizer, trained, held, steps);
    }

    // DPO with adapters: what part of full fine-tuning's gain each rank reaches.
    private static async Task RanksAsync(Gpt2 start, Tokenizer tokenizer, PreferencePairs train, PreferencePairs heldOut, int steps)
    {
        foreach (int rank in (int[])[0, 1, 2, 4, 8, 16])
        {
            using var model = Copy(start, tokenizer);
            long weights = rank == 0 ? model.ParameterCount : model.AddLora(new LoraOptions { Rank = rank, Alpha = 2 * rank });
            using var task = new PreferenceOptimization(model, train, heldOut);
            var result = await new Trainer(new TrainingOptions
            {
                Steps = steps,
                BatchSize = 16,
                LearningRate = rank == 0 ? 2e-4 : 2e-3,
                Optimizer = new AdamWOptions { WeightDecay = 0 },
                EvaluateEvery = steps,
            }).RunAsync(task);
            Report(rank == 0 ? "full fine-tuning" : string.Create(CultureInfo.InvariantCulture,
                $"LoRA rank {rank} ({100.0 * weights / start.ParameterCount:F2}% of the weights)"), result);
        }
    }

    // A GPT that has read the wanted dialogues, then a reward model and DPO; the last 312 pairs are held out.
    private static async Task HarmlessAsync(string file, int steps, ulong seed)
    {
        const int HeldOut = 312, Context = 256;
        var lines = File.ReadLines(file).Select(line => System.Text.Json.JsonDocument.Parse(line).RootElement)
            .Select(e => (Chosen: e.GetProperty("chosen").GetString()!, Rejected: e.GetProperty("rejected").GetString()!)).ToArray();
        PreferencePair[] pairs = [.. lines.Select(l =>
        {
            int same = l.Chosen.Zip(l.Rejected).TakeWhile(c => c.First == c.Second).Count();
            int cut = l.Chosen.LastIndexOf("\n\nAssistant:", Math.Min(same, l.Chosen.Length - 1), StringComparison.Ordinal);
            cut = cut < 0 ? same : cut + "\n\nAssistant:".Length;
            return new PreferencePair(l.Chosen[..cut], l.Chosen[cut..], l.Rejected[cut..]);
        })];
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            pairs[..^HeldOut].Select(p => p.Prompt + p.Chosen), 4096, minFrequency: 2, [CheckpointParts.EndOfText]);
        int end = tokenizer.TokenToId(CheckpointParts.EndOfText)!.Value;

        // The last part of a long dialogue is what the answer is to.
        bool Fits(PreferencePair p) => tokenizer.CountTokens(p.Prompt) + Math.Max(tokenizer.CountTokens(p.Chosen),
            tokenizer.CountTokens(p.Rejected)) < Context - 1;
        PreferencePair[] Short(PreferencePair[] all) => [.. all.Select(p => p with { Prompt = p.Prompt[Math.Max(0,
            p.Prompt.Length - 400)..] })
            .Where(p => p.Prompt.Length > 0 && p.Chosen.Length > 0 && p.Rejected.Length > 0 && p.Chosen != p.Rejected && Fits(p))];
        PreferencePair[] train = Short(pairs[..^HeldOut]), heldOut = Short(pairs[^HeldOut..]);
        Console.WriteLine($"hh-harmless: {train.Length} pairs, {heldOut.Length} held out; bag of words {BagOfWords(train, heldOut)}");
        var config = new Gpt2Config
        {
            VocabularySize = tokenizer.VocabularySize,
            ContextLength = Context,
            Width = 128,
            Layers = 4,
            Heads = 4,
        };
        using var start = Gpt2.Create(config, seed);
        using (var text = TokenDataset.From(tokenizer, [.. train.Select(p => p.Prompt + p.Chosen)], 0.05))
            Report("reads the dialogues", await new Trainer(start, new TrainingOptions
            {
                Steps = 3 * steps,
                BatchSize = 8,
                LearningRate = 1e-3,
                EvaluateEvery = 3 * steps,
                Seed = seed,
            }).RunAsync(text));

        PreferencePairs trained = PreferencePairs.From(tokenizer, train, end), held = PreferencePairs.From(tokenizer, heldOut, end);
        var training = new TrainingOptions { Steps = steps, BatchSize = 8, LearningRate = 1e-4, EvaluateEvery = steps, Seed = seed };
        using (var reward = RewardModel.Create(Copied(), seed))
        using (var task = new RewardModeling(reward, trained, held))
            Report("reward model", await new Trainer(training).RunAsync(task), heldOut.Length);
        using var policy = Copied();
        using (var task = new PreferenceOptimization(policy, trained, held))
            Report("DPO", await new Trainer(training).RunAsync(task), heldOut.Length);

        Gpt2 Copied()
        {
            var copy = Gpt2.Create(config, seed);
            for (int i = 0; i < copy.Parameters.Count; i++)
                start.Parameters[i].Values.CopyTo(copy.Parameters[i].Values);
            return copy;
        }
    }

    private static PreferencePair[] Pairs(Random random, int count)
    {
        var pairs = new List<PreferencePair>();
        string Thing() => Things[random.Next(Things.Length)];
        for (int i = 0; i < count; i++)
        {
            string thing = Thing(), other = Thing(), place = Places[random.Next(Places.Length)];
            var wrong = Places[(Array.IndexOf(Places, place) + 1 + random.Next(Places.Length - 1)) % Places.Length];
            switch (i % 3)
            {
                case 0:
                    pairs.Add(new PreferencePair($"Put the {thing} on the {place}:", $" the {thing} is on the {place} now.",
                        $" the {thing} is on the {wrong} now."));
                    break;
                case 1:
                    int times = random.Next(2, 5), less = times - 1;
                    pairs.Add(new PreferencePair(string.Create(CultureInfo.InvariantCulture, $"Say {thing} {times} times:"),
                        string.Concat(Enumerable.Repeat(" " + thing, times)) + ".", string.Concat(Enumerable.Repeat(" " + thing, less))
                            + "."));
                    break;
                default:
                    if (thing == other)
                        other = Things[(Array.IndexOf(Things, thing) + 1) % Things.Length];
                    pairs.Add(new PreferencePair($"First {thing}, then {other}:", $" {thing} and then {other}.",
                        $" {other} and then {thing}."));
                    break;
            }
        }

        return [.. pairs];
    }

    private static Gpt2 Fresh(Tokenizer tokenizer) => Gpt2.Create(
        new Gpt2Config { VocabularySize = tokenizer.VocabularySize, ContextLength = 48, Width = 128, Layers = 4, Heads = 4 }, 1);

    private static Gpt2 Copy(Gpt2 model, Tokenizer tokenizer)
    {
        var copy = Fresh(tokenizer);
        for (int i = 0; i < copy.Parameters.Count; i++)
            model.Parameters[i].Values.CopyTo(copy.Parameters[i].Values);
        return copy;
    }

    // A logistic regression on the differences of word counts.
    private static Rate BagOfWords(IReadOnlyList<PreferencePair> train, IReadOnlyList<PreferencePair> heldOut)
    {
        var weights = new Dictionary<string, double>(StringComparer.Ordinal);
        for (int epoch = 0; epoch < 10; epoch++)
            foreach (var pair in train)
            {
                var difference = Difference(pair);
                double score = difference.Sum(d => d.Value * weights.GetValueOrDefault(d.Key));
                double step = 0.1 / (1 + Math.Exp(score));
                foreach (var (word, count) in difference)
                    weights[word] = weights.GetValueOrDefault(word) + step * count;
            }

        return new Rate(heldOut.Count(p => Difference(p).Sum(d => d.Value * weights.GetValueOrDefault(d.Key)) > 0), heldOut.Count);

        static Dictionary<string, int> Difference(PreferencePair pair)
        {
            var counts = new Dictionary<string, int>(StringComparer.Ordinal);
            foreach (var word in pair.Chosen.Split(' '))
                counts[word] = counts.GetValueOrDefault(word) + 1;
            foreach (var word in pair.Rejected.Split(' '))
                counts[word] = counts.GetValueOrDefault(word) - 1;
            return counts;
        }
    }

    // With the interval of the accuracy where it is told of how many.
    private static void Report(string name, TrainingResult result, int heldOut = 0)
        => Console.WriteLine($"{name}: " + string.Join(", ", result.Measurements.Select(m => string.Create(
            CultureInfo.InvariantCulture, $"{m.Name} {m.Value:F4}")
                + (heldOut > 0 && m.Name == "accuracy" ? $" = {new Rate((int)Math.Round(m.Value * heldOut), heldOut)}" : "")))
            + string.Create(CultureInfo.InvariantCulture, $" ({result.Duration.TotalSeconds:F0} s)"));
}
