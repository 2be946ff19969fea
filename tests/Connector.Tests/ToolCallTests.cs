using System.ComponentModel;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.SemanticKernel;
using FunctionCallContent = Microsoft.Extensions.AI.FunctionCallContent;
using FunctionResultContent = Microsoft.Extensions.AI.FunctionResultContent;

namespace Kotonoha.Connector.Tests;

/// <summary>
/// Function calls through the chat client. What the model says is forced by biases, so that the way of a call is tested and not the model's
/// wit.
/// </summary>
public sealed class ToolCallTests : IDisposable
{
    private const string Call = """<tool_call>{"name": "weather", "arguments": {"city": "Zug", "days": 2}}</tool_call>""";
    private static readonly ChatMessage[] Question = [new(ChatRole.User, "Weather in Zug?")];

    private readonly LocalGpt _model = TinyGpt.Create(contextLength: 1024);
    private readonly LocalGptChatClient _client;

    public ToolCallTests() => _client = new LocalGptChatClient(_model);

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task A_call_comes_back_as_content_and_not_as_text()
    {
        var response = await _client.GetResponseAsync(Question, Saying("I look. " + Call));
        var message = Assert.Single(response.Messages);
        Assert.Equal("I look.", message.Text);
        var call = Assert.Single(message.Contents.OfType<FunctionCallContent>());
        Assert.Equal(("weather", "Zug", 2),
            (call.Name, call.Arguments!["city"]!.ToString(), ((JsonElement)call.Arguments["days"]!).GetInt32()));
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
        Assert.Equal("tool_calls", response.AdditionalProperties!["FinishReason"]);
    }

    [Fact]
    public async Task Streaming_gives_the_words_as_they_come_and_the_call_whole()
    {
        var updates = await _client.GetStreamingResponseAsync(Question, Saying("I look. " + Call + Call)).ToListAsync();
        Assert.Equal("I look.", string.Concat(updates.Select(u => u.Text)));
        Assert.True(updates.Count(u => u.Text.Length > 0) > 1);
        var calls = updates.SelectMany(u => u.Contents).OfType<FunctionCallContent>().ToList();
        Assert.Equal(2, calls.Count);
        Assert.Equal(2, calls.Select(c => c.CallId).Distinct().Count());
        Assert.Equal(ChatFinishReason.ToolCalls, updates[^1].FinishReason);
    }

    [Fact]
    public async Task A_call_that_is_cut_off_is_an_error_and_no_text()
    {
        var options = Saying(Call);
        options.StopSequences = [", \"days"];
        var response = await _client.GetResponseAsync(Question, options);
        Assert.Equal("", response.Text);
        var error = Assert.Single(response.Messages[0].Contents.OfType<ErrorContent>());
        Assert.Equal(("unreadable_function_call", "<tool_call>{\"name\": \"weather\", \"arguments\": {\"city\": \"Zug\""),
            (error.ErrorCode, error.Details));
        Assert.Empty(response.Messages[0].Contents.OfType<FunctionCallContent>());
    }

