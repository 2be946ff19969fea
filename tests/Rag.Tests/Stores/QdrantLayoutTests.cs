using System.Text.Json.Nodes;
using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Retrieval;
using Kotonoha.Rag.Stores;
using static Kotonoha.Rag.Tests.Stores.KnowledgeStoreTests;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>How collections lie on a server, backups, and collections that other programs wrote.</summary>
[Trait("Needs", "qdrant")]
public sealed class QdrantLayoutTests(QdrantServerFixture fixture) : IClassFixture<QdrantServerFixture>, IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly QdrantRest _rest = new(fixture.Server.RestAddress);
    private readonly string _name = $"layout-{Guid.NewGuid():N}";

    public void Dispose()
    {
        _rest.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(QdrantQuantization.Int8, "scalar")]
    [InlineData(QdrantQuantization.Binary, "binary")]
    [InlineData(QdrantQuantization.Product, "product")]
    public async Task Quantised_vectors_on_disk_find_the_nearest_with_true_scores(QdrantQuantization quantization, string kind)
    {
        var options = Options() with
        {
            Quantization = quantization,
            OnDisk = true,
            Oversampling = 4,
            ReadConsistency = QdrantReadConsistency.Quorum,
        };
        await using var store = new QdrantStore(options with { ExactSearch = false });
        await using var exact = new QdrantStore(options with { ExactSearch = true });
        await store.CreateAsync(Info());
        var documents = Enumerable.Range(0, 40).Select(i => Document($"d{i:D2}.md", "v1", [.. Enumerable.Repeat($"alpha {i}", i + 1)]));
        await store.WriteAsync([.. documents]);

        var laid = (await _rest.GetAsync($"collections/{_name}--1"))["config"]!["params"]!;
        Assert.NotNull(laid["vectors"]!["dense"]!["quantization_config"]![kind]);
        Assert.True(laid["vectors"]!["dense"]!["on_disk"]!.GetValue<bool>());
        Assert.True(laid["on_disk_payload"]!.GetValue<bool>());
        Assert.True(laid["sparse_vectors"]!["bm25"]!["index"]!["on_disk"]!.GetValue<bool>());
        var query = Document("d07.md", "v1", [.. Enumerable.Repeat("alpha 7", 8)]).Chunks[3].Dense;
        var (wanted, found) = (await exact.SearchDenseAsync(query, 5), await store.SearchDenseAsync(query, 5));
        Assert.Equal(wanted[0], found[0]);
        // Of so few dimensions, one bit each tells little; what is found has its true score all the same.
        Assert.All(found.Where(hit => wanted.Any(other => other.Id == hit.Id)), hit => Assert.Contains(hit, wanted));
        if (quantization == QdrantQuantization.Int8)
            Assert.Equal(wanted, found);
    }

    [Fact]
    public async Task A_collection_is_brought_to_other_settings_by_the_next_ingestion_and_left_alone_without_any()
    {
        await using (var plain = new QdrantStore(Options()))
        {
            await plain.CreateAsync(Info());
            await plain.WriteAsync([Document("a.md", "v1", "alpha one", "alpha two")]);
        }

        await using var store = new QdrantStore(Options() with { Quantization = QdrantQuantization.Int8, OnDisk = true });
        await store.RemoveLeftoversAsync();
        var laid = await DenseAsync();
        Assert.NotNull(laid["quantization_config"]!["scalar"]);
        Assert.True(laid["on_disk"]!.GetValue<bool>());
        await using var silent = new QdrantStore(Options());
        await silent.RemoveLeftoversAsync();
        Assert.NotNull((await DenseAsync())["quantization_config"]!["scalar"]);
        await using var whole = new QdrantStore(Options() with { Quantization = QdrantQuantization.None });
        await whole.RemoveLeftoversAsync();
        Assert.Null((await DenseAsync())["quantization_config"]);
        Assert.Equal(2, (await whole.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Count);

        async Task<JsonNode> DenseAsync()
            => (await _rest.GetAsync($"collections/{_name}--1"))["config"]!["params"]!["vectors"]!["dense"]!;
    }

    [Fact]
    public async Task A_backup_is_put_back_under_another_name_and_over_what_was_changed()
    {
        _folder.Write("docs/tea.md", "# Tea\n\nThe kettle is filled at seven.\n");
        _folder.Write("docs/oil.md", "# Oil\n\nThe oil is changed every 5,000 kilometres.\n");
        await using var knowledge = new KnowledgeBase(new QdrantStore(Options()), new SvdEmbedder(_folder.At("embedders")));
        await knowledge.SyncFolderAsync(_folder.At("docs"));
        var store = (QdrantStore)knowledge.Store;
        await store.BackUpAsync(_folder.At("backup"));
        Assert.Equal(StoreError.Storage, (await Assert.ThrowsAsync<StoreException>(() => store.BackUpAsync(_folder.At("backup")))).Error);
        Assert.Empty((await _rest.GetAsync($"collections/{_name}--1/snapshots")).AsArray());

        // Over what was changed since.
        await knowledge.DeleteDocumentAsync("oil.md");
        await knowledge.AddDocumentAsync("new.md", new MemoryStream("# New\n\nThe gate is green.\n"u8.ToArray()));
        await store.RestoreAsync(_folder.At("backup"));
        Assert.Equal(["oil.md", "tea.md"], (await knowledge.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal("oil.md", (await knowledge.SearchAsync("When is the oil changed?"))[0].Chunk.Source);
        Assert.Equal([$"{_name}--2", $"{_name}--2--documents"], await _rest.CollectionsAsync(_name));
        var plan = await knowledge.PlanSyncAsync(_folder.At("docs"));
        Assert.Equal((0, 0, 0), (plan.Added.Count, plan.Changed.Count, plan.Removed.Count));

        // Under another name, where nothing was.
        await using var other = new KnowledgeBase(
            new QdrantStore(Options() with { Collection = _name + "-copy" }), new SvdEmbedder(_folder.At("embedders")));
        await ((QdrantStore)other.Store).RestoreAsync(_folder.At("backup"));
        Assert.Equal("tea.md", (await other.SearchAsync("When is the kettle filled?"))[0].Chunk.Source);
    }

    [Fact]
    public async Task A_backup_that_is_not_whole_changes_nothing()
    {
        await using var store = new QdrantStore(Options());
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha one")]);
        await store.BackUpAsync(_folder.At("backup"));
        using (var file = File.OpenWrite(_folder.At("backup/chunks.snapshot")))
            file.WriteByte((byte)~file.Length);
        foreach (var folder in (string[])["backup", "nothing"])
            Assert.Equal(
                StoreError.Corrupt, (await Assert.ThrowsAsync<StoreException>(() => store.RestoreAsync(_folder.At(folder)))).Error);
        Assert.Equal("a.md", (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Single().Source);
        Assert.Equal([$"{_name}--1", $"{_name}--1--documents"], await _rest.CollectionsAsync(_name));
    }

    [Fact]
    public async Task Kernel_memorys_collection_is_taken_in_by_document_in_order_with_its_tags()
    {
        await _rest.PutAsync($"collections/{_name}", """{"vectors":{"size":2,"distance":"Cosine"}}""");
        await UpsertAsync(
            KernelMemory("m1", "manual.pdf", 1, 2, "The oil is changed every 5,000 kilometres.", "user:taylor"),
            KernelMemory("m1", "manual.pdf", 0, 1, "This manual is about the van.", "user:taylor"),
            KernelMemory("t1", "content.txt", 0, 0, "The gate code is 4711.", "type:note", "user:blake"),
            KernelMemory("m1", "manual.pdf", 0, 0, "A summary of all.", "__synth:summary"));

        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("knowledge.db")), new SvdEmbedder(_folder.At("e")));
        var report = await knowledge.ImportCollectionAsync(Options());
        Assert.Equal((2, 3, 1), (report.Documents, report.Chunks, report.SkippedPoints));
        var records = await knowledge.ListDocumentsAsync();
        Assert.Equal(["m1/manual.pdf", "t1/content.txt"], records.Select(record => record.Source));
        Assert.Equal(["type:note", "user:blake"], records[1].Tags.Order());
        var manual = (await knowledge.ReadDocumentAsync("m1/manual.pdf"))!.Value.Chunks;
        Assert.Equal(["This manual is about the van.", "The oil is changed every 5,000 kilometres."], manual.Select(chunk => chunk.Text));
        Assert.Equal([1, 2], manual.Select(chunk => chunk.Page!.Value));
        var found = await knowledge.SearchAsync(
            "When is the oil changed?", new SearchOptions { Filter = new StoreFilter(Tags: ["user:taylor"]) });
        Assert.Equal(("m1/manual.pdf", 2), (found[0].Chunk.Source, found[0].Chunk.Page));

        // Again: nothing is new.
        Assert.Equal(0, (await knowledge.ImportCollectionAsync(Options())).Chunks);
        Assert.Equal(4, await _rest.CountAsync(_name));

        JsonObject KernelMemory(string document, string file, int part, int section, string text, params string[] tags) => new()
        {
            ["id"] = $"d={document}//p={Guid.NewGuid():N}",
            ["tags"] = new JsonArray([.. tags.Prepend($"__document_id:{document}").Append($"__part_n:{part}").Append($"__sect_n:{section}")
                .Append("__file_type:text/plain").Select(tag => (JsonNode)tag)]),
            ["payload"] = new JsonObject
            {
                ["url"] = "",
                ["schema"] = "20231218A",
                ["file"] = file,
                ["text"] = text,
                ["last_update"] = "2025-05-08T00:00:00",
            }.ToJsonString(),
        };
    }

    [Fact]
    public async Task Fields_are_recognised_or_named_and_our_own_collections_are_not_taken_for_others()
    {
        await _rest.PutAsync($"collections/{_name}", """{"vectors":{"text_vector":{"size":2,"distance":"Cosine"}}}""");
        await UpsertAsync(
            new JsonObject { ["hotel"] = "Sea View", ["description"] = "The pool opens at six.", ["rank"] = 1, ["kinds"] = "spa" },
            new JsonObject { ["hotel"] = "Sea View", ["description"] = "Rooms have a balcony.", ["rank"] = 0, ["kinds"] = null },
            new JsonObject { ["hotel"] = "../etc", ["description"] = "No name for a document." },
            new JsonObject { ["hotel"] = "Empty", ["description"] = " " });
        await using var knowledge = new KnowledgeBase(EmbeddedStore.Open(_folder.At("knowledge.db")));
        var unknown = await Assert.ThrowsAsync<StoreException>(() => knowledge.ImportCollectionAsync(Options()));
        Assert.Equal(StoreError.Foreign, unknown.Error);
        Assert.Contains("description, hotel, kinds, rank", unknown.Message, StringComparison.Ordinal);

        var report = await knowledge.ImportCollectionAsync(
            Options(), new QdrantPayloadFields("description", "hotel", Ordinal: "rank", Tags: "kinds"));
        Assert.Equal((1, 2, 1), (report.Documents, report.Chunks, report.SkippedPoints));
        Assert.Equal("../etc", Assert.Single(report.Skipped).Source);
        var (record, chunks) = (await knowledge.ReadDocumentAsync("Sea View"))!.Value;
        Assert.Equal(["Rooms have a balcony.", "The pool opens at six."], chunks.Select(chunk => chunk.Text));
        Assert.Equal(["spa"], record.Tags);

        await using var own = new QdrantStore(Options() with { Collection = _name + "-own" });
        await own.CreateAsync(Info());
        await own.WriteAsync([Document("a.md", "v1", "alpha one")]);
        Assert.Equal(StoreError.Foreign, (await Assert.ThrowsAsync<StoreException>(
            () => knowledge.ImportCollectionAsync(Options() with { Collection = _name + "-own" }))).Error);
        Assert.Equal(StoreError.Missing, (await Assert.ThrowsAsync<StoreException>(
            () => knowledge.ImportCollectionAsync(Options() with { Collection = _name + "-no" }))).Error);
    }

    private QdrantStoreOptions Options()
        => new() { Address = fixture.Server.Address, RestAddress = fixture.Server.RestAddress, Collection = _name };

    private async Task UpsertAsync(params JsonObject[] payloads)
    {
        bool isNamed = (await _rest.GetAsync($"collections/{_name}"))["config"]!["params"]!["vectors"]!["text_vector"] is not null;
        var points = new JsonArray([.. payloads.Select(payload => (JsonNode)new JsonObject
        {
            ["id"] = Guid.NewGuid().ToString(),
            ["vector"] = isNamed ? new JsonObject { ["text_vector"] = new JsonArray(1, 0) } : new JsonArray(1, 0),
            ["payload"] = payload,
        })]);
        await _rest.PutAsync($"collections/{_name}/points?wait=true", new JsonObject { ["points"] = points }.ToJsonString());
    }
}
