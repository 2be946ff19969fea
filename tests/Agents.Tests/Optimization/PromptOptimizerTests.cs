using System.Runtime.CompilerServices;
using System.Text.Json;
using Kotonoha.Agents.Optimization;
using Kotonoha.Agents.Prompts.Files;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Optimization;

/// <summary>
/// Optimisers with a client that really goes by its prompt: it answers as the most similar demonstration does, and in capitals where the
/// instruction says so.
/// </summary>
public sealed class PromptOptimizerTests : IDisposable
{
    private const string Prompt = """
        template: |
          <message role="system">Sort the message.</message>
          <message role="user">{{$message}}</message>
        """;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Bootstrap_shows_what_the_teacher_got_right_and_saves_a_prompt_that_scores_as_well()
    {
        var (prompt, client) = (Load(), new NearestClient());
        var result = await Optimizer(client, new PromptOptimizerOptions { Method = PromptOptimizationMethod.Bootstrap })
            .OptimizeAsync(prompt, Examples(40));
        Assert.Equal(0, result.Before.Score);
        Assert.True(result.After.Score > 0.3, $"{result.After.Score}");
        Assert.Equal(8, result.Prompt.Examples.Count);
        var right = Examples(40).ToDictionary(example => example.Inputs["message"].GetString()!, example => example.ExpectedText);
        Assert.All(result.Prompt.Examples, shown => Assert.Equal(right[shown.Input], shown.Output));

        result.Prompt.Save(_folder.At("better.yaml"));
        var saved = PromptFile.Load(_folder.At("better.yaml"));
        var again = await PromptEvaluation.RunAsync(
            saved, client, [.. result.After.Answers.Select(answer => answer.Example)], PromptMetric.ExactMatch);
        Assert.Equal(result.After.Answers.Select(answer => answer.Text), again.Answers.Select(answer => answer.Text));
    }

