using Kotonoha.Rag;
using Kotonoha.Rag.Hosting;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using Microsoft.SemanticKernel.Data;

IChatClient chat = new ScriptedModel();
var builder = Kernel.CreateBuilder().AddKnowledgeBase("knowledge.db", "handbook");
builder.Services.AddSingleton(provider => chat.AsBuilder().UseKernelFunctionInvocation().Build(provider));
var kernel = builder.Build();
var knowledge = kernel.Services.GetRequiredKeyedService<KnowledgeBase>("handbook");
await knowledge.SyncFolderAsync("docs");

// Called by the program: an answer with its sources, verified, without a model.
Console.WriteLine(await kernel.InvokeAsync<string>("handbook", "ask", new() { ["question"] = "How often is the oil changed?" }));

// Called by the model, which reads the passages as plain text.
var auto = new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() };
Console.WriteLine(await kernel.InvokePromptAsync("How often is the oil changed?", new KernelArguments(auto)));

// Semantic Kernel's text search and the plugin that it makes of one.
var search = kernel.Services.GetRequiredKeyedService<KnowledgeTextSearch>("handbook");
var found = await search.GetTextSearchResultsAsync("lamp", new TextSearchOptions<KnowledgePassage>
{
    Top = 1,
    Filter = passage => passage.Source.StartsWith("house/"),
});
await foreach (var result in found.Results)
    Console.WriteLine($"{result.Name}: {result.Value.ReplaceLineEndings(" ")} ({result.Link})");
kernel.Plugins.Add(search.CreateWithGetTextSearchResults("Search"));
var results =
    await kernel.InvokeAsync<List<TextSearchResult>>("Search", "GetTextSearchResults", new() { ["query"] = "oil", ["count"] = 1 });
Console.WriteLine(results![0].Name);

await ((IAsyncDisposable)kernel.Services).DisposeAsync();
