using System.Globalization;
using Kotonoha.ChatTemplates;
using Kotonoha.Cli.Output;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Cli.Models;

/// <summary>What <c>train --chat</c> asks for.</summary>
/// <param name="File">The conversations.</param>
/// <param name="Output">The folder of checkpoints.</param>
/// <param name="Model">The model to go on from, or null for a small new one.</param>
/// <param name="Steps">Training steps.</param>
/// <param name="Context">The tokens of the longest conversation, or null for the model's context.</param>
/// <param name="CutsLong">Longer conversations are cut instead of skipped.</param>
/// <param name="LearningRate">The highest learning rate, or null for the default.</param>
/// <param name="Threads">The model's threads, or null for all.</param>
internal sealed record ChatTraining(
    string File, string Output, string? Model, int Steps, int? Context, bool CutsLong, double? LearningRate, int? Threads);

/// <summary>Trains a model on conversations, from scratch or from a checkpoint.</summary>
internal static class ChatTrainer
{
    private const int VocabularySize = 2048, Layers = 4, Heads = 4, Width = 128, NewContext = 512, TokensInStep = 2048;
    private const int LongestDefaultContext = 2048;
    private const double FreshRate = 2e-3, FineTuningRate = 1e-4;
    private const ulong Seed = 1;

    /// <summary>Trains, or goes on with a training that was interrupted.</summary>
    public static async Task RunAsync(ChatTraining asked, CancellationToken cancellationToken)
    {
        if (!File.Exists(asked.File))
            throw new UsageException($"--chat '{asked.File}': there is no such file");
        var conversations = Conversation.ReadFile(asked.File).ToList();
        if (conversations.Count == 0)
            throw new UsageException($"--chat '{asked.File}' has no conversation");
        var text = asked.Model is { } name
            ? CheckpointText.Load(HubModels.Resolve(name))
            : await Task.Run(() => Fresh(conversations, asked.Context ?? NewContext, cancellationToken), cancellationToken);
        using var model = asked.Model is { } path
            ? ModelCheckpoint.Load(HubModels.Resolve(path))
            : Gpt2.Create(
                Gpt2Config.Tiny with
                {
                    VocabularySize = text.Tokenizer!.VocabularySize,
                    Layers = Layers,
                    Heads = Heads,
                    Width = Width,
                    ContextLength = asked.Context ?? NewContext,
                },
                Seed);
        int context = asked.Context ?? Math.Min(model.ContextLength, LongestDefaultContext);
        if (context > model.ContextLength)
            throw new UsageException(
                string.Create(CultureInfo.InvariantCulture, $"--context {context}: the model's context is {model.ContextLength}"));
        using var dataset = ChatDataset.From(text, conversations, new ChatDatasetOptions
        {
            ContextLength = context,
            TooLong = asked.CutsLong ? LongConversations.Cut : LongConversations.Skip,
            ValidationFraction = conversations.Count < 2 ? 0 : TokenDataset.DefaultValidationFraction,
        });
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Training {(asked.Model is null ? "a new GPT" : $"'{asked.Model}'")} ({model.ParameterCount:N0} parameters) on "
                + $"{dataset.TrainConversations:N0} conversations: {dataset.Tokens:N0} tokens, {dataset.AnswerTokens:N0} of them in "
                + $"answers; "
                + $"{dataset.ValidationConversations:N0} held out, {dataset.Skipped:N0} skipped and {dataset.Cut:N0} cut as longer than "
                + $"{context:N0} tokens, {dataset.WithoutAnswer:N0} without an answer; {asked.Steps:N0} steps …"));
        var options = new TrainingOptions
        {
            Steps = asked.Steps,
            BatchSize = Math.Max(1, TokensInStep / context),
            ContextLength = context,
            LearningRate = asked.LearningRate ?? (asked.Model is null ? FreshRate : FineTuningRate),
            Seed = Seed,
            Device = ComputeDevice.Current,
            Threads = asked.Threads ?? 0,
            EvaluateEvery = Math.Max(1, asked.Steps / 4),
            Checkpoints = new TrainingCheckpoints(asked.Output)
            {
                Every = Math.Max(1, asked.Steps / 4),
                Parts = CheckpointParts.Of(text.Tokenizer!) with
                {
                    TokenizerSettings = text.Settings,
                    GenerationSettings = text.Generation,
                },
            },
        };
        var result = await ProgressDisplay.RunAsync(
            progress => new Trainer(model, options).RunAsync(dataset, new TrainingSink(progress), cancellationToken));
        await Console.Error.WriteLineAsync(string.Create(
            CultureInfo.InvariantCulture,
            $"Trained in {result.Duration.TotalSeconds:F1} s ({result.TokensPerSecond:N0} tokens/s)"
                + $"{(result.ValidationLoss is { } loss ? $": loss on held-out answers {loss:F2} (nats a token)" : "")}; the model is in "
                + $"{asked.Output}"));
    }

    private static CheckpointText Fresh(
        List<Conversation> conversations, int context, CancellationToken cancellationToken)
    {
        // The tokenizer learns from what the model will read, functions and calls included.
        var template = ChatTemplate.Kotonoha;
        var texts = conversations
            .Select(c => ChatEncoding.Render(template, new ChatTemplateInput { Turns = c.Turns, Tools = c.Tools }).Text)
            .Select(text => template.ControlTokens.Aggregate(text, (t, token) => t.Replace(token, "\n", StringComparison.Ordinal)));
        var tokenizer = Tokenizer.TrainByteLevelBpe(
            texts, new BpeTrainingOptions { VocabularySize = VocabularySize, SpecialTokens = template.ControlTokens }, cancellationToken);
        var parts = CheckpointParts.Of(tokenizer, template.Jinja);
        int endOfTurn = tokenizer.TokenToId(template.EndTokens[0])!.Value;
        return new CheckpointText(
            tokenizer,
            parts.TokenizerSettings with { ModelMaxLength = context },
            parts.GenerationSettings with { EosTokenIds = [endOfTurn, .. parts.GenerationSettings.EosTokenIds] });
    }
}
