using Kotonoha.LocalModel.Generation;
using Kotonoha.Samples.ToolCalling;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

namespace Kotonoha.Connector.Tests.ToolCalling;

/// <summary>
/// Applications of Semantic Kernel whose functions a model calls that was trained here from scratch, with names and values that it has
/// never seen. It may err in one request of ten; whatever it does, filters, results and history must be right.
/// </summary>
public sealed class SemanticKernelToolTests : IAsyncLifetime
{
    private const int Requests = 20, Conversations = 5, Turns = 3;

    private readonly Assistant _assistant = new();
    private readonly CallFilter _filter = new();
    private LocalGpt _model = null!;
    private Kernel _kernel = null!;

    public async Task InitializeAsync()
    {
        _model = await ToolCallingGpt.LoadAsync();
        var builder = Kernel.CreateBuilder().AddLocalGpt(_model);
        builder.Plugins.AddFromObject(_assistant, "desk");
        _kernel = builder.Build();
        _kernel.AutoFunctionInvocationFilters.Add(_filter);
    }

    public Task DisposeAsync()
    {
        _model.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_right_function_is_called_and_the_answer_is_made_of_its_result(bool streamed)
    {
        var data = new ToolCallingData(5, ValuePool.HeldOut);
        var wrong = new List<string>();
        for (int i = 0; i < Requests; i++)
        {
            var request = data.Request();
            var history = new ChatHistory();
            _assistant.Clear();
            _filter.Calls.Clear();
            var answer = await AskAsync(history, request.Text, FunctionChoiceBehavior.Auto(), streamed);
            Assert.Equal(_assistant.Calls, _filter.Calls);
            Assert.DoesNotContain("<tool_call>", answer, StringComparison.Ordinal);
            if (!_assistant.IsRight(request, answer))
                wrong.Add($"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {answer}");
        }

        Assert.True(wrong.Count <= Requests / 10, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_conversation_goes_on_over_several_turns_with_calls_and_results_in_its_history(bool streamed)
    {
        var data = new ToolCallingData(8, ValuePool.HeldOut);
        var wrong = new List<string>();
        for (int conversation = 0; conversation < Conversations; conversation++)
        {
            var history = new ChatHistory();
            var roles = new List<string>();
            for (int turn = 0; turn < Turns; turn++)
            {
                var request = data.Request();
                _assistant.Clear();
                var answer = await AskAsync(history, request.Text, FunctionChoiceBehavior.Auto(), streamed);
                if (!_assistant.IsRight(request, answer))
                    wrong.Add($"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {answer}");
                roles.Add("user");
                foreach (var _ in _assistant.Calls)
                    roles.AddRange(["assistant", "tool"]);
                roles.Add("assistant");
                Assert.Equal(roles, history.Select(message => message.Role.Label));
            }
        }

        Assert.True(wrong.Count <= Conversations * Turns / 5, string.Join('\n', wrong));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_filter_changes_a_result_and_the_model_answers_with_that(bool streamed)
    {
        var request = await UnderstoodAsync("get_weather");
        _filter.Next = async (context, next) =>
        {
            await next(context);
            context.Result = new FunctionResult(context.Function, "snowy, 12 degrees");
        };
        var answer = await AskAsync(new ChatHistory(), request.Text, FunctionChoiceBehavior.Auto(), streamed);
        Assert.Equal([Assistant.Right(request)!], _assistant.Calls);
        Assert.Contains("snowy, 12 degrees", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_filter_answers_instead_of_the_function(bool streamed)
    {
        var request = await UnderstoodAsync("get_weather");
        _filter.Next = (context, _) =>
        {
            context.Result = new FunctionResult(context.Function, "cloudy, 8 degrees");
            return Task.CompletedTask;
        };
        var answer = await AskAsync(new ChatHistory(), request.Text, FunctionChoiceBehavior.Auto(), streamed);
        Assert.Empty(_assistant.Calls);
        Assert.Contains("cloudy, 8 degrees", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_filter_ends_the_loop_after_a_call(bool streamed)
    {
        var request = await UnderstoodAsync("get_weather");
        _filter.Next = async (context, next) =>
        {
            await next(context);
            context.Terminate = true;
        };
        var history = new ChatHistory();
        var answer = await AskAsync(history, request.Text, FunctionChoiceBehavior.Auto(), streamed);
        Assert.Equal([Assistant.Right(request)!], _assistant.Calls);
        Assert.DoesNotContain("It is", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_required_function_is_called_also_where_the_model_would_not(bool streamed)
    {
        var request = await UnderstoodAsync("get_time");
        var weather = FunctionChoiceBehavior.Required([_kernel.Plugins.GetFunction("desk", "get_weather")]);
        var answer = await AskAsync(new ChatHistory(), request.Text, weather, streamed);
        Assert.StartsWith("get_weather(", Assert.Single(_assistant.Calls), StringComparison.Ordinal);
        Assert.Equal(_assistant.Calls, _filter.Calls);
        Assert.Contains("windy, ", answer, StringComparison.Ordinal);

        _assistant.Calls.Clear();
        await AskAsync(new ChatHistory(), "Hello!", FunctionChoiceBehavior.Required(), streamed);
        Assert.NotEmpty(_assistant.Calls);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task None_calls_nothing(bool streamed)
    {
        var answer = await AskAsync(new ChatHistory(), "What is the weather in Grodane?", FunctionChoiceBehavior.None(), streamed);
        Assert.Empty(_assistant.Calls);
        Assert.Empty(_filter.Calls);
        Assert.DoesNotContain("<tool_call>", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_prompt_function_calls_functions_too(bool streamed)
    {
        var request = await UnderstoodAsync("get_weather");
        var arguments = new KernelArguments(Settings(FunctionChoiceBehavior.Auto())) { ["request"] = request.Text };
        const string prompt = "{{$request}}";
        var answer = streamed
            ? string.Concat(await _kernel.InvokePromptStreamingAsync<string>(prompt, arguments).ToListAsync())
            : await _kernel.InvokePromptAsync<string>(prompt, arguments);
        Assert.True(_assistant.IsRight(request, answer!), $"{request.Text} -> {string.Join(", ", _assistant.Calls)} -> {answer}");
    }

    /// <summary>A request that the model gets right: it may err, and what filters do is another matter.</summary>
    private async Task<ToolRequest> UnderstoodAsync(string function)
    {
        var data = new ToolCallingData(9, ValuePool.HeldOut);
        foreach (var request in Enumerable.Range(0, 1000).Select(_ => data.Request()).Where(one => one.Call?.Name == function).Take(10))
        {
            var next = _filter.Next;
            _filter.Next = (context, call) => call(context);
            var answer = await AskAsync(new ChatHistory(), request.Text, FunctionChoiceBehavior.Auto(), streamed: false);
            bool isRight = _assistant.IsRight(request, answer);
            _filter.Next = next;
            _filter.Calls.Clear();
            _assistant.Clear();
            if (isRight)
                return request;
        }

        throw new InvalidOperationException($"The model understands none of ten requests for {function}.");
    }

    private static LocalGptPromptExecutionSettings Settings(FunctionChoiceBehavior behavior)
        => new() { Temperature = 0, MaxTokens = 120, FunctionChoiceBehavior = behavior };

    private async Task<string> AskAsync(ChatHistory history, string question, FunctionChoiceBehavior behavior, bool streamed)
    {
        var chat = _kernel.GetRequiredService<IChatCompletionService>();
        history.AddUserMessage(question);
        if (!streamed)
        {
            var reply = await chat.GetChatMessageContentAsync(history, Settings(behavior), _kernel);
            history.Add(reply);
            return reply.Content ?? "";
        }

        var said = "";
        await foreach (var update in chat.GetStreamingChatMessageContentsAsync(history, Settings(behavior), _kernel))
            said += update.Content;
        history.AddAssistantMessage(said);
        return said;
    }

    private sealed class CallFilter : IAutoFunctionInvocationFilter
    {
        public List<string> Calls { get; } = [];

        public Func<AutoFunctionInvocationContext, Func<AutoFunctionInvocationContext, Task>, Task> Next { get; set; }
            = (context, next) => next(context);

        public Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
        {
            var arguments = context.Arguments?.Select(argument => argument.Value?.ToString()) ?? [];
            Calls.Add($"{context.Function.Name}({string.Join(", ", arguments)})");
            Assert.Equal("desk", context.Function.PluginName);
            return Next(context, next);
        }
    }
}
