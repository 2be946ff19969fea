using Kotonoha.ChatTemplates;
using Kotonoha.ChatTemplates.Tools;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Samples.ToolCalling;

/// <summary>How the small model that calls functions is made; the defaults are the ones of the tests.</summary>
public sealed record ToolCallingOptions : SmallChatGptOptions
{
    /// <summary>The words around the values take about 260 tokens besides the bytes.</summary>
    public int VocabularySize { get; init; } = 544;

    public int Conversations { get; init; } = 20_000;

    /// <summary>The most requests in a conversation: the functions are described once for all of them.</summary>
    public int MaxRequests { get; init; } = 3;

    /// <summary>The part of the conversations that practise copying.</summary>
    public double Practice { get; init; } = 0.65;
}

/// <summary>A small model, trained from scratch, that calls the functions of <see cref="ToolCallingData"/>.</summary>
public static partial class ToolCallingGpt
{
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
            Enumerable.Range(0, 400).Select(_ => data.Conversation(8)).Select(conversation => ChatTemplate.Kotonoha.RenderText(
                ToolPrompt.Inline(conversation.Turns, conversation.Tools), addGenerationPrompt: false)),
            vocabularySize, minFrequency: 2, [.. ChatTemplate.Kotonoha.ControlTokens]);
    }
}
