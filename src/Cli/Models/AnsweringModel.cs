using Kotonoha.Cli.Commands;
using Kotonoha.Cli.Workspaces;
using Kotonoha.Connector;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag.Answering;
using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Cli.Models;

/// <summary>
/// The language model that takes part in answering, if any: a chat model that writes, or the GPT of the folder that ranks sentences.
/// </summary>
internal sealed class AnsweringModel : IDisposable
{
    // Smaller models lose themselves in long prompts.
    private const long SmallModel = 1_000_000_000;
    private const int ShortTextBudget = 250, ShortAnswerTokens = 80;

    // Chosen on the development questions of the sample documents.
    private const double EmbeddingWeight = 0.75;
    private const int EmbeddingCandidates = 40;

    private readonly LoadedModel? _model;

    private AnsweringModel(LoadedModel? model, IChatClient? chat, AskOptions options)
    {
        _model = model;
        Chat = chat;
        Options = options;
    }

    /// <summary>Writes the answers, or null: then sentences are quoted.</summary>
    public IChatClient? Chat { get; }

    public AskOptions Options { get; }

    /// <summary>Opens what the settings ask for; the folder's GPT only where it has been trained.</summary>
    public static AnsweringModel Open(
        Workspace workspace, FolderSettings folder, QuestionSettings questions, ISentenceScorer? embeddings, SearchOptions search)
    {
        if (questions.ModelWeight is not null && embeddings is null && (questions.NoModel || questions.ChatModel is not null))
            throw new UsageException(
                "--model-weight: no model ranks sentences here; it goes with the GPT trained here or with --embedding-model");

        search = questions.Passages?.ApplyTo(search) ?? search;
        var asked = questions.Options with { Search = search };
        if (questions.Passages?.Top is { } top)
            asked = asked with { Passages = top };
        // The embedding model knows language; the GPT trained here, only these documents.
        var options = embeddings is null
            ? asked
            : asked with
            {
                Scorer = embeddings,
                ScorerWeight = questions.ModelWeight
                ?? EmbeddingWeight,
                ScorerCandidates = EmbeddingCandidates
            };
        if (questions.NoModel)
            return new AnsweringModel(null, null, options);
        if (questions.ChatModel is { } path)
        {
            var writer = LoadedModel.Open(path, folder.Threads);
            if (writer.Gpt.ParameterCount < SmallModel)
                options =
                    options with { Writing = WritingStyle.ShortText, PromptBudget = ShortTextBudget, MaxOutputTokens = ShortAnswerTokens };
            var chat = writer.Gpt.AsChatClient();
            if (questions.Expansion is { } kind)
                options = options with { Search = search with { Expansion = new ChatQueryExpansion(chat, kind) } };
            return new AnsweringModel(writer, chat, options);
        }

        if (embeddings is not null)
            return new AnsweringModel(null, null, options);
        var ranking = LoadedModel.OpenOrNull(workspace, folder);
        return new AnsweringModel(ranking, null,
            options with { Scorer = ranking?.Scorer, ScorerWeight = questions.ModelWeight ?? options.ScorerWeight });
    }

    public void Dispose()
    {
        Chat?.Dispose();
        _model?.Dispose();
    }
}

/// <summary>Ranks sentences by how likely the GPT finds the question after each of them (query likelihood, Ponte and Croft 1998).</summary>
internal sealed class GptSentenceScorer(LocalGpt model) : ISentenceScorer
{
    public async ValueTask<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default)
    {
        int room = model.ContextLength - model.CountTokens(question) - model.CountTokens(TrainingRows.QuestionMark) - 2;

        // A question that alone fills the context says nothing about any sentence.
        if (room < 1)
            return new double[sentences.Count];
        var pairs = sentences.Select(sentence => (Fit(sentence, room) + TrainingRows.QuestionMark, question)).ToArray();
        return [.. (await model.ScoreAsync(pairs, cancellationToken)).Select(score => score.PerToken)];
    }

    // A sentence longer than the context is judged by its beginning, cut between characters.
    private string Fit(string sentence, int room)
    {
        while (model.CountTokens(sentence) > room)
        {
            int length = sentence.Length / 2;
            sentence = sentence[..(length > 0 && char.IsHighSurrogate(sentence[length - 1]) ? length - 1 : length)];
        }

        return sentence;
    }
}
