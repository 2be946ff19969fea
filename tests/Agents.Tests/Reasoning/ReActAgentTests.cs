using System.ComponentModel;
using System.Text.Json;
using System.Text.Json.Nodes;
using Kotonoha.Agents.Reasoning;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.Reasoning;

public class ReActAgentTests
{
    private readonly List<string> _calls = [];
    private readonly AIFunction _add;
    private readonly AIFunction _search;

    public ReActAgentTests()
    {
        _add = AIFunctionFactory.Create(
            ([Description("First number")] int a, [Description("Second number")] int b) =>
            {
                _calls.Add($"{a}+{b}");
                return a + b;
            },
            "add_numbers", "Adds two whole numbers.");
        _search = AIFunctionFactory.Create(
            (string query, int limit = 3) =>
            {
                _calls.Add($"search {query} {limit}");
                return $"found {query}";
            },
            "search", "Searches the documents.");
    }

    private ReActAgent Agent(IChatClient chat, ReActOptions? options = null) => new(chat, [_add, _search], options);

    /// <summary>A step; the input is JSON where it parses, else a string.</summary>
    private static string Act(string tool, string input, string thought = "I need a tool.")
        => new JsonObject { ["thought"] = thought, ["action"] = tool, ["input"] = Input(input) }.ToJsonString();

    private static string Done(string answer, string thought = "Now I know.")
        => Act("answer", JsonValue.Create(answer).ToJsonString(), thought);

    private static JsonNode? Input(string input)
    {
        try
        {
            return JsonNode.Parse(input);
        }
        catch (JsonException)
        {
            return JsonValue.Create(input);
        }
    }

    [Fact]
    public async Task A_run_goes_from_thought_to_action_to_observation_to_answer()
    {
        var chat = new ScriptedChatClient(Act("add_numbers", "{\"a\": 2, \"b\": 3}", "Add them."), Done("5"));
        var steps = new List<AgentStep>();
        await foreach (var step in Agent(chat).RunStreamingAsync("What is 2 + 3?"))
            steps.Add(step.GetStep()!);

        Assert.Equal(
            ["Thought: Add them.", "Action: add_numbers {\"a\":2,\"b\":3}", "Observation: 5", "Thought: Now I know.", "Answer: 5"],
            steps.Select(step => step.ToString()));
        Assert.Equal(StopReason.Answered, steps[^1].StopReason);
        Assert.Equal(["a", "b"], steps[1].Arguments!.Keys);
        Assert.Equal(["2+3"], _calls);
        Assert.Equal([1, 1, 1, 2, 2], steps.Select(step => step.Turn));
        Assert.Equal(["system", "user", "assistant", "user"], chat.Requests[1].Select(message => message.Role.Value));
        Assert.Equal("Observation: 5", chat.Requests[1][3].Text);
        Assert.Contains("- add_numbers: Adds two whole numbers. Arguments: {\"a\": integer (First number), \"b\": integer (Second number)}",
            chat.Requests[0][0].Text, StringComparison.Ordinal);
        Assert.Contains("\"limit\": integer, optional", chat.Requests[0][0].Text, StringComparison.Ordinal);
        var form = Assert.IsType<ChatResponseFormatJson>(chat.Options[0]!.ResponseFormat);
        Assert.Equal(["add_numbers", "search", "answer"],
            form.Schema!.Value.GetProperty("anyOf").EnumerateArray()
                .Select(step => step.GetProperty("properties").GetProperty("action").GetProperty("const").GetString()));
    }

    [Fact]
    public async Task Steps_stream_before_the_run_is_over()
    {
        var gate = new TaskCompletionSource();
        var chat = new ScriptedChatClient(Act("search", "x")).Then(async (_, _) =>
        {
            await gate.Task;
            return new ChatResponse(new ChatMessage(ChatRole.Assistant, Done("y")));
        });
        await using var updates = Agent(chat).RunStreamingAsync("q").GetAsyncEnumerator();
        foreach (var kind in (AgentStepKind[])[AgentStepKind.Thought, AgentStepKind.Action, AgentStepKind.Observation])
        {
            Assert.True(await updates.MoveNextAsync());
            Assert.Equal(kind, updates.Current.GetStep()!.Kind);
        }

        gate.SetResult();
        Assert.True(await updates.MoveNextAsync());
    }

