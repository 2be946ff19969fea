using Kotonoha.Rag.Chunking;
using Kotonoha.Rag.Stores;

namespace Kotonoha.Rag.Tests.Stores;

/// <summary>What every store must do; one class a store runs it.</summary>
public abstract class KnowledgeStoreTests
{
    private const int Dimension = 24;

    [Fact]
    public async Task A_new_store_has_no_collection_and_says_so()
    {
        await using var store = await OpenAsync();
        Assert.Null(await store.GetInfoAsync());
        Assert.Empty(await store.ListDocumentsAsync());
        var exception = await Assert.ThrowsAsync<StoreException>(() => store.SearchSparseAsync(TermVector.FromText("word"), 5));
        Assert.Equal(StoreError.Missing, exception.Error);
    }

    [Fact]
    public async Task Metadata_are_read_as_they_were_written_and_a_second_creation_is_refused()
    {
        await using var store = await OpenAsync();
        var info = Info() with { EmbedderVersion = "embedder-7", FittedChunks = 12, AverageLength = 17.25 };
        await store.CreateAsync(info);
        Assert.Equal(info, await store.GetInfoAsync());
        await Assert.ThrowsAsync<StoreException>(() => store.CreateAsync(info));
        await using var again = await ReopenAsync(store);
        Assert.Equal(info, await again.GetInfoAsync());
    }

