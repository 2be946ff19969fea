// Makes a prompt file better on examples, measures it on others, saves it and runs it.
// Usage: dotnet run -- MODEL FOLDER OUTPUT    (FOLDER holds prompt.yaml, examples.jsonl and test.jsonl; OUTPUT is the new prompt file)
using System.Globalization;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;

if (args.Length != 3)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL FOLDER OUTPUT (FOLDER holds prompt.yaml, examples.jsonl, test.jsonl)");
    return 1;
}

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
using var model = LocalGpt.Load(args[0]);
using var chat = model.AsChatClient();

// 1. A prompt, and examples to learn from. Each line holds the inputs and what is expected.
var prompt = PromptFile.Load(Path.Combine(args[1], "prompt.yaml"));
var examples = await PromptDataset.LoadAsync(Path.Combine(args[1], "examples.jsonl"), prompt);

// 2. Sets of demonstrations, scored on the half of the examples that is held out.
var optimizer = new PromptOptimizer(chat, PromptMetric.ExactMatch, new PromptOptimizerOptions
{
    Method = PromptOptimizationMethod.RandomSearch,
    Seed = 1,
    MaxCalls = 400,
    Concurrency = 8,
});
var result = await optimizer.OptimizeAsync(prompt, examples);
foreach (var candidate in result.Candidates)
    Console.WriteLine($"{candidate.Evaluation?.Score:F2}  {candidate.Name}");
Console.WriteLine($"validation: {result.Before.Score:F2} before, {result.After.Score:F2} after, {result.Calls} requests");

// 3. The winner is a prompt file like the one before; kotonoha run takes it too.
result.Prompt.Save(args[2]);
var better = PromptFile.Load(args[2]);
Console.WriteLine($"saved with {better.Examples.Count} examples: {args[2]}");

// 4. A fair score: on examples that the search has not seen, both prompts in pairs.
var test = await PromptDataset.LoadAsync(Path.Combine(args[1], "test.jsonl"), prompt, better);
var before = await PromptEvaluation.RunAsync(prompt, chat, test, PromptMetric.ExactMatch, concurrency: 8);
var after = await PromptEvaluation.RunAsync(better, chat, test, PromptMetric.ExactMatch, concurrency: 8);
var compared = PromptComparison.Of(before, after, seed: 1);
Console.WriteLine($"test: {before.Score:F2} before, {after.Score:F2} after; "
    + $"difference {compared.Difference:F2}, 95% from {compared.Low:F2} to {compared.High:F2}");

// 5. The new prompt at work.
var answer = await better.RunAsync(chat, new Dictionary<string, object?> { ["message"] = "who can look at the battery" });
Console.WriteLine($"who can look at the battery -> {answer.Text}");
return 0;
