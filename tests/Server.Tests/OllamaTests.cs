using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using OllamaSharp;
using OllamaSharp.Models;
using OllamaSharp.Models.Chat;

namespace Kotonoha.Server.Tests;

/// <summary>Ollama's interface through OllamaSharp.</summary>
public sealed class OllamaTests(ServerFixture fixture) : IClassFixture<ServerFixture>
{
    private OllamaApiClient Client => new(fixture.Server.Address, RunningServer.Model);

    [Fact]
    public async Task Models_are_listed_and_shown()
    {
        Assert.True(await Client.IsRunningAsync());
        Assert.Equal([RunningServer.Model], (await Client.ListLocalModelsAsync()).Select(model => model.Name));
        var shown = await Client.ShowModelAsync(RunningServer.Model);
        Assert.Contains("completion", shown.Capabilities!);
        Assert.NotEmpty((await Client.GetVersionAsync())!);
        Assert.Contains(RunningServer.Model, (await Client.ListRunningModelsAsync()).Select(model => model.Name));
    }

    [Fact]
    public async Task A_chat_answer_streams_as_the_engine_writes_it()
    {
        var text = new StringBuilder();
        ChatDoneResponseStream? done = null;
        await foreach (var part in Client.ChatAsync(new ChatRequest
        {
            Messages = [new Message(OllamaSharp.Models.Chat.ChatRole.User, "hello")],
            Options = new RequestOptions { NumPredict = 8 },
        }))
        {
            text.Append(part?.Message.Content);
            done = part as ChatDoneResponseStream ?? done;
        }

        var expected = await ExpectedAsync(8);
        Assert.Equal(expected.Text, text.ToString());
        Assert.Equal("length", done!.DoneReason);
        Assert.Equal(8, done.EvalCount);
        Assert.Equal(expected.Usage.InputTokens, done.PromptEvalCount);
        Assert.True(done.TotalDuration > 0);
    }

    [Fact]
    public async Task A_text_is_generated_from_a_prompt_and_continued_raw()
    {
        var whole = await Client.GenerateAsync(
            new GenerateRequest { Prompt = "hello", Stream = false, Options = new RequestOptions { NumPredict = 8 } }).StreamToEndAsync();
        Assert.Equal((await ExpectedAsync(8)).Text, whole!.Response);
        var raw = await Client.GenerateAsync(
            new GenerateRequest { Prompt = "the quick ", Raw = true, Options = new RequestOptions { NumPredict = 8 } }).StreamToEndAsync();
        using var reference = fixture.Server.Reference();
        var expected = await reference.CompleteAsync(GenerationRequest.FromPrompt("the quick ") with { MaxOutputTokens = 8 });
        Assert.Equal(expected.Text, raw!.Response);
    }

    [Fact]
    public async Task A_schema_holds_and_vectors_are_the_models()
    {
        var text = new StringBuilder();
        await foreach (var part in Client.ChatAsync(new ChatRequest
        {
            Messages = [new Message(OllamaSharp.Models.Chat.ChatRole.User, "hello")],
            Format = JsonElement.Parse("""{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}"""),
            Options = new RequestOptions { NumPredict = 60 },
        }))
            text.Append(part?.Message.Content);
        using (var parsed = JsonDocument.Parse(text.ToString()))
            Assert.Contains(parsed.RootElement.GetProperty("a").ValueKind, new[] { JsonValueKind.True, JsonValueKind.False });
        using var reference = fixture.Server.Reference();
        var vectors = await Client.EmbedAsync(new EmbedRequest { Input = ["fox", "dog"] });
        Assert.Equal((await reference.EmbedAsync(["fox", "dog"])).Vectors, vectors.Embeddings);
    }