    [Fact]
    public async Task Chunks_come_back_literally()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var document = Document("guide/日本語 ファイル.md", "v1", "東京タワーは333メートル。\n\"quoted\" \\ 𠮷野家 👩‍👩‍👧 \u0000 end", "second");
        var chunks = document.Chunks.ToArray();
        var first = chunks[0].Chunk with { Heading = "Über › 高さ", Page = 3, Title = "題", TableHeader = "名 | 高さ" };
        chunks[0] = chunks[0] with { Chunk = first };
        await store.WriteAsync([document with { Chunks = chunks }]);
        var read = await store.ReadDocumentAsync("guide/日本語 ファイル.md");
        Assert.Equal(chunks.Select(chunk => chunk.Chunk), read);
        string[] ids = [chunks[1].Chunk.Id, Guid.NewGuid().ToString(), chunks[0].Chunk.Id];
        Assert.Equal([chunks[1].Chunk, null, chunks[0].Chunk], await store.ReadChunksAsync(ids));
    }

    [Fact]
    public async Task Dense_search_equals_a_plain_scan()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var documents = RandomDocuments(seed: 1, count: 60);
        await store.WriteAsync(documents);
        var random = new Random(2);
        for (int round = 0; round < 10; round++)
        {
            var query = RandomVector(random);
            var expected = documents.SelectMany(document => document.Chunks)
                .Select(chunk => new ScoredChunk(chunk.Chunk.Id, chunk.Chunk.Source, Cosine(query, chunk.Dense.Span)))
                .OrderByDescending(entry => entry.Score).ThenBy(entry => entry.Id, StringComparer.Ordinal).Take(15).ToArray();
            AssertSame(expected, await store.SearchDenseAsync(query, 15));
        }
    }

    [Fact]
    public async Task Sparse_search_equals_the_formula()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info() with { AverageLength = 9.5 });
        var documents = RandomDocuments(seed: 3, count: 60);
        await store.WriteAsync(documents);
        var random = new Random(4);
        for (int round = 0; round < 10; round++)
        {
            var query = TermVector.FromTerms(Enumerable.Range(0, 5).Select(_ => RandomWord(random)));
            AssertSame(ReferenceBm25(documents, query, 9.5).Take(20).ToArray(), await store.SearchSparseAsync(query, 20));
        }
    }

    [Fact]
    public async Task Sparse_search_finds_nothing_for_unknown_terms()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        await store.WriteAsync(RandomDocuments(seed: 5, count: 5));
        Assert.Empty(await store.SearchSparseAsync(TermVector.FromText("unheard"), 5));
        Assert.Empty(await store.SearchSparseAsync(TermVector.FromText(""), 5));
    }

    [Fact]
    public async Task Filters_narrow_both_searches_to_folders_documents_and_tags()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        DocumentWrite[] documents =
        [
            Document("a.md", "v1", "river stone") with { },
            Document("docs/a.md", "v1", "river stone"),
            Document("docs/sub/b.md", "v1", "river stone"),
            Document("docs2/c.md", "v1", "river stone"),
        ];
        documents[2] = documents[2] with { Record = documents[2].Record with { Tags = ["ja", "public"] } };
        documents[3] = documents[3] with { Record = documents[3].Record with { Tags = ["public"] } };
        await store.WriteAsync(documents);

        async Task Expect(StoreFilter? filter, params string[] sources)
        {
            var sparse = await store.SearchSparseAsync(TermVector.FromText("river"), 10, filter);
            var dense = await store.SearchDenseAsync(documents[0].Chunks[0].Dense, 10, filter);
            Assert.Equal(sources, sparse.Select(entry => entry.Source).Order(StringComparer.Ordinal));
            Assert.Equal(sources, dense.Select(entry => entry.Source).Order(StringComparer.Ordinal));
        }

        await Expect(null, "a.md", "docs/a.md", "docs/sub/b.md", "docs2/c.md");
        await Expect(new StoreFilter("docs"), "docs/a.md", "docs/sub/b.md");
        await Expect(new StoreFilter("docs/"), "docs/a.md", "docs/sub/b.md");
        await Expect(new StoreFilter("docs/a.md"), "docs/a.md");
        await Expect(new StoreFilter("doc"));
        await Expect(new StoreFilter(Tags: ["public"]), "docs/sub/b.md", "docs2/c.md");
        await Expect(new StoreFilter(Tags: ["public", "ja"]), "docs/sub/b.md");
        await Expect(new StoreFilter("docs2", ["ja"]));
        await Expect(new StoreFilter { AnyOf = [new StoreFilter("a.md"), new StoreFilter(Tags: ["ja"])] }, "a.md", "docs/sub/b.md");
        await Expect(new StoreFilter { AnyOf = [new StoreFilter("a.md"), new StoreFilter()] }, "a.md", "docs/a.md", "docs/sub/b.md",
            "docs2/c.md");
        await Expect(new StoreFilter { NoneOf = [new StoreFilter("docs"), new StoreFilter(Tags: ["nobody"])] }, "a.md", "docs2/c.md");
        await Expect(new StoreFilter { NoneOf = [new StoreFilter()] });
        await Expect(StoreFilter.Parse("(source:docs or tag:public) and not tag:ja"), "docs/a.md", "docs2/c.md");
        await Expect(StoreFilter.Parse("tag:ja,nobody"), "docs/sub/b.md");

        // A document that has gone is not brought back by what it is not.
        await store.DeleteAsync(["a.md"]);
        await Expect(StoreFilter.Parse("not tag:public"), "docs/a.md");
    }

    [Fact]
    public async Task A_new_version_takes_the_place_of_the_old_one()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var first = Document("a.md", "v1", "alpha one", "alpha two", "alpha three");
        var second = Document("a.md", "v2", "beta one");
        await store.WriteAsync([first, Document("b.md", "v1", "alpha elsewhere")]);
        await store.WriteAsync([second]);
        Assert.Equal(["b.md"], (await store.SearchSparseAsync(TermVector.FromText("alpha"), 10)).Select(entry => entry.Source));
        Assert.Equal(["a.md"], (await store.SearchSparseAsync(TermVector.FromText("beta"), 10)).Select(entry => entry.Source));
        Assert.Equal(2, (await store.SearchDenseAsync(RandomVector(new Random(1)), 10)).Count);
        Assert.Equal(second.Chunks.Select(chunk => chunk.Chunk), await store.ReadDocumentAsync("a.md"));
        Assert.Equal([second.Record.Version, "b.md@v1"], (await store.ListDocumentsAsync()).Select(record => record.Version));
        Assert.Null((await store.ReadChunksAsync([first.Chunks[0].Chunk.Id]))[0]);
    }

    [Fact]
    public async Task Deleted_documents_are_gone_and_unknown_ones_passed_over()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha"), Document("b.md", "v1", "alpha"), Document("empty.md", "v1")]);
        await store.DeleteAsync(["a.md", "never.md", "empty.md"]);
        Assert.Equal(["b.md"], (await store.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal(["b.md"], (await store.SearchSparseAsync(TermVector.FromText("alpha"), 10)).Select(entry => entry.Source));
        Assert.Empty(await store.ReadDocumentAsync("a.md"));
    }

    [Fact]
    public async Task Everything_is_there_after_reopening()
    {
        var store = await OpenAsync();
        await store.CreateAsync(Info());
        var documents = RandomDocuments(seed: 6, count: 30);
        await store.WriteAsync(documents);
        await store.DeleteAsync([documents[3].Record.Source]);
        var query = RandomVector(new Random(7));
        var dense = await store.SearchDenseAsync(query, 50);
        var records = await store.ListDocumentsAsync();
        await using var again = await ReopenAsync(store);
        AssertSame(dense, await again.SearchDenseAsync(query, 50));
        Assert.Equivalent(records, await again.ListDocumentsAsync(), strict: true);
        await store.DisposeAsync();
    }

    [Fact]
    public async Task Records_keep_every_field()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var document = Document("a.md", "v1", "alpha");
        var record = document.Record with
        {
            Title = "題",
            Bytes = 5_000_000_000,
            TermCount = 3_000_000_000,
            Tags = ["x", "ÿ"],
            Access = DocumentAccess.Groups("社/1", "人事", "it"),
            ETag = "\"a\"",
            LastModified = "Sat, 28 Nov 2026 10:00:00 GMT",
        };
        await store.WriteAsync([document with { Record = record }, Document("b.md", "v1", "beta")]);
        var read = await store.ListDocumentsAsync();
        Assert.Equivalent(record, read[0], strict: true);
        Assert.Null(read[1].Title);
        Assert.Null(read[1].Access);
        await using var again = await ReopenAsync(store);
        var some = await again.ReadRecordsAsync(["b.md", "none.md", "a.md", "a.md"]);
        Assert.Equivalent(new[] { read[1], null, record, record }, some, strict: true);
    }

    [Fact]
    public async Task The_quarantine_is_kept_released_and_deleted()
    {
        await using var store = await OpenAsync();
        Assert.Empty(await store.ListQuarantineAsync());
        await store.CreateAsync(Info());
        var broken = new QuarantineRecord("b.pdf", "h1", "readers-1", QuarantineCause.Unreadable, "no \"pages\"")
        {
            Access = DocumentAccess.WholeTenant("acme"),
        };
        var poisoned = new QuarantineRecord("a.md", "h2", "1", QuarantineCause.Injection, "指示");
        await store.WriteQuarantineAsync([broken, poisoned]);
        await store.WriteQuarantineAsync([poisoned with { IsReleased = true }]);
        await using var again = await ReopenAsync(store);
        Assert.Equivalent(new[] { poisoned with { IsReleased = true }, broken }, await again.ListQuarantineAsync(), strict: true);
        Assert.Empty(await again.ListDocumentsAsync());
        await again.DeleteQuarantineAsync(["a.md", "none.md"]);
        Assert.Equal(["b.pdf"], (await store.ListQuarantineAsync()).Select(record => record.Source));
        await using var rebuilt = await store.BeginRebuildAsync(Info());
        Assert.Empty(await rebuilt.ListQuarantineAsync());
        await rebuilt.WriteQuarantineAsync([poisoned]);
        await store.CommitRebuildAsync(rebuilt);
        Assert.Equal(["a.md"], (await store.ListQuarantineAsync()).Select(record => record.Source));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_is_written_a_scope_sees_its_own_documents_and_no_others(int seed)
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var random = new Random(seed);
        string[] tenants = ["a", "b", "a/b"], groups = ["x", "y", "b/x"];
        DocumentAccess? RandomAccess() => random.Next(6) switch
        {
            0 => null,
            1 => DocumentAccess.Public,
            2 or 3 => DocumentAccess.WholeTenant(tenants[random.Next(3)]),
            _ => DocumentAccess.Groups(tenants[random.Next(3)], random.GetItems(groups, random.Next(1, 3))),
        };
        DocumentWrite[] written = [.. RandomDocuments(seed, 120)
            .Select(document => document with { Record = document.Record with { Access = RandomAccess() } })];
        await store.WriteAsync(written);
        // Half of them change hands.
        for (int i = 0; i < written.Length; i += 2)
            written[i] = written[i] with { Record = written[i].Record with { Access = RandomAccess() } };
        await store.WriteAsync([.. written.Where((_, i) => i % 2 == 0)]);

        for (int round = 0; round < 12; round++)
        {
            var scope = new AccessScope(tenants[random.Next(3)], random.GetItems(groups, random.Next(3)));
            using var seen = new ScopedStore(store, scope);
            // Told from the documents alone, by another way than the keys.
            bool MaySee(DocumentAccess? access) => access is not null && (access.Equals(DocumentAccess.Public)
                || access.Equals(DocumentAccess.WholeTenant(scope.Tenant))
                || scope.Groups.Any(group => access.Tenant == scope.Tenant && access.ToString().Split(", ")
                    .Contains($"group:{Uri.EscapeDataString(scope.Tenant)}/{Uri.EscapeDataString(group)}")));
            var mine = written.Where(document => MaySee(document.Record.Access)).ToArray();
            var sources = mine.Select(document => document.Record.Source).Order(StringComparer.Ordinal).ToArray();
            var chunks = mine.SelectMany(document => document.Chunks).Select(chunk => chunk.Chunk.Id).Order(StringComparer.Ordinal);
            Assert.Equal(sources, (await seen.ListDocumentsAsync()).Select(record => record.Source));
            Assert.Equal(chunks,
                (await seen.SearchDenseAsync(RandomVector(random), 1000)).Select(hit => hit.Id).Order(StringComparer.Ordinal));
            var query = TermVector.FromTerms(["w1", "w5"]);
            Assert.Equal(
                mine.SelectMany(document => document.Chunks)
                    .Where(chunk => query.Indices.Any(term => chunk.Terms.Indices.Contains(term))).Select(chunk => chunk.Chunk.Id)
                    .Order(StringComparer.Ordinal),
                (await seen.SearchSparseAsync(query, 1000)).Select(hit => hit.Id).Order(StringComparer.Ordinal));
            // Folders and tags narrow what is seen and never widen it.
            var narrowed = await seen.SearchDenseAsync(RandomVector(random), 1000, new StoreFilter("folder1"));
            Assert.Equal(sources.Where(source => source.StartsWith("folder1/", StringComparison.Ordinal)),
                narrowed.Select(hit => hit.Source).Distinct().Order(StringComparer.Ordinal));
            Assert.Equal(Math.Min(5, chunks.Count()), (await seen.SearchDenseAsync(RandomVector(random), 5)).Count);

            var all = written.SelectMany(document => document.Chunks).Select(chunk => chunk.Chunk).ToArray();
            string[] ids = [.. all.Select(chunk => chunk.Id)];
            Assert.Equal(all.Select(chunk => sources.Contains(chunk.Source)),
                (await seen.ReadChunksAsync(ids)).Select(chunk => chunk is not null));
            Assert.Equal(all.Select(chunk => sources.Contains(chunk.Source)),
                (await seen.ReadVectorsAsync(ids)).Select(vector => vector is not null));
            var stranger = written.First(document => !MaySee(document.Record.Access)).Record.Source;
            Assert.Empty(await seen.ReadDocumentAsync(stranger));
            Assert.Null(Assert.Single(await seen.ReadRecordsAsync([stranger])));
            await seen.DeleteAsync([stranger]);
            var record = written[0].Record with { Source = stranger, Access = DocumentAccess.WholeTenant(scope.Tenant) };
            var taken = new DocumentWrite(record, []);
            Assert.Equal(AccessError.OutsideScope, (await Assert.ThrowsAsync<AccessException>(() => seen.WriteAsync([taken]))).Error);
            await Assert.ThrowsAsync<AccessException>(() => seen.WriteAsync([Document("new.md", "v1", "alpha")]));
        }

        Assert.Equal(written.Length, (await store.ListDocumentsAsync()).Count);
    }

    [Fact]
    public async Task Vectors_come_back_with_length_one()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var document = Document("a.md", "v1", "alpha", "beta");
        await store.WriteAsync([document]);
        var vectors = await store.ReadVectorsAsync([document.Chunks[1].Chunk.Id, Guid.NewGuid().ToString()]);
        Assert.Null(vectors[1]);
        Assert.Equal(1, Cosine(document.Chunks[1].Dense.Span, vectors[0]), 1e-5);
        Assert.Equal(1, vectors[0]!.Sum(value => (double)value * value), 1e-5);
    }

    [Fact]
    public async Task A_vector_of_another_width_is_a_typed_error()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        var document = Document("a.md", "v1", "alpha");
        var wrong = document with { Chunks = [document.Chunks[0] with { Dense = new float[Dimension + 1] }] };
        Assert.Equal(StoreError.Mismatch, (await Assert.ThrowsAsync<StoreException>(() => store.WriteAsync([wrong]))).Error);
        Assert.Equal(StoreError.Mismatch, (await Assert.ThrowsAsync<StoreException>(() => store.SearchDenseAsync(new float[3], 5))).Error);
        Assert.Empty(await store.ListDocumentsAsync());
    }

    [Fact]
    public async Task A_collection_without_dense_vectors_answers_sparse_searches()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info() with { DenseDimension = 0 });
        var document = Document("a.md", "v1", "alpha");
        await store.WriteAsync([document with { Chunks = [document.Chunks[0] with { Dense = default }] }]);
        Assert.Single(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        Assert.Empty(await store.SearchDenseAsync(default, 5));
    }

    [Fact]
    public async Task A_new_average_length_changes_every_score()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info() with { AverageLength = 5 });
        var documents = RandomDocuments(seed: 8, count: 20);
        await store.WriteAsync(documents);
        var terms = documents.SelectMany(document => document.Chunks).ToDictionary(chunk => chunk.Chunk.Id, chunk => chunk.Terms);
        await store.SetAverageLengthAsync(12, chunk => terms[chunk.Id]);
        Assert.Equal(12, (await store.GetInfoAsync())!.AverageLength);
        var query = TermVector.FromTerms(["w1", "w2", "w3"]);
        AssertSame(ReferenceBm25(documents, query, 12), await store.SearchSparseAsync(query, 100));
        await using var again = await ReopenAsync(store);
        AssertSame(ReferenceBm25(documents, query, 12), await again.SearchSparseAsync(query, 100));
    }

    [Fact]
    public async Task A_rebuild_becomes_visible_at_once_and_only_when_committed()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("old.md", "v1", "alpha")]);

        var abandoned = await store.BeginRebuildAsync(Info() with { DenseDimension = 3 });
        await abandoned.DisposeAsync();
        var info = Info() with { DenseDimension = 0, AverageLength = 4, EmbedderVersion = "next" };
        await using var rebuilt = await store.BeginRebuildAsync(info);
        var document = Document("new.md", "v1", "alpha beta");
        await rebuilt.WriteAsync([document with { Chunks = [document.Chunks[0] with { Dense = default }] }]);
        Assert.Equal(["old.md"], (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Select(entry => entry.Source));
        Assert.Equal(["new.md"], (await rebuilt.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Select(entry => entry.Source));

        await store.CommitRebuildAsync(rebuilt);
        Assert.Equal(info, await store.GetInfoAsync());
        Assert.Equal(["new.md"], (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Select(entry => entry.Source));
        await using var again = await ReopenAsync(store);
        Assert.Equal(["new.md"], (await again.ListDocumentsAsync()).Select(record => record.Source));
        Assert.Equal(info, await again.GetInfoAsync());
    }

    [Fact]
    public async Task Two_openings_see_each_others_writes()
    {
        await using var one = await OpenAsync();
        await one.CreateAsync(Info());
        await using var two = await ReopenAsync(one);
        await one.WriteAsync([Document("a.md", "v1", "alpha")]);
        Assert.Single(await two.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        await two.WriteAsync([Document("a.md", "v2", "beta"), Document("b.md", "v1", "beta")]);
        Assert.Empty(await one.SearchSparseAsync(TermVector.FromText("alpha"), 5));
        Assert.Equal(2, (await one.SearchSparseAsync(TermVector.FromText("beta"), 5)).Count);
    }

    [Fact]
    public async Task Searches_and_writes_at_the_same_time_never_show_half_a_document()
    {
        await using var store = await OpenAsync();
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v0", Words(0))]);
        using var stop = new CancellationTokenSource();
        var reader = Task.Run(async () =>
        {
            int seen = 0;
            while (!stop.IsCancellationRequested)
            {
                var hits = await store.SearchSparseAsync(TermVector.FromText("common"), 50);
                // Every version has ten chunks with the word; a search falls into one version or between two.
                Assert.True(hits.Count <= 10, $"{hits.Count} chunks of one document");
                var chunks = (await store.ReadChunksAsync([.. hits.Select(hit => hit.Id)])).OfType<Chunk>();
                int versions = chunks.Select(chunk => chunk.Text.Split(' ')[1]).Distinct().Count();
                Assert.True(versions <= 1, "chunks of two versions in one answer");
                seen++;
            }

            return seen;
        });
        for (int version = 1; version <= 15; version++)
            await store.WriteAsync([Document("a.md", $"v{version}", Words(version))]);
        await stop.CancelAsync();
        Assert.True(await reader > 0);

        static string[] Words(int version) => [.. Enumerable.Range(0, 10).Select(i => $"common version{version} part{i}")];
    }

    [Fact]
    public async Task A_store_can_be_disposed_synchronously_and_more_than_once()
    {
        var store = await OpenAsync();
        using (store)
        {
            await store.CreateAsync(Info());
            await store.WriteAsync([Document("a.md", "v1", "alpha")]);
        }

        store.Dispose();
        await store.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.GetInfoAsync());
        using var again = await ReopenAsync(store);
        Assert.Single(await again.SearchSparseAsync(TermVector.FromText("alpha"), 5));
    }

    /// <summary>Opens a store without a collection.</summary>
    protected abstract Task<IKnowledgeStore> OpenAsync();

    /// <summary>Opens the same collection once more, as another process would.</summary>
    protected abstract Task<IKnowledgeStore> ReopenAsync(IKnowledgeStore store);

    internal static CollectionInfo Info() => new(CollectionInfo.CurrentSchemaVersion, "analyzer", null, Dimension, 10);

    internal static DocumentWrite Document(string source, string version, params string[] texts)
    {
        var random = new Random(texts.Length + source.Length);
        int start = 0;
        var chunks = texts.Select((text, ordinal) =>
        {
            var id = NameBasedUuid.Create(NameBasedUuid.ChunkNamespace, $"{source}/{version}/{ordinal}").ToString();
            var chunk = new Chunk(id, source, ordinal, start, start += text.Length, text, null, null, null);
            return new IndexedChunk(chunk, TermVector.FromTerms(text.Split(' ', '\n')), RandomVector(random));
        }).ToArray();
        int terms = chunks.Sum(chunk => chunk.Terms.Length);
        var record = new DocumentRecord(source, "hash-" + version, $"{source}@{version}", chunks.Length, terms, null, start, []);
        return new DocumentWrite(record, chunks);
    }

    internal static DocumentWrite[] RandomDocuments(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var texts = Enumerable.Range(0, 1 + i % 4)
                .Select(_ => string.Join(' ', Enumerable.Range(0, random.Next(3, 30)).Select(_ => RandomWord(random))));
            var document = Document($"folder{i % 3}/{i}.txt", "v1", [.. texts]);
            return document with { Chunks = [.. document.Chunks.Select(chunk => chunk with { Dense = RandomVector(random) })] };
        })];
    }

    private static string RandomWord(Random random) => "w" + (int)(40 * random.NextDouble() * random.NextDouble());

    private static float[] RandomVector(Random random)
        => [.. Enumerable.Range(0, Dimension).Select(_ => (float)(random.NextDouble() * 2 - 1))];

    private static double Cosine(ReadOnlySpan<float> x, ReadOnlySpan<float> y)
    {
        double xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < x.Length; i++)
            (xy, xx, yy) = (xy + x[i] * y[i], xx + x[i] * x[i], yy + y[i] * y[i]);
        return xy / Math.Sqrt(xx * yy);
    }

    private static List<ScoredChunk> ReferenceBm25(IReadOnlyList<DocumentWrite> documents, TermVector query, double average)
    {
        var chunks = documents.SelectMany(document => document.Chunks).ToArray();
        var result = new List<ScoredChunk>();
        foreach (var chunk in chunks)
        {
            double score = 0;
            for (int i = 0; i < query.Indices.Length; i++)
            {
                int place = Array.IndexOf(chunk.Terms.Indices, query.Indices[i]);
                if (place < 0)
                    continue;
                int n = chunks.Count(other => other.Terms.Indices.Contains(query.Indices[i]));
                double tf = chunk.Terms.Counts[place], idf = Math.Log(1 + (chunks.Length - n + 0.5) / (n + 0.5));
                score += query.Counts[i] * idf * tf * 1.9 / (tf + 0.9 * (0.25 + 0.75 * chunk.Terms.Length / average));
            }

            if (score > 0)
                result.Add(new ScoredChunk(chunk.Chunk.Id, chunk.Chunk.Source, score));
        }

        result.Sort((x, y) => y.Score.CompareTo(x.Score));
        return result;
    }

    // Equal but for rounding: scores to 1e-4; ids wherever the score is not within that of a neighbour's.
    private static void AssertSame(IReadOnlyList<ScoredChunk> expected, IReadOnlyList<ScoredChunk> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        for (int i = 0; i < expected.Count; i++)
        {
            Assert.Equal(expected[i].Score, actual[i].Score, 1e-4);
            bool tied = (i > 0 && expected[i - 1].Score - expected[i].Score < 2e-4)
                || i + 1 >= expected.Count || expected[i].Score - expected[i + 1].Score < 2e-4;
            if (!tied)
                Assert.Equal((expected[i].Id, expected[i].Source), (actual[i].Id, actual[i].Source));
        }
    }
}
