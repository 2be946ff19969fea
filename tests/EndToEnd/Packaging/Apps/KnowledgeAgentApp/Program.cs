using Kotonoha.Agents.Safety;
using Kotonoha.Rag;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Hosting;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

IChatClient chat = new ScriptedModel();
var services = new ServiceCollection();
services.AddKnowledgeBase("knowledge.db");
await using var provider = services.BuildServiceProvider();
var knowledge = provider.GetRequiredService<KnowledgeBase>();
await knowledge.SyncFolderAsync("docs");

// Before each run the passages that fit are put into the prompt, labelled as from outside.
var agent = chat.AsGuardedAgent(new Guardrails(), new ChatClientAgentOptions
{
    AIContextProviders = [knowledge.AsContextProvider(passages: 2)],
    ChatOptions = new ChatOptions { Tools = [.. knowledge.AsTools(new KnowledgeToolOptions { IncludesWriting = true })] },
});
AgentSession session = await agent.CreateSessionAsync();
Console.WriteLine(await agent.RunAsync("How often is the oil changed?", session));

// What has a side effect waits for an approval.
var response = await agent.RunAsync("Save that as a note.", session);
var request = response.Messages.SelectMany(message => message.Contents).OfType<ToolApprovalRequestContent>().Single();
Console.WriteLine($"May {((FunctionCallContent)request.ToolCall).Name} be called? Yes.");
Console.WriteLine(await agent.RunAsync(new ChatMessage(ChatRole.User, [request.CreateResponse(approved: true)]), session));
Console.WriteLine(string.Join(", ", (await knowledge.ListDocumentsAsync()).Select(document => document.Source)));

// An answer that is verified sentence by sentence while it is written; without a model it is quoted.
await foreach (var update in knowledge.AskStreamingAsync("What shade does the lamp have?"))
    if (update is SentenceVerified sentence)
        Console.WriteLine(sentence.Text);
