using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Ingestion;

/// <summary>The knowledge base with a fitted embedder; one class a store runs it.</summary>
public abstract class HybridKnowledgeTests : IDisposable
{
    protected TemporaryFolder Folder { get; } = new();

    public void Dispose() => Folder.Dispose();

    [Fact]
    public async Task A_fitted_embedder_is_found_again_by_its_version()
    {
        WriteTopics(6);
        await using (var knowledge = new KnowledgeBase(Open(), Embedder()))
        {
            await knowledge.SyncFolderAsync(Folder.At("docs"));
            var info = await knowledge.Store.GetInfoAsync();
            Assert.NotNull(info!.EmbedderVersion);
            Assert.True(info.DenseDimension > 1);
        }

        await using var again = new KnowledgeBase(Open(), Embedder());
        var hits = await again.SearchAsync("topic3");
        Assert.Equal("topic3.md", hits[0].Chunk.Source);
        Assert.NotNull(hits[0].DenseScore);
        Assert.NotNull(hits[0].SparseScore);
        Assert.Equal(6, (await again.SyncFolderAsync(Folder.At("docs"))).Unchanged.Count);
    }

    [Fact]
    public async Task A_missing_embedder_is_a_typed_error_and_a_rebuild_cures_it()
    {
        WriteTopics(6);
        await using (var knowledge = new KnowledgeBase(Open(), Embedder()))
            await knowledge.SyncFolderAsync(Folder.At("docs"));
        Directory.Delete(Folder.At("embedders"), recursive: true);
        await using var again = new KnowledgeBase(Open(), Embedder());
        await Assert.ThrowsAsync<EmbedderMismatchException>(() => again.SearchAsync("topic3"));
        await Assert.ThrowsAsync<EmbedderMismatchException>(() => again.SyncFolderAsync(Folder.At("docs")));
        var acknowledged = new List<string>();
        var report =
            await again.SyncFolderAsync(Folder.At("docs"), options: new SyncOptions { Rebuild = true, Acknowledged = acknowledged.Add });
        Assert.Equal(6, acknowledged.Count);
        Assert.True(report.Refitted);
        Assert.Equal("topic3.md", (await again.SearchAsync("topic3"))[0].Chunk.Source);
        Assert.Single(Directory.GetFiles(Folder.At("embedders")));
    }

    [Fact]
    public async Task The_embedder_is_fitted_anew_when_the_corpus_has_doubled()
    {
        WriteTopics(4);
        await using var knowledge = new KnowledgeBase(Open(), Embedder());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        var before = await knowledge.Store.GetInfoAsync();
        WriteTopics(7);
        Assert.False((await knowledge.SyncFolderAsync(Folder.At("docs"))).Refitted);
        Assert.Equal(before!.EmbedderVersion, (await knowledge.Store.GetInfoAsync())!.EmbedderVersion);
        WriteTopics(9);
        Assert.True((await knowledge.SyncFolderAsync(Folder.At("docs"))).Refitted);
        var after = await knowledge.Store.GetInfoAsync();
        Assert.NotEqual(before.EmbedderVersion, after!.EmbedderVersion);
        Assert.True(after.DenseDimension > before.DenseDimension);
        Assert.Equal(9, (await knowledge.ListDocumentsAsync()).Count);
        Assert.Equal("topic8.md", (await knowledge.SearchAsync("topic8"))[0].Chunk.Source);
        Assert.Single(Directory.GetFiles(Folder.At("embedders")));
    }

    [Fact]
    public async Task A_first_synchronisation_that_is_interrupted_goes_on_where_it_was_with_what_it_was_fitted_on()
    {
        const int count = 600;
        WriteTopics(count);
        var early = new KnowledgeBaseOptions { FirstFitCharacters = 2000 };
        int stored = 0;
        await using (var first = new KnowledgeBase(Open(), Embedder(), early))
        {
            using var stop = new CancellationTokenSource();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => first.SyncFolderAsync(
                Folder.At("docs"), options: new SyncOptions { Acknowledged = _ => stop.Cancel() }, cancellationToken: stop.Token));
            stored = (await first.ListDocumentsAsync()).Count;
        }

