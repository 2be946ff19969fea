using System.Text.Json;
using Kotonoha.LocalModel.Generation;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.Services;
using Microsoft.SemanticKernel.TextGeneration;

namespace Kotonoha.Connector.Tests;

/// <summary>A kernel with a local model in it, as Semantic Kernel's users build one.</summary>
public sealed class SemanticKernelTests : IDisposable
{
    private readonly LocalGpt _model =
        TinyGpt.Create(new LocalGptOptions { ModelId = "tiny", DefaultSampling = TinyGpt.Saying("the fox") });
    private readonly Kernel _kernel;

    public SemanticKernelTests() => _kernel = Kernel.CreateBuilder().AddLocalGpt(_model).Build();

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task A_prompt_function_is_answered_whole_and_streamed()
    {
        var function = _kernel.CreateFunctionFromPrompt("Who {{$verb}}?");
        var arguments = new KernelArguments { ["verb"] = "jumps" };
        var result = await _kernel.InvokeAsync(function, arguments);
        Assert.Equal("the fox", result.GetValue<string>());
        Assert.Equal("Who jumps?", result.RenderedPrompt);
        var pieces = new List<string>();
        await foreach (var piece in _kernel.InvokeStreamingAsync<string>(function, arguments))
            pieces.Add(piece);
        Assert.Equal("the fox", string.Concat(pieces));
    }

    [Fact]
    public async Task Filters_see_the_prompt_and_the_function()
    {
        var filter = new Recording();
        _kernel.PromptRenderFilters.Add(filter);
        _kernel.FunctionInvocationFilters.Add(filter);
        await _kernel.InvokePromptAsync("Who {{$verb}}?", new KernelArguments { ["verb"] = "jumps" });
        Assert.Equal(["prompt Who jumps?", "answer the fox"], filter.Seen);
    }

    [Fact]
    public async Task A_message_carries_finish_reason_usage_and_model()
    {
        var chat = _kernel.GetRequiredService<IChatCompletionService>();
        var history = new ChatHistory("Be brief.");
        history.AddUserMessage("Who jumps?");
        var message = await chat.GetChatMessageContentAsync(history, kernel: _kernel);
        Assert.Equal("the fox", message.Content);
        Assert.Equal("tiny", message.ModelId);
        Assert.Equal("stop", message.Metadata!["FinishReason"]);
        Assert.Equal(TinyGpt.Tokenizer.CountTokens("the fox") + 1, Assert.IsType<UsageDetails>(message.Metadata["Usage"]).OutputTokenCount);

        var limited = await chat.GetChatMessageContentAsync(history, new LocalGptPromptExecutionSettings { MaxTokens = 1 }, _kernel);
        Assert.Equal("length", limited.Metadata!["FinishReason"]);
        StreamingChatMessageContent? last = null;
        await foreach (var update in chat.GetStreamingChatMessageContentsAsync(history, kernel: _kernel))
            last = update;
        Assert.Equal("stop", last!.Metadata!["FinishReason"]);
    }

    [Fact]
    public async Task Text_generation_continues_the_prompt_as_it_stands()
    {
        var service = _kernel.GetRequiredService<ITextGenerationService>();
        Assert.Equal("tiny", service.GetModelId());
        var settings = new LocalGptPromptExecutionSettings { MaxTokens = 6, Temperature = 0 };
        var direct =
            await _model.CompleteAsync(
                GenerationRequest.FromPrompt("the quick") with
                {
                    MaxOutputTokens = 6,
                    Sampling = _model.DefaultSampling with { Temperature = 0 }
                });
        var content = await service.GetTextContentAsync("the quick", settings);
        Assert.Equal(direct.Text, content.Text);
        Assert.Equal(TinyGpt.Tokenizer.CountTokens("the quick"), Assert.IsType<UsageDetails>(content.Metadata!["Usage"]).InputTokenCount);
        Assert.NotNull(content.Metadata["FinishReason"]);
        var streamed = new List<string?>();
        await foreach (var piece in service.GetStreamingTextContentsAsync("the quick", settings))
            streamed.Add(piece.Text);
        Assert.Equal(direct.Text, string.Concat(streamed));
        await Assert.ThrowsAsync<ArgumentNullException>("prompt", () => service.GetTextContentsAsync(null!));
        await Assert.ThrowsAsync<NotSupportedException>(
            () => service.GetTextContentsAsync("x", new LocalGptPromptExecutionSettings { BeamCount = 2 }));
    }

