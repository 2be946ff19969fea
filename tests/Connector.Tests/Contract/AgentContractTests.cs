using System.Text.Json;
using Microsoft.Agents.AI;
using Microsoft.Agents.AI.Workflows;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests.Contract;

/// <summary>What Agent Framework expects of the client under its agents and workflows.</summary>
public sealed class AgentContractTests(ContractModel model) : IClassFixture<ContractModel>
{
    [Fact]
    public async Task An_agent_answers_texts_messages_and_nothing_at_all()
    {
        var agent = Agent("Teller");
        Assert.Equal(agent.Id, (await agent.RunAsync("What is the capital of France?")).AgentId);
        await agent.RunAsync([new ChatMessage(ChatRole.User, "Hello"), new ChatMessage(ChatRole.User, "there")]);
        var response = await agent.RunAsync();
        Assert.Equal(ChatRole.Assistant, response.Messages[^1].Role);
        Assert.True(response.Usage!.TotalTokenCount > 0);
    }

    [Fact]
    public async Task An_agent_streams_the_same_message_that_it_gives()
    {
        var agent = Agent("Teller", options: new ChatOptions { Temperature = 0, MaxOutputTokens = 30 });
        var updates = await agent.RunStreamingAsync("Hello").ToListAsync();
        Assert.Equal((await agent.RunAsync("Hello")).Text, updates.ToAgentResponse().Text);
    }

    [Fact]
    public async Task A_session_remembers_and_comes_back_from_its_JSON()
    {
        var agent = Agent("Teller", options: new ChatOptions { Temperature = 0, MaxOutputTokens = 10 });
        var session = await agent.CreateSessionAsync();
        var first = await agent.RunAsync("My name is Chris.", session);
        var restored =
            await agent.DeserializeSessionAsync(
                JsonSerializer.Deserialize<JsonElement>((await agent.SerializeSessionAsync(session)).GetRawText()));
        var here = await agent.RunAsync("And my name?", session);
        var there = await agent.RunAsync("And my name?", restored);
        Assert.True(here.Usage!.InputTokenCount > first.Usage!.InputTokenCount);
        Assert.Equal(here.Usage.InputTokenCount, there.Usage!.InputTokenCount);
        Assert.Equal(here.Text, there.Text);
    }

    [Fact]
    public async Task Structured_answers_come_from_agents_too()
    {
        var response = await Agent("Teller").RunAsync<City>("Name a city.");
        Assert.NotNull(response.Result.Name);
    }

    [Fact]
    public async Task Tools_of_an_agent_are_invoked_and_approval_is_asked_for()
    {
        int called = 0;
        var tool = AIFunctionFactory.Create((string item) => ++called, "order");
        var options = new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        await Agent("Buyer", options: options).RunAsync("Order tea.");
        Assert.True(called > 0);

        called = 0;
        options = new ChatOptions { Tools = [new ApprovalRequiredAIFunction(tool)], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        var agent = Agent("Buyer", options: options);
        var session = await agent.CreateSessionAsync();
        var asked = await agent.RunAsync("Order tea.", session);
        var requests = asked.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>().ToList();
        Assert.NotEmpty(requests);
        Assert.Equal(0, called);
        await agent.RunAsync([new ChatMessage(ChatRole.User, [.. requests.Select(request => request.CreateResponse(approved: true))])],
            session);
        Assert.True(called > 0);
    }

    [Fact]
    public async Task Workflows_of_agents_run_to_their_end()
    {
        AIAgent writer = Agent("Writer"), critic = Agent("Critic");
        foreach (var workflow in (Workflow[])
            [
                AgentWorkflowBuilder.BuildSequential(writer, critic),
                AgentWorkflowBuilder.BuildConcurrent([writer, critic]),
                AgentWorkflowBuilder.CreateHandoffBuilderWith(writer).WithHandoff(writer, critic).Build(),
                AgentWorkflowBuilder.CreateGroupChatBuilderWith(
                    agents => new RoundRobinGroupChatManager(agents) { MaximumIterationCount = 2 })
                    .AddParticipants(writer, critic).Build(),
            ])
        {
            await using var run =
                await InProcessExecution.RunStreamingAsync(workflow, new List<ChatMessage> { new(ChatRole.User, "Write a haiku.") });
            await run.TrySendMessageAsync(new TurnToken(emitEvents: true));
            bool ended = false;
            await foreach (var happened in run.WatchStreamAsync())
            {
                Assert.False(happened is WorkflowErrorEvent or ExecutorFailedEvent, happened.ToString());
                ended |= happened is WorkflowOutputEvent;
            }

            Assert.True(ended);
        }
    }

    [Fact]
    public async Task An_agent_is_a_function_of_another_one()
    {
        var inner = Agent("Poet");
        var options = new ChatOptions { Tools = [inner.AsAIFunction()], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };
        var response = await Agent("Boss", options: options).RunAsync("Ask the poet.");
        Assert.Contains(response.Messages, message => message.Contents.OfType<FunctionResultContent>().Any());
    }

    private ChatClientAgent Agent(string name, ChatOptions? options = null)
    {
        options ??= new ChatOptions { Temperature = 0 };
        options.Instructions = "Be brief.";
        return new ChatClientAgent(model.Client,
            new ChatClientAgentOptions { Name = name, Description = $"The {name}.", ChatOptions = options });
    }

    private sealed record City(string Name, int Inhabitants);
}
