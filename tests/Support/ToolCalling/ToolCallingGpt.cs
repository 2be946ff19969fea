using System.Text.Json;
using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Generation.Sampling;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Tests.Support.ToolCalling;

/// <summary>How the small model that calls functions is made; the defaults are the ones of the tests.</summary>
public sealed record ToolCallingOptions
{
    public ulong Seed { get; init; } = 1;

    public int Steps { get; init; } = 2500;

    /// <summary>Tokens in a step; a multiple of <see cref="ContextLength"/>. Small steps learn more from as many tokens.</summary>
    public int StepTokens { get; init; } = 1024;

    public double LearningRate { get; init; } = 4e-3;

    /// <summary>The words around the values take about 260 tokens besides the bytes.</summary>
    public int VocabularySize { get; init; } = 544;

    public int ContextLength { get; init; } = 512;

    public int Layers { get; init; } = 3;

    public int Width { get; init; } = 96;

    public int Heads { get; init; } = 4;

    /// <summary>
    /// The tokens that the first layer sees. With a window it can do nothing but tell each token what came before it, which is what the
    /// later layers need in order to copy; without one they find that out ten times later.
    /// </summary>
    public int Window { get; init; } = 4;

    public int Conversations { get; init; } = 20_000;

    /// <summary>The most requests in a conversation: the functions are described once for all of them.</summary>
    public int MaxRequests { get; init; } = 3;

    /// <summary>The part of the conversations that practise copying.</summary>
    public double Practice { get; init; } = 0.65;

    /// <summary>The threads that compute; 0 for one per core.</summary>
    public int Threads { get; init; }
}

/// <summary>A small model, trained from scratch, that calls the functions of <see cref="ToolCallingData"/>.</summary>
public static class ToolCallingGpt
{
    private static readonly Lazy<Task<string>> Folder = new(() => Task.Run(FolderAsync));

    /// <summary>
    /// Loads the model of the default options. The first test that asks trains it; it is kept beside the build outputs, for as long as the
    /// code that trains it is the same.
    /// </summary>
    public static async Task<LocalGpt> LoadAsync(LocalGptOptions? options = null)
        => LocalGpt.Load(await Folder.Value, options ?? new LocalGptOptions());

    /// <summary>Trains a model and saves it.</summary>
    public static async Task<TrainingResult> SaveAsync(
        string folder, ToolCallingOptions options, IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var (model, tokenizer, result) = await TrainAsync(options, progress, cancellationToken);
        using (model)
        {
            var parts = CheckpointParts.Of(tokenizer, ChatTemplate.Kotonoha.Jinja);
            int[] ends = [.. ChatTemplate.Kotonoha.EndTokens.Select(token => tokenizer.TokenToId(token)!.Value)];
            model.Save(folder, parts with { GenerationSettings = parts.GenerationSettings with { EosTokenIds = ends } });
        }

        return result;
    }

    /// <summary>Trains the tokenizer and the model.</summary>
    public static async Task<(CausalModel Model, Tokenizer Tokenizer, TrainingResult Result)> TrainAsync(
        ToolCallingOptions options, IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        var tokenizer = TrainTokenizer(options.VocabularySize);
        var data = new ToolCallingData(1000 + (int)options.Seed);
        var random = new Random((int)options.Seed);
        using var dataset = ChatDataset.From(
            tokenizer, ChatTemplate.Kotonoha,
            Enumerable.Range(0, options.Conversations).Select(_ => random.NextDouble() < options.Practice
                ? data.Practice()
                : data.Conversation(random.Next(1, options.MaxRequests + 1))),
            new ChatDatasetOptions { ContextLength = options.ContextLength, ValidationFraction = 0.02, TooLong = LongConversations.Cut });
        var model = Llama.Create(
            new LlamaConfig
            {
                VocabularySize = tokenizer.VocabularySize,
                ContextLength = options.ContextLength,
                Width = options.Width,
                Layers = options.Layers,
                Heads = options.Heads,
                KeyHeads = options.Heads,
                HeadWidth = options.Width / options.Heads,
                InnerWidth = options.Width * 2,
                TieWordEmbeddings = true,
                ModelType = "qwen3",
                InitializerRange = 0.06f,
                QueryKeyNorm = true,
                RopeTheta = 1000,
                SlidingWindow = options.Window,
                SlidingLayers = options.Window == 0 ? [] : [.. Enumerable.Range(0, options.Layers).Select(i => i == 0)],
            },
            options.Seed);
        var training = new TrainingOptions
        {
            Steps = options.Steps,
            BatchSize = options.StepTokens / options.ContextLength,
            LearningRate = options.LearningRate,
            Optimizer = new AdamWOptions { Beta2 = 0.98 },
            EvaluateEvery = 500,
            Seed = options.Seed,
            Threads = options.Threads,
        };
        var result = await new Trainer(model, training).RunAsync(dataset, progress, cancellationToken);
        return (model, tokenizer, result);
    }

    /// <summary>A tokenizer of the words around the values: these stay in small pieces, which unseen ones are made of too.</summary>
    public static Tokenizer TrainTokenizer(int vocabularySize)
    {
        var data = new ToolCallingData(1, ValuePool.Blank);
        return Tokenizer.TrainByteLevelBpe(
            Enumerable.Range(0, 400).Select(_ => data.Conversation(8)).Select(conversation => ChatTemplate.Kotonoha.RenderText(
                ToolPrompt.Inline(conversation.Turns, conversation.Tools), addGenerationPrompt: false)),
            vocabularySize, minFrequency: 2, [.. ChatTemplate.Kotonoha.ControlTokens]);
    }

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

    private static async Task<string> FolderAsync()
    {
        // Up from tests/PROJECT/bin/CONFIGURATION/FRAMEWORK. Builds are deterministic: the same code has the same version ids.
        var kept = Path.GetFullPath(Path.Combine(AppContext.BaseDirectory, "../../../../Support/obj/tool-calling"));
        var name = $"{typeof(Trainer).Module.ModuleVersionId:N}-{typeof(ToolCallingGpt).Module.ModuleVersionId:N}";
        var folder = Path.Combine(kept, name);
        if (Directory.Exists(folder))
            return folder;
        if (Directory.Exists(kept))
            foreach (var old in Directory.GetDirectories(kept))
                Directory.Delete(old, recursive: true);
        var beside = Path.Combine(Directory.CreateDirectory(kept).FullName, $".{Guid.NewGuid():N}");
        await SaveAsync(beside, new ToolCallingOptions());
        if (!Directory.Exists(folder))
            Directory.Move(beside, folder);
        return folder;
    }
}
