namespace Kotonoha.Rag.Answering;

/// <summary>Judges how well sentences answer a question, for example by a language model's likelihood. Takes part in ranking candidates.</summary>
public interface ISentenceScorer
{
    /// <summary>Scores sentences.</summary>
    /// <param name="question">The question.</param>
    /// <param name="sentences">The candidate sentences.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One score a sentence, greater is better; only their order and differences within one call mean something.</returns>
    ValueTask<IReadOnlyList<double>> ScoreAsync(string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default);
}
