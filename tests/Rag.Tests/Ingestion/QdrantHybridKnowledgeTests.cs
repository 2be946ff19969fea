using Kotonoha.Rag.Stores;
using Kotonoha.Rag.Tests.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

[Trait("Needs", "qdrant")]
public sealed class QdrantHybridKnowledgeTests(QdrantServerFixture fixture) : HybridKnowledgeTests, IClassFixture<QdrantServerFixture>
{
    private readonly string _collection = $"hybrid-{Guid.NewGuid():N}";

    protected override IKnowledgeStore Open()
        => new QdrantStore(new QdrantStoreOptions { Address = fixture.Server.Address, Collection = _collection });
}
