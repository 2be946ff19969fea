using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag.Answering;

namespace Kotonoha.Cli.Models;

/// <summary>Ranks sentences by how likely the GPT finds the question after each of them (query likelihood, Ponte and Croft 1998).</summary>
internal sealed class GptSentenceScorer(LocalGpt model) : ISentenceScorer
{
    public async ValueTask<IReadOnlyList<double>> ScoreAsync(string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default)
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
