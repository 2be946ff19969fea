using Kotonoha.Rag.Retrieval;
using Microsoft.Extensions.AI;

namespace Kotonoha.Rag.Tests.Ingestion;

/// <summary>A small deterministic embedder that remembers what it was asked for.</summary>
internal sealed class RecordingEmbedder(string model = "letters", string? version = null) : IEmbeddingGenerator<string, Embedding<float>>
{
    public List<string?> Purposes { get; } = [];

    public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        Purposes.Add(options?.AdditionalProperties?[EmbeddingPurpose.PropertyName] as string);
        return Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(value =>
        {
            var counts = new float[8];
            foreach (char c in value)
                counts[c % 8]++;
            return new Embedding<float>(counts);
        })));
    }

    public object? GetService(Type serviceType, object? serviceKey = null)
        => serviceType == typeof(EmbeddingGeneratorMetadata) ? new EmbeddingGeneratorMetadata("test", null, model, 8)
            : serviceType == typeof(string) && serviceKey is "version" ? version
            : null;

    public void Dispose()
    {
    }
}