        Assert.InRange(stored, 1, count - 1);
        await using var knowledge = new KnowledgeBase(Open(), Embedder(), early);
        var report = await knowledge.SyncFolderAsync(Folder.At("docs"));
        Assert.Equal((stored, count - stored), (report.Unchanged.Count, report.Added.Count));
        // The first documents stand for all of them: there is nothing to be fitted anew.
        Assert.False(report.Refitted);
        Assert.InRange((await knowledge.Store.GetInfoAsync())!.FittedChunks, count - 50, count + 50);
        Assert.Equal("topic599.md", (await knowledge.SearchAsync("topic599"))[0].Chunk.Source);
        Assert.Single(Directory.GetFiles(Folder.At("embedders")));
    }

    [Fact]
    public async Task A_corpus_beyond_what_fitting_takes_is_not_fitted_at_every_run()
    {
        WriteTopics(9);
        await using var knowledge = new KnowledgeBase(Open(), Embedder(), new KnowledgeBaseOptions { MaxFitCharacters = 300 });
        Assert.False((await knowledge.SyncFolderAsync(Folder.At("docs"))).Refitted);
        var info = await knowledge.Store.GetInfoAsync();
        Assert.Equal(0, info!.FittedChunks);
        WriteTopics(10);
        Assert.False((await knowledge.SyncFolderAsync(Folder.At("docs"))).Refitted);
        Assert.Equal(info.EmbedderVersion, (await knowledge.Store.GetInfoAsync())!.EmbedderVersion);
        Assert.Equal("topic9.md", (await knowledge.SearchAsync("topic9"))[0].Chunk.Source);
    }

    [Fact]
    public async Task A_rebuild_takes_over_what_cannot_be_read_and_drops_what_is_gone()
    {
        WriteTopics(6);
        await using var knowledge = new KnowledgeBase(Open(), Embedder());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        File.WriteAllBytes(Folder.At("docs/topic1.md"), [0x50, 0x4b, 0x03, 0x04, 0x00, 0x00, 0x00, 0xff, 0xfe, 0x00]);
        File.Delete(Folder.At("docs/topic2.md"));
        File.CreateSymbolicLink(Folder.At("docs/topic2.md"), Folder.At("docs/topic0.md"));
        File.Delete(Folder.At("docs/topic3.md"));
        var report = await knowledge.SyncFolderAsync(Folder.At("docs"), options: new SyncOptions { Rebuild = true });
        Assert.True(report.Refitted);
        Assert.Equal(["topic3.md"], report.Removed);
        Assert.Equal(["topic0.md", "topic4.md", "topic5.md"], report.Added);
        Assert.Contains("stays", Assert.Single(report.Skipped, skip => skip.Source == "topic1.md").Reason);
        Assert.Equal(["topic0.md", "topic1.md", "topic2.md", "topic4.md", "topic5.md"],
            (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal("topic1.md", (await knowledge.SearchAsync("topic1"))[0].Chunk.Source);
        Assert.Equal("topic2.md", (await knowledge.SearchAsync("own2a"))[0].Chunk.Source);
    }

    [Fact]
    public async Task A_rebuild_of_an_empty_folder_leaves_nothing()
    {
        WriteTopics(3);
        await using var knowledge = new KnowledgeBase(Open(), Embedder());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        foreach (var file in Directory.GetFiles(Folder.At("docs")))
            File.Delete(file);
        var report = await knowledge.SyncFolderAsync(Folder.At("docs"), options: new SyncOptions { Rebuild = true });
        Assert.Equal(3, report.Removed.Count);
        Assert.False(report.Refitted);
        Assert.Empty(await knowledge.ListDocumentsAsync());
        Assert.Empty(await knowledge.SearchAsync("topic1"));
    }

    [Fact]
    public async Task The_average_length_follows_the_corpus()
    {
        WriteTopics(4);
        await using var knowledge = new KnowledgeBase(Open());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        double before = (await knowledge.Store.GetInfoAsync())!.AverageLength;
        Folder.Write("docs/long.md", "# Long\n\n" + string.Join(' ', Enumerable.Range(0, 150).Select(i => $"word{i}")));
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        var records = await knowledge.ListDocumentsAsync();
        double after = (await knowledge.Store.GetInfoAsync())!.AverageLength;
        Assert.Equal(records.Sum(record => record.TermCount) / (double)records.Sum(record => record.ChunkCount), after, 1e-9);
        Assert.True(after > 1.1 * before);
    }

    [Fact]
    public async Task Every_embedding_says_whether_it_is_of_a_query_or_a_document()
    {
        WriteTopics(3);
        var embedder = new RecordingEmbedder();
        await using var knowledge = new KnowledgeBase(Open(), embedder);
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        Assert.Equal(["document"], embedder.Purposes.Distinct());
        embedder.Purposes.Clear();
        await knowledge.SearchAsync("topic1");
        Assert.Equal(["query"], embedder.Purposes);
        await using var other = new KnowledgeBase(Open(), new RecordingEmbedder("another-model"));
        await Assert.ThrowsAsync<EmbedderMismatchException>(() => other.SearchAsync("topic1"));
    }

    [Fact]
    public async Task A_collection_tells_versions_of_a_model_of_one_name_apart()
    {
        WriteTopics(3);
        await using (var knowledge = new KnowledgeBase(Open(), new RecordingEmbedder(version: "1f")))
        {
            await knowledge.SyncFolderAsync(Folder.At("docs"));
            Assert.Equal("test/letters/8/1f", (await knowledge.Store.GetInfoAsync())!.EmbedderVersion);
        }

        await using (var same = new KnowledgeBase(Open(), new RecordingEmbedder(version: "1f")))
            Assert.NotEmpty(await same.SearchAsync("topic1"));
        await using var other = new KnowledgeBase(Open(), new RecordingEmbedder(version: "2e"));
        var error = await Assert.ThrowsAsync<EmbedderMismatchException>(() => other.SearchAsync("topic1"));
        Assert.Contains("test/letters/8/1f", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reranker_orders_the_best_candidates_anew()
    {
        WriteTopics(6);
        await using var knowledge = new KnowledgeBase(Open(), Embedder());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        var reranker = new PreferringReranker("topic4");
        var hits = await knowledge.SearchAsync("topic2 common", new SearchOptions { Limit = 3, Reranker = reranker });
        Assert.Equal("topic4.md", hits[0].Chunk.Source);
        Assert.Equal("topic2.md", hits[1].Chunk.Source);
        Assert.Equal((1.0, 0.0), (hits[0].RerankScore, hits[1].Score));
        Assert.Equal(3, hits.Count);
        Assert.Equal(6, reranker.Read);
        Assert.Equal("topic2.md",
            (await knowledge.SearchAsync("topic2 common",
                new SearchOptions { Limit = 1, Reranker = reranker, RerankedCandidates = 1 }))[0].Chunk.Source);
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => knowledge.SearchAsync("topic2 common", new SearchOptions { Reranker = new PreferringReranker("topic4", -1) }));
    }

    [Fact]
    public async Task Thresholds_and_diversity_narrow_the_hits()
    {
        WriteTopics(6);
        Folder.Write("docs/copy.md", File.ReadAllText(Folder.At("docs/topic2.md")));
        await using var knowledge = new KnowledgeBase(Open(), Embedder());
        await knowledge.SyncFolderAsync(Folder.At("docs"));
        var all = await knowledge.SearchAsync("topic2 common", new SearchOptions { Limit = 20 });
        Assert.Equal(7, all.Count);
        Assert.Equal(all.OrderByDescending(hit => hit.Score), all);
        Assert.Equal(2,
            (await knowledge.SearchAsync("topic2 common", new SearchOptions { Limit = 20, MinScore = all[1].Score - 1e-9 })).Count);
        Assert.All(await knowledge.SearchAsync("topic2 common", new SearchOptions { Limit = 20, MinDenseScore = 0.5 }),
            hit => Assert.True(hit.DenseScore >= 0.5));
        Assert.Equal(["copy.md", "topic2.md"], all.Take(2).Select(hit => hit.Chunk.Source).Order(StringComparer.Ordinal));
        var diverse = await knowledge.SearchAsync("topic2 common", new SearchOptions { Limit = 2, MmrLambda = 0.3 });
        Assert.Equal(all[0], diverse[0]);
        Assert.NotEqual(all[1].Chunk.Source, diverse[1].Chunk.Source);
    }

    protected abstract IKnowledgeStore Open();

    private SvdEmbedder Embedder() => new(Folder.At("embedders"));

    private void WriteTopics(int count)
    {
        for (int i = 0; i < count; i++)
            Folder.Write($"docs/topic{i}.md",
                $"# About topic{i}\n\nThe common text of topic{i} has its own words: own{i}a own{i}b own{i}c own{i}d, topic{i}.\n");
    }
}
