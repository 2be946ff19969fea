using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>The suite on a real Qdrant server, which is started here.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantStoreTests(QdrantServerFixture fixture) : KnowledgeStoreTests, IClassFixture<QdrantServerFixture>
{
    protected override Task<IKnowledgeStore> OpenAsync()
        => Task.FromResult<IKnowledgeStore>(new QdrantStore(new QdrantStoreOptions { Address = fixture.Server.Address, Collection = $"test-{Guid.NewGuid():N}" }));

    protected override Task<IKnowledgeStore> ReopenAsync(IKnowledgeStore store)
        => Task.FromResult<IKnowledgeStore>(new QdrantStore(new QdrantStoreOptions { Address = fixture.Server.Address, Collection = store.Location.Split('/')[^1] }));
}
