using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>The suite on a real Qdrant server, which is started here.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantStoreTests(QdrantServerFixture fixture) : KnowledgeStoreTests, IClassFixture<QdrantServerFixture>
{
    protected override Task<IKnowledgeStore> OpenAsync() => OpenAsync($"test-{Guid.NewGuid():N}");

    protected override Task<IKnowledgeStore> ReopenAsync(IKnowledgeStore store) => OpenAsync(store.Location.Split('/')[^1]);

    private Task<IKnowledgeStore> OpenAsync(string collection)
    {
        var options = new QdrantStoreOptions { Address = fixture.Server.Address, Collection = collection };
        return Task.FromResult<IKnowledgeStore>(new QdrantStore(options));
    }
}
