using System.Text.Json;
using Kotonoha.Agents.AgentFiles;
using Kotonoha.Agents.Prompts.Files;
using Kotonoha.Agents.Reasoning;
using Microsoft.Agents.AI;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.AI;

namespace Kotonoha.Agents.Tests.AgentFiles;

/// <summary>Agents and workflows that are files.</summary>
public sealed class AgentFileTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Step(string action, string input) => $$"""{"thought": "t", "action": "{{action}}", "input": {{input}}}""";

    private AgentFile Load(string text, AgentFileOptions? options = null) => AgentFile.Load(_folder.Write("agent.yaml", text), options);

    [Fact]
    public async Task An_agent_calls_functions_as_its_model_does()
    {
        var file = Load("""
            kind: Agent
            name: clerk
            description: Does sums.
            instructions: |
              You do sums.
            model: { id: small, options: { temperature: 0 } }
            tools: [calculator]
            limits: { modelCalls: 3 }
            """);
        Assert.Equal((AgentFileKind.Agent, "clerk", "Does sums."), (file.Kind, file.Name, file.Description));
        var chat = new ScriptedChatClient().Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant,
            [new FunctionCallContent("1", "calculator", new Dictionary<string, object?> { ["expression"] = "6 * 7" })]))));
        chat.Then("It is 42.");
        string? asked = null;
        var agent = file.CreateAgent(name =>
        {
            asked = name;
            return chat;
        });
        Assert.Equal("It is 42.", (await agent.RunAsync("6 * 7?")).Text);
        Assert.Equal("small", asked);
        Assert.Equal("You do sums.", chat.Options[0]!.Instructions);
        Assert.Equal(0, chat.Options[0]!.Temperature);
        Assert.Contains(chat.Requests[1].SelectMany(message => message.Contents).OfType<FunctionResultContent>(),
            result => result.Result?.ToString() == "42");
    }

    [Fact]
    public async Task An_agent_reasons_by_ReAct_within_its_limits_over_the_ready_made_tools()
    {
        _folder.Write("notes/today.md", "Tea at four.");
        using (var shop = new SqliteConnection($"Data Source={_folder.At("shop.db")};Pooling=False"))
        {
            shop.Open();
            using var command = shop.CreateCommand();
            command.CommandText = "CREATE TABLE orders (item TEXT); INSERT INTO orders VALUES ('cup')";
            command.ExecuteNonQuery();
        }

        var file = Load("""
            kind: Agent
            tools:
              - kind: read_file
                root: notes
                maxBytes: 1000
              - kind: clock
                zone: Asia/Tokyo
              - kind: fetch
                hosts: ["*.example.com"]
              - kind: query
                database: shop.db
                schema: orders(item)
            strategy: { kind: react, maxSteps: 6, toolSeconds: 5 }
            limits: { toolCalls: 3, seconds: 60 }
            """, new AgentFileOptions
        {
            OpenDatabase = path => new SqliteConnection($"Data Source={path};Mode=ReadOnly;Pooling=False"),
        });
        Assert.Equal("agent", file.Name);
        var agent = file.CreateAgent(new ScriptedChatClient(
            Step("read_file", "\"today.md\""), Step("query", "\"SELECT item FROM orders\""), Step("fetch", "\"https://example.org\""),
            Step("clock", "{}")));
        var result = (await agent.RunAsync("What is on today?")).GetReasoning()!;
        var seen = result.Steps.Where(step => step.Kind == AgentStepKind.Observation).Select(step => step.Text).ToList();
        Assert.Equal("Tea at four.", seen[0]);
        Assert.Contains("cup", seen[1], StringComparison.Ordinal);
        Assert.Contains("'https://example.org/' is not fetched", seen[2], StringComparison.Ordinal);
        Assert.Equal(StopReason.ToolCallLimit, result.StopReason);
    }

    [Theory]
    [InlineData("chainOfThought", typeof(ChainOfThoughtAgent))]
    [InlineData("{ kind: chainOfThought, examples: [{ question: 1+1?, reasoning: count, answer: 2 }] }", typeof(ChainOfThoughtAgent))]
    [InlineData("{ kind: selfConsistency, samples: 3, temperature: 0.9 }", typeof(SelfConsistencyAgent))]
    [InlineData("{ kind: react, maxSteps: 4, maxSameActions: 1 }", typeof(ReActAgent))]
    [InlineData("{ kind: planAndExecute, maxPlanSteps: 3, maxReplans: 2, maxSteps: 4 }", typeof(PlanAndExecuteAgent))]
    [InlineData("{ kind: treeOfThoughts, depth: 1, branches: 2, beamWidth: 1 }", typeof(TreeOfThoughtsAgent))]
    [InlineData("{ kind: reflexion, maxTrials: 2, maxLessons: 1, actor: { kind: selfConsistency, samples: 2 } }", typeof(ReflexionAgent))]
    [InlineData("chat", typeof(ChatClientAgent))]
    public void Every_strategy_has_its_name(string strategy, Type type)
        => Assert.IsType(type, Load($"kind: Agent\nname: a\nlanguage: ja\nstrategy: {strategy}\n").CreateAgent(new ScriptedChatClient()));

    [Fact]
    public async Task Settings_of_a_strategy_count()
    {
        var samples = Load("kind: Agent\nstrategy: { kind: selfConsistency, samples: 3 }\n");
        var chat = new ScriptedChatClient("a\nAnswer: 1", "a\nAnswer: 2", "a\nAnswer: 2");
        Assert.Equal("2", (await samples.CreateAgent(chat).RunAsync("x?")).Text);
        Assert.Equal(3, chat.Requests.Count);

        var steps = Load("kind: Agent\ntools: [calculator]\nstrategy: { kind: react, maxSteps: 2 }\n");
        chat = new ScriptedChatClient(Step("calculator", "\"1+1\""), Step("calculator", "\"1+2\""), Step("answer", "\"2\""));
        await steps.CreateAgent(chat).RunAsync("x?");
        Assert.Equal(2, chat.Requests.Count);
    }

    [Theory]
    [InlineData("chat", true)]
    [InlineData("chat", false)]
    [InlineData("react", true)]
    [InlineData("react", false)]
    [InlineData("planAndExecute", true)]
    [InlineData("planAndExecute", false)]
    public async Task A_tool_that_wants_approval_asks_first_and_the_agent_goes_on_after_a_no(string strategy, bool isAllowed)
    {
        var sent = new List<string>();
        var asked = new List<ApprovalQuestion>();
        var file = Load($"""
            kind: Agent
            name: post
            strategy: {strategy}
            tools:
              - kind: function
                name: send
                approvalMode: always
            """, new AgentFileOptions
        {
            Tools = [AIFunctionFactory.Create((string text) => { sent.Add(text); return "sent"; }, "send")],
            ApproveAsync = (question, _) =>
            {
                asked.Add(question);
                return new(isAllowed);
            },
        });
        var chat = new ScriptedChatClient();
        if (strategy == "chat")
            chat.Then((_, _) => Task.FromResult(new ChatResponse(new ChatMessage(ChatRole.Assistant,
                [new FunctionCallContent("1", "send", new Dictionary<string, object?> { ["text"] = "hi" })])))).Then("done");
        else if (strategy == "react")
            chat.Then(Step("send", "\"hi\"")).Then(Step("answer", "\"done\""));
        else
            chat.Then("""{"steps": ["send it"]}""").Then(Step("send", "\"hi\"")).Then(Step("answer", "\"ok\"")).Then("t\nAnswer: done");
        var response = await file.CreateAgent(chat).RunAsync("Say hi.");
        Assert.Equal("done", response.Text);
        Assert.Equal(isAllowed ? ["hi"] : [], sent);
        var question = Assert.Single(asked);
        Assert.Equal(("post", "send", """send {"text":"hi"}"""), (question.Agent, question.Tool, question.ToString()));
        if (!isAllowed)
            Assert.Contains(chat.Requests.SelectMany(request => request).SelectMany(message => message.Contents),
                content => $"{(content as TextContent)?.Text}{(content as FunctionResultContent)?.Result}"
                    .Contains("this call was not approved", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Without_somebody_to_ask_an_approval_ends_the_run_in_the_frameworks_way()
    {
        var file = Load("kind: Agent\nstrategy: react\ntools: [{ kind: calculator, approvalMode: { kind: always } }]\n");
        var response = await file.CreateAgent(new ScriptedChatClient(Step("calculator", "\"1\""))).RunAsync("1?");
        Assert.Single(response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>());
    }

    [Fact]
    public async Task A_sequential_workflow_takes_agents_from_the_file_and_from_others()
    {
        _folder.Write("agents/critic.yaml", "kind: Agent\nname: somebody\nstrategy: chainOfThought\nmodel: large\n");
        var file = Load("""
            kind: Workflow
            name: review
            model: small
            agents:
              writer: { strategy: chainOfThought, instructions: You write. }
              critic: agents/critic.yaml
            sequential: [writer, critic]
            """);
        Assert.Equal((AgentFileKind.Workflow, "review", 2), (file.Kind, file.Name, file.Files.Count));
        var chats = new Dictionary<string, ScriptedChatClient> { ["small"] = new("t\nAnswer: 42"), ["large"] = new("t\nAnswer: too low") };
        var (messages, trace) = await RunAsync(file.CreateAgent(name => chats[name!]), "6 * 7?");
        Assert.Equal([("writer", "42"), ("critic", "too low")], messages);
        Assert.Equal(["writer thought", "writer answer", "critic thought", "critic answer"],
            trace.Select(line => $"{line.GetProperty("agent")} {line.GetProperty("step")}"));
        Assert.Contains(chats["large"].Requests[0], message => message.Text.StartsWith("42", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Concurrent_agents_answer_side_by_side()
    {
        var file = Load("""
            kind: Workflow
            agents: { a: { strategy: chainOfThought }, b: { strategy: chainOfThought } }
            concurrent: [a, b]
            """);
        var (messages, _) = await RunAsync(file.CreateAgent(new ScriptedChatClient("t\nAnswer: 1", "t\nAnswer: 1")), "x?");
        Assert.Equal([("a", "1"), ("b", "1")], messages.Order());
    }

    [Fact]
    public async Task What_fails_in_a_workflow_is_told_with_its_reason()
    {
        var file = Load("kind: Workflow\nagents: { a: { strategy: chainOfThought } }\nsequential: a\n");
        var agent = file.CreateAgent(new ScriptedChatClient().Then((_, _) => throw new IOException("no power")));
        var response = await agent.RunAsync("x?");
        Assert.Contains(response.Messages.SelectMany(message => message.Contents).OfType<ErrorContent>(),
            error => error.Message.Contains("no power", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_handoff_leads_to_the_agent_that_is_chosen()
    {
        var file = Load("""
            kind: Workflow
            agents:
              clerk: { strategy: react, model: clerk }
              sums: { description: Does sums., strategy: chainOfThought, model: sums }
            handoff:
              start: clerk
              to: { clerk: [sums] }
            """);
        var clerk = new ScriptedChatClient(Step("handoff_to_1", """{"reasonForHandoff": null}"""));
        var sums = new ScriptedChatClient("t\nAnswer: 42");
        var (messages, _) = await RunAsync(file.CreateAgent(name => name == "clerk" ? clerk : sums), "6 * 7?");
        Assert.Equal(("sums", "42"), messages[^1]);
    }

    [Fact]
    public async Task A_group_chat_ends_when_somebody_says_so()
    {
        var file = Load("""
            kind: Workflow
            agents: { writer: { strategy: chainOfThought, model: w }, critic: { strategy: chainOfThought, model: c } }
            groupChat: { participants: [writer, critic], maxTurns: 6, until: { agent: critic, contains: approved } }
            """);
        var writer = new ScriptedChatClient("t\nAnswer: 41, approved by nobody", "t\nAnswer: 42");
        var critic = new ScriptedChatClient("t\nAnswer: too low", "t\nAnswer: Approved.");
        var (messages, _) = await RunAsync(file.CreateAgent(name => name == "w" ? writer : critic), "6 * 7?");
        Assert.Equal(["41, approved by nobody", "too low", "42", "Approved."], messages.Select(message => message.Text));
    }

    [Theory]
    [InlineData(10, "draft|revise|better|approved|sent")]
    [InlineData(3, "draft|revise|better")]
    public async Task A_graph_follows_the_edges_whose_conditions_hold_and_ends_at_its_limit(int maxTurns, string said)
    {
        var file = Load($$"""
            kind: Workflow
            agents:
              writer: { strategy: chainOfThought, model: w }
              critic: { strategy: chainOfThought, model: c }
              sender: { strategy: chainOfThought, model: s }
            graph:
              start: writer
              maxTurns: {{maxTurns}}
              edges:
                - { from: writer, to: critic }
                - { from: critic, to: writer, when: { contains: revise } }
                - { from: critic, to: sender }
            """);
        var chats = new Dictionary<string, ScriptedChatClient>
        {
            ["w"] = new("t\nAnswer: draft", "t\nAnswer: better"),
            ["c"] = new("t\nAnswer: revise", "t\nAnswer: approved"),
            ["s"] = new("t\nAnswer: sent"),
        };
        var (messages, _) = await RunAsync(file.CreateAgent(name => chats[name!]), "Write.");
        Assert.Equal(said.Split('|'), messages.Select(message => message.Text));
    }

    [Fact]
    public void The_trace_of_functions_and_words_has_a_line_for_each()
    {
        var lines = new List<JsonElement>();
        var trace = new AgentTrace(line => lines.Add(JsonElement.Parse(line)));
        AIContent[] written = [new TextReasoningContent("I "), new TextReasoningContent("think"),
            new FunctionCallContent("1", "add", new Dictionary<string, object?> { ["a"] = 1 })];
        foreach (var content in written)
            trace.Add(new AgentResponseUpdate(ChatRole.Assistant, [content]) { AuthorName = "a", MessageId = "m" });
        trace.Add(new AgentResponseUpdate(ChatRole.Tool, [new FunctionResultContent("1", "3")]) { AuthorName = "a", MessageId = "n" });
        trace.Add(new AgentResponseUpdate(ChatRole.Assistant, "It is ") { AuthorName = "a", MessageId = "o" });
        trace.Add(new AgentResponseUpdate(ChatRole.Assistant, "3.") { AuthorName = "a", MessageId = "o" });
        trace.End();
        Assert.Equal(
            [
                """{"agent":"a","step":"thought","text":"I think"}""", """{"agent":"a","step":"action","tool":"add","arguments":{"a":1}}""",
                """{"agent":"a","step":"observation","tool":"add","text":"3"}""", """{"agent":"a","step":"answer","text":"It is 3."}""",
            ],
            lines.Select(line => line.GetRawText()));
    }

    [Fact]
    public async Task Models_come_from_the_catalogue_with_their_options()
    {
        var chat = new ScriptedChatClient("hi");
        using var models = ModelCatalog.Load(
            _folder.Write("models.yaml", "default: a\nmodels: { a: { path: x, options: { seed: 7 } } }\n"), _ => chat);
        Assert.Equal("hi", (await Load("kind: Agent\ninstructions: Be brief.\n").CreateAgent(models).RunAsync("x")).Text);
        Assert.Equal((7, "Be brief."), (chat.Options[0]!.Seed, chat.Options[0]!.Instructions));
        Assert.Contains("the model 'b' is not in this file", Assert.Throws<PromptFileException>(
            () => Load("kind: Agent\nmodel: b\n").CreateAgent(models)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kind: Agent\ninstructions: x", true)]
    [InlineData("kind: Workflow", true)]
    [InlineData("kind: Prompt\ninstructions: x", false)]
    [InlineData("template: x", false)]
    public void Agents_are_told_from_prompts_by_their_kind(string text, bool isAgent)
        => Assert.Equal(isAgent, AgentFile.IsAgentFile(_folder.Write("x.yaml", text)));

    private static async Task<(List<(string? Agent, string Text)> Messages, List<JsonElement> Trace)> RunAsync(
        AIAgent agent, string question)
    {
        var lines = new List<JsonElement>();
        var trace = new AgentTrace(line => lines.Add(JsonElement.Parse(line)));
        var updates = new List<AgentResponseUpdate>();
        await foreach (var update in agent.RunStreamingAsync(question))
        {
            updates.Add(update);
            trace.Add(update);
        }

        trace.End();
        Assert.Empty(updates.SelectMany(update => update.Contents).OfType<ErrorContent>().Select(error => error.Message));
        return ([.. updates.ToAgentResponse().Messages.Where(message => message.Role == ChatRole.Assistant && message.Text.Length > 0)
            .Select(message => (message.AuthorName, message.Text))], lines);
    }
}