    [Fact]
    public async Task Results_go_back_to_the_model_and_the_hosts_middleware_calls()
    {
        var asked = new List<string>();
        var requests = new List<string>();
        using var invoking = _client.AsBuilder().UseFunctionInvocation().Use(inner => new Recording(inner, requests, _model)).Build();
        var options = Saying(Call);
        options.Tools = [AIFunctionFactory.Create((string city, int days) => { asked.Add($"{city} {days}"); return "sunny"; }, "weather")];

        // The model says the same each time, so the loop is ended by the middleware's limit; the first round is what counts.
        ((FunctionInvokingChatClient)invoking.GetService(typeof(FunctionInvokingChatClient))!).MaximumIterationsPerRequest = 1;
        var response = await invoking.GetResponseAsync(Question, options);
        Assert.Equal(["Zug 2"], asked);
        Assert.Contains(response.Messages, m => m.Contents.OfType<FunctionResultContent>().Any(r => r.Result?.ToString() == "sunny"));
        Assert.Equal(
            "<|system|>You can call functions. To call one, write only\n<tool_call>{\"name\": \"NAME\", \"arguments\": "
                + "{…}}</tool_call>\nFunctions:\nweather(city: string, days: integer)"
            + "<|end|><|user|>Weather in Zug?<|end|><|assistant|>",
            requests[0]);
        Assert.EndsWith($"<|assistant|>{Call}<|end|><|user|><tool_response>sunny</tool_response><|end|><|assistant|>", requests[1],
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tools_that_are_switched_off_are_not_mentioned()
    {
        var options = Saying("Hello");
        options.ToolMode = ChatToolMode.None;
        var request =
            new ChatRequestReader(_client, _model,
                new Notices(Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance)).Read(Question, options);
        Assert.Null(request.Generation.Tools);
        Assert.Equal("Hello", (await _client.GetResponseAsync(Question, options)).Text);
    }

    [Fact]
    public async Task Reasoning_is_told_apart_from_the_answer()
    {
        var options = Saying("<think>Zug is far.</think>\n\nSunny.");
        var updates = await _client.GetStreamingResponseAsync(Question, options).ToListAsync();
        var contents = updates.ToChatResponse().Messages[0].Contents;
        Assert.Equal("Zug is far.", string.Concat(contents.OfType<TextReasoningContent>().Select(c => c.Text)));
        Assert.Equal("Sunny.", updates.ToChatResponse().Text);

        options.Reasoning = new ReasoningOptions { Output = ReasoningOutput.None };
        Assert.DoesNotContain((await _client.GetResponseAsync(Question, options)).Messages[0].Contents, c => c is TextReasoningContent);
    }

    [Fact]
    public void Template_variables_reach_the_template()
    {
        var template = ChatTemplate.FromJinja("{% if enable_thinking is defined %}{{ enable_thinking }} {% endif %}{{ style }}{% for m "
            + "in messages %}{{ m.content }}{% endfor %}");
        using var model = TinyGpt.Create(new LocalGptOptions { ChatTemplate = template });
        string Rendered(ChatOptions options) => model.Render(
            new ChatRequestReader(new LocalGptChatClient(model), model,
                new Notices(Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance)).Read(Question, options).Generation).Text;
        Assert.Equal("False Weather in Zug?",
            Rendered(new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } }));
        Assert.Equal("True Weather in Zug?",
            Rendered(new ChatOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } }));
        Assert.Equal("True briefWeather in Zug?",
            Rendered(
                new ChatOptions
                {
                    AdditionalProperties =
                    new()
                    {
                        ["enable_thinking"] = true,
                        ["chat_template_kwargs"] = JsonSerializer.SerializeToElement(new { style = "brief" })
                    }
                }));
    }

    [Fact]
    public async Task Tools_that_contradict_themselves_are_refused()
    {
        var tool = AIFunctionFactory.Create(() => 1, "one");
        foreach (var options in (ChatOptions[])
            [
                new ChatOptions { ToolMode = ChatToolMode.RequireAny },
                new ChatOptions { Tools = [tool], ToolMode = ChatToolMode.RequireSpecific("two") },
                new ChatOptions { Tools = [tool, AIFunctionFactory.Create(() => 2, "one")] },
            ])
            await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync(Question, options));
    }

    private static ChatOptions Saying(string text) => new()
    {
        Tools = [AIFunctionFactory.Create(([Description("Where.")] string city, int days) => "", "weather")],
        RawRepresentationFactory = _ => new GenerationRequest { Sampling = TinyGpt.Saying(text) },
        MaxOutputTokens = 300,
    };

    private sealed class Recording(IChatClient inner, List<string> requests, LocalGpt model) : DelegatingChatClient(inner)
    {
        public override Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            var list = messages.ToList();
            var client = (LocalGptChatClient)InnerClient.GetService(typeof(LocalGptChatClient))!;
            requests.Add(
                model.Render(
                    new ChatRequestReader(client, model,
                        new Notices(Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance)).Read(list, options).Generation).Text);
            return base.GetResponseAsync(list, options, cancellationToken);
        }
    }
}
