using Kotonoha.Connector;
using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

public sealed class EmbedderLimitTests : IDisposable
{
    private readonly TemporaryFolder _folder = FixtureArchive.Extract("models-encoders");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_local_encoder_reads_every_chunk_to_its_end()
    {
        using var encoder = LocalEncoder.Load(_folder.At("st-mean-prompts-excluded"), new LocalEncoderOptions { Threads = 1 });
        var log = new RecordingLogger();
        _folder.Write("docs/town.txt", string.Concat(Enumerable.Range(0, 20).Select(i => $"図書館の返却箱は玄関の右側{i}番にあります。")));
        _folder.Write("docs/boats.md",
            "# Boats\n\n" + string.Join(' ', Enumerable.Range(0, 60).Select(i => $"Boat {i} lies at pier {i % 7}.")));
        using var generator = new LocalEmbeddingGenerator(encoder, loggerFactory: log);
        var limit = generator.GetService(typeof(ITokenLimit)) as ITokenLimit;
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("kb.db")), generator);
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Empty(report.Skipped);
        Assert.Empty(log.Warnings);
        Assert.True(report.Chunks > 20);
        foreach (var document in await knowledge.ListDocumentsAsync())
            Assert.All(
                await knowledge.Store.ReadDocumentAsync(document.Source),
                chunk => Assert.InRange(encoder.CountTokens(IndexText.ForEmbedder(chunk, limit), "document"), 1, encoder.MaximumTokens));
        Assert.Empty((await knowledge.PlanSyncAsync(_folder.At("docs"))).Changed);
    }
}
