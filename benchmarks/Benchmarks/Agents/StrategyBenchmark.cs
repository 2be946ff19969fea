using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Tools;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;

namespace Kotonoha.Benchmarks.Agents;

/// <summary>Every strategy over the same problems on one local model: accuracy, tokens, time.</summary>
internal static class StrategyBenchmark
{
    private sealed record Row(
        string Name, int Right, int Answered, int Count, long Tokens, double Seconds, Dictionary<StopReason, int> Stops);

    public static async Task<int> RunAsync(string[] args)
    {
        if (args.Length == 0 || args[0].StartsWith("--", StringComparison.Ordinal))
        {
            Console.Error.WriteLine(
                "usage: benchmarks agents MODEL [--problems FILE.jsonl] [--count N] [--seed N] [--tokens N] [--strategies a,b]");
            return 2;
        }

        var options = Arguments.Parse(args[1..], "problems", "count", "seed", "tokens", "strategies");
        int Number(string name, int otherwise) => int.Parse(options.GetValueOrDefault(name, $"{otherwise}"), CultureInfo.InvariantCulture);
        int count = Number("count", 60), seed = Number("seed", 1), tokens = Number("tokens", 512);
        var problems = options.TryGetValue("problems", out var file)
            ? File.ReadLines(file).Where(line => line.Length > 0)
                .Select(line => JsonSerializer.Deserialize<WordProblem>(line, JsonSerializerOptions.Web)!).Take(count).ToList()
            : WordProblems.ToAsk(count, seed).ToList();

        using var model = LocalGpt.Load(args[0]);
        using var chat = model.AsChatClient();
        var budget = new RunBudget { MaxOutputTokens = tokens };
        var greedy = new ChatOptions { Temperature = 0 };
        AITool[] tools = [Calculator.CreateFunction()];
        var strategies = new Dictionary<string, Func<StrategyAgent>>
        {
            ["chain-of-thought"] = () => new ChainOfThoughtAgent(chat, new ChainOfThoughtOptions { Budget = budget, ChatOptions = greedy }),
            ["few-shot"] = () => new ChainOfThoughtAgent(chat, new ChainOfThoughtOptions
            {
                Budget = budget,
                ChatOptions = greedy,
                // Made like the problems, from a seed that no problem has.
                Examples =
                    [.. WordProblems.ToAsk(2, -1 - seed).Select(
                    example => new ReasonedExample(example.Question, string.Join('\n', example.Steps), example.Answer))],
            }),
            ["self-consistency"] = () =>
                new SelfConsistencyAgent(chat,
                    new SelfConsistencyOptions { Budget = budget, ChatOptions = new ChatOptions { Seed = seed } }),
            ["react"] = () => new ReActAgent(chat, tools, new ReActOptions { Budget = budget, ChatOptions = greedy }),
            ["plan-and-execute"] = () =>
                new PlanAndExecuteAgent(chat, tools, new PlanAndExecuteOptions { Budget = budget, ChatOptions = greedy }),
            ["tree-of-thoughts"] = () => new TreeOfThoughtsAgent(chat, new TreeOfThoughtsOptions { Budget = budget, ChatOptions = greedy }),
            ["reflexion"] = () => new ReflexionAgent(chat,
                new ChainOfThoughtAgent(chat, new ChainOfThoughtOptions { ChatOptions = greedy }),
                new ReflexionOptions { Budget = budget, ChatOptions = greedy }),
        };
        const string plain = "plain answer";
        var chosen = options.TryGetValue("strategies", out var names) ? names.Split(',') : [plain, .. strategies.Keys];
        Console.WriteLine($"{Path.GetFileName(args[0].TrimEnd('/'))}, {problems.Count} problems"
            + (file is null ? $" (seed {seed})" : $" of {Path.GetFileName(file)}")
            + $", at most {tokens} tokens written for each; 95% Wilson intervals");
        Console.WriteLine("| strategy | right | interval | answered | tokens a problem | seconds a problem | ends |");
        Console.WriteLine("| --- | --- | --- | --- | --- | --- | --- |");
        foreach (var name in chosen)
            Print(await MeasureAsync(name, problems, name == plain
                ? question => AskAsync(chat, question, tokens)
                : async question => (await strategies[name]().RunAsync(question)).GetReasoning()!));
        return 0;
    }

    private static async Task<Row> MeasureAsync(
        string name, List<WordProblem> problems, Func<string, Task<ReasoningResult>> solve)
    {
        int right = 0, answered = 0;
        long tokens = 0;
        var stops = new Dictionary<StopReason, int>();
        var clock = Stopwatch.StartNew();
        foreach (var problem in problems)
        {
            var result = await solve(problem.Question);
            stops[result.StopReason] = stops.GetValueOrDefault(result.StopReason) + 1;
            tokens += result.Usage.OutputTokenCount ?? 0;
            answered += result.Answer is null ? 0 : 1;
            right += result.Answer is { } answer
                && SelfConsistencyAgent.NormalizeAnswer(answer) == SelfConsistencyAgent.NormalizeAnswer(problem.Answer) ? 1 : 0;
        }

        return new Row(name, right, answered, problems.Count, tokens, clock.Elapsed.TotalSeconds, stops);
    }

    /// <summary>The question alone, and the reply as the answer.</summary>
    private static async Task<ReasoningResult> AskAsync(IChatClient chat, string question, int tokens)
    {
        var reply = await chat.GetResponseAsync(question, new ChatOptions { Temperature = 0, MaxOutputTokens = tokens });
        var step = new AgentStep(AgentStepKind.Answer, reply.Text) { Usage = reply.Usage, StopReason = StopReason.Answered };
        return new ReasoningResult([step]);
    }

    private static void Print(Row row)
    {
        var (low, high) = Wilson(row.Right, row.Count);
        var stops = string.Join(", ", row.Stops.OrderByDescending(stop => stop.Value).Select(stop => $"{stop.Key} {stop.Value}"));
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"| {row.Name} | {row.Right}/{row.Count} | {low:P0}–{high:P0} | {row.Answered} | {(double)row.Tokens / row.Count:F0} | "
                + $"{row.Seconds / row.Count:F2} | {stops} |"));
    }

    /// <summary>The interval of a share that is right in 95 of 100 cases (Wilson, 1927).</summary>
    private static (double Low, double High) Wilson(int right, int count)
    {
        const double z = 1.959964;
        double share = (double)right / count, divisor = 1 + (z * z / count);
        double middle = (share + (z * z / (2 * count))) / divisor;
        double half = z * Math.Sqrt((share * (1 - share) / count) + (z * z / (4.0 * count * count))) / divisor;
        return (middle - half, middle + half);
    }
}
