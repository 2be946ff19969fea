using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class EmbeddedHybridKnowledgeTests : HybridKnowledgeTests
{
    protected override IKnowledgeStore Open() => EmbeddedStore.Open(Folder.At("kb.db"));
}