    [Fact]
    public async Task Settings_of_any_class_reach_the_model()
    {
        var asked = new List<ChatOptions>();
        using var client = new LocalGptChatClient(_model).AsBuilder().Use(inner => new Watching(inner, asked)).Build();
        var chat = client.AsChatCompletionService();
        var own =
            new LocalGptPromptExecutionSettings
            {
                Temperature = 0.5f,
                TopP = 0.9f,
                MinP = 0.1f,
                MaxTokens = 3,
                StopSequences = ["qq"],
                Seed = 7,
                ChatSystemPrompt = "Be brief."
            };
        var foreign = new PromptExecutionSettings
        {
            ExtensionData = JsonSerializer.Deserialize<Dictionary<string, object>>(
                """{"temperature": 0.5, "top_p": 0.9, "min_p": 0.1, "max_tokens": 3, "stop_sequences": ["qq"], "seed": 7, "chat_system_prompt": "Be brief.", "user": "u", "results_per_prompt": 1}"""),
        };
        var first = await chat.GetChatMessageContentAsync("Who?", own);
        var second = await chat.GetChatMessageContentAsync("Who?", foreign);
        Assert.Equal(first.Content, second.Content);
        Assert.Equal(7L, first.Metadata!["seed"]);
        foreach (var options in asked)
        {
            Assert.Equal((0.5f, 0.9f, 3, 7L, "Be brief."),
                (options.Temperature!.Value, options.TopP!.Value, options.MaxOutputTokens!.Value, options.Seed!.Value,
                    options.Instructions));
            Assert.Equal(["qq"], options.StopSequences!);
            Assert.Equal(0.1, Convert.ToDouble(options.AdditionalProperties!["min_p"], System.Globalization.CultureInfo.InvariantCulture),
                6);
        }
    }

    [Fact]
    public async Task Two_services_are_told_apart_by_their_ids()
    {
        using var other = TinyGpt.Create(new LocalGptOptions { ModelId = "other", DefaultSampling = TinyGpt.Saying("the dog") });
        var kernel = Kernel.CreateBuilder().AddLocalGpt(_model, "fox").AddLocalGpt(other, "dog").Build();
        foreach (var (id, answer) in ((string, string)[])[("fox", "the fox"), ("dog", "the dog")])
        {
            var settings = new LocalGptPromptExecutionSettings { ServiceId = id };
            Assert.Equal(answer, await kernel.InvokePromptAsync<string>("Who?", new KernelArguments(settings)));
            Assert.Equal(answer, (await kernel.GetRequiredService<IChatClient>(id).GetResponseAsync("Who?")).Text);
        }
    }

    [Fact]
    public async Task A_chat_prompt_keeps_its_roles()
    {
        var result =
            await _kernel.InvokePromptAsync("""<message role="system">Be brief.</message><message role="user">Who jumps?</message>""");
        var usage = Assert.IsType<UsageDetails>(result.Metadata!["Usage"]);
        Assert.Equal(TinyGpt.Tokenizer.CountTokens("Be brief.") + TinyGpt.Tokenizer.CountTokens("Who jumps?") + 5, usage.InputTokenCount);
    }

    private sealed class Recording : IPromptRenderFilter, IFunctionInvocationFilter
    {
        public List<string> Seen { get; } = [];

        public async Task OnPromptRenderAsync(PromptRenderContext context, Func<PromptRenderContext, Task> next)
        {
            await next(context);
            Seen.Add($"prompt {context.RenderedPrompt}");
        }

        public async Task OnFunctionInvocationAsync(
            Microsoft.SemanticKernel.FunctionInvocationContext context, Func<Microsoft.SemanticKernel.FunctionInvocationContext, Task> next)
        {
            await next(context);
            Seen.Add($"answer {context.Result.GetValue<string>()}");
        }
    }

    private sealed class Watching(IChatClient inner, List<ChatOptions> asked) : DelegatingChatClient(inner)
    {
        public override Task<ChatResponse> GetResponseAsync(
            IEnumerable<ChatMessage> messages, ChatOptions? options = null, CancellationToken cancellationToken = default)
        {
            asked.Add(options!);
            return base.GetResponseAsync(messages, options, cancellationToken);
        }
    }

