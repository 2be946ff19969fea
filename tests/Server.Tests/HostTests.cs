using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Connectors.OpenAI;

namespace Kotonoha.Server.Tests;

/// <summary>The frameworks that apps are written with, through their own OpenAI connectors.</summary>
public sealed class HostTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private enum City
    {
        Minase,
        Tobishima,
    }

    [Fact]
    public async Task Microsoft_Extensions_AI_chats_streams_embeds_and_calls_functions()
    {
        var client = fixture.Server.OpenAI().GetChatClient(RunningServer.Model).AsIChatClient();
        var expected = await ExpectedAsync(8);
        var options = new ChatOptions { MaxOutputTokens = 8 };
        var response = await client.GetResponseAsync("hello", options);
        Assert.Equal(expected.Text, response.Text);
        Assert.Equal(expected.Usage.InputTokens, response.Usage!.InputTokenCount);
        Assert.Equal(expected.Text, (await client.GetStreamingResponseAsync("hello", options).ToChatResponseAsync()).Text);

        var asked = new List<City>();
        var tool = AIFunctionFactory.Create(
            (City city) =>
            {
                asked.Add(city);
                return "sunny";
            },
            "weather", "Tells the weather.");
        // The call is forced once; its answer is free.
        var invoking = client.AsBuilder().UseFunctionInvocation(configure: loop => loop.MaximumIterationsPerRequest = 1).Build();
        await invoking.GetResponseAsync(
            "hello", new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 150 });
        Assert.NotEmpty(asked);

        var structured = await client.GetResponseAsync<Ticket>("hello", new ChatOptions { MaxOutputTokens = 150 });
        Assert.True(Enum.IsDefined(structured.Result.To));

        var embeddings = fixture.Server.OpenAI().GetEmbeddingClient(RunningServer.Model).AsIEmbeddingGenerator();
        using var reference = fixture.Server.Reference();
        Assert.Equal((await reference.EmbedAsync(["fox"])).Vectors[0], (await embeddings.GenerateVectorAsync("fox")).ToArray());
    }

    [Fact]
    public async Task The_client_of_responses_carries_a_conversation_by_its_id()
    {
        var client = fixture.Server.OpenAI().GetResponsesClient().AsIChatClient(RunningServer.Model);
        var first = await client.GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 5 });
        Assert.Equal((await ExpectedAsync(5)).Text, first.Text);
        Assert.NotNull(first.ConversationId);
        var second = await client.GetResponseAsync(
            "and then", new ChatOptions { MaxOutputTokens = 5, ConversationId = first.ConversationId });
        var whole = await ExpectedAsync(5, new ChatTurn(ChatTurn.Assistant, first.Text), new ChatTurn(ChatTurn.User, "and then"));
        Assert.Equal(whole.Text, second.Text);
    }

    [Fact]
    public async Task Semantic_Kernels_connector_chats_streams_and_invokes_kernel_functions()
    {
        var builder = Kernel.CreateBuilder();
        builder.AddOpenAIChatCompletion(RunningServer.Model, fixture.Server.OpenAI());
        var clock = new Clock();
        builder.Plugins.AddFromObject(clock, "clock");
        var kernel = builder.Build();
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        var settings = new OpenAIPromptExecutionSettings { MaxTokens = 8 };
        var expected = await ExpectedAsync(8);
        Assert.Equal(expected.Text, (await chat.GetChatMessageContentAsync("hello", settings, kernel)).Content);
        var streamed = new StringBuilder();
        await foreach (var part in chat.GetStreamingChatMessageContentsAsync("hello", settings, kernel))
            streamed.Append(part.Content);
        Assert.Equal(expected.Text, streamed.ToString());

        await kernel.InvokePromptAsync("hello", new KernelArguments(new OpenAIPromptExecutionSettings
        {
            MaxTokens = 150,
            FunctionChoiceBehavior = FunctionChoiceBehavior.Required([kernel.Plugins.GetFunction("clock", "now")]),
        }));
        Assert.True(clock.Asked > 0);
    }

    [Fact]
    public async Task An_agent_of_Agent_Framework_keeps_its_session_over_the_server()
    {
        var agent = new ChatClientAgent(
            fixture.Server.OpenAI().GetChatClient(RunningServer.Model).AsIChatClient(),
            new ChatClientAgentOptions { ChatOptions = new ChatOptions { Instructions = "Be brief.", MaxOutputTokens = 5 } });
        var session = await agent.CreateSessionAsync();
        var first = await agent.RunAsync("hello", session);
        var second = await agent.RunAsync("and then", session);
        using var reference = fixture.Server.Reference();
        var expected = await reference.CompleteAsync(new GenerationRequest
        {
            Turns =
            [
                new ChatTurn(ChatTurn.System, "Be brief."), new ChatTurn(ChatTurn.User, "hello"),
                new ChatTurn(ChatTurn.Assistant, first.Text), new ChatTurn(ChatTurn.User, "and then"),
            ],
            MaxOutputTokens = 5,
        });
        Assert.Equal(expected.Text, second.Text);
    }

    private async Task<GenerationResult> ExpectedAsync(int tokens, params ChatTurn[] further)
    {
        using var reference = fixture.Server.Reference();
        return await reference.CompleteAsync(
            new GenerationRequest { Turns = [new ChatTurn(ChatTurn.User, "hello"), .. further], MaxOutputTokens = tokens });
    }

    private sealed record Ticket(City To, bool Child);

    private sealed class Clock
    {
        public int Asked { get; private set; }

        [KernelFunction("now")]
        [Description("Tells the time.")]
        public string Now()
        {
            Asked++;
            return "noon";
        }
    }

    [Fact]
    public async Task A_port_that_is_in_use_is_one_line()
    {
        await using var server = await RunningServer.StartAsync();
        using var folder = new TemporaryFolder();
        using var second = Process.Start(new ProcessStartInfo(TrainingTests.Command[0])
        {
            ArgumentList =
            {
                DeploymentTests.Built("src/Cli", "Kotonoha.Cli.dll"), "serve", "--no-docs", "--home", folder.Path,
                "--model", server.ModelFolder, "--url", server.Address.ToString(),
            },
            RedirectStandardError = true,
            RedirectStandardOutput = true,
        })!;
        var said = (await second.StandardError.ReadToEndAsync()).Trim();
        await second.WaitForExitAsync();
        Assert.NotEqual(0, second.ExitCode);
        Assert.DoesNotContain('\n', said);
        Assert.Contains($"port {server.Address.Port} is in use", said, StringComparison.Ordinal);
        Assert.Contains("--url", said, StringComparison.Ordinal);
    }
}
