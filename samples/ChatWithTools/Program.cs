// A chat in Semantic Kernel whose model calls functions: a plugin, automatic invocation, a filter that sees each call.
// Usage: dotnet run -- MODEL [QUESTION ...]    (the model of samples/TrainToolCaller, or one that you have)
using Kotonoha.Connector;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

if (args.Length == 0)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL [QUESTION ...] (make a model with samples/TrainToolCaller)");
    return 1;
}

IKernelBuilder builder = Kernel.CreateBuilder().AddLocalGpt(args[0]);
builder.Plugins.AddFromType<DeskPlugin>("desk");
Kernel kernel = builder.Build();
kernel.AutoFunctionInvocationFilters.Add(new CallDisplay());

// The model decides which function to call; the kernel calls it and gives the result back, until there is an answer.
var settings = new LocalGptPromptExecutionSettings
{
    Temperature = 0,
    MaxTokens = 120,
    FunctionChoiceBehavior = FunctionChoiceBehavior.Auto(),
};
var chat = kernel.GetRequiredService<IChatCompletionService>();
string[] questions = args.Length > 1 ? args[1..] : ["What is the weather in Lisbon?", "Thanks!", "Add 371 and 42."];
var history = new ChatHistory();
foreach (string question in questions)
{
    Console.WriteLine($"you: {question}");
    history.AddUserMessage(question);
    string answer = "";
    await foreach (var piece in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel))
        answer += piece.Content;
    history.AddAssistantMessage(answer);
    Console.WriteLine($"model: {answer}");
}

return 0;

internal sealed class DeskPlugin
{
    [KernelFunction("get_weather")]
    public static string GetWeather(string city) => $"{(city.Length % 2 == 0 ? "sunny" : "rainy")}, {city.Length + 12} degrees";

    [KernelFunction("add")]
    public static int Add(int a, int b) => a + b;

    [KernelFunction("send_message")]
    public static string SendMessage(string to, string text) => "sent";
}

internal sealed class CallDisplay : IAutoFunctionInvocationFilter
{
    public async Task OnAutoFunctionInvocationAsync(AutoFunctionInvocationContext context, Func<AutoFunctionInvocationContext, Task> next)
    {
        await next(context);
        var arguments = context.Arguments?.Select(argument => $"{argument.Key}: {argument.Value}") ?? [];
        Console.WriteLine($"  ({context.Function.Name}({string.Join(", ", arguments)}) = {context.Result})");
    }
}
