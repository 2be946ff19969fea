// A local model in a Semantic Kernel app: prompt functions, a plugin, streaming, chat with history, a filter.
// Usage: dotnet run -- MODEL    (a folder made by samples/TrainYourOwnGpt, a Hugging Face folder, or a GGUF file)
using System.ComponentModel;
using Kotonoha.Connector;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

if (args.Length != 1)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL (train one with samples/TrainYourOwnGpt)");
    return 1;
}

// 1. The connector: one line. The model is loaded when it is first asked.
IKernelBuilder builder = Kernel.CreateBuilder().AddLocalGpt(args[0]);

// 2. A plugin: {{words.count $text}} in a prompt calls it.
builder.Plugins.AddFromType<WordPlugin>("words");
Kernel kernel = builder.Build();
kernel.PromptRenderFilters.Add(new PromptLogger());

// 3. A prompt function: the template is rendered (the plugin runs), then the model writes.
var settings = new LocalGptPromptExecutionSettings { MaxTokens = 40, Temperature = 0 };
const string prompt = "{{$topic}} in {{words.count 'one two three four five six'}} words:";
string? text = await kernel.InvokePromptAsync<string>(prompt, new KernelArguments(settings) { ["topic"] = "Attention" });
Console.WriteLine($"Prompt function: {text}");

// 4. The same, streamed.
Console.Write("Streamed: ");
await foreach (string piece
    in kernel.InvokePromptStreamingAsync<string>(prompt, new KernelArguments(settings) { ["topic"] = "A tokenizer" }))
    Console.Write(piece);
Console.WriteLine();

// 5. Chat with history.
var chat = kernel.GetRequiredService<IChatCompletionService>();
var history = new ChatHistory("Answer in one sentence.");
history.AddUserMessage("What is a token?");
ChatMessageContent reply = await chat.GetChatMessageContentAsync(history, settings, kernel);
Console.WriteLine($"Chat: {reply.Content} ({reply.Metadata?["FinishReason"]})");
return 0;

internal sealed class WordPlugin
{
    [KernelFunction("count"), Description("Counts the words of a text.")]
    public static int Count(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
}

internal sealed class PromptLogger : IPromptRenderFilter
{
    public async Task OnPromptRenderAsync(PromptRenderContext context, Func<PromptRenderContext, Task> next)
    {
        await next(context);
        Console.WriteLine($"(prompt: {context.RenderedPrompt})");
    }
}
