using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Kotonoha.Rag.Answering;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Models;

/// <summary>The language model that takes part in answering, if any: a chat model that writes, or the GPT of the folder that ranks sentences.</summary>
internal sealed class AnsweringModel : IDisposable
{
    // Smaller models lose themselves in long prompts.
    private const long SmallModel = 1_000_000_000;
    private const int ShortTextBudget = 250, ShortAnswerTokens = 80;

    // Chosen on the development questions of the sample documents.
    private const double EmbeddingWeight = 0.75;
    private const int EmbeddingCandidates = 40;

    private readonly LoadedModel? model;

    private AnsweringModel(LoadedModel? model, IChatClient? chat, AskOptions options)
    {
        this.model = model;
        Chat = chat;
        Options = options;
    }

    /// <summary>Writes the answers, or null: then sentences are quoted.</summary>
    public IChatClient? Chat { get; }

    public AskOptions Options { get; }

    /// <summary>Opens what the settings ask for; the folder's GPT only where it has been trained.</summary>
    public static AnsweringModel Open(Workspace workspace, FolderSettings folder, QuestionSettings questions, ISentenceScorer? embeddings)
    {
        if (questions.ModelWeight is not null && embeddings is null && (questions.NoModel || questions.ChatModel is not null))
            throw new UsageException("--model-weight: no model ranks sentences here; it goes with the GPT trained here or with --embedding-model");

        // The embedding model knows language; the GPT trained here, only these documents.
        var options = embeddings is null
            ? questions.Options
            : questions.Options with { Scorer = embeddings, ScorerWeight = questions.ModelWeight ?? EmbeddingWeight, ScorerCandidates = EmbeddingCandidates };
        if (questions.NoModel)
            return new AnsweringModel(null, null, options);
        if (questions.ChatModel is { } path)
        {
            var writer = LoadedModel.Open(path, folder.Threads);
            if (writer.Gpt.ParameterCount < SmallModel)
                options = options with { Writing = WritingStyle.ShortText, PromptBudget = ShortTextBudget, MaxOutputTokens = ShortAnswerTokens };
            return new AnsweringModel(writer, writer.Gpt.AsChatClient(), options);
        }

        if (embeddings is not null)
            return new AnsweringModel(null, null, options);
        var ranking = LoadedModel.OpenOrNull(workspace, folder);
        return new AnsweringModel(ranking, null, options with { Scorer = ranking?.Scorer, ScorerWeight = questions.ModelWeight ?? options.ScorerWeight });
    }

    public void Dispose()
    {
        Chat?.Dispose();
        model?.Dispose();
    }
}
