// Uses every registration of Kotonoha.Connector with Semantic Kernel and Agent Framework. Prints one line for each.
// Usage: KernelApp MODEL ENCODER
using System.ComponentModel;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.ChatCompletion;
using Microsoft.SemanticKernel.TextGeneration;
using FunctionInvocationContext = Microsoft.SemanticKernel.FunctionInvocationContext;
using TextContent = Microsoft.SemanticKernel.TextContent;

string modelPath = args[0], encoderPath = args[1];
var settings = new LocalGptPromptExecutionSettings { MaxTokens = 5, Temperature = 0 };

// A kernel with everything over one model: prompt function with a plugin, streamed, with filters; chat; a GPT's embeddings.
{
    IKernelBuilder builder = Kernel.CreateBuilder().AddLocalGpt(modelPath);
    builder.Plugins.AddFromType<WordPlugin>("words");
    Kernel kernel = builder.Build();
    var filters = new Filters();
    kernel.PromptRenderFilters.Add(filters);
    kernel.FunctionInvocationFilters.Add(filters);
    const string Prompt = "{{$topic}} in {{words.count 'one two three'}} words:";
    var arguments = new KernelArguments(settings) { ["topic"] = "Tea" };
    FunctionResult result = await kernel.InvokePromptAsync(Prompt, arguments);
    Console.WriteLine($"kernel AddLocalGpt, prompt function: {result.Metadata?["FinishReason"]}, rendered '{filters.Rendered}', called "
        + $"{string.Join(", ", filters.Called)}");

    string streamed = "";
    await foreach (string piece in kernel.InvokePromptStreamingAsync<string>(Prompt, arguments))
        streamed += piece;
    Console.WriteLine(
        $"kernel AddLocalGpt, streamed prompt function: {(streamed == result.GetValue<string>() ? "the same text" : "another text")}");

    var chat = kernel.GetRequiredService<IChatCompletionService>();
    var history = new ChatHistory("Be brief.");
    history.AddUserMessage("Hi");
    ChatMessageContent reply = await chat.GetChatMessageContentAsync(history, settings, kernel);
    string chatStreamed = "";
    await foreach (StreamingChatMessageContent piece in chat.GetStreamingChatMessageContentsAsync(history, settings, kernel))
        chatStreamed += piece.Content;
    Console.WriteLine($"kernel AddLocalGpt, chat completion: {reply.Role}, {reply.Metadata?["FinishReason"]}, "
        + $"{(chatStreamed == reply.Content ? "the same streamed" : "another text streamed")}");
    TextContent text = await kernel.GetRequiredService<ITextGenerationService>().GetTextContentAsync("the quick", settings, kernel);
    Console.WriteLine($"kernel AddLocalGpt, text generation: {text.Metadata?["FinishReason"]}");
    var embedder = kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
    Console.WriteLine($"kernel AddLocalGpt, embeddings: {(await embedder.GenerateAsync("tea")).Vector.Length} components");
    Console.WriteLine($"kernel AddLocalGpt, functions are invoked by: "
        + $"{kernel.GetRequiredService<IChatClient>().GetService<FunctionInvokingChatClient>()?.GetType().Name}");
}

// Each registration by itself, keyed.
{
    IKernelBuilder builder = Kernel.CreateBuilder();
    builder.AddLocalGptChatClient(modelPath, serviceId: "client");
    builder.AddLocalGptChatCompletion(modelPath, serviceId: "chat");
    builder.AddLocalGptTextGeneration(modelPath, serviceId: "text");
    builder.AddLocalGptEmbeddingGenerator(modelPath, serviceId: "gpt-vectors");
    builder.AddLocalEmbeddings(encoderPath, serviceId: "vectors");
    Kernel kernel = builder.Build();
    ChatResponse response = await kernel.GetRequiredService<IChatClient>("client")
        .GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 5 });
    Console.WriteLine($"kernel AddLocalGptChatClient: {response.Usage?.OutputTokenCount} tokens");
    var keyed = new KernelArguments(new LocalGptPromptExecutionSettings { ServiceId = "chat", MaxTokens = 5, Temperature = 0 });
    FunctionResult result = await kernel.InvokePromptAsync("Hi", keyed);
    Console.WriteLine($"kernel AddLocalGptChatCompletion: {result.Metadata?["FinishReason"]} by service id");
    TextContent text = await kernel.GetRequiredService<ITextGenerationService>("text").GetTextContentAsync("the quick", settings);
    Console.WriteLine($"kernel AddLocalGptTextGeneration: {text.Metadata?["FinishReason"]}");
    foreach (string id in (string[])["gpt-vectors", "vectors"])
    {
        var embedder = kernel.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>(id);
        Console.WriteLine($"kernel {(id == "vectors" ? "AddLocalEmbeddings" : "AddLocalGptEmbeddingGenerator")}: "
            + $"{(await embedder.GenerateAsync("tea")).Vector.Length} components");
    }
}

