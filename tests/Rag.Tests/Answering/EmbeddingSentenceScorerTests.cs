using Kotonoha.Rag.Answering;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Answering;

public sealed class EmbeddingSentenceScorerTests
{
    [Fact]
    public async Task Scores_are_cosines_whatever_the_lengths_of_the_vectors()
    {
        using var embedder = new TableEmbedder(new()
        {
            ["q"] = [3, 4],
            ["same"] = [30, 40],
            ["across"] = [-4, 3],
            ["against"] = [-0.3f, -0.4f],
            ["nothing"] = [0, 0],
        });
        var scores = await new EmbeddingSentenceScorer(embedder).ScoreAsync("q", ["same", "across", "against", "nothing"]);
        Assert.Equal([1, 0, -1, 0], scores.Select(score => Math.Round(score, 6)));
        Assert.Equal(["query", "document"], embedder.Purposes);
        Assert.Empty(await new EmbeddingSentenceScorer(embedder).ScoreAsync("q", []));
    }

    private sealed class TableEmbedder(Dictionary<string, float[]> table) : IEmbeddingGenerator<string, Embedding<float>>
    {
        internal List<string> Purposes { get; } = [];

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            Purposes.Add((string)options!.AdditionalProperties!["prompt_name"]!);
            return Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(value => new Embedding<float>(table[value]))));
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