    [Fact]
    public async Task A_teacher_never_sees_the_answer_to_what_it_is_asked()
    {
        var teacher = new NearestClient();
        await Optimizer(new NearestClient(), new PromptOptimizerOptions { Teacher = teacher }).OptimizeAsync(Load(), Examples(20));
        Assert.NotEmpty(teacher.Requests);
        Assert.All(teacher.Requests,
            request => Assert.DoesNotContain(request[^1].Text, request.SkipLast(1).Select(message => message.Text)));
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_search_and_another_seed_another()
    {
        async Task<string> RunAsync(int seed, int concurrency) => (await Optimizer(
            new NearestClient(), new PromptOptimizerOptions { Seed = seed, Concurrency = concurrency })
            .OptimizeAsync(Load(), Examples(30))).ToJson();
        var first = await RunAsync(1, 1);
        Assert.Equal(first, await RunAsync(1, 1));
        Assert.Equal(first, await RunAsync(1, 4));
        Assert.NotEqual(first, await RunAsync(2, 1));
    }

    [Fact]
    public async Task Random_search_keeps_the_best_of_its_sets_and_no_validation_example_is_shown()
    {
        var result = await Optimizer(new NearestClient(), new PromptOptimizerOptions { MaxDemonstrations = 3, Seed = 5 })
            .OptimizeAsync(Load(), Examples(40));
        Assert.Equal(9, result.Candidates.Count);
        Assert.Equal(result.Candidates.Max(candidate => candidate.Evaluation!.Score), result.After.Score);
        Assert.True(result.Candidates.Select(candidate => candidate.Evaluation!.Score).Distinct().Count() > 2);
        var validated = result.Before.Answers.Select(answer => answer.Example.Inputs["message"].GetString()!).ToHashSet();
        Assert.All(result.Candidates.SelectMany(candidate => candidate.Prompt!.Examples),
            shown => Assert.DoesNotContain(shown.Input, validated));
    }

    [Theory]
    [InlineData(PromptOptimizationMethod.Bootstrap)]
    [InlineData(PromptOptimizationMethod.RandomSearch)]
    [InlineData(PromptOptimizationMethod.InstructionSearch)]
    public async Task A_budget_is_never_exceeded_and_what_was_scored_counts(PromptOptimizationMethod method)
    {
        for (int calls = 10; calls < 90; calls += 13)
        {
            var client = new NearestClient();
            var result = await Optimizer(client, new PromptOptimizerOptions { Method = method, MaxCalls = calls, Concurrency = 3 })
                .OptimizeAsync(Load(), Examples(20));
            Assert.InRange(client.Requests.Count, 10, calls);
            Assert.Equal(client.Requests.Count, result.Calls);
            Assert.All(result.Candidates,
                candidate => Assert.True(candidate.Problem is not null || candidate.Evaluation!.Answers.Count == 10));
        }

        var error = await Assert.ThrowsAsync<PromptOptimizationException>(() => Optimizer(
            new NearestClient(), new PromptOptimizerOptions { Method = method, MaxCalls = 9 }).OptimizeAsync(Load(), Examples(20)));
        Assert.Contains("10 validation examples", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_budget_of_tokens_ends_the_search_and_wants_a_client_that_counts()
    {
        var client = new NearestClient { Tokens = 7 };
        var result = await Optimizer(client, new PromptOptimizerOptions { MaxTokens = 10 * 7 + 50 }).OptimizeAsync(Load(), Examples(20));
        Assert.True(result.IsBudgetSpent);
        Assert.Equal(18, result.Calls);
        Assert.Equal(18 * 7, result.Usage.OutputTokenCount);
        await Assert.ThrowsAsync<PromptOptimizationException>(() => Optimizer(
            new NearestClient(), new PromptOptimizerOptions { MaxTokens = 100 }).OptimizeAsync(Load(), Examples(20)));
    }

    [Fact]
    public async Task Instruction_search_tries_given_and_proposed_ones_and_says_what_is_wrong_with_others()
    {
        var prompt = Load("""
            template: |
              <message role="system">Sort the {{$kind}}.</message>
              <message role="user">{{$message}}</message>
            input_variables: [{ name: kind, default: mail }]
            examples: [{ input: fish soup, output: FOOD }, { input: blue train, output: TRAVEL }]
            """);
        var proposer = new ScriptedChatClient("  Sort the {{$kind}}, softly. ", "Sort the {{$kind}} in capitals: < > &");
        var result = await Optimizer(new NearestClient(), new PromptOptimizerOptions
        {
            Method = PromptOptimizationMethod.InstructionSearch,
            Instructions = ["Order it.", "Order the {{$kind}}.", "Order the {{$kind}} {{no.function}}.", "Sort the {{$kind}}."],
            Proposals = 2,
            Teacher = proposer,
        }).OptimizeAsync(prompt, [.. Examples(12).Select(example => example with
        {
            Expected = JsonSerializer.SerializeToElement(example.ExpectedText.ToUpperInvariant()),
        })]);
        Assert.Equal("Sort the {{$kind}} in capitals: < > &", result.Prompt.Instruction);
        Assert.True(result.After.Score > result.Before.Score);
        string[] problems = ["leaves out {{$kind}}", "calls the function", "tried before"];
        Assert.Equal(problems, result.Candidates.Where(candidate => candidate.Problem is not null)
            .Select(candidate => problems.First(part => candidate.Problem!.Contains(part, StringComparison.Ordinal))));
        var second = proposer.Requests[1][^1].Text;
        Assert.Contains("Sort the {{$kind}}, softly.", second, StringComparison.Ordinal);
        Assert.Equal(prompt.Examples, result.Prompt.Examples);
    }

    [Fact]
    public async Task Where_nothing_is_better_the_prompt_stays_as_it_is()
    {
        var client = new NearestClient();
        var prompt = Load(Prompt + "\nexamples: [{ input: fish soup, output: food }]\n");
        var result = await new PromptOptimizer(client, new PromptMetric("none", (_, _) => 0.5)).OptimizeAsync(prompt, Examples(20));
        Assert.Same(prompt, result.Prompt);
        Assert.Equal(0, PromptComparison.Of(result.Before, result.After).Difference);
    }

    [Fact]
    public async Task A_demonstration_that_a_file_would_read_as_a_reference_is_left_out_and_told()
    {
        var examples = Examples(20).Select((example, i) => i % 2 == 0 ? example : example with
        {
            Inputs = new Dictionary<string, JsonElement> { ["message"] = JsonSerializer.SerializeToElement($"${{env:HOME}} {i}") },
        }).ToList();
        var result = await Optimizer(new NearestClient()).OptimizeAsync(Load(), examples);
        Assert.NotEmpty(result.Remarks);
        Assert.All(result.Candidates.SelectMany(candidate => candidate.Prompt!.Examples),
            shown => Assert.DoesNotContain("${", shown.Input, StringComparison.Ordinal));
    }

    private static PromptOptimizer Optimizer(IChatClient client, PromptOptimizerOptions? options = null)
        => new(client, new PromptMetric("same", (answer, example) => answer == example.ExpectedText ? 1 : 0), options);

    private PromptFile Load(string text = Prompt) => PromptFile.Load(_folder.Write("prompt.yaml", text + "\n"));

    private static List<PromptExample> Examples(int count)
    {
        string[][] words =
            [["soup", "bread", "rice", "cake"], ["train", "hotel", "ticket", "harbour"], ["invoice", "fee", "refund", "price"]];
        string[] labels = ["food", "travel", "billing"], colours = ["red", "blue", "old", "new", "late"];
        return [.. Enumerable.Range(0, count).Select(i => new PromptExample(
            new Dictionary<string, JsonElement>
            {
                ["message"] = JsonSerializer.SerializeToElement($"{colours[i % 5]} {words[i % 3][i / 3 % 4]} number {i}"),
            },
            JsonSerializer.SerializeToElement(labels[i % 3])))];
    }

    /// <summary>Answers as the demonstration that shares the most words with the question does.</summary>
    private sealed class NearestClient : IChatClient
    {
        public List<IReadOnlyList<ChatMessage>> Requests { get; } = [];

        public int? Tokens { get; init; }

        public Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var all = messages.ToList();
            lock (Requests)
                Requests.Add(all);
            var words = all[^1].Text.Split(' ').ToHashSet();
            var shown = Enumerable.Range(0, all.Count - 1).Where(i => all[i].Role == ChatRole.User).ToList();
            var answer = shown.Count == 0 ? "?" : all[shown.MaxBy(i => all[i].Text.Split(' ').Count(words.Contains)) + 1].Text;
            if (all[0].Role == ChatRole.System)
                answer = all[0].Text.Contains("in capitals", StringComparison.Ordinal)
                    ? answer.ToUpperInvariant() : answer.ToLowerInvariant();
            return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, answer))
            {
                Usage = Tokens is { } tokens ? new UsageDetails { OutputTokenCount = tokens } : null,
            });
        }

        public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null,
            [EnumeratorCancellation] CancellationToken cancellationToken = default)
        {
            foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
                yield return update;
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
