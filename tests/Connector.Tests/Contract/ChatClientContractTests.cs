using System.ComponentModel;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Options;

namespace Kotonoha.Connector.Tests.Contract;

/// <summary>
/// What applications of Microsoft.Extensions.AI expect of any chat client: the checks of that library's own integration tests, in our
/// words. Nothing throws that is expected to work; pictures apart.
/// </summary>
public sealed class ChatClientContractTests(ContractModel model) : IClassFixture<ContractModel>
{
    [Fact]
    public async Task A_single_message_is_answered()
    {
        var response = await model.Client.GetResponseAsync("What's the biggest animal?");
        Assert.Equal(ChatRole.Assistant, Assert.Single(response.Messages).Role);
        Assert.NotNull(response.FinishReason);
        if (model.IsAble)
            Assert.Contains("whale", response.Text, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public async Task Several_messages_are_answered()
    {
        var response = await model.Client.GetResponseAsync(
        [
            new(ChatRole.User, "My name is Chris."),
            new(ChatRole.Assistant, "Hello Chris, how can I help you today?"),
            new(ChatRole.User, "What is my name?"),
        ]);
        Assert.Single(response.Messages);
        if (model.IsAble)
            Assert.Contains("Chris", response.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Empty_texts_and_instructions_alone_are_accepted()
    {
        await model.Client.GetResponseAsync(
            [new(ChatRole.System, [new TextContent("")]), new(ChatRole.User, []), new(ChatRole.Assistant, ""), new(ChatRole.User, "Hi")]);
        await model.Client.GetResponseAsync([], new ChatOptions { Instructions = "Say hello." });
    }

    [Fact]
    public async Task A_streamed_answer_has_one_message_and_the_usage()
    {
        var updates = await model.Client.GetStreamingResponseAsync("What's the biggest animal?").ToListAsync();
        var response = updates.ToChatResponse();
        Assert.Single(response.Messages);
        Assert.Single(updates.Select(update => update.ResponseId).Distinct());
        Assert.Equal(response.Usage!.InputTokenCount + response.Usage.OutputTokenCount, response.Usage.TotalTokenCount);
        Assert.True(response.Usage.InputTokenCount > 1);
        Assert.True(response.Usage.OutputTokenCount > 0);
    }

    [Fact]
    public async Task A_streamed_answer_goes_into_the_history_and_the_conversation_goes_on()
    {
        List<ChatMessage> history = [new(ChatRole.User, "Explain in 100 words how AI works")];
        await history.AddMessagesAsync(model.Client.GetStreamingResponseAsync(history));
        Assert.Equal(2, history.Count);
        history.Add(new(ChatRole.User, "Shorter."));
        Assert.Single((await model.Client.GetResponseAsync(history)).Messages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_required_function_without_parameters_is_invoked(bool streamed)
    {
        int called = 0;
        await AskAsync(Tools(AIFunctionFactory.Create(() => { called++; return 42; }, "GetSecretNumber", "Gets the secret number.")),
            streamed);
        Assert.True(called > 0);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_required_function_gets_its_parameters(bool streamed)
    {
        int? sum = null;
        await AskAsync(Tools(AIFunctionFactory.Create((int a, int b) => sum = unchecked(a + b), "SecretComputation")), streamed);
        Assert.NotNull(sum);
        if (model.IsAble)
            Assert.Equal(3528 + 7, sum);
    }

    [Fact]
    public async Task Optional_nested_and_array_parameters_arrive()
    {
        string? received = null;
        await AskAsync(Tools(AIFunctionFactory.Create((string name, int times = 3) => received = name + times, "Repeat")), false);
        Assert.NotNull(received);
        Person? person = null;
        await AskAsync(Tools(AIFunctionFactory.Create((Person given) => { person = given; return "ok"; }, "Save")), false);
        Assert.NotNull(person);
        Person[]? people = null;
        await AskAsync(Tools(AIFunctionFactory.Create((Person[] given) => { people = given; return "ok"; }, "SaveAll")), true);
        Assert.NotNull(people);
    }

    [Fact]
    public async Task A_specific_function_can_be_required_and_functions_can_be_forbidden()
    {
        bool first = false, second = false;
        var options = new ChatOptions
        {
            Tools = [AIFunctionFactory.Create(() => { first = true; return 1; }, "First"),
                AIFunctionFactory.Create(() => { second = true; return 2; }, "Second")],
            ToolMode = ChatToolMode.RequireSpecific("Second"),
            Temperature = 0,
        };
        await AskAsync(options, false);
        Assert.True(second);

        (first, second) = (false, false);
        options.ToolMode = ChatToolMode.None;
        await AskAsync(options, false);
        Assert.False(first || second);
    }

    [Fact]
    public async Task Several_calls_can_be_made_in_one_answer_and_invoked_together()
    {
        using var client = model.Client.AsBuilder().UseFunctionInvocation(configure: c => c.AllowConcurrentInvocation = true).Build();
        int called = 0;
        var options = Tools(AIFunctionFactory.Create((string person) => Interlocked.Increment(ref called), "GetAge"));
        await client.GetResponseAsync([new(ChatRole.User, "How old are Elsa and Anna?")], options);
        Assert.True(called > 0);
    }

    [Fact]
    public async Task A_cache_around_the_client_saves_calls()
    {
        int calls = 0;
        var cache = new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()));
        using var client = model.Client.AsBuilder()
            .UseDistributedCache(cache)
            .Use(async (messages, options, next, cancellation) => { calls++; await next(messages, options, cancellation); })
            .Build();
        var first = await client.GetResponseAsync("What is a cache?");
        var second = await client.GetResponseAsync("What is a cache?");
        Assert.Equal((1, first.Text), (calls, second.Text));
    }

    [Fact]
    public async Task A_cache_under_the_function_invocation_gives_the_same_calls_again()
    {
        var cache = new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()));
        int called = 0;
        using var client = model.Client.AsBuilder().UseFunctionInvocation().UseDistributedCache(cache).Build();
        var options = Tools(AIFunctionFactory.Create(() => { called++; return 7; }, "GetNumber"));
        var first = await client.GetResponseAsync([new(ChatRole.User, "Number?")], options);
        int once = called;
        var second = await client.GetResponseAsync([new(ChatRole.User, "Number?")], options);
        Assert.Equal(2 * once, called);
        Assert.Equal(first.Text, second.Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Calls_are_logged(bool streamed)
    {
        var logger = new RecordingLogger();
        using var client = model.Client.AsBuilder().UseFunctionInvocation(logger).UseLogging(logger).Build();
        var options = Tools(AIFunctionFactory.Create(() => 1, "One"));
        if (streamed)
            await client.GetStreamingResponseAsync([new(ChatRole.User, "One?")], options).ToListAsync();
        else
            await client.GetResponseAsync([new(ChatRole.User, "One?")], options);
        string method = streamed ? "GetStreamingResponseAsync" : "GetResponseAsync";
        Assert.Contains(logger.Entries, e => e.Message.Contains($"{method} invoked", StringComparison.Ordinal));
        Assert.Contains(logger.Entries, e => e.Message.Contains("Invoking One", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Traces_and_metrics_name_provider_model_and_tokens()
    {
        string source = Guid.NewGuid().ToString();
        var activities = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == source,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activities.Add,
        };
        ActivitySource.AddActivityListener(listener);
        var instruments = new List<string>();
        using var meters =
            new MeterListener
            {
                InstrumentPublished = (instrument, l) =>
                {
                    if (instrument.Meter.Name == source)
                        l.EnableMeasurementEvents(instrument);
                }
            };
        meters.SetMeasurementEventCallback<int>((instrument, value, tags, state) => instruments.Add(instrument.Name));
        meters.SetMeasurementEventCallback<double>((instrument, value, tags, state) => instruments.Add(instrument.Name));
        meters.Start();
        using var client = model.Client.AsBuilder().UseOpenTelemetry(sourceName: source).Build();
        var response = await client.GetResponseAsync("What's the biggest animal?");
        var activity = Assert.Single(activities);
        Assert.Equal(LocalGptChatClient.ProviderName, activity.GetTagItem("gen_ai.provider.name"));
        Assert.Equal(response.ModelId, activity.GetTagItem("gen_ai.response.model"));
        Assert.Equal(response.Usage!.OutputTokenCount,
            Convert.ToInt64(activity.GetTagItem("gen_ai.usage.output_tokens"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.NotEmpty(instruments);
    }

    [Fact]
    public async Task Structured_answers_parse()
    {
        var person = await StructuredAsync<Person>("Who is described? Jimbo Smith is a 35-year-old programmer from Cardiff.");
        Assert.NotNull(person.Name);
        if (model.IsAble)
            Assert.Equal(35, person.Age);
        Assert.NotNull(await StructuredAsync<Person[]>("Who are the main characters of Frozen?"));
        _ = await StructuredAsync<int>("There were 14 abstractions for AI programming. How many is that?");
        _ = await StructuredAsync<bool>("Is there a city called Cardiff?");
        _ = await StructuredAsync<JobType>("Taylor Swift's job?");
        _ = await StructuredAsync<double>("Pi?");
        Assert.NotNull(await StructuredAsync<string>("The software developer, Jimbo Smith, is 35. What's his full name?"));
    }

    [Fact]
    public async Task Structured_answers_and_functions_go_together()
    {
        int called = 0;
        using var client = model.Client.AsBuilder().UseFunctionInvocation().Build();
        var options = Tools(AIFunctionFactory.Create((string name) => { called++; return 35; }, "GetAge"));
        var response = await client.GetResponseAsync<Person>([new(ChatRole.User, "Who is Jimbo?")], options);
        Assert.True(called > 0);
        Assert.True(response.TryGetResult(out _));
    }

    [Fact]
    public async Task A_structured_answer_without_the_response_format_is_asked_for_in_words()
    {
        var response = await model.Client.GetResponseAsync<Person>("Who is Jimbo, 35?", useJsonSchemaResponseFormat: false);
        Assert.Equal(model.IsAble, response.TryGetResult(out _) && model.IsAble);
    }

#pragma warning disable MEAI001 // Still marked as experimental there.
    [Fact]
    public async Task Reducers_shorten_what_the_client_sees()
    {
        using var client = model.Client.AsBuilder().UseChatReducer(new MessageCountingChatReducer(1)).Build();
        var many =
            await client.GetResponseAsync(
                [.. Enumerable.Range(0, 10).Select(i => new ChatMessage(ChatRole.User, $"Message number {i} of ten"))]);
        var one = await client.GetResponseAsync([new(ChatRole.User, "Message number 9 of ten")]);
        Assert.Equal(one.Usage!.InputTokenCount, many.Usage!.InputTokenCount);
        await new SummarizingChatReducer(model.Client, 1,
            1).ReduceAsync([.. Enumerable.Range(0, 5).Select(i => new ChatMessage(ChatRole.User, $"Message {i}"))], default);
    }
#pragma warning restore MEAI001

    [Fact]
    public async Task A_cancelled_request_stops()
    {
        using var source = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (var update in model.Client.GetStreamingResponseAsync("Tell me a long story.", cancellationToken: source.Token))
                source.Cancel();
        });
    }

    [Fact]
    public void The_client_says_what_it_is()
    {
        using var client = model.Client;
        var metadata = client.GetService<ChatClientMetadata>()!;
        Assert.Equal(LocalGptChatClient.ProviderName, metadata.ProviderName);
        Assert.NotNull(metadata.DefaultModelId);
        Assert.Same(client, client.GetService<IChatClient>());
        Assert.Null(client.GetService<string>());
    }

    private async Task<T> StructuredAsync<T>(string question)
    {
        var response = await model.Client.GetResponseAsync<T>(question, new ChatOptions { Temperature = 0 });
        Assert.True(response.TryGetResult(out var result), response.Text);
        return result;
    }

    // The loop ends by itself: after the first call nothing is required any more.
    private async Task AskAsync(ChatOptions options, bool streamed)
    {
        using var client = model.Client.AsBuilder().UseFunctionInvocation().Build();
        ChatMessage[] question = [new(ChatRole.User, "What is the result of the secret computation on 3528 and 7?")];
        if (streamed)
            await client.GetStreamingResponseAsync(question, options).ToListAsync();
        else
            await client.GetResponseAsync(question, options);
    }

    private static ChatOptions Tools(AIFunction function)
        => new() { Tools = [function], ToolMode = ChatToolMode.RequireAny, Temperature = 0 };

    private enum JobType
    {
        Surgeon,
        PopStar,
        Programmer,
        Unknown,
    }

    private sealed record Person(string Name, [property: Description("In years.")] int Age, JobType Job, string? HomeTown);
}
