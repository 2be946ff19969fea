using Kotonoha.Rag.Stores;

namespace Kotonoha.Benchmarks;

/// <summary>Opens the store that a command names.</summary>
internal static class BenchmarkStore
{
    public static Task<IKnowledgeStore> OpenAsync(Dictionary<string, string> options, string folder)
        => options.GetValueOrDefault("store", "embedded") switch
        {
            "embedded" => Task.FromResult<IKnowledgeStore>(EmbeddedStore.Open(Path.Combine(folder, "kb.db"))),
            var other => throw new ArgumentException($"The store '{other}' is not known; known are embedded, qdrant."),
        };
}