    [Fact]
    public async Task What_the_model_makes_up_after_its_step_is_cut_off()
    {
        var chat = new ScriptedChatClient(Act("search", "x") + "\nObservation: made up\n" + Done("wrong"), Done("right"));
        var result = await Agent(chat).SolveAsync("q");
        Assert.Equal("right", result.Answer);
        Assert.DoesNotContain("made up", chat.Requests[1][2].Text, StringComparison.Ordinal);
        Assert.Equal("Observation: found x", chat.Requests[1][3].Text);
    }

    [Theory]
    [InlineData("""{"thought": "hm", "action": "add_numbers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("""{"action": "add_numbers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("Sure!\n```json\n{\n  \"thought\": \"hm {\",\n  \"action\": \"add_numbers\",\n  \"input\": {\"a\": 2, \"b\": "
        + "3,},\n}\n```\nThen I will know.")]
    [InlineData("""{"thought": "hm", "action": "add_numbers", "input": {"a": "2", "B": 3}} and so on""")]
    [InlineData("""{"thought": "hm", "action": "add_numbers", "action_input": {"a": 2, "b": 3}}""")]
    [InlineData("""{"thought": "hm", "action": "add_numbers", "input": "{\"a\": 2, \"b\": 3}"}""")]
    [InlineData("""{"name": "add_numbers", "arguments": {"a": 2, "b": 3}}""")]
    [InlineData("""{"thought": "hm", "action": {"name": "add_numbers", "input": {"a": 2, "b": 3}}}""")]
    [InlineData("""{"thought": "hm", "action": "add-numbers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("""{"thought": "hm", "action": "AddNumbers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("""{"thought": "hm", "action": "add_nubmers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("""{"thought": "hm", "action": "math.add_numbers", "input": {"a": 2, "b": 3}}""")]
    [InlineData("""{thought: } {"thought": "ふむ", "action": "add_numbers", "input": {"a": 2, "b": 3}}""")]
    public async Task The_ways_in_which_models_write_an_action_are_read(string reply)
    {
        var result = await Agent(new ScriptedChatClient(reply, Done("5"))).SolveAsync("q");
        Assert.Equal(["2+3"], _calls);
        Assert.Equal("5", result.Answer);
    }

    [Theory]
    [InlineData("search", "attention heads", "search attention heads 3")]
    [InlineData("search", "{\"query\": \"x\", \"limit\": \"7\"}", "search x 7")]
    [InlineData("serach", "x", "search x 3")]
    public async Task A_single_value_is_bound_to_the_one_required_parameter(string tool, string input, string call)
    {
        await Agent(new ScriptedChatClient(Act(tool, input), Done("y"))).SolveAsync("q");
        Assert.Equal([call], _calls);
    }

    [Theory]
    [InlineData("add_numbers", "{\"a\": 2}", "'b' is missing")]
    [InlineData("add_numbers", "{\"a\": 2, \"b\": \"three\"}", "'b' must be integer, but is \"three\"")]
    [InlineData("add_numbers", "{\"a\": 2, \"b\": 3.5}", "'b' must be integer, but is 3.5")]
    [InlineData("add_numbers", "{\"a\": 2, \"b\": 3, \"c\": 4}", "'c' is not known; known are: a, b")]
    [InlineData("add_numbers", "2 + 3", "must be one JSON object, for example {\"a\": 1, \"b\": 1}")]
    [InlineData("add_numbers", "{\"a\": 2, ", "not valid JSON")]
    [InlineData("search", "", "must be one JSON object")]
    [InlineData("translate", "x", "there is no tool 'translate'. Tools: add_numbers, search.")]
    public async Task A_bad_call_becomes_an_observation_and_calls_nothing(string tool, string input, string problem)
    {
        var chat = new ScriptedChatClient(Act(tool, input), Done("sorry"));
        var result = await Agent(chat).SolveAsync("q");
        Assert.Empty(_calls);
        Assert.Contains(problem, chat.Requests[1][3].Text, StringComparison.Ordinal);
        Assert.Equal("sorry", result.Answer);
    }

    [Theory]
    [InlineData("""{"action": "search", "input": "\ud83d"}""")]
    [InlineData("""{"\ud83d": "search"}""")]
    [InlineData("""{"action": "search", "input": {"query": ["\ud83d"]}}""")]
    [InlineData("Thought: t")]
    [InlineData("""{"thought": "t"}""")]
    [InlineData("""{"thought": "t", "action": "answer", "input": ""}""")]
    [InlineData("""["search"]""")]
    public async Task What_is_no_step_is_sent_back(string reply)
    {
        var chat = new ScriptedChatClient(reply, Done("sorry"));
        Assert.Equal("sorry", (await Agent(chat).SolveAsync("q")).Answer);
        Assert.Empty(_calls);
        Assert.Contains("one of: add_numbers, search, answer", chat.Requests[1][^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_near_name_is_noted_in_the_trace()
    {
        var result = await Agent(new ScriptedChatClient(Act("Serach", "x"), Done("y"))).SolveAsync("q");
        Assert.Contains(result.Steps, step => step is { Kind: AgentStepKind.Note, Text: "Tool 'Serach' is read as 'search'." });
    }

    [Fact]
    public async Task An_error_of_a_tool_becomes_an_observation()
    {
        var broken = AIFunctionFactory.Create(string () => throw new InvalidOperationException("the index is closed"), "lookup");
        var chat = new ScriptedChatClient(Act("lookup", ""), Done("none"));
        var result = await new ReActAgent(chat, [broken]).SolveAsync("q");
        Assert.Equal("Observation: Error: the index is closed", chat.Requests[1][3].Text);
        Assert.Equal(StopReason.Answered, result.StopReason);
    }

    [Theory]
    [InlineData("""{"action": "finish", "input": "42"}""")]
    [InlineData("""{"action": "Final Answer", "input": {"answer": "42"}}""")]
    [InlineData("""{"thought": "done", "action": "answer", "input": 42}""")]
    [InlineData("""{"thought": "done", "answer": 42}""")]
    public async Task The_ways_to_finish_are_read(string reply)
        => Assert.Equal("42", (await Agent(new ScriptedChatClient(reply)).SolveAsync("q")).Answer);

    [Fact]
    public async Task The_step_limit_ends_the_run_and_the_last_step_is_announced()
    {
        var chat = new ScriptedChatClient(Act("search", "a"), Act("search", "b"), Act("search", "c"));
        var result = await Agent(chat, new ReActOptions { MaxSteps = 3 }).SolveAsync("q");
        Assert.Equal(StopReason.StepLimit, result.StopReason);
        Assert.Null(result.Answer);
        Assert.Equal(2, _calls.Count);
        Assert.DoesNotContain("last step", chat.Requests[1][^1].Text, StringComparison.Ordinal);
        Assert.StartsWith("Observation: found b", chat.Requests[2][^1].Text, StringComparison.Ordinal);
        Assert.Contains("This is the last step", chat.Requests[2][^1].Text, StringComparison.Ordinal);
        // On the last step the form has nothing but the answer.
        Assert.False(((ChatResponseFormatJson)chat.Options[2]!.ResponseFormat!).Schema!.Value.TryGetProperty("anyOf", out _));
    }

    [Fact]
    public async Task The_token_limit_ends_the_run()
    {
        var usage = new UsageDetails { InputTokenCount = 60, OutputTokenCount = 40 };
        var chat = new ScriptedChatClient().Then(Act("search", "a"), usage: usage).Then(Act("search", "b"), usage: usage)
            .Then(Done("late"));
        var result = await Agent(chat, new ReActOptions { Budget = new RunBudget { MaxTokens = 200 } }).SolveAsync("q");
        Assert.Equal(StopReason.TokenLimit, result.StopReason);
        Assert.Equal(2, chat.Requests.Count);
        Assert.Contains("200 tokens are used, 200 are allowed", result.Steps[^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_limit_without_usage_counts_itself_or_fails_loudly()
    {
        await Assert.ThrowsAsync<ReasoningException>(
            () => Agent(new ScriptedChatClient(Done("x")), new ReActOptions { Budget = new RunBudget { MaxTokens = 10 } }).SolveAsync("q"));
        var result =
            await Agent(new ScriptedChatClient(Act("search", "a")),
                new ReActOptions { Budget = new RunBudget { MaxTokens = 10 }, CountTokens = text => text.Length })
                .SolveAsync("q");
        Assert.Equal(StopReason.TokenLimit, result.StopReason);
    }

    [Fact]
    public async Task The_time_limit_cancels_a_model_call_under_way()
    {
        var time = new ManualTime();
        var chat = new ScriptedChatClient().Then(async (_, token) =>
        {
            time.Advance(TimeSpan.FromSeconds(61));
            await Task.Delay(Timeout.Infinite, token);
            return new ChatResponse();
        });
        var result =
            await Agent(chat, new ReActOptions { Budget = new RunBudget { MaxDuration = TimeSpan.FromSeconds(60) }, TimeProvider = time })
                .SolveAsync("q");
        Assert.Equal(StopReason.TimeLimit, result.StopReason);
        Assert.Equal(TimeSpan.FromSeconds(61), result.Elapsed);
    }

    [Fact]
    public async Task The_time_limit_ends_a_tool_that_does_not_look_at_its_token()
    {
        var time = new ManualTime();
        using var release = new ManualResetEventSlim();
        var slow = AIFunctionFactory.Create(() =>
        {
            time.Advance(TimeSpan.FromSeconds(61));
            release.Wait();
        }, "slow");
        var result = await new ReActAgent(new ScriptedChatClient(Act("slow", "")), [slow],
            new ReActOptions
            {
                Budget = new RunBudget { MaxDuration = TimeSpan.FromSeconds(60) },
                ToolTimeout = null,
                TimeProvider = time
            }).SolveAsync("q");
        release.Set();
        Assert.Equal(StopReason.TimeLimit, result.StopReason);
        Assert.Equal(AgentStepKind.Stopped, result.Steps[^1].Kind);
    }

    [Fact]
    public async Task A_tool_that_takes_too_long_becomes_an_observation()
    {
        var time = new ManualTime();
        var slow = AIFunctionFactory.Create(async (CancellationToken token) =>
        {
            time.Advance(TimeSpan.FromSeconds(6));
            await Task.Delay(Timeout.Infinite, token);
        }, "slow");
        var chat = new ScriptedChatClient(Act("slow", ""), Done("gave up"));
        var result =
            await new ReActAgent(chat, [slow],
                new ReActOptions { ToolTimeout = TimeSpan.FromSeconds(5), TimeProvider = time }).SolveAsync("q");
        Assert.Equal("Observation: Error: the tool did not answer within 00:00:05.", chat.Requests[1][3].Text);
        Assert.Equal("gave up", result.Answer);
    }

    [Fact]
    public async Task A_repeated_action_is_told_to_the_model_and_then_ends_the_run()
    {
        var chat = new ScriptedChatClient(
            Act("add_numbers", "{\"a\": 1, \"b\": 2}"), Act("add_numbers", "{\"b\": 2, \"a\": 1}"), Act("search", "x"),
            Act("add_numbers", "{\"a\":1,\"b\":2}"));
        var result = await Agent(chat).SolveAsync("q");
        Assert.Equal(StopReason.RepeatedAction, result.StopReason);
        Assert.Equal(["1+2", "1+2", "search x 3"], _calls);
        Assert.DoesNotContain("same action", chat.Requests[1][^1].Text, StringComparison.Ordinal);
        Assert.Contains("same action", chat.Requests[2][^1].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Malformed_steps_are_sent_back_and_then_end_the_run()
    {
        var chat = new ScriptedChatClient("Hm.", "Hm, hm.", Act("search", "x"), "Hm?", "Hm!", "Hmmm.");
        var result = await Agent(chat, new ReActOptions { MaxSteps = 20 }).SolveAsync("q");
        Assert.Equal(StopReason.InvalidReplies, result.StopReason);
        Assert.Equal(6, chat.Requests.Count);
        Assert.Contains("no JSON object", chat.Requests[1][^1].Text, StringComparison.Ordinal);
        var cut = new ScriptedChatClient().Then("{\"thought\": \"I thi", ChatFinishReason.Length);
        Assert.Equal(StopReason.ReplyCutOff, (await Agent(cut, new ReActOptions { MaxRepairs = 0 }).SolveAsync("q")).StopReason);
    }

    [Fact]
    public async Task A_long_observation_is_cut_and_says_how_much_is_left_out()
    {
        var tool = AIFunctionFactory.Create(() => "abcd😀fgh", "read");
        var chat = new ScriptedChatClient(Act("read", ""), Done("x"));
        await new ReActAgent(chat, [tool], new ReActOptions { MaxObservationLength = 5 }).SolveAsync("q");
        Assert.Equal("Observation: abcd… (5 more characters are left out)", chat.Requests[1][3].Text);
    }

    [Fact]
    public async Task Cancellation_by_the_caller_is_no_time_limit()
    {
        using var source = new CancellationTokenSource();
        var chat = new ScriptedChatClient().Then(async (_, token) =>
        {
            await source.CancelAsync();
            await Task.Delay(Timeout.Infinite, token);
            return new ChatResponse();
        });
        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => Agent(chat, new ReActOptions { Budget = new RunBudget { MaxDuration = TimeSpan.FromHours(1) } })
            .SolveAsync("q", source.Token));
    }

    [Fact]
    public async Task An_error_of_the_chat_client_reaches_the_caller()
        => Assert.Contains("no reply number 1",
            (await Assert.ThrowsAsync<InvalidOperationException>(() => Agent(new ScriptedChatClient()).SolveAsync("q"))).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData(true, "Observation: deleted")]
    [InlineData(false, "Observation: Error: this call was not approved.")]
    public async Task A_tool_that_wants_approval_is_asked_about(bool isApproved, string observation)
    {
        var delete = new ApprovalRequiredAIFunction(AIFunctionFactory.Create((string path) => "deleted", "delete"));
        var chat = new ScriptedChatClient(Act("delete", "a.txt"), Done("x"));
        var asked = new List<string>();
        await new ReActAgent(chat, [delete], new ReActOptions
        {
            ApproveAsync = (tool, arguments, _) =>
            {
                asked.Add($"{tool} {arguments["path"]}");
                return new ValueTask<bool>(isApproved);
            },
        }).SolveAsync("q");
        Assert.Equal(["delete a.txt"], asked);
        Assert.Equal(observation, chat.Requests[1][3].Text);
    }

    [Fact]
    public void Tools_and_limits_are_checked()
    {
        var chat = new ScriptedChatClient();
        Assert.Throws<ArgumentException>(() => new ReActAgent(chat, [_search, AIFunctionFactory.Create(() => 1, "Search")]));
        Assert.Throws<ArgumentException>(() => new ReActAgent(chat, [AIFunctionFactory.Create(() => 1, "finish")]));
        Assert.Throws<ArgumentOutOfRangeException>(() => Agent(chat, new ReActOptions { MaxSteps = 0 }));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => Agent(chat, new ReActOptions { Budget = new RunBudget { MaxDuration = TimeSpan.Zero } }));
        Assert.Throws<ArgumentNullException>(() => new ReActAgent(null!, []));
        Assert.Throws<ArgumentNullException>(() => new ReActAgent(chat, null!));
    }

    [Fact]
    public async Task The_prompt_speaks_japanese_to_a_japanese_question()
    {
        var chat = new ScriptedChatClient(Act("search", "言葉"), Done("はい"));
        var result = await Agent(chat).SolveAsync("言葉とは？");
        Assert.Contains("道具の名前", chat.Requests[0][0].Text, StringComparison.Ordinal);
        Assert.Equal("観察: found 言葉", chat.Requests[1][3].Text);
        Assert.Equal("はい", result.Answer);
    }
}