// A host: warm-up, health, a bare client for Agent Framework.
{
    HostApplicationBuilder builder = Host.CreateApplicationBuilder();
    builder.Logging.ClearProviders();
    builder.Services.AddLocalGpt(modelPath).AddLocalGptWarmUp();
    builder.Services.AddLocalGptChatClient(modelPath, serviceId: "piped").UseFunctionInvocation().UseLogging();
    builder.Services.AddLocalGptChatCompletion(modelPath, serviceId: "chat");
    builder.Services.AddLocalGptTextGeneration(modelPath, serviceId: "text");
    builder.Services.AddLocalGptEmbeddingGenerator(modelPath, serviceId: "gpt-vectors");
    builder.Services.AddLocalEmbeddings(encoderPath);
    builder.Services.AddHealthChecks().AddLocalGpt();
    using IHost host = builder.Build();
    await host.StartAsync();
    HealthReport health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
    Console.WriteLine($"services AddLocalGpt, AddLocalGptWarmUp, health: {health.Status}");

    var client = host.Services.GetRequiredService<IChatClient>();
    AIAgent agent = new ChatClientAgent(client, new ChatClientAgentOptions
    {
        Name = "Teller",
        ChatOptions = new ChatOptions { Instructions = "Be brief.", MaxOutputTokens = 5 },
    });
    AgentSession session = await agent.CreateSessionAsync();
    AgentResponse first = await agent.RunAsync("Hi", session), second = await agent.RunAsync("Again", session);
    Console.WriteLine($"ChatClientAgent: {first.Usage?.InputTokenCount < second.Usage?.InputTokenCount} (the session remembers)");
    int updates = 0;
    await foreach (AgentResponseUpdate update in agent.RunStreamingAsync("Hi"))
        updates++;
    Console.WriteLine($"ChatClientAgent, streamed: {updates > 0}");
    var piped = host.Services.GetRequiredKeyedService<IChatClient>("piped");
    Console.WriteLine($"services AddLocalGptChatClient: {piped.GetService<FunctionInvokingChatClient>() is not null}, "
        + $"{(await piped.GetResponseAsync("Hi", new ChatOptions { MaxOutputTokens = 5 })).FinishReason}");
    ChatMessageContent reply = await host.Services.GetRequiredKeyedService<IChatCompletionService>("chat")
        .GetChatMessageContentAsync("Hi", settings);
    Console.WriteLine($"services AddLocalGptChatCompletion: {reply.Role}");
    TextContent text = await host.Services.GetRequiredKeyedService<ITextGenerationService>("text")
        .GetTextContentAsync("the quick", settings);
    Console.WriteLine($"services AddLocalGptTextGeneration: {text.Metadata?["FinishReason"]}");
    var gptVectors = host.Services.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("gpt-vectors");
    Console.WriteLine($"services AddLocalGptEmbeddingGenerator: {(await gptVectors.GenerateAsync("tea")).Vector.Length} components");
    var embedder = host.Services.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>();
    Console.WriteLine($"services AddLocalEmbeddings: {(await embedder.GenerateAsync("tea")).Vector.Length} components, "
        + $"{embedder.GetService<LocalEncoder>() is not null}");
    await host.StopAsync();
}

// A model that is loaded already, on both builders.
using LocalGpt loaded = await LocalGpt.LoadAsync(modelPath);
Kernel shared = Kernel.CreateBuilder().AddLocalGpt(loaded).Build();
await using ServiceProvider services = new ServiceCollection().AddLocalGpt(loaded).BuildServiceProvider();
Console.WriteLine($"AddLocalGpt(LocalGpt): "
    + (shared.GetRequiredService<IChatClient>().GetService<LocalGpt>()
        == services.GetRequiredService<IChatClient>().GetService<LocalGpt>()));

internal sealed class WordPlugin
{
    [KernelFunction("count"), Description("Counts the words of a text.")]
    public static int Count(string text) => text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Length;
}

internal sealed class Filters : IPromptRenderFilter, IFunctionInvocationFilter
{
    public string? Rendered { get; private set; }

    public List<string> Called { get; } = [];

    public async Task OnPromptRenderAsync(PromptRenderContext context, Func<PromptRenderContext, Task> next)
    {
        await next(context);
        Rendered = context.RenderedPrompt;
    }

    public async Task OnFunctionInvocationAsync(FunctionInvocationContext context, Func<FunctionInvocationContext, Task> next)
    {
        Called.Add(context.Function.PluginName is null ? "the prompt" : $"{context.Function.PluginName}.{context.Function.Name}");
        await next(context);
    }
}
