using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Answering;

/// <summary>
/// Judges how well sentences answer a question, for example by a language model's likelihood. Takes part in ranking candidates.
/// </summary>
public interface ISentenceScorer
{
    /// <summary>Scores sentences.</summary>
    /// <param name="question">The question.</param>
    /// <param name="sentences">The candidate sentences.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>One score per sentence, greater is better; only their order and differences within one call mean something.</returns>
    ValueTask<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default);
}

/// <summary>
/// Scores sentences by the cosine of their vectors with the question's: finds what is said in other words. For embedders that were trained
/// on language; one that is fitted on the documents' own words says nothing here that the words themselves do not.
/// </summary>
/// <param name="embedder">Makes the vectors; it belongs to the caller.</param>
public sealed class EmbeddingSentenceScorer(IEmbeddingGenerator<string, Embedding<float>> embedder) : ISentenceScorer
{
    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<double>> ScoreAsync(
        string question, IReadOnlyList<string> sentences, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(sentences);
        if (sentences.Count == 0)
            return [];
        var asked =
            (await embedder.GenerateAsync([question], EmbeddingPurpose.Query, cancellationToken).ConfigureAwait(false))[0].Vector.ToArray();
        var said = await embedder.GenerateAsync(sentences, EmbeddingPurpose.Document, cancellationToken).ConfigureAwait(false);
        return [.. said.Select(embedding => VectorMath.Cosine(asked, embedding.Vector.Span))];
    }
}
