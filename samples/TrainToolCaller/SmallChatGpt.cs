using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Samples.ToolCalling;

/// <summary>How a small chat model is made; the defaults are those of the model that calls functions.</summary>
public record SmallChatGptOptions
{
    public ulong Seed { get; init; } = 1;

    public int Steps { get; init; } = 3000;

    /// <summary>Tokens in a step; a multiple of <see cref="ContextLength"/>. Small steps learn more from as many tokens.</summary>
    public int StepTokens { get; init; } = 1024;

    public double LearningRate { get; init; } = 4e-3;

    public int ContextLength { get; init; } = 512;

    public int Layers { get; init; } = 3;

    public int Width { get; init; } = 96;

    public int Heads { get; init; } = 4;

    /// <summary>
    /// The tokens that the first layer sees. With a window it can do nothing but tell each token what came before it, which is what the
    /// later layers need in order to copy; without one they find that out ten times later.
    /// </summary>
    public int Window { get; init; } = 4;

    public double ValidationFraction { get; init; } = 0.02;

    /// <summary>The threads that compute; 0 for one per core.</summary>
    public int Threads { get; init; }
}

/// <summary>Trains small chat models from scratch, with the loss on the answers alone.</summary>
public static class SmallChatGpt
{
    /// <summary>Trains a model on conversations and saves it with its tokenizer and template.</summary>
    public static async Task<TrainingResult> SaveAsync(
        string folder, Tokenizer tokenizer, IEnumerable<Conversation> conversations, SmallChatGptOptions options,
        IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        using var dataset = ChatDataset.From(
            tokenizer, ChatTemplate.Kotonoha, conversations,
            new ChatDatasetOptions
            {
                ContextLength = options.ContextLength,
                ValidationFraction = options.ValidationFraction,
                TooLong = LongConversations.Cut,
            });
        using var model = Llama.Create(
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
        var parts = CheckpointParts.Of(tokenizer, ChatTemplate.Kotonoha.Jinja);
        int[] ends = [.. ChatTemplate.Kotonoha.EndTokens.Select(token => tokenizer.TokenToId(token)!.Value)];
        model.Save(folder, parts with { GenerationSettings = parts.GenerationSettings with { EosTokenIds = ends } });
        return result;
    }
}
