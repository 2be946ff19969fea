using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Cli.Models;

/// <summary>A local cross-encoder as the reranker of a knowledge base.</summary>
/// <param name="encoder">The model; it belongs to the caller.</param>
internal sealed class CrossEncoderReranker(LocalEncoder encoder) : IReranker
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<double>> ScoreAsync(string question, IReadOnlyList<string> passages, CancellationToken cancellationToken = default)
    {
        // Raw scores: sigmoids of good passages are all so close to 1 that ties arise.
        var result = await encoder.RerankAsync(question, passages, rawScores: true, cancellationToken).ConfigureAwait(false);
        return [.. result.Scores.Select(score => (double)score)];
    }
}
