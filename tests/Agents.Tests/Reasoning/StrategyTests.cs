using System.ComponentModel;
using System.Text.Json;
using Kotonoha.Agents.Reasoning;
using Kotonoha.Agents.Tools;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Reasoning;

/// <summary>
/// Self-consistency, plan-and-execute, tree of thoughts and Reflexion, on models whose replies are a function of what they are asked.
/// </summary>
public class StrategyTests
{
    private static string Step(string action, string input) => $$"""{"thought": "t", "action": "{{action}}", "input": {{input}}}""";

    [Fact]
    public async Task Self_consistency_gives_the_answer_of_most_samples()
    {
        var chat = new ScriptedChatClient("a\nAnswer: 41", "b\nAnswer: 1,200 yen", "no idea", "c\nAnswer: **1200**", "d\nAnswer: ￥1200.0");
        var result =
            await new SelfConsistencyAgent(chat, new SelfConsistencyOptions { MaxRepairs = 0, MaxConcurrency = 1 }).SolveAsync("q");
        Assert.Equal("1,200 yen", result.Answer);
        Assert.Equal([0.6, 0.2], result.Steps.Where(step => step.Kind == AgentStepKind.Evaluation).Select(step => step.Score!.Value));
        Assert.Contains(result.Steps,
            step => step.Kind == AgentStepKind.Note && step.Text.Contains("has no vote", StringComparison.Ordinal));
        Assert.All(chat.Options, options => Assert.Equal(0.7f, options!.Temperature));
    }

    [Fact]
    public async Task Self_consistency_samples_at_the_same_time_within_one_budget()
    {
        int running = 0, most = 0;
        var chat = new ScriptedChatClient();
        for (int i = 0; i < 4; i++)
            chat.Then(async (_, token) =>
            {
                most = Math.Max(most, Interlocked.Increment(ref running));
                while (Volatile.Read(ref running) < 4)
                    await Task.Delay(1, token);
                return new ChatResponse(new ChatMessage(ChatRole.Assistant, "x\nAnswer: 4"))
                {
                    Usage = new UsageDetails { InputTokenCount = 10, OutputTokenCount = 5 },
                };
            });
        var result = await new SelfConsistencyAgent(chat,
            new SelfConsistencyOptions { Samples = 4, Budget = new RunBudget { MaxOutputTokens = 400 } }).SolveAsync("q");
        Assert.Equal(("4", 4, 60L), (result.Answer, most, result.Usage.InputTokenCount + result.Usage.OutputTokenCount));
        Assert.All(chat.Options, options => Assert.Equal(100, options!.MaxOutputTokens));
    }

    [Theory]
    [InlineData("1,200 yen", "1200")]
    [InlineData("１２００円", "1200")]
    [InlineData("-3.50", "-3.5")]
    [InlineData("Tokyo.", "tokyo")]
    [InlineData("「東京」", "東京")]
    [InlineData("2 or 3", "2 or 3")]
    [InlineData("x2", "x2")]
    public void Answers_are_compared_by_their_number_or_their_text(string answer, string key)
        => Assert.Equal(key, SelfConsistencyAgent.NormalizeAnswer(answer));

    [Fact]
    public async Task Plan_and_execute_works_on_each_step_with_tools_and_answers_from_the_results()
    {
        var chat = new ScriptedChatClient(
            """{"steps": ["Multiply 6 by 7", "Add 1"]}""",
            Step("calculator", """{"expression": "6*7"}"""), Step("answer", "\"42\""),
            Step("calculator", """{"expression": "42+1"}"""), Step("answer", "\"43\""),
            "So it is.\nAnswer: 43");
        var result = await new PlanAndExecuteAgent(chat, [Calculator.CreateFunction()]).SolveAsync("What is 6 * 7 + 1?");
        Assert.Equal("43", result.Answer);
        Assert.Equal("1. Multiply 6 by 7\n2. Add 1", result.Steps.Single(step => step.Kind == AgentStepKind.Plan).Text);
        Assert.Equal(["42", "43"], result.Steps.Where(step => step.Kind == AgentStepKind.Observation).Select(step => step.Text));
        // The second step knows the first one's result, the answer knows both.
        Assert.Contains("1. Multiply 6 by 7\n   → 42", chat.Requests[3][^1].Text, StringComparison.Ordinal);
        Assert.Contains("2. Add 1\n   → 43", chat.Requests[5][^1].Text, StringComparison.Ordinal);
        Assert.Equal(6,
            ((ChatResponseFormatJson)chat.Options[0]!.ResponseFormat!).Schema!.Value.GetProperty("properties").GetProperty("steps")
            .GetProperty("maxItems").GetInt32());
    }