    /// <summary>The model has no training; that a call comes, and fits, is the constraint's doing.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kernel_functions_are_invoked_through_the_filters(bool streamed)
    {
        using var model = TinyGpt.Create(contextLength: 2048);
        var builder = Kernel.CreateBuilder().AddLocalGpt(model);
        var plugin = new Doubler();
        builder.Plugins.AddFromObject(plugin, "math");
        var kernel = builder.Build();
        var filter = new CallFilter();
        kernel.AutoFunctionInvocationFilters.Add(filter);
        var settings =
            new LocalGptPromptExecutionSettings
            {
                MaxTokens = 100,
                Temperature = 0,
                FunctionChoiceBehavior = FunctionChoiceBehavior.Required()
            };

        if (streamed)
            await kernel.InvokePromptStreamingAsync("Double 4.", new KernelArguments(settings)).ToListAsync();
        else
            await kernel.InvokePromptAsync("Double 4.", new KernelArguments(settings));
        Assert.NotEmpty(plugin.Numbers);
        Assert.All(filter.Calls, call => Assert.StartsWith("math.twice(number: ", call, StringComparison.Ordinal));
        Assert.Equal(plugin.Numbers.Count, filter.Calls.Count);

        settings =
            new LocalGptPromptExecutionSettings { MaxTokens = 20, Temperature = 0, FunctionChoiceBehavior = FunctionChoiceBehavior.None() };
        int before = plugin.Numbers.Count;
        await kernel.InvokePromptAsync("Double 4.", new KernelArguments(settings));
        Assert.Equal(before, plugin.Numbers.Count);
    }

    [Fact]
    public async Task Without_automatic_invocation_the_calls_are_handed_out_and_their_results_taken_back()
    {
        using var model = TinyGpt.Create(contextLength: 2048);
        var builder = Kernel.CreateBuilder().AddLocalGpt(model);
        builder.Plugins.AddFromObject(new Doubler(), "math");
        var kernel = builder.Build();
        var chat = kernel.GetRequiredService<IChatCompletionService>();
        var settings = new LocalGptPromptExecutionSettings
        {
            MaxTokens = 100,
            Temperature = 0,
            FunctionChoiceBehavior = FunctionChoiceBehavior.Required(autoInvoke: false),
        };
        var history = new ChatHistory();
        history.AddUserMessage("Double 4.");
        var reply = await chat.GetChatMessageContentAsync(history, settings, kernel);
        var call = Microsoft.SemanticKernel.FunctionCallContent.GetFunctionCalls(reply).First();
        Assert.Equal(("math", "twice"), (call.PluginName, call.FunctionName));
        history.Add(reply);
        foreach (var each in Microsoft.SemanticKernel.FunctionCallContent.GetFunctionCalls(reply))
            history.Add((await each.InvokeAsync(kernel)).ToChatMessage());
        var builderOfCalls = new FunctionCallContentBuilder();
        history.RemoveRange(1, history.Count - 1);
        await foreach (var update in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel))
            builderOfCalls.Append(update);
        Assert.All(builderOfCalls.Build(), each => Assert.Equal(("math", "twice"), (each.PluginName, each.FunctionName)));
        Assert.NotEmpty(builderOfCalls.Build());

        settings = new LocalGptPromptExecutionSettings { MaxTokens = 10, Temperature = 0 };
        Assert.Equal(AuthorRole.Assistant, (await chat.GetChatMessageContentAsync(history, settings, kernel)).Role);
    }

    [Fact]
    public async Task A_response_format_holds_in_a_prompt_function()
    {
        using var model = TinyGpt.Create(contextLength: 512);
        var kernel = Kernel.CreateBuilder().AddLocalGpt(model).Build();
        var settings = new LocalGptPromptExecutionSettings { MaxTokens = 120, Temperature = 1, Seed = 5, ResponseFormat = typeof(City) };
        var result = await kernel.InvokePromptAsync("Name a city.", new KernelArguments(settings));
        var city = JsonSerializer.Deserialize<City>(result.GetValue<string>()!)!;
        Assert.NotNull(city.Name);
    }

    private sealed record City(string Name, int Inhabitants);

    private sealed class Doubler
    {
        public List<int> Numbers { get; } = [];

        [KernelFunction("twice")]
        public int Twice(int number)
        {
            Numbers.Add(number);
            return unchecked(number * 2);
        }
    }

    private sealed class CallFilter : IAutoFunctionInvocationFilter
    {
        public List<string> Calls { get; } = [];

        public async Task OnAutoFunctionInvocationAsync(
            AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            Calls.Add(
                $"{context.Function.PluginName}.{context.Function.Name}({string.Join(", ", context.Arguments!.Select(a => $"{a.Key}: {a.Value}"))})");
            await next(context);
        }
    }
}
