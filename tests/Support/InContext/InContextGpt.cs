using Kotonoha.ChatTemplates;
using Kotonoha.LocalModel.Training;
using Kotonoha.Samples.ToolCalling;
using Kotonoha.Tokenizers;

namespace Kotonoha.Tests.Support.InContext;

/// <summary>
/// A small model, trained from scratch, that does what the demonstrations in its prompt show: the tasks of <see cref="InContextData"/>.
/// </summary>
public static class InContextGpt
{
    /// <summary>How the model is made.</summary>
    public static SmallChatGptOptions Defaults { get; } = new() { Steps = 4000 };

    /// <summary>
    /// The model that the tests carry, in a folder of the test's own: made by <c>scripts/check-optimizers --out DIR</c>, as training takes
    /// minutes.
    /// </summary>
    public static TemporaryFolder Unpack() => FixtureArchive.Extract("in-context-gpt");

    /// <summary>Trains a model and saves it.</summary>
    public static Task<TrainingResult> SaveAsync(
        string folder, SmallChatGptOptions options, IProgress<TrainingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        var data = new InContextData((int)options.Seed);
        var conversations = Enumerable.Range(0, options.Steps * 6).Select(_ => data.Conversation()).ToList();
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            conversations.Take(2000).Select(
                conversation => ChatTemplate.Kotonoha.RenderText(conversation.Turns, addGenerationPrompt: false)),
            VocabularySize, minFrequency: 2, [.. ChatTemplate.Kotonoha.ControlTokens], cancellationToken: cancellationToken);
        return SmallChatGpt.SaveAsync(folder, tokenizer, conversations, options, progress, cancellationToken);
    }

    // All words of the tasks are tokens of their own.
    private const int VocabularySize = 1100;
}
