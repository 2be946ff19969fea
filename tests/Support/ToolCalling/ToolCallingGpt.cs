using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tests.Support;

namespace Kotonoha.Samples.ToolCalling;

/// <summary>The model of samples/TrainToolCaller for tests: trained once, asked, judged.</summary>
public static partial class ToolCallingGpt
{
    private static readonly Lazy<Task<string>> Trained = new(() => Task.Run(
        () => KeptModel.TrainAsync("tool-calling", folder => SaveAsync(folder, new ToolCallingOptions()))));

    /// <summary>
    /// Loads the model of the default options. The first test that asks trains it; it is kept beside the build outputs, for as long as the
    /// code that trains it is the same.
    /// </summary>
    public static async Task<LocalGpt> LoadAsync(LocalGptOptions? options = null)
        => LocalGpt.Load(await FolderAsync(), options ?? new LocalGptOptions());

    /// <summary>The folder of that model.</summary>
    public static Task<string> FolderAsync() => Trained.Value;

    /// <summary>Whether an answer is the right one: the same function with the same arguments, or words where words are right.</summary>
    public static bool IsRight(ToolRequest request, string answer)
    {
        return request.Call is { } right
            ? IsRight(right, answer)
            : !answer.Contains(ToolCallFormat.General.Trigger, StringComparison.Ordinal);
    }

    /// <summary>Whether an answer is this call and nothing else.</summary>
    public static bool IsRight(ChatToolCall right, string answer)
        => answer.StartsWith(ToolCallFormat.General.Trigger, StringComparison.Ordinal)
            && ToolCallFormat.General.Read(answer, out _) is [{ } call] && call.Name == right.Name
            && JsonElement.DeepEquals(call.Arguments, right.Arguments);

    /// <summary>Asks all requests, greedily and without any constraint.</summary>
    /// <returns>The answers, in order.</returns>
    public static async Task<string[]> AskAsync(LocalGpt gpt, IReadOnlyList<ToolRequest> requests)
    {
        var answers = new List<string>();
        foreach (var part in requests.Chunk(gpt.Options.QueueLength))
            answers.AddRange(await Task.WhenAll(part.Select(async request => (await gpt.CompleteAsync(new GenerationRequest
            {
                Turns = [new ChatTurn(ChatTurn.User, request.Text)],
                Tools = ToolCallingData.Tools,
                MaxOutputTokens = 120,
                Sampling = SamplingOptions.Greedy,
            })).Text)));
        return [.. answers];
    }

    /// <summary>
    /// Asks for the last call of each conversation, with what stands before it: other functions, other names, instructions, handoffs.
    /// </summary>
    /// <returns>The calls that are right and what was answered, in order.</returns>
    public static async Task<(ChatToolCall Right, string Answer)[]> AskForCallsAsync(LocalGpt gpt, IEnumerable<Conversation> conversations)
    {
        var answers = new List<(ChatToolCall, string)>();
        foreach (var part in conversations.Chunk(gpt.Options.QueueLength))
            answers.AddRange(await Task.WhenAll(part.Select(async conversation =>
            {
                int at = conversation.Turns.ToList().FindLastIndex(turn => turn.ToolCalls.Count > 0);
                return (conversation.Turns[at].ToolCalls[0], (await gpt.CompleteAsync(new GenerationRequest
                {
                    Turns = [.. conversation.Turns.Take(at)],
                    Tools = conversation.Tools,
                    MaxOutputTokens = 120,
                    Sampling = SamplingOptions.Greedy,
                })).Text);
            })));
        return [.. answers];
    }
}
