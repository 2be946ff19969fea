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
    private const int Requests = 20;

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
            _assistant.Calls.Clear();
            _assistant.Results.Clear();
            var response = await RunAsync(agent, request.Text, await agent.CreateSessionAsync(), streamed);
            var right = Assistant.Right(request) is { } call ? (string[])[call] : [];
            Assert.Equal(_assistant.Calls.Count, response.Messages.SelectMany(m => m.Contents).OfType<FunctionResultContent>().Count());
            bool isRight = _assistant.Calls.SequenceEqual(right)
                && (right.Length == 0 || _assistant.Results[0] is "sent" or "booked"
                    || response.Text.Contains(_assistant.Results[0], StringComparison.Ordinal));
            if (!isRight)
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
        var session = await agent.CreateSessionAsync();
        Assert.Contains("windy, 27 degrees", (await RunAsync(agent, "What is the weather in Grodane?", session, streamed)).Text,
            StringComparison.Ordinal);
        Assert.Equal("You are welcome.", (await RunAsync(agent, "Thanks!", session, streamed)).Text);
        Assert.Contains("413", (await RunAsync(agent, "Add 371 and 42.", session, streamed)).Text, StringComparison.Ordinal);
        Assert.Equal(["get_weather(Grodane)", "add(371, 42)"], _assistant.Calls);
        session.TryGetInMemoryChatHistory(out var history);
        Assert.Equal(["user", "assistant", "tool", "assistant", "user", "assistant", "user", "assistant", "tool", "assistant"],
            history!.Select(message => message.Role.Value));
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
            if (request.Call is not { } call || call.Name is not ("get_weather" or "convert_money" or "send_message"))
                continue;
            i++;
            _assistant.Calls.Clear();
            _assistant.Results.Clear();
            var response = await RunAsync(Office(), request.Text, null, streamed);
            var last = response.Messages[^1];
            bool isRight = _assistant.Calls is [{ } made] && made == Assistant.Right(request)
                && last.AuthorName == (call.Name == "get_weather" ? "weather" : call.Name == "send_message" ? "post" : "bank")
                && (_assistant.Results[0] is "sent" || last.Text.Contains(_assistant.Results[0], StringComparison.Ordinal));
            if (!isRight)
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
        Assert.Equal(("front", "You are welcome."), (response.Messages[^1].AuthorName, response.Text));
    }

    private AIAgent Office()
    {
        var functions = _assistant.Functions.ToDictionary(function => function.Name);
        var front = Agent("front", "Receives everybody.");
        var weather = Agent("weather", "Knows the weather.", functions["get_weather"]);
        var bank = Agent("bank", "Converts money.", functions["convert_money"]);
        var post = Agent("post", "Sends messages.", functions["send_message"]);
        return AgentWorkflowBuilder.CreateHandoffBuilderWith(front).WithHandoffs(front, [weather, bank, post])
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
