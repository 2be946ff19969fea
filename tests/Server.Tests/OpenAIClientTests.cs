using System.ClientModel;
using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using OpenAI.Chat;

namespace Kotonoha.Server.Tests;

/// <summary>The official .NET client against the real server; what it reads is what the engine gives without one.</summary>
public sealed class OpenAIClientTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private const int Tokens = 12;

    private static readonly ChatTool Weather = ChatTool.CreateFunctionTool(
        "weather", "Tells the weather.", BinaryData.FromString(
            """{"type":"object","properties":{"city":{"type":"string","enum":["Minase","Tobishima"]}},"required":["city"]}"""));

    private ChatClient Chat => fixture.Server.OpenAI().GetChatClient(RunningServer.Model);

    [Fact]
    public async Task Models_are_listed_and_found_by_name()
    {
        var client = fixture.Server.OpenAI().GetOpenAIModelClient();
        Assert.Equal([RunningServer.Model], (await client.GetModelsAsync()).Value.Select(model => model.Id));
        Assert.Equal("kotonoha", (await client.GetModelAsync(RunningServer.Model)).Value.OwnedBy);
        var missing = await Assert.ThrowsAsync<ClientResultException>(() => client.GetModelAsync("nobody/nothing"));
        Assert.Equal(404, missing.Status);
    }

    [Fact]
    public async Task A_chat_answer_is_the_engines_with_its_usage()
    {
        var (expected, options) = await ReferenceAsync();
        var completion = (await Chat.CompleteChatAsync([new UserChatMessage("hello")], options)).Value;
        Assert.Equal(expected.Text, completion.Content[0].Text);
        Assert.Equal(ChatFinishReason.Length, completion.FinishReason);
        Assert.Equal(expected.Usage.InputTokens, completion.Usage.InputTokenCount);
        Assert.Equal(Tokens, completion.Usage.OutputTokenCount);
        Assert.Equal(RunningServer.Model, completion.Model);
    }

    [Fact]
    public async Task A_streamed_answer_is_the_same_text_and_ends_with_its_usage()
    {
        var (expected, options) = await ReferenceAsync();
        var text = new StringBuilder();
        ChatTokenUsage? usage = null;
        ChatFinishReason? finish = null;
        await foreach (var update in Chat.CompleteChatStreamingAsync([new UserChatMessage("hello")], options))
        {
            foreach (var part in update.ContentUpdate)
                text.Append(part.Text);
            usage = update.Usage ?? usage;
            finish = update.FinishReason ?? finish;
        }

        Assert.Equal(expected.Text, text.ToString());
        Assert.Equal(ChatFinishReason.Length, finish);
        Assert.Equal(Tokens, usage!.OutputTokenCount);
    }

    [Fact]
    public async Task Log_probabilities_are_the_engines_and_the_likeliest_tokens_stand_beside_them()
    {
        var (expected, options) = await ReferenceAsync(logProbabilities: true);
        options.IncludeLogProbabilities = true;
        options.TopLogProbabilityCount = 3;
        var completion = (await Chat.CompleteChatAsync([new UserChatMessage("hello")], options)).Value;
        var entries = completion.ContentTokenLogProbabilities;
        Assert.Equal(expected.LogProbabilities.Count, entries.Count);
        for (int i = 0; i < entries.Count; i++)
        {
            Assert.Equal(expected.LogProbabilities[i], entries[i].LogProbability, 1e-4f);
            var top = entries[i].TopLogProbabilities;
            Assert.Equal(3, top.Count);
            Assert.True(top[0].LogProbability >= top[1].LogProbability && top[1].LogProbability >= top[2].LogProbability);

            // Greedy: the token that was taken is the likeliest one.
            Assert.Equal(entries[i].LogProbability, top[0].LogProbability, 1e-5f);
            Assert.Equal(entries[i].Utf8Bytes!.Value.ToArray(), top[0].Utf8Bytes!.Value.ToArray());
        }

        // The bytes of the tokens, in order, are the text.
        Assert.Equal(completion.Content[0].Text,
            Encoding.UTF8.GetString([.. entries.SelectMany(entry => entry.Utf8Bytes!.Value.ToArray())]));

        var streamed = new List<float>();
        await foreach (var update in Chat.CompleteChatStreamingAsync([new UserChatMessage("hello")], options))
            streamed.AddRange(update.ContentTokenLogProbabilities.Select(entry => entry.LogProbability));
        Assert.Equal(entries.Select(entry => entry.LogProbability), streamed);
    }

    [Fact]
    public async Task A_required_tool_is_called_with_arguments_of_its_schema_and_its_result_is_taken_back()
    {
        var options = new ChatCompletionOptions
        {
            Tools = { Weather },
            ToolChoice = ChatToolChoice.CreateRequiredChoice(),
            MaxOutputTokenCount = 200,
        };
        var completion = (await Chat.CompleteChatAsync([new UserChatMessage("hello")], options)).Value;
        Assert.Equal(ChatFinishReason.ToolCalls, completion.FinishReason);
        var call = completion.ToolCalls[0];
        Assert.Equal("weather", call.FunctionName);
        using (var arguments = JsonDocument.Parse(call.FunctionArguments))
            Assert.Contains(arguments.RootElement.GetProperty("city").GetString(), new[] { "Minase", "Tobishima" });

        var next = (await Chat.CompleteChatAsync(
            [new UserChatMessage("hello"), new AssistantChatMessage(completion), new ToolChatMessage(call.Id, "sunny")],
            new ChatCompletionOptions { Tools = { Weather }, ToolChoice = ChatToolChoice.CreateNoneChoice(), MaxOutputTokenCount = 8 }))
            .Value;
        Assert.Empty(next.ToolCalls);
    }

    [Fact]
    public async Task A_streamed_tool_call_is_put_together_by_the_client()
    {
        var options = new ChatCompletionOptions
        {
            Tools = { Weather },
            ToolChoice = ChatToolChoice.CreateFunctionChoice("weather"),
            MaxOutputTokenCount = 200,
        };
        var (name, arguments) = ("", new StringBuilder());
        ChatFinishReason? finish = null;
        await foreach (var update in Chat.CompleteChatStreamingAsync([new UserChatMessage("hello")], options))
        {
            foreach (var part in update.ToolCallUpdates)
            {
                Assert.Equal(0, part.Index);
                name += part.FunctionName;
                arguments.Append(part.FunctionArgumentsUpdate);
            }

            finish = update.FinishReason ?? finish;
        }

        Assert.Equal("weather", name);
        Assert.Equal(ChatFinishReason.ToolCalls, finish);
        using var parsed = JsonDocument.Parse(arguments.ToString());
        Assert.True(parsed.RootElement.TryGetProperty("city", out _));
    }

    [Fact]
    public async Task A_JSON_schema_holds()
    {
        var options = new ChatCompletionOptions
        {
            ResponseFormat = ChatResponseFormat.CreateJsonSchemaFormat(
                "ticket", BinaryData.FromString(
                    """
                    {"type":"object","properties":{"price":{"type":"integer","minimum":1,"maximum":900},"child":{"type":"boolean"}},
                     "required":["price","child"],"additionalProperties":false}
                    """), jsonSchemaIsStrict: true),
            MaxOutputTokenCount = 100,
            Seed = 3,
        };
        var completion = (await Chat.CompleteChatAsync([new UserChatMessage("hello")], options)).Value;
        using var answer = JsonDocument.Parse(completion.Content[0].Text);
        Assert.InRange(answer.RootElement.GetProperty("price").GetInt32(), 1, 900);
        Assert.Contains(answer.RootElement.GetProperty("child").ValueKind, new[] { JsonValueKind.True, JsonValueKind.False });
    }

    [Fact]
    public async Task The_same_seed_gives_the_same_text_and_another_seed_another()
    {
        async Task<string> SayAsync(long seed) => (await Chat.CompleteChatAsync(
            [new UserChatMessage("hello")],
            new ChatCompletionOptions { Seed = seed, Temperature = 1, MaxOutputTokenCount = 20 })).Value.Content[0].Text;

        Assert.Equal(await SayAsync(1), await SayAsync(1));
        Assert.NotEqual(await SayAsync(1), await SayAsync(2));
    }

    [Fact]
    public async Task Embeddings_are_the_models_also_cut_to_fewer_dimensions()
    {
        var client = fixture.Server.OpenAI().GetEmbeddingClient(RunningServer.Model);
        string[] texts = ["the quick fox", "言の葉"];
        using var reference = fixture.Server.Reference();
        var expected = await reference.EmbedAsync(texts);
        var vectors = (await client.GenerateEmbeddingsAsync(texts)).Value;
        for (int i = 0; i < texts.Length; i++)
            Assert.Equal(expected.Vectors[i], vectors[i].ToFloats().ToArray());
        Assert.Equal(expected.InputTokens, vectors.Usage.InputTokenCount);
        var cut = (await client.GenerateEmbeddingAsync(texts[0], new() { Dimensions = 8 })).Value;
        Assert.Equal(8, cut.ToFloats().Length);
    }

    private async Task<(GenerationResult Result, ChatCompletionOptions Options)> ReferenceAsync(bool logProbabilities = false)
    {
        using var reference = fixture.Server.Reference();
        var result = await reference.CompleteAsync(new GenerationRequest
        {
            Turns = [new ChatTurn(ChatTurn.User, "hello")],
            MaxOutputTokens = Tokens,
            IncludeLogProbabilities = logProbabilities,
        });
        return (result, new ChatCompletionOptions { MaxOutputTokenCount = Tokens });
    }
}
