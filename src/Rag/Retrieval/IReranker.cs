namespace Kotonoha.Rag.Retrieval;

/// <summary>Reads a question together with each passage and says how well they fit: slower and better than comparing vectors, so it is asked of the best candidates only.</summary>
/// <remarks>A cross-encoder is one; a chat model that grades passages could be another.</remarks>
public interface IReranker
{
    /// <summary>Scores passages.</summary>
    /// <param name="question">The question.</param>
    /// <param name="passages">The passages.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One score a passage, in their order; greater is better, none is negative.</returns>
    Task<IReadOnlyList<double>> ScoreAsync(string question, IReadOnlyList<string> passages, CancellationToken cancellationToken = default);
}