    [Fact]
    public async Task A_plan_whose_step_comes_to_nothing_is_made_anew_once()
    {
        var chat = new ScriptedChatClient(
            """{"steps": ["Ask the oracle", "Never reached"]}""", "?", """{"steps": ["Think"]}""", "t\nAnswer: 2", "x\nAnswer: 2");
        var result = await new PlanAndExecuteAgent(chat, options: new PlanAndExecuteOptions { MaxRepairs = 0 }).SolveAsync("1 + 1?");
        Assert.Equal("2", result.Answer);
        Assert.Equal(2, result.Steps.Count(step => step.Kind == AgentStepKind.Plan));
        Assert.Contains("no result", chat.Requests[2][^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_limit_of_the_run_is_not_taken_for_a_failed_step()
    {
        var chat = new ScriptedChatClient("""{"steps": ["a", "b"]}""", "t\nAnswer: 1");
        var result = await new PlanAndExecuteAgent(chat,
            options: new PlanAndExecuteOptions { Budget = new RunBudget { MaxModelCalls = 2 } }).SolveAsync("q");
        Assert.Equal(StopReason.ModelCallLimit, result.StopReason);
    }

    [Fact]
    public async Task Tree_of_thoughts_keeps_the_best_paths_and_answers_from_the_best()
    {
        var chat = new RuleChatClient(messages =>
        {
            var (system, text) = (messages[0].Text, messages[^1].Text);
            if (system.StartsWith("Judge", StringComparison.Ordinal))
                return text.Contains("dead end", StringComparison.Ordinal) ? "impossible"
                    : text.Contains("good", StringComparison.Ordinal) ? "The verdict: sure." : "likely";
            if (system.StartsWith("Work on", StringComparison.Ordinal))
                return text.Contains("good", StringComparison.Ordinal) ? """{"thoughts": ["better", "dead end"]}"""
                    : """{"thoughts": ["dead end", "fair", "good"]}""";
            return "Finished.\nAnswer: " + text.Split('\n')[^1];
        });
        var result = await new TreeOfThoughtsAgent(chat, new TreeOfThoughtsOptions { BeamWidth = 1 }).SolveAsync("q");
        Assert.Equal("2. better", result.Answer);
        var thoughts = result.Steps.Where(step => step.Kind == AgentStepKind.Thought).ToDictionary(step => step.Id);
        var better = thoughts.Values.Single(step => step.Text == "better");
        Assert.Equal("good", thoughts[better.Parent!.Value].Text);
        Assert.Null(thoughts[better.Parent!.Value].Parent);
        Assert.All(result.Steps.Where(step => step.Kind == AgentStepKind.Evaluation),
            step => Assert.True(thoughts.ContainsKey(step.Parent!.Value)));
        Assert.Contains("\n  Evaluation: sure", result.ToString(), StringComparison.Ordinal);
        Assert.Equal(["sure", "likely", "impossible"],
            chat.Options.Select(options => options!.AdditionalProperties?.GetValueOrDefault("choice"))
            .OfType<string[]>().First());
    }

    [Fact]
    public async Task Reflexion_tells_the_next_attempt_what_went_wrong()
    {
        var chat = new ScriptedChatClient("t\nAnswer: 41", "I must\ncarry the one.", "t\nAnswer: 42");
        var actor = new ChainOfThoughtAgent(chat, new ChainOfThoughtOptions { Instructions = "Be brief." });
        var result = await new ReflexionAgent(chat, actor, new ReflexionOptions
        {
            EvaluateAsync = (_, answer, _) => new(answer == "42" ? new AnswerEvaluation(true) : new AnswerEvaluation(false, "too small")),
        }).SolveAsync("6 * 7?");
        Assert.Equal("42", result.Answer);
        Assert.Equal([0.0, 1.0], result.Steps.Where(step => step.Kind == AgentStepKind.Evaluation).Select(step => step.Score!.Value));
        Assert.Contains("too small", chat.Requests[1][^1].Text, StringComparison.Ordinal);
        Assert.StartsWith("Be brief.", chat.Requests[2][0].Text, StringComparison.Ordinal);
        Assert.Contains("- I must carry the one.", chat.Requests[2][0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Reflexion_ends_without_an_answer_that_the_evaluation_accepts_or_gives_the_last_one_where_it_judges_itself()
    {
        var options = new ReflexionOptions { MaxTrials = 2, EvaluateAsync = (_, _, _) => new(new AnswerEvaluation(false)) };
        var chat = new ScriptedChatClient("t\nAnswer: 1", "hm", "t\nAnswer: 2");
        var result = await new ReflexionAgent(chat, new ChainOfThoughtAgent(chat), options).SolveAsync("q");
        Assert.Equal((null, StopReason.AnswerRejected), (result.Answer, result.StopReason));
        chat = new ScriptedChatClient("t\nAnswer: 1", "incorrect", "hm", "t\nAnswer: 2", "Incorrect.");
        result = await new ReflexionAgent(chat, new ChainOfThoughtAgent(chat), options with { EvaluateAsync = null }).SolveAsync("q");
        Assert.Equal("2", result.Answer);
    }

    [Fact]
    public async Task A_session_keeps_questions_and_answers_and_comes_back_from_json()
    {
        var chat =
            new ScriptedChatClient(Step("calculator", """{"expression": "6*7"}"""), Step("answer", "\"42\""), Step("answer", "\"43\""));
        var agent = new ReActAgent(chat, [Calculator.CreateFunction()], new ReActOptions { Name = "clerk" });
        var session = await agent.CreateSessionAsync();
        await agent.RunAsync("6 * 7?", session);
        var text = (await agent.SerializeSessionAsync(session)).GetRawText();

        var again = new ReActAgent(chat, [Calculator.CreateFunction()], new ReActOptions { Name = "clerk" });
        var response = await again.RunAsync("And one more?", await again.DeserializeSessionAsync(JsonElement.Parse(text)));
        Assert.Equal("43", response.Text);
        Assert.Equal(["6 * 7?", "42", "And one more?"], chat.Requests[2].Skip(1).Select(message => message.Text));
        Assert.Equal("clerk", again.Id);
    }

    [Fact]
    public async Task A_run_that_ends_without_an_answer_says_so_in_its_text_and_in_an_error()
    {
        var response =
            await new ChainOfThoughtAgent(new ScriptedChatClient("Hm."), new ChainOfThoughtOptions { MaxRepairs = 0 }).RunAsync("q");
        Assert.Equal("No answer: The reply holds no marked answer. (1 reply)", response.Text);
        Assert.Equal("AnswerMissing", response.Messages.SelectMany(message => message.Contents).OfType<ErrorContent>().Single().ErrorCode);
    }

    private sealed record Weather([property: Description("Degrees")] int Degrees, string Sky);

    [Fact]
    public async Task A_typed_run_writes_the_answer_by_the_type()
    {
        var chat = new ScriptedChatClient("t\nAnswer: sunny, 21 degrees", """{"degrees": 21}""", """{"degrees": 21, "sky": "sunny"}""");
        var response = await new ChainOfThoughtAgent(chat).RunAsync<Weather>("How is the weather?");
        Assert.Equal(new Weather(21, "sunny"), response.Result);
        Assert.Contains("'sky' is missing", chat.Requests[2][^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Updates_carry_the_frameworks_contents_and_the_steps()
    {
        var usage = new UsageDetails { InputTokenCount = 7, OutputTokenCount = 2, TotalTokenCount = 9 };
        var chat = new ScriptedChatClient().Then(Step("calculator", """{"expression": "6*7"}"""), usage: usage)
            .Then(Step("answer", "\"42\""), usage: usage);
        var updates = await new ReActAgent(chat, [Calculator.CreateFunction()]).RunStreamingAsync("6 * 7?").ToListAsync();
        Assert.All(updates, update => Assert.NotNull(update.GetStep()));
        var response = updates.ToAgentResponse();
        Assert.Equal(("42", 18L), (response.Text, response.Usage!.TotalTokenCount!.Value));
        Assert.Equal([ChatRole.Assistant, ChatRole.Tool, ChatRole.Assistant, ChatRole.Assistant],
            response.Messages.Select(message => message.Role));
        var call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
        Assert.Equal(("calculator", true), (call.Name, call.InformationalOnly));
        Assert.Equal("42",
            response.Messages[1].Contents.OfType<FunctionResultContent>().Single(result => result.CallId == call.CallId).Result);
    }

    [Fact]
    public async Task Whoever_stops_reading_the_updates_stops_the_run()
    {
        var (asked, cancelled) = (new TaskCompletionSource(), new TaskCompletionSource());
        var chat = new ScriptedChatClient(Step("calculator", """{"expression": "1"}""")).Then(async (_, token) =>
        {
            await using var registration = token.Register(cancelled.SetResult);
            asked.SetResult();
            await Task.Delay(Timeout.Infinite, token);
            return new ChatResponse();
        });
        await foreach (var update in new ReActAgent(chat, [Calculator.CreateFunction()]).RunStreamingAsync("q"))
            if (update.GetStep()!.Kind == AgentStepKind.Observation)
            {
                // A run that is stopped before it asks again would leave nothing to cancel.
                await asked.Task;
                break;
            }

        await cancelled.Task;
    }

    [Fact]
    public async Task What_context_providers_add_is_put_before_the_model()
    {
        var search = new TextSearchProvider(
            (question, _) => Task.FromResult<IEnumerable<TextSearchProvider.TextSearchResult>>(
                [new() { SourceName = "manual", Text = $"About {question}: press the red button." }]),
            new TextSearchProviderOptions { SearchTime = TextSearchProviderOptions.TextSearchBehavior.BeforeAIInvoke });
        var chat = new ScriptedChatClient("t\nAnswer: the red one");
        await new ChainOfThoughtAgent(chat, new ChainOfThoughtOptions { AIContextProviders = [search] }).RunAsync("Which button?");
        Assert.Contains(chat.Requests[0], message => message.Text.Contains("press the red button", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_tools_own_references_survive_in_the_schema_of_a_step()
    {
        var plan = AIFunctionFactory.Create((Node tree) => tree.Name, "walk");
        var chat = new ScriptedChatClient(Step("answer", "\"x\""));
        await new ReActAgent(chat, [plan]).RunAsync("q");
        var schema = ((ChatResponseFormatJson)chat.Options[0]!.ResponseFormat!).Schema!.Value;
        var text = schema.GetRawText();
        foreach (System.Text.RegularExpressions.Match reference
            in System.Text.RegularExpressions.Regex.Matches(text, "\"\\$ref\": ?\"#/([^\"]*)\""))
        {
            var at = schema;
            foreach (var part in reference.Groups[1].Value.Split('/'))
                at = at.ValueKind == JsonValueKind.Array
                    ? at[int.Parse(part, System.Globalization.CultureInfo.InvariantCulture)]
                    : at.GetProperty(part);
            Assert.Equal(JsonValueKind.Object, at.ValueKind);
        }

        Assert.Contains("\"$ref\":\"#/$defs/input1", text, StringComparison.Ordinal);
    }

    private sealed record Node(string Name, IReadOnlyList<Node> Children);
}

/// <summary>A model whose reply is a function of the messages. Thread-safe.</summary>
internal sealed class RuleChatClient(Func<IReadOnlyList<ChatMessage>, string> rule) : IChatClient
{
    public System.Collections.Concurrent.ConcurrentQueue<ChatOptions?> Options { get; } = [];

    public Task<ChatResponse> GetResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
    {
        Options.Enqueue(options);
        return Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant, rule([.. messages])))
        {
            FinishReason = ChatFinishReason.Stop,
            Usage = new UsageDetails { InputTokenCount = 5, OutputTokenCount = 5, TotalTokenCount = 10 },
        });
    }

    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(
        IEnumerable<ChatMessage> messages, ChatOptions? options = null,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        foreach (var update in (await GetResponseAsync(messages, options, cancellationToken)).ToChatResponseUpdates())
            yield return update;
    }

    public object? GetService(Type serviceType, object? serviceKey = null) => serviceType.IsInstanceOfType(this) ? this : null;

    public void Dispose()
    {
    }
}