    [Fact]
    public async Task Calls_and_results_in_a_conversation_are_read_as_in_OpenAIs_interface()
    {
        const string Tools =
            """[{"type":"function","function":{"name":"count","description":"Counts.","parameters":{"type":"object","properties":{}}}}]""";
        var theirs = await PostAsync("/api/chat", $$$"""
            {"model":"tiny","stream":false,"options":{"num_predict":5},"tools":{{{Tools}}},"messages":[{"role":"user","content":"hello"},
             {"role":"assistant","content":"","tool_calls":[{"function":{"name":"count","arguments":{"to":3} } }]},
             {"role":"tool","content":"1"}]}
            """);
        var openAI = await PostAsync("/v1/chat/completions", $$$"""
            {"model":"tiny","max_tokens":5,"tools":{{{Tools}}},"messages":[{"role":"user","content":"hello"},
             {"role":"assistant","content":null,"tool_calls":[{"id":"call_0","type":"function",
              "function":{"name":"count","arguments":"{\"to\":3}"} }]},{"role":"tool","tool_call_id":"call_0","content":"1"}]}
            """);
        Assert.Equal(
            openAI.GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString(),
            theirs.GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(
            openAI.GetProperty("usage").GetProperty("prompt_tokens").GetInt32(), theirs.GetProperty("prompt_eval_count").GetInt32());

        // Its own chat client sends such a conversation too.
        IChatClient client = Client;
        var response = await client.GetResponseAsync(
            [
                new(Microsoft.Extensions.AI.ChatRole.User, "hello"),
                new(Microsoft.Extensions.AI.ChatRole.Assistant,
                    [new FunctionCallContent("c1", "count", new Dictionary<string, object?>())]),
                new(Microsoft.Extensions.AI.ChatRole.Tool, [new FunctionResultContent("c1", "1")]),
            ],
            new ChatOptions { Tools = [AIFunctionFactory.Create(() => 1, "count", "Counts.")], MaxOutputTokens = 5 });
        Assert.True(response.Usage!.InputTokenCount > (await ExpectedAsync(1)).Usage.InputTokens + 10);
    }

    [Fact]
    public async Task A_model_is_described_by_what_its_files_say()
    {
        using var reference = fixture.Server.Reference();
        await PostAsync("/api/generate", """{"model":"tiny"}""");
        var tags = (await fixture.Server.Http.GetFromJsonAsync<JsonElement>("/api/tags")).GetProperty("models")[0];
        var loaded = (await fixture.Server.Http.GetFromJsonAsync<JsonElement>("/api/ps")).GetProperty("models")[0];
        var shown = await PostAsync("/api/show", """{"model":"tiny"}""");
        var weights = new FileInfo(Path.Combine(CheckpointFolder.Resolve(fixture.Server.ModelFolder), "model.safetensors"));
        foreach (var model in new[] { tags, loaded })
        {
            Assert.Equal("tiny", model.GetProperty("name").GetString());
            Assert.Equal(weights.Length, model.GetProperty("size").GetInt64());
            Assert.Matches("^[0-9a-f]{64}$", model.GetProperty("digest").GetString());
        }

        foreach (var details in new[] { tags, loaded, shown }.Select(model => model.GetProperty("details")))
        {
            Assert.Equal("safetensors", details.GetProperty("format").GetString());
            Assert.Equal("gpt2", details.GetProperty("family").GetString());
            Assert.Equal("gpt2", details.GetProperty("families")[0].GetString());
            Assert.Equal(FormattableString.Invariant($"{reference.ParameterCount / 1e3:0.0}K"),
                details.GetProperty("parameter_size").GetString());
            Assert.Equal("F32", details.GetProperty("quantization_level").GetString());
        }

        Assert.Equal(weights.LastWriteTimeUtc, tags.GetProperty("modified_at").GetDateTime());
        Assert.InRange(loaded.GetProperty("expires_at").GetDateTimeOffset(), DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddMinutes(11));
        Assert.Equal(reference.ContextLength, loaded.GetProperty("context_length").GetInt32());
        var info = shown.GetProperty("model_info");
        Assert.Equal("gpt2", info.GetProperty("general.architecture").GetString());
        Assert.Equal(reference.ParameterCount, info.GetProperty("general.parameter_count").GetInt64());
        Assert.Equal(reference.ContextLength, info.GetProperty("gpt2.context_length").GetInt32());
    }

    [Fact]
    public async Task Errors_are_a_text_as_Ollamas_are()
    {
        using var response = await fixture.Server.Http.PostAsJsonAsync(
            "/api/chat", new { model = "nobody", messages = Array.Empty<object>() });
        Assert.Equal(404, (int)response.StatusCode);
        Assert.Contains("nobody", (await response.Content.ReadFromJsonAsync<JsonElement>()).GetProperty("error").GetString(),
            StringComparison.Ordinal);
    }

    private async Task<JsonElement> PostAsync(string path, string body)
    {
        using var response = await fixture.Server.Http.PostAsync(path, new StringContent(body, Encoding.UTF8, "application/json"));
        Assert.True(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return await response.Content.ReadFromJsonAsync<JsonElement>();
    }

    private async Task<GenerationResult> ExpectedAsync(int tokens)
    {
        using var reference = fixture.Server.Reference();
        return await reference.CompleteAsync(
            new GenerationRequest { Turns = [new ChatTurn(ChatTurn.User, "hello")], MaxOutputTokens = tokens });
    }
}
