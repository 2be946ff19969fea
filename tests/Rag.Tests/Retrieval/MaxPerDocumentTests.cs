using System.Text;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using Kotonoha.Rag.Tests.Ingestion;

namespace Kotonoha.Rag.Tests.Retrieval;

public sealed class MaxPerDocumentTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task One_document_does_not_take_the_places_of_the_others()
    {
        await using var knowledge = new KnowledgeBase(
            EmbeddedStore.Open(_folder.At("knowledge.db")), new SvdEmbedder(_folder.At("embedders")),
            new KnowledgeBaseOptions { Chunking = new() { MaxSize = 120, TargetSize = 80 } });
        var filler = string.Concat(Enumerable.Repeat("The kettle stands beside the stove in the kitchen of the house. ", 6));
        var sections = Enumerable.Range(1, 6).Select(i => $"# Kettle {i}\n\nKettle kettle number {i}. {filler}\n\n");
        await AddAsync("long.md", string.Concat(sections));
        await AddAsync("short.md", $"# Stove\n\nA kettle may be red. {filler}\n");
        await AddAsync("other.md", "# Weather\n\nSnow falls on the hills in winter.\n");

        var all = await knowledge.SearchAsync("kettle number", new SearchOptions { Limit = 4 });
        Assert.All(all, hit => Assert.Equal("long.md", hit.Chunk.Source));
        foreach (var options in (SearchOptions[])
            [
                new() { Limit = 4 },
                new() { Limit = 4, MmrLambda = 0.7 },
                new() { Limit = 4, Reranker = new PreferringReranker("red") },
            ])
        {
            var hits = await knowledge.SearchAsync("kettle number", options with { MaxPerDocument = 2 });
            Assert.Equal(2, hits.Count(hit => hit.Chunk.Source == "long.md"));
            Assert.Contains(hits, hit => hit.Chunk.Source == "short.md");
        }

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            () => knowledge.SearchAsync("kettle", new SearchOptions { MaxPerDocument = 0 }));

        Task AddAsync(string name, string text) => knowledge.AddDocumentAsync(name, new MemoryStream(Encoding.UTF8.GetBytes(text)));
    }
}
