using System.ComponentModel;
using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.Grammars;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Logging.Abstractions;

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
                new Notices(NullLogger.Instance), new GrammarCache()).Read(Question, options);
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
                new Notices(NullLogger.Instance), new GrammarCache()).Read(Question, options).Generation).Text;
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

    /// <summary>A model without any training, which draws what it likes: only the grammar makes calls of it.</summary>
    [Theory]
    [InlineData(1, "weather")]
    [InlineData(2, "book")]
    [InlineData(3, null)]
    public async Task A_required_call_always_fits_its_schema(long seed, string? name)
    {
        var options = new ChatOptions
        {
            Tools = [Weather, AIFunctionFactory.Create((string title, Booking[] bookings, bool? sure) => 0, "book")],
            ToolMode = name is null ? ChatToolMode.RequireAny : ChatToolMode.RequireSpecific(name),
            Seed = seed,
            MaxOutputTokens = 250,
        };
        var response = await _client.GetResponseAsync(Question, options);
        var calls = response.Messages[0].Contents.OfType<FunctionCallContent>().ToList();
        Assert.NotEmpty(calls);
        Assert.Equal("", response.Text);
        Assert.DoesNotContain(response.Messages[0].Contents, content => content is ErrorContent);
        Assert.Equal(ChatFinishReason.ToolCalls, response.FinishReason);
        foreach (var call in calls)
        {
            Assert.True(name is null || name == call.Name);
            Assert.True(Assert.IsType<JsonElement>(call.Arguments![call.Name == "weather" ? "days" : "bookings"]).ValueKind
                == (call.Name == "weather" ? JsonValueKind.Number : JsonValueKind.Array));
        }

        options.AllowMultipleToolCalls = false;
        Assert.Single((await _client.GetResponseAsync(Question, options)).Messages[0].Contents.OfType<FunctionCallContent>());
    }

    [Fact]
    public async Task Answers_take_the_form_that_is_asked_for()
    {
        var typed = await _client.GetResponseAsync<Booking>(Question, new ChatOptions { Seed = 1, MaxOutputTokens = 200 });
        Assert.True(typed.TryGetResult(out var booking));
        Assert.InRange(booking.Nights, int.MinValue, int.MaxValue);

        var json =
            await _client.GetResponseAsync(Question,
                new ChatOptions { ResponseFormat = ChatResponseFormat.Json, Seed = 1, MaxOutputTokens = 60 });
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(json.Text).RootElement.ValueKind);
        Assert.InRange(json.Usage!.OutputTokenCount!.Value, 2, 60);

        var choice =
            await _client.GetResponseAsync(Question,
                new ChatOptions { AdditionalProperties = new() { ["choice"] = new[] { "red", "green" } } });
        Assert.Contains(choice.Text, (string[])["red", "green"]);
    }

    [Fact]
    public async Task What_cannot_be_kept_to_is_an_error_before_the_first_token()
    {
        var schema = JsonSerializer.SerializeToElement(new { type = "string", minLength = 100 });
        var error = await Assert.ThrowsAsync<GrammarException>(() => _client.GetResponseAsync(
            Question, new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(schema), MaxOutputTokens = 10 }));
        Assert.Equal(GrammarError.BudgetTooSmall, error.Error);
        var odd = JsonSerializer.SerializeToElement(new { type = "object", dependentSchemas = new { a = new { } } });
        error = await Assert.ThrowsAsync<GrammarException>(
            () => _client.GetResponseAsync(Question, new ChatOptions { ResponseFormat = ChatResponseFormat.ForJsonSchema(odd) }));
        Assert.Equal(GrammarError.Unsupported, error.Error);
        await Assert.ThrowsAsync<ArgumentException>(() => _client.GetResponseAsync(
            Question,
            new ChatOptions { ResponseFormat = ChatResponseFormat.Json, AdditionalProperties = new() { ["choice"] = new[] { "a" } } }));
    }

    [Fact]
    public async Task Reasoning_comes_before_the_form()
    {
        var template =
            ChatTemplate.FromJinja("{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}{% if add_generation_prompt "
                + "%}<think>\n{% endif %}");
        using var model = TinyGpt.Create(new LocalGptOptions { ChatTemplate = template }, contextLength: 512);
        using var client = new LocalGptChatClient(model);
        var response =
            await client.GetResponseAsync(Question,
                new ChatOptions { ResponseFormat = ChatResponseFormat.Json, Seed = 4, MaxOutputTokens = 60 });
        Assert.Equal(JsonValueKind.Object, JsonDocument.Parse(response.Text).RootElement.ValueKind);
        Assert.NotEmpty(response.Messages[0].Contents.OfType<TextReasoningContent>());
    }

    private static AIFunction Weather => AIFunctionFactory.Create(([Description("Where.")] string city, int days) => "", "weather");

    private static ChatOptions Saying(string text) => new()
    {
        Tools = [Weather],
        RawRepresentationFactory = _ => new GenerationRequest { Sampling = TinyGpt.Saying(text) },
        MaxOutputTokens = 300,
    };

    private sealed record Booking(string Hotel, int Nights, Room Room);

    private enum Room
    {
        Single,
        Double,
    }

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
                        new Notices(NullLogger.Instance), new GrammarCache()).Read(list, options).Generation).Text);
            return base.GetResponseAsync(list, options, cancellationToken);
        }
    }
}
