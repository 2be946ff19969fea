using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Tests.Support.ToolCalling;

/// <summary>How the small model that calls functions is made; the defaults are the ones of the tests.</summary>
public sealed record ToolCallingOptions : SmallChatGptOptions
{
    /// <summary>The words around the values take about 200 tokens besides the bytes.</summary>
    public int VocabularySize { get; init; } = 480;

    public int Conversations { get; init; } = 10_000;

    /// <summary>The most requests in a conversation: the functions are described once for all of them.</summary>
    public int MaxRequests { get; init; } = 3;

    /// <summary>The part of the conversations that practise copying.</summary>
    public double Practice { get; init; } = 0.7;
}

/// <summary>A small model, trained from scratch, that calls the functions of <see cref="ToolCallingData"/>.</summary>
public static class ToolCallingGpt
{
    private static readonly Lazy<Task<string>> Folder = new(() => Task.Run(
        () => SmallChatGpt.KeepAsync("tool-calling", folder => SaveAsync(folder, new ToolCallingOptions()))));

    /// <summary>Loads the model of the default options. The first test that asks trains it.</summary>
    public static async Task<LocalGpt> LoadAsync(LocalGptOptions? options = null)
        => LocalGpt.Load(await Folder.Value, options ?? new LocalGptOptions());

    /// <summary>Trains a model and saves it.</summary>
    public static Task<TrainingResult> SaveAsync(
        string folder, ToolCallingOptions options, IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var data = new ToolCallingData(1000 + (int)options.Seed);
        var random = new Random((int)options.Seed);
        return SmallChatGpt.SaveAsync(
            folder, TrainTokenizer(options.VocabularySize),
            Enumerable.Range(0, options.Conversations).Select(_ => random.NextDouble() < options.Practice
                ? data.Practice()
                : data.Conversation(random.Next(1, options.MaxRequests + 1))),
            options, progress, cancellationToken);
    }

    /// <summary>A tokenizer of the words around the values: these stay in small pieces, which unseen ones are made of too.</summary>
    public static Tokenizer TrainTokenizer(int vocabularySize)
    {
        var data = new ToolCallingData(1, ValuePool.Blank);
        return Tokenizer.TrainByteLevelBpe(
            Enumerable.Range(0, 400).Select(_ => ChatTemplate.Kotonoha.RenderText(
                ToolPrompt.Inline(data.Conversation(8).Turns, ToolCallingData.Tools), addGenerationPrompt: false)),
            vocabularySize, minFrequency: 2, [.. ChatTemplate.Kotonoha.ControlTokens]);
    }

    /// <summary>Whether an answer is the right one: the same function with the same arguments, or words where words are right.</summary>
    public static bool IsRight(ToolRequest request, string answer)
    {
        var calls = answer.StartsWith(ToolCallFormat.General.Trigger, StringComparison.Ordinal)
            ? ToolCallFormat.General.Read(answer, out _)
            : [];
        return request.Call is { } right
            ? calls is [{ } call] && call.Name == right.Name && JsonElement.DeepEquals(call.Arguments, right.Arguments)
            : calls.Count == 0 && !answer.Contains(ToolCallFormat.General.Trigger, StringComparison.Ordinal);
    }

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
}
