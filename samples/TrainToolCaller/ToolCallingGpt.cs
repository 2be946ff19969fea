using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Samples.ToolCalling;

/// <summary>How the small model that calls functions is made; the defaults are the ones of the tests.</summary>
public sealed record ToolCallingOptions
{
    public ulong Seed { get; init; } = 1;

    public int Steps { get; init; } = 3000;

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
public static partial class ToolCallingGpt
{
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
}
