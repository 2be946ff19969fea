// Several agents of one local model in a workflow of Agent Framework: a writer, two reviewers who may answer in two words only, and a
// count of their votes. The writer tries again until both approve.
// Usage: dotnet run -- MODEL [TASK]    (any model; what it writes is as good as the model, the reviews always have their form)
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Microsoft.Agents.AI;
using Microsoft.Agents.AI.Workflows;
using Microsoft.Extensions.AI;

const int maxRounds = 3;
if (args.Length == 0)
{
    Console.Error.WriteLine("Usage: dotnet run -- MODEL [TASK] (train one with samples/TrainYourOwnGpt, or use a model that you have)");
    return 1;
}

using var gpt = LocalGpt.Load(args[0]);
using IChatClient chat = gpt.AsChatClient();

// 1. The agents. A reviewer's answer is held to a choice, so that a small model cannot leave it.
AIAgent writer = Agent("writer", "Write one short sentence.");
AIAgent[] reviewers = [Reviewer("style", "Is the sentence clear?"), Reviewer("facts", "Is the sentence true?")];

// 2. The workflow: both reviewers read at the same time.
string task = args.Length > 1 ? args[1] : "Say what a token is.", draft = "";
for (int round = 1; round <= maxRounds; round++)
{
    draft = (await writer.RunAsync(round == 1 ? task : $"{task} Better than this: {draft}")).Text;
    Console.WriteLine($"round {round}, writer: {draft}");
    var votes = await ReviewAsync(AgentWorkflowBuilder.BuildConcurrent(reviewers), draft);
    foreach (var (reviewer, vote) in votes)
        Console.WriteLine($"  {reviewer}: {vote}");
    if (votes.All(vote => vote.Vote == "approve"))
        break;
}

return 0;

ChatClientAgent Agent(string name, string instructions, AdditionalPropertiesDictionary? properties = null) => new(
    chat, new ChatClientAgentOptions
    {
        Id = name,
        Name = name,
        ChatOptions = new ChatOptions
        {
            Instructions = instructions,
            Temperature = 0,
            MaxOutputTokens = 40,
            AdditionalProperties = properties,
        },
    });

ChatClientAgent Reviewer(string name, string question)
    => Agent(name, $"{question} Answer approve or revise.", new() { ["choice"] = new[] { "approve", "revise" } });

static async Task<List<(string Reviewer, string Vote)>> ReviewAsync(Workflow workflow, string draft)
{
    var votes = new List<(string, string)>();
    await using StreamingRun run
        = await InProcessExecution.RunStreamingAsync(workflow, new List<ChatMessage> { new(ChatRole.User, draft) });
    await run.TrySendMessageAsync(new TurnToken(emitEvents: true));
    await foreach (WorkflowEvent happened in run.WatchStreamAsync())
        if (happened is ExecutorFailedEvent { Data: { } error })
            throw new InvalidOperationException("A reviewer failed.", error);
        else if (happened is WorkflowOutputEvent output && output.Is<List<ChatMessage>>(out var messages))
            votes.AddRange(messages.Where(message => message.Role == ChatRole.Assistant)
                .Select(message => (message.AuthorName ?? "", message.Text)));
    return votes;
}
