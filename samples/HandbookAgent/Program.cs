// An agent over your documents: the model decides whether to look something up and for what; the passages come with their sources.
// Usage: dotnet run -- MODEL DOCUMENTS WORK-FOLDER [QUESTION ...]    (the model of samples/TrainToolCaller, or one that you have)
using System.Text.Json;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Stores;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

if (args.Length < 3)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL DOCUMENTS WORK-FOLDER [QUESTION ...] (make a model with samples/TrainToolCaller)");
    return 1;
}

// 1. The documents. On the next run only what has changed is read again.
Directory.CreateDirectory(args[2]);
await using var knowledge = new KnowledgeBase(
    EmbeddedStore.Open(Path.Combine(args[2], "knowledge.db")), new SvdEmbedder(Path.Combine(args[2], "embedder")));
var report = await knowledge.SyncFolderAsync(args[1]);
Console.WriteLine($"{report.Added.Count} documents added, {report.Unchanged.Count} unchanged");

// 2. The agent: the search of the documents is one of its tools. Passages are longer than a small model can read, and it could only
//    repeat them; so the run ends with them.
AIFunction search = knowledge.AsTools(new KnowledgeToolOptions { Naming = name => $"{name}_documents" })
    .First(tool => tool.Name == "search_documents");
using var gpt = LocalGpt.Load(args[0]);
IChatClient chat = gpt.AsChatClient().AsBuilder().UseFunctionInvocation(configure: client => client.FunctionInvoker = (call, stop) =>
{
    call.Terminate = call.Function.Name == search.Name;
    return call.Function.InvokeAsync(call.Arguments, stop);
}).Build();
AIAgent agent = new ChatClientAgent(chat, new ChatClientAgentOptions
{
    Name = "librarian",
    ChatOptions = new ChatOptions
    {
        Tools = [search, AIFunctionFactory.Create((int a, int b) => a + b, "add")],
        Temperature = 0,
        MaxOutputTokens = 100,
    },
});

string[] questions = args.Length > 3 ? args[3..] : ["Search for vector stores.", "Add 371 and 42.", "Thanks!"];
foreach (string question in questions)
{
    Console.WriteLine($"\n{question}");
    AgentResponse response = await agent.RunAsync(question);
    foreach (AIContent content in response.Messages.SelectMany(message => message.Contents))
        switch (content)
        {
            case FunctionCallContent call:
                Console.WriteLine($"  {call.Name} {JsonSerializer.Serialize(call.Arguments)}");
                break;
            case FunctionResultContent { Result: string passages }:
                foreach (var passage in passages.Split("\n\n[").Take(3))
                    Console.WriteLine($"  {Start(passage.StartsWith('[') ? passage : "[" + passage)}");
                break;
            case TextContent text:
                Console.WriteLine($"  {text.Text}");
                break;
        }
}

return 0;

static string Start(string text)
    => text.Length > 100 ? text[..100].ReplaceLineEndings(" ") + "…" : text.ReplaceLineEndings(" ");
