// A GPT trained here, in a Semantic Kernel app. Usage: dotnet run -- MODEL-FOLDER
using Kotonoha.Agents.Tools;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;

if (args.Length != 1)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL-FOLDER (train one with samples/TrainYourOwnGpt)");
    return 1;
}

// 1. The connector: one line. Semantic Kernel finds the IChatClient among its services.
IKernelBuilder builder = Kernel.CreateBuilder();
builder.Services.AddLocalGpt(args[0]);

// 2. A plugin made of an AIFunction: {{math.calculator …}} in a prompt calls it.
builder.Plugins.AddFromFunctions("math", [Calculator.CreateFunction().AsKernelFunction()]);
Kernel kernel = builder.Build();

// 3. A prompt function: the template is rendered (the calculator runs), then the model writes.
var settings = new PromptExecutionSettings { ExtensionData = new Dictionary<string, object> { ["max_tokens"] = 40, ["temperature"] = 0.0 } };
const string prompt = "{{$topic}} in {{math.calculator '6 * 7'}} words:";
string? text = await kernel.InvokePromptAsync<string>(prompt, new KernelArguments(settings) { ["topic"] = "Attention" });
Console.WriteLine($"Prompt function: {text}");

// 4. The same, streamed.
Console.Write("Streamed: ");
await foreach (string piece in kernel.InvokePromptStreamingAsync<string>(prompt, new KernelArguments(settings) { ["topic"] = "A tokenizer" }))
    Console.Write(piece);
Console.WriteLine();

// 5. Semantic Kernel's older interface over the same client.
IChatClient client = kernel.GetRequiredService<IChatClient>();
IChatCompletionService chat = client.AsChatCompletionService(kernel.Services);
var history = new ChatHistory("Answer in one sentence.");
history.AddUserMessage("What is a token?");
ChatMessageContent reply = await chat.GetChatMessageContentAsync(history, settings, kernel);
Console.WriteLine($"Chat completion: {reply.Content}");
return 0;
