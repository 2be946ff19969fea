// Texts become objects: the model's answer is held to the JSON schema of a type, token by token, so it always parses.
// Usage: dotnet run -- MODEL [TEXT ...]    (the model of samples/TrainToolCaller, or one that you have)
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Agents.AI;
using Microsoft.Extensions.AI;

if (args.Length == 0)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL [TEXT ...] (make a model with samples/TrainToolCaller)");
    return 1;
}

using var gpt = LocalGpt.Load(args[0]);
using IChatClient chat = gpt.AsChatClient();
var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 100 };

// 1. Microsoft.Extensions.AI: GetResponseAsync<T>.
string[] texts = args.Length > 1 ? args[1..]
    : ["Book a table for 12 on 2027-03-14.", "Reserve a table on 2026-12-24 for 8 people.", "We are 35 on 2028-06-01. Get us a table."];
foreach (string text in texts)
{
    ChatResponse<Booking> response = await chat.GetResponseAsync<Booking>(text, options);
    Console.WriteLine($"{text} -> {response.Result.People} people, {response.Result.Date}");
}

// 2. Agent Framework: RunAsync<T>.
AIAgent agent = new ChatClientAgent(chat, new ChatClientAgentOptions { Name = "reader", ChatOptions = options });
AgentResponse<Booking> booking = await agent.RunAsync<Booking>("I need a table for 17 people on 2027-11-05.");
Console.WriteLine($"agent: {booking.Result.People} people, {booking.Result.Date}");
return 0;

internal sealed record Booking(int People, string Date);
