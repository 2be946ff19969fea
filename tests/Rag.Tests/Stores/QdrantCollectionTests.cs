using System.Text.Json.Nodes;
using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Ingestion;
using Kotonoha.Rag.Stores;
using Microsoft.Extensions.Logging;
using static Kotonoha.Rag.Tests.Stores.KnowledgeStoreTests;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>
/// What may lie on a server under the collection's names: written over REST before, half deleted, left by an interrupted write, or
/// another's.
/// </summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantCollectionTests(QdrantServerFixture fixture) : IClassFixture<QdrantServerFixture>, IDisposable
{
    private const string ChunksLayout
        = """{"vectors":{"dense":{"size":24,"distance":"Cosine"}},"sparse_vectors":{"bm25":{"modifier":"idf"}}}""";

    private readonly TemporaryFolder _folder = new();
    private readonly QdrantRest _rest = new(fixture.Server.RestAddress);
    private readonly string _name = $"kb-{Guid.NewGuid():N}";

    public void Dispose()
    {
        _rest.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_collection_that_was_written_over_rest_is_read_and_continued()
    {
        var info = Info() with { EmbedderVersion = "embedder-7", FittedChunks = 3 };
        var one = Document("guide/日本語.md", "v1", "alpha stone", "alpha river");
        var first = one.Chunks[0] with { Chunk = one.Chunks[0].Chunk with { Page = 3, Heading = "高さ", Title = "題" } };
        one = new DocumentWrite(one.Record with { Tags = ["ja"], Title = "題" }, [first, one.Chunks[1]]);
        var two = Document("b.md", "v1", "beta stone");
        await WriteOverRestAsync(info, [one, two]);

        await using var store = Open();
        Assert.Equal(info, await store.GetInfoAsync());
        Assert.Equivalent(new[] { two.Record, one.Record }, await store.ListDocumentsAsync(), strict: true);
        Assert.Equal(one.Chunks.Select(chunk => chunk.Chunk), await store.ReadDocumentAsync(one.Record.Source));
        Assert.Equal([two.Chunks[0].Chunk], await store.ReadChunksAsync([two.Chunks[0].Chunk.Id]));
        Assert.Equal(24, (await store.ReadVectorsAsync([two.Chunks[0].Chunk.Id]))[0]!.Length);
        Assert.Equal(2, (await store.SearchSparseAsync(TermVector.FromText("stone"), 5)).Count);
        Assert.Equal(one.Chunks[1].Chunk.Id, (await store.SearchDenseAsync(one.Chunks[1].Dense, 1))[0].Id);
        Assert.Equal(["b.md"], await SourcesAsync("stone", new StoreFilter("b.md")));
        Assert.Equal([one.Record.Source], await SourcesAsync("stone", new StoreFilter("guide", ["ja"])));
        Assert.Equal(0, await store.RemoveLeftoversAsync());

        await store.WriteAsync([Document("b.md", "v2", "gamma stone"), Document("c.md", "v1", "gamma stone")]);
        await store.DeleteAsync([one.Record.Source]);
        Assert.Equal(["b.md", "c.md"], await SourcesAsync("gamma beta alpha", null));
        await store.SetAverageLengthAsync(7, chunk => TermVector.FromText(chunk.Text));
        var next = await store.BeginRebuildAsync(info with { DenseDimension = 0 });
        await store.CommitRebuildAsync(next);
        Assert.Equal(0, (await store.GetInfoAsync())!.DenseDimension);
        Assert.Equal([$"{_name}--2", $"{_name}--2--documents"], await _rest.CollectionsAsync(_name));

        async Task<IEnumerable<string>> SourcesAsync(string query, StoreFilter? filter)
            => (await store.SearchSparseAsync(TermVector.FromText(query), 5, filter)).Select(hit => hit.Source).Order();
    }

    [Fact]
    public async Task Leftovers_of_an_interrupted_write_are_not_found_and_then_removed()
    {
        await using var store = Open();
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha one"), Document("b.md", "v1", "alpha b", "alpha b too")]);
        await store.WriteAsync([Document("a.md", "v2", "alpha new", "alpha new too"), Document("c.md", "v1", "alpha c")]);
        // As if the process had ended between the chunks and the record: the record of c is gone, its chunk is there.
        const string ofC = """{"filter":{"must":[{"key":"source","match":{"value":"c.md"}}]}}""";
        await _rest.PostAsync($"collections/{_name}--documents/points/delete?wait=true", ofC);
        Assert.Equal(4, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Count);
        Assert.DoesNotContain(await store.SearchDenseAsync(new float[24].Select(_ => 1f).ToArray(), 5), entry => entry.Source == "c.md");
        Assert.Equal(1, await store.RemoveLeftoversAsync());
        Assert.Equal(0, await store.RemoveLeftoversAsync());

        // As if the server had lost a chunk that it had acknowledged: the document is forgotten, so that it is written again.
        var lost = Document("b.md", "v1", "alpha b").Chunks[0].Chunk.Id;
        await _rest.PostAsync($"collections/{_name}/points/delete?wait=true", $$"""{"points":["{{lost}}"]}""");
        Assert.Equal(1, await store.RemoveLeftoversAsync());
        Assert.Equal(["a.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));
    }

    [Theory]
    [InlineData("--1")]
    [InlineData("--1--documents")]
    [InlineData("--1", "--1--documents")]
    public async Task Where_a_collection_was_deleted_the_next_synchronisation_makes_it_anew(params string[] deleted)
    {
        WriteTopics(5);
        await using var knowledge = new KnowledgeBase(Open(), new SvdEmbedder(_folder.At("embedders")));
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        foreach (var suffix in deleted)
            await _rest.DeleteAsync($"collections/{_name}{suffix}");

        // Nothing claims documents that are gone, in this process or another.
        await using var other = new KnowledgeBase(Open(), new SvdEmbedder(_folder.At("embedders")));
        foreach (var one in (KnowledgeBase[])[knowledge, other])
        {
            Assert.Null(await one.Store.GetInfoAsync());
            Assert.Empty(await one.ListDocumentsAsync());
            Assert.Empty(await one.SearchAsync("topic3"));
            Assert.Empty(await one.Store.ReadDocumentAsync("topic3.md"));
            Assert.Equal(5, (await one.PlanSyncAsync(_folder.At("docs"))).Added.Count);
            var sparse = one.Store.SearchSparseAsync(TermVector.FromText("topic3"), 5);
            var dense = one.Store.SearchDenseAsync(new float[4], 5);
            foreach (var search in (Task[])[sparse, dense])
            {
                var exception = await Assert.ThrowsAsync<StoreException>(() => search);
                Assert.Equal(StoreError.Missing, exception.Error);
                Assert.Contains("'kotonoha ingest', KnowledgeBase.SyncFolderAsync", exception.Message);
            }
        }

        var report = await knowledge.SyncFolderAsync(_folder.At("docs"));
        Assert.Equal(5, report.Added.Count);
        foreach (var one in (KnowledgeBase[])[knowledge, other])
        {
            Assert.Equal(5, (await one.ListDocumentsAsync()).Count);
            Assert.Equal("topic3.md", (await one.SearchAsync("topic3"))[0].Chunk.Source);
        }

        Assert.Equal(2, (await _rest.CollectionsAsync(_name)).Length);
        Assert.Equal(5, (await knowledge.SyncFolderAsync(_folder.At("docs"))).Unchanged.Count);
    }

    [Fact]
    public async Task A_rebuild_and_a_single_document_also_make_a_deleted_collection_anew()
    {
        WriteTopics(3);
        await using var knowledge = new KnowledgeBase(Open());
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await _rest.DeleteAsync($"collections/{_name}--1");
        var report = await knowledge.SyncFolderAsync(_folder.At("docs"), options: new SyncOptions { Rebuild = true });
        Assert.Equal(3, report.Added.Count);
        Assert.Equal("topic1.md", (await knowledge.SearchAsync("topic1"))[0].Chunk.Source);

        await _rest.DeleteAsync($"collections/{_name}--2");
        await knowledge.DeleteDocumentAsync("topic0.md");
        Assert.Equal(1, (await knowledge.AddDocumentAsync("topic1.md", File.OpenRead(_folder.At("docs/topic1.md")))).Chunks);
        Assert.Equal(["topic1.md"], (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal("topic1.md", (await knowledge.SearchAsync("topic1"))[0].Chunk.Source);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--documents")]
    [InlineData("", "--documents")]
    public async Task A_deleted_alias_is_put_back_and_nothing_has_to_be_read_again(params string[] deleted)
    {
        WriteTopics(5);
        await using var knowledge = new KnowledgeBase(Open(), new SvdEmbedder(_folder.At("embedders")));
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await knowledge.SyncFolderAsync(_folder.At("docs"), options: new SyncOptions { Rebuild = true });

        // An abandoned rebuild is not mistaken for the collection.
        var abandoned = await knowledge.Store.BeginRebuildAsync((await knowledge.Store.GetInfoAsync())!);
        await abandoned.DisposeAsync();
        Assert.Equal(4, (await _rest.CollectionsAsync(_name)).Length);

        await DeleteAliasesAsync();
        Assert.Equal("topic3.md", (await knowledge.Store.SearchSparseAsync(TermVector.FromText("topic3"), 1))[0].Source);
        await DeleteAliasesAsync();
        Assert.Equal("topic3.md", (await knowledge.SearchAsync("topic3"))[0].Chunk.Source);
        await DeleteAliasesAsync();
        Assert.Equal(5, (await knowledge.ListDocumentsAsync()).Count);
        await DeleteAliasesAsync();
        Assert.Equal(5, (await knowledge.SyncFolderAsync(_folder.At("docs"))).Unchanged.Count);

        async Task DeleteAliasesAsync()
        {
            foreach (var suffix in deleted)
                await _rest.DeleteAliasAsync(_name + suffix);
        }
    }

    [Fact]
    public async Task An_emptied_ledger_counts_as_a_deleted_one()
    {
        WriteTopics(3);
        await using var knowledge = new KnowledgeBase(Open());
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await _rest.PostAsync($"collections/{_name}--documents/points/delete?wait=true", """{"filter":{}}""");
        Assert.Empty(await knowledge.SearchAsync("topic1"));
        var search = knowledge.Store.SearchSparseAsync(TermVector.FromText("topic1"), 5);
        Assert.Equal(StoreError.Missing, (await Assert.ThrowsAsync<StoreException>(() => search)).Error);
        Assert.Equal(3, (await knowledge.SyncFolderAsync(_folder.At("docs"))).Added.Count);
        Assert.Equal("topic1.md", (await knowledge.SearchAsync("topic1"))[0].Chunk.Source);
    }

    [Fact]
    public async Task Emptied_chunks_are_written_again_and_deleted_payload_indexes_made_again()
    {
        WriteTopics(3);
        await using var knowledge = new KnowledgeBase(Open());
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        await _rest.PostAsync($"collections/{_name}/points/delete?wait=true", """{"filter":{}}""");
        foreach (var field in (string[])["source", "version", "prefixes", "tags", "access", "tenant"])
            await _rest.DeleteAsync($"collections/{_name}/index/{field}?wait=true");
        await _rest.DeleteAsync($"collections/{_name}--documents/index/kind?wait=true");
        Assert.Equal(3, (await knowledge.SyncFolderAsync(_folder.At("docs"))).Added.Count);
        Assert.Equal("topic1.md", (await knowledge.SearchAsync("topic1"))[0].Chunk.Source);
        Assert.Equal(["access", "prefixes", "source", "tags", "tenant", "version"], await IndexesAsync(_name));
        Assert.Equal(["kind"], await IndexesAsync($"{_name}--documents"));

        async Task<IEnumerable<string>> IndexesAsync(string collection)
            => (await _rest.GetAsync($"collections/{collection}"))["payload_schema"]!.AsObject().Select(field => field.Key).Order();
    }

    [Fact]
    public async Task A_creation_that_was_killed_half_way_does_not_stand_in_the_way()
    {
        await _rest.PutAsync($"collections/{_name}--1", ChunksLayout);
        await _rest.PutAsync($"collections/{_name}--1--documents", """{"vectors":{}}""");
        await using var store = Open();
        Assert.Null(await store.GetInfoAsync());
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha")]);
        Assert.Single(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        Assert.Equal([$"{_name}--2", $"{_name}--2--documents"], await _rest.CollectionsAsync(_name));
    }

    [Theory]
    [InlineData("collection")]
    [InlineData("collection with a ledger of ours")]
    [InlineData("ledger")]
    [InlineData("alias")]
    [InlineData("alias of a numbered collection")]
    public async Task A_collection_of_somebody_else_is_refused_everywhere_and_left_alone(string what)
    {
        const string theirs = """{"vectors":{"size":24,"distance":"Dot"}}""";
        switch (what)
        {
            case "collection":
                await _rest.PutAsync($"collections/{_name}", theirs);
                break;
            case "collection with a ledger of ours":
                await using (var earlier = Open())
                    await earlier.CreateAsync(Info());
                await _rest.DeleteAsync($"collections/{_name}--1");
                await _rest.PutAsync($"collections/{_name}", theirs);
                break;
            case "ledger":
                await _rest.PutAsync($"collections/{_name}--documents", theirs);
                break;
            case "alias":
                await _rest.PutAsync($"collections/other-{_name}", theirs);
                await _rest.CreateAliasAsync(_name, $"other-{_name}");
                break;
            case "alias of a numbered collection":
                await _rest.PutAsync($"collections/{_name}--1", theirs);
                await _rest.CreateAliasAsync(_name, $"{_name}--1");
                break;
        }

        var before = await _rest.CollectionsAsync("");
        WriteTopics(2);
        await using var knowledge = new KnowledgeBase(Open());
        var store = knowledge.Store;
        foreach (var refused in (Func<Task>[])
            [
                () => store.CreateAsync(Info()),
                () => store.SearchSparseAsync(TermVector.FromText("alpha"), 5),
                () => store.SearchDenseAsync(new float[24], 5),
                () => store.RemoveLeftoversAsync(),
                () => store.BeginRebuildAsync(Info()),
                () => knowledge.SearchAsync("alpha"),
                () => knowledge.SyncFolderAsync(_folder.At("docs")),
                () => knowledge.SyncFolderAsync(_folder.At("docs"), options: new SyncOptions { Rebuild = true }),
                () => knowledge.AddDocumentAsync("a.md", new MemoryStream("# A\n\nText."u8.ToArray())),
            ])
        {
            var exception = await Assert.ThrowsAsync<StoreException>(refused);
            Assert.Equal(StoreError.Foreign, exception.Error);
            Assert.Contains("that Kotonoha did not make", exception.Message);
            Assert.Contains("QdrantStoreOptions.Collection", exception.Message);
        }

        Assert.Equal(before, await _rest.CollectionsAsync(""));
    }

    [Fact]
    public async Task A_numbered_collection_of_somebody_else_is_neither_taken_nor_deleted()
    {
        await _rest.PutAsync($"collections/{_name}--1", """{"vectors":{"size":4,"distance":"Dot"}}""");
        await _rest.PutAsync($"collections/{_name}--2--documents", """{"vectors":{"size":4,"distance":"Dot"}}""");
        await using var store = Open();
        Assert.Null(await store.GetInfoAsync());
        await store.CreateAsync(Info());
        await store.CommitRebuildAsync(await store.BeginRebuildAsync(Info()));
        await store.WriteAsync([Document("a.md", "v1", "alpha")]);
        Assert.Single(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        string[] expected = ["--1", "--2--documents", "--4", "--4--documents"];
        Assert.Equal(expected.Select(suffix => _name + suffix), await _rest.CollectionsAsync(_name));
    }

    [Fact]
    public async Task Points_of_somebody_else_are_passed_over_with_one_warning_and_left_alone()
    {
        var logger = new RecordingLogger<QdrantStore>();
        await using var store = new QdrantStore(new QdrantStoreOptions { Address = fixture.Server.Address, Collection = _name }, logger);
        await store.CreateAsync(Info());
        var ours = Document("a.md", "v1", "alpha one", "alpha two");
        await store.WriteAsync([ours]);
        Assert.Empty(logger.Entries);

        // So many that ours are not among the first hundreds; some with a field that ours have too, and one in the ledger.
        var terms = ours.Chunks[0].Terms.Indices;
        await PutAsync(_name, [.. Enumerable.Range(0, 400).Select(i => new JsonObject
        {
            ["id"] = i,
            ["vector"] = new JsonObject
            {
                ["dense"] = ArrayOf(ours.Chunks[0].Dense.ToArray()),
                ["bm25"] = new JsonObject { ["indices"] = ArrayOf(terms), ["values"] = ArrayOf(terms.Select(_ => 5f)) },
            },
            ["payload"] = i % 2 == 0 ? new JsonObject { ["source"] = "a.md", ["text"] = "not ours" } : new JsonObject { ["note"] = 7 },
        })]);
        var record = new JsonObject { ["kind"] = "document", ["source"] = "theirs.md" };
        await PutAsync($"{_name}--documents", new JsonObject { ["id"] = 1, ["vector"] = new JsonObject(), ["payload"] = record });

        Assert.Equal(2, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 2)).Count);
        Assert.Equal(ours.Chunks[0].Chunk.Id, (await store.SearchDenseAsync(ours.Chunks[0].Dense, 2))[0].Id);
        Assert.Equal(ours.Chunks.Select(chunk => chunk.Chunk), await store.ReadDocumentAsync("a.md"));
        Assert.Equal(["a.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));
        await store.SetAverageLengthAsync(5, chunk => ours.Chunks.Single(one => one.Chunk.Id == chunk.Id).Terms);
        Assert.Equal(0, await store.RemoveLeftoversAsync());
        await store.WriteAsync([Document("a.md", "v2", "alpha new")]);
        await store.DeleteAsync(["a.md"]);
        Assert.Equal(400, await _rest.CountAsync(_name));
        Assert.Equal(2, await _rest.CountAsync($"{_name}--documents"));
        var (level, message) = Assert.Single(logger.Entries);
        Assert.Equal(LogLevel.Warning, level);
        Assert.Contains("points that Kotonoha did not write", message);
        Assert.Contains(_name, message);
    }

    private static JsonArray ArrayOf<T>(IEnumerable<T> values) => new([.. values.Select(value => JsonValue.Create(value))]);

    private async Task PutAsync(string collection, params JsonNode[] points)
    {
        var body = new JsonObject { ["points"] = new JsonArray(points) };
        await _rest.PutAsync($"collections/{collection}/points?wait=true", body.ToJsonString());
    }

    private QdrantStore Open() => new(new QdrantStoreOptions { Address = fixture.Server.Address, Collection = _name });

    private void WriteTopics(int count)
    {
        for (int i = 0; i < count; i++)
            _folder.Write(
                $"docs/topic{i}.md",
                $"# About topic{i}\n\nThe common text of topic{i} has its own words: own{i}a own{i}b own{i}c own{i}d, topic{i}.\n");
    }

    /// <summary>Writes a collection as the versions before did that spoke REST.</summary>
    private async Task WriteOverRestAsync(CollectionInfo info, DocumentWrite[] documents)
    {
        await _rest.PutAsync($"collections/{_name}--1", ChunksLayout);
        foreach (var field in (string[])["source", "version", "prefixes", "tags"])
            await _rest.PutAsync($"collections/{_name}--1/index?wait=true", $$"""{"field_name":"{{field}}","field_schema":"keyword"}""");
        await _rest.PutAsync($"collections/{_name}--1--documents", """{"vectors":{}}""");
        await _rest.PutAsync($"collections/{_name}--1--documents/index?wait=true", """{"field_name":"kind","field_schema":"keyword"}""");
        await PutAsync($"{_name}--1--documents", new JsonObject
        {
            ["id"] = "5798a4fc-e55e-5c98-ad61-f12b5c2f757a",
            ["vector"] = new JsonObject(),
            ["payload"] = new JsonObject
            {
                ["kind"] = "collection",
                ["info"] = new JsonObject
                {
                    ["schemaVersion"] = info.SchemaVersion,
                    ["analyzerId"] = info.AnalyzerId,
                    ["embedderVersion"] = info.EmbedderVersion,
                    ["denseDimension"] = info.DenseDimension,
                    ["averageLength"] = (int)info.AverageLength,
                    ["fittedChunks"] = info.FittedChunks,
                },
            },
        });
        await _rest.CreateAliasAsync(_name, $"{_name}--1");
        await _rest.CreateAliasAsync($"{_name}--documents", $"{_name}--1--documents");
        foreach (var (record, chunks) in documents)
            await PutAsync(_name, [.. chunks.Select(chunk => ChunkPoint(record, chunk, info))]);
        await PutAsync($"{_name}--documents", [.. documents.Select(document => RecordPoint(document.Record))]);

        static JsonObject ChunkPoint(DocumentRecord record, IndexedChunk indexed, CollectionInfo info)
        {
            var (chunk, terms, dense) = indexed;
            return new JsonObject
            {
                ["id"] = chunk.Id,
                ["vector"] = new JsonObject
                {
                    ["dense"] = ArrayOf(dense.ToArray()),
                    ["bm25"] = new JsonObject
                    {
                        ["indices"] = ArrayOf(terms.Indices),
                        ["values"] = ArrayOf(Bm25.Default.Weigh(terms, info.AverageLength)),
                    },
                },
                ["payload"] = new JsonObject
                {
                    ["source"] = chunk.Source,
                    ["version"] = record.Version,
                    ["prefixes"] = ArrayOf(chunk.Source.Contains('/') ? ["guide", chunk.Source] : new[] { chunk.Source }),
                    ["tags"] = ArrayOf(record.Tags),
                    ["ordinal"] = chunk.Ordinal,
                    ["start"] = chunk.Start,
                    ["end"] = chunk.End,
                    ["page"] = chunk.Page,
                    ["heading"] = chunk.Heading,
                    ["title"] = chunk.Title,
                    ["text"] = chunk.Text,
                },
            };
        }

        static JsonObject RecordPoint(DocumentRecord record) => new()
        {
            ["id"] = NameBasedUuid.Create(new Guid("b3a1b0d4-5e9f-5c56-8f6d-0f6f6a4f1c22"), "document/" + record.Source).ToString(),
            ["vector"] = new JsonObject(),
            ["payload"] = new JsonObject
            {
                ["kind"] = "document",
                ["source"] = record.Source,
                ["hash"] = record.Hash,
                ["version"] = record.Version,
                ["chunks"] = record.ChunkCount,
                ["terms"] = record.TermCount,
                ["title"] = record.Title,
                ["bytes"] = record.Bytes,
                ["tags"] = ArrayOf(record.Tags),
            },
        };
    }
}
