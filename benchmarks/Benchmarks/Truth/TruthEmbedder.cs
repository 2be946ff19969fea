using Microsoft.Extensions.AI;

namespace Kotonoha.Benchmarks.Truth;

/// <summary>The embedder of the measurement: the one that the command line takes.</summary>
internal static class TruthEmbedder
{
    internal static IEmbeddingGenerator<string, Embedding<float>>? Create(string folder) => null;
}
