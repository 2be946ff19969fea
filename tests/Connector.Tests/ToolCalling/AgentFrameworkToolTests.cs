using Kotonoha.LocalModel.Generation;
using Kotonoha.Samples.ToolCalling;
using Microsoft.Agents.AI;
using Microsoft.Agents.AI.Workflows;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests.ToolCalling;

/// <summary>
/// Agents and handoffs of Agent Framework on a model that was trained here from scratch, with names and values that it has never seen.
/// </summary>
public sealed class AgentFrameworkToolTests : IAsyncLifetime
{
    private const int Requests = 20, Conversations = 5, Turns = 3;

    private readonly Assistant _assistant = new();
    private LocalGpt _model = null!;

    public async Task InitializeAsync() => _model = await ToolCallingGpt.LoadAsync();

    public Task DisposeAsync()
    {
        _model.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_calls_the_right_tool_and_answers_with_its_result(bool streamed)
    {
        var agent = Agent("desk", "Does everything.", [.. _assistant.Functions]);
        var data = new ToolCallingData(6, ValuePool.HeldOut);
        var wrong = new List<string>();
        for (int i = 0; i < Requests; i++)
        {
            var request = data.Request();
            _assistant.Clear();
            var response = await RunAsync(agent, request.Text, await agent.CreateSessionAsync(), streamed);
            Assert.Equal(_assistant.Calls.Count, response.Messages.SelectMany(m => m.Contents).OfType<FunctionResultContent>().Count());
            if (!_assistant.IsRight(request, response.Text))
                wrong.Add($"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {response.Text}");
        }

        Assert.True(wrong.Count <= Requests / 10, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_session_goes_on_over_several_turns(bool streamed)
    {
        var agent = Agent("desk", "Does everything.", [.. _assistant.Functions]);
        var data = new ToolCallingData(10, ValuePool.HeldOut);
        var wrong = new List<string>();
        for (int conversation = 0; conversation < Conversations; conversation++)
        {
            var session = await agent.CreateSessionAsync();
            var roles = new List<string>();
            for (int turn = 0; turn < Turns; turn++)
            {
                var request = data.Request();
                _assistant.Clear();
                var answer = (await RunAsync(agent, request.Text, session, streamed)).Text;
                if (!_assistant.IsRight(request, answer))
                    wrong.Add($"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {answer}");
                roles.Add("user");
                foreach (var _ in _assistant.Calls)
                    roles.AddRange(["assistant", "tool"]);
                roles.Add("assistant");
                session.TryGetInMemoryChatHistory(out var history);
                Assert.Equal(roles, history!.Select(message => message.Role.Value));
            }
        }

        Assert.True(wrong.Count <= Conversations * Turns / 5, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_hands_over_to_the_one_that_can_do_it(bool streamed)
    {
        var data = new ToolCallingData(7, ValuePool.HeldOut);
        var wrong = new List<string>();
        for (int i = 0; i < Requests;)
        {
            var request = data.Request();
            if (request.Call is not { } call)
                continue;
            i++;
            _assistant.Clear();
            var response = await RunAsync(Office(), request.Text, null, streamed);
            var last = response.Messages.Last(message => message.Text.Length > 0);
            var desk = ToolCallingData.Desks.First(one => one.Functions.Contains(call.Name)).Name;
            if (last.AuthorName != desk || !_assistant.IsRight(request, last.Text))
                wrong.Add($"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {last.AuthorName}: {last.Text}");
        }

        Assert.True(wrong.Count <= Requests / 10, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_agent_with_handoffs_answers_what_needs_none(bool streamed)
    {
        var response = await RunAsync(Office(), "Thanks!", null, streamed);
        var said = Assert.Single(response.Messages, message => message.Text.Length > 0);
        Assert.Equal(("front", "You are welcome."), (said.AuthorName, said.Text));
    }

    private AIAgent Office()
    {
        var functions = _assistant.Functions.ToDictionary(function => function.Name);
        var front = Agent("front", "Receives everybody.");
        var desks = ToolCallingData.Desks
            .Select(desk => Agent(desk.Name, desk.Description, [.. desk.Functions.Select(name => functions[name])]));
        return AgentWorkflowBuilder.CreateHandoffBuilderWith(front).WithHandoffs(front, desks)
            .WithHandoffInstructions("You are a helpful assistant.").Build().AsAIAgent();
    }

    private ChatClientAgent Agent(string name, string description, params AITool[] tools) => new(
        new LocalGptChatClient(_model),
        new ChatClientAgentOptions
        {
            Id = name,
            Name = name,
            Description = description,
            ChatOptions = new ChatOptions { Tools = tools, Temperature = 0, MaxOutputTokens = 120 },
        });

    private static async Task<AgentResponse> RunAsync(AIAgent agent, string question, AgentSession? session, bool streamed) => streamed
        ? (await agent.RunStreamingAsync(question, session).ToListAsync()).ToAgentResponse()
        : await agent.RunAsync(question, session);
}
