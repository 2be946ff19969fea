using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Cli.Models;

/// <summary>A local cross-encoder as the reranker of a knowledge base.</summary>
/// <param name="encoder">The model; it belongs to the caller.</param>
internal sealed class CrossEncoderReranker(LocalEncoder encoder) : IReranker
{
    /// <inheritdoc/>
    public async Task<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> passages, CancellationToken cancellationToken = default)
    {
        // In double precision the sigmoids of good passages do not all round to 1.
        var result = await encoder.RerankAsync(question, passages, rawScores: true, cancellationToken).ConfigureAwait(false);
        return [.. result.Scores.Select(score => 1 / (1 + Math.Exp(-score)))];
    }
}
