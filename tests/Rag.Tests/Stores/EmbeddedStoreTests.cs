using Kotonoha.Rag.Stores;
using Microsoft.Data.Sqlite;

namespace Kotonoha.Rag.Tests.Stores;

public sealed class EmbeddedStoreTests : KnowledgeStoreTests, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_file_that_is_not_sqlite_is_foreign()
    {
        var path = _folder.Write("notes.db", string.Concat(Enumerable.Repeat("This is no database. ", 300)));
        Assert.Equal(StoreError.Foreign, Assert.Throws<StoreException>(() => EmbeddedStore.Open(path)).Error);
        Assert.StartsWith("This is no database.", await File.ReadAllTextAsync(path));
    }

    [Fact]
    public void Another_programs_sqlite_file_is_foreign_and_stays_as_it_is()
    {
        var path = _folder.At("other.db");
        using (var connection = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "CREATE TABLE contacts (name TEXT)";
            command.ExecuteNonQuery();
        }

        var before = File.ReadAllBytes(path);
        Assert.Equal(StoreError.Foreign, Assert.Throws<StoreException>(() => EmbeddedStore.Open(path)).Error);
        Assert.Equal(before, File.ReadAllBytes(path));
    }

    [Fact]
    public async Task A_damaged_file_is_a_typed_error()
    {
        var path = _folder.At("kb.db");
        await using (var store = EmbeddedStore.Open(path))
        {
            await store.CreateAsync(Info());
            await store.WriteAsync(RandomDocuments(1, 200));
        }

        var bytes = await File.ReadAllBytesAsync(path);
        new Random(3).NextBytes(bytes.AsSpan(4096, bytes.Length - 4096));
        await File.WriteAllBytesAsync(path, bytes);
        Assert.Equal(StoreError.Corrupt, Assert.Throws<StoreException>(() => EmbeddedStore.Open(path)).Error);
    }

    [Fact]
    public void A_missing_file_is_named_when_it_must_exist()
    {
        var options = new EmbeddedStoreOptions { CreateIfMissing = false };
        var exception = Assert.Throws<StoreException>(() => EmbeddedStore.Open(_folder.At("none.db"), options));
        Assert.Equal(StoreError.Missing, exception.Error);
        Assert.Contains("none.db", exception.Message);
    }

    [Fact]
    public void A_path_that_cannot_be_made_is_a_typed_error()
    {
        var exception = Assert.Throws<StoreException>(() => EmbeddedStore.Open(_folder.At("no/such/folder/kb.db")));
        Assert.Equal(StoreError.Storage, exception.Error);
    }

    [Fact]
    public async Task A_writer_that_waits_too_long_fails_clearly_and_works_afterwards()
    {
        var path = _folder.At("kb.db");
        await using var store = EmbeddedStore.Open(path, new EmbeddedStoreOptions { BusyTimeoutSeconds = 1 });
        await store.CreateAsync(Info());
        using (var other = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            other.Open();
            using var transaction = other.BeginTransaction(deferred: false);
            var write = store.WriteAsync([Document("a.md", "v1", "alpha")]);
            Assert.Equal(StoreError.Busy, (await Assert.ThrowsAsync<StoreException>(() => write)).Error);
        }

        await store.WriteAsync([Document("a.md", "v1", "alpha")]);
        Assert.Single(await store.SearchSparseAsync(TermVector.FromText("alpha"), 5));
    }

    [Fact]
    public async Task A_reader_sees_whole_writes_of_another()
    {
        var path = _folder.At("kb.db");
        await using var writer = EmbeddedStore.Open(path);
        await writer.CreateAsync(Info());
        await using var reader = EmbeddedStore.Open(path);
        var writing = Task.Run(async () =>
        {
            for (int i = 0; i < 300; i++)
                await writer.WriteAsync([Document($"{i}.md", "v1", "alpha one", "alpha two")]);
        });
        int seen = 0;
        while (seen < 300)
        {
            int documents = (await reader.ListDocumentsAsync()).Count;
            Assert.InRange(documents, seen, 300);
            seen = documents;
            if (writing.IsFaulted)
                break;
        }

        await writing;
        Assert.Equal(600, (await reader.SearchSparseAsync(TermVector.FromText("alpha"), 1000)).Count);
    }

    [Fact]
    public async Task The_index_is_built_anew_when_most_of_it_is_dead()
    {
        await using var store = EmbeddedStore.Open(_folder.At("kb.db"));
        await store.CreateAsync(Info());
        for (int version = 0; version < 30; version++)
        {
            string[] texts = [$"common only{version}", "common second"];
            await store.WriteAsync([.. Enumerable.Range(0, 50).Select(i => Document($"{i}.md", $"v{version}", texts))]);
        }

        Assert.Equal(100, (await store.SearchSparseAsync(TermVector.FromText("common"), 1000)).Count);
        Assert.Empty(await store.SearchSparseAsync(TermVector.FromText("only28"), 10));
        Assert.Equal(50, (await store.SearchSparseAsync(TermVector.FromText("only29"), 1000)).Count);
    }

    [Fact]
    public async Task A_failed_write_leaves_the_old_version_whole()
    {
        await using var store = EmbeddedStore.Open(_folder.At("kb.db"));
        await store.CreateAsync(Info());
        await store.WriteAsync([Document("a.md", "v1", "alpha", "alpha too")]);
        var broken = Document("a.md", "v2", "beta", "beta too");
        broken = broken with { Chunks = [broken.Chunks[0], broken.Chunks[1] with { Chunk = broken.Chunks[0].Chunk }] };
        await Assert.ThrowsAsync<StoreException>(() => store.WriteAsync([broken]));
        Assert.Equal(2, (await store.SearchSparseAsync(TermVector.FromText("alpha"), 5)).Count);
        Assert.Empty(await store.SearchSparseAsync(TermVector.FromText("beta"), 5));
    }

    [Fact]
    public async Task An_invalid_or_cancelled_write_does_not_have_the_file_read_again()
    {
        await using var store = EmbeddedStore.Open(_folder.At("kb.db"));
        await store.CreateAsync(Info());
        await store.WriteAsync(RandomDocuments(1, 20));
        int loads = store.Loads;
        var narrow = RandomDocuments(2, 1)[0];
        narrow = narrow with { Chunks = [.. narrow.Chunks.Select(chunk => chunk with { Dense = new float[1] })] };
        await Assert.ThrowsAsync<StoreException>(() => store.WriteAsync([narrow]));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.WriteAsync(RandomDocuments(3, 1), new CancellationToken(true)));
        await Assert.ThrowsAsync<StoreException>(() => store.SearchDenseAsync(new float[1], 5));
        Assert.Equal(20, (await store.ListDocumentsAsync()).Count);
        Assert.Equal(loads, store.Loads);
    }

    [Theory]
    [InlineData(EmbeddedQuantization.Int8, EmbeddedQuantization.Int8)]
    [InlineData(EmbeddedQuantization.Binary, EmbeddedQuantization.Binary)]
    [InlineData(EmbeddedQuantization.Binary, EmbeddedQuantization.Int8)]
    [InlineData(EmbeddedQuantization.Int8, EmbeddedQuantization.Binary)]
    public async Task A_store_that_looks_at_codes_finds_what_an_exact_one_finds_and_again_when_it_is_opened_again(
        EmbeddedQuantization first, EmbeddedQuantization second)
    {
        var path = _folder.At("kb.db");
        var documents = RandomDocuments(seed: 21, count: 1200);
        var coded = new EmbeddedStoreOptions { ExactSearch = false };
        await using (var store = EmbeddedStore.Open(path, coded with { Quantization = first }))
        {
            await store.CreateAsync(Info());
            foreach (var part in documents.Chunk(100))
                await store.WriteAsync(part);
            await store.DeleteAsync([.. documents.Where((_, i) => i % 5 == 0).Select(document => document.Record.Source)]);
        }

        await using var exact = EmbeddedStore.Open(path, new EmbeddedStoreOptions { ExactSearch = true });
        await using var again = EmbeddedStore.Open(path, coded with { Quantization = second });
        int found = 0;
        for (int i = 1; i <= 40; i++)
        {
            var query = documents[i].Chunks[0].Dense;
            var filter = i % 2 == 0 ? null : new StoreFilter($"folder{i % 3}");
            var expected = await exact.SearchDenseAsync(query, 10, filter);
            var hits = await again.SearchDenseAsync(query, 10, filter);
            Assert.Equal(10, hits.Count);
            found += hits.Intersect(expected).Count();
        }

        Assert.True(found >= 390, $"{found} of 400");
    }

    [Fact]
    public async Task Searches_go_on_beside_writes_that_link_vectors()
    {
        await using var store = EmbeddedStore.Open(_folder.At("kb.db"), new EmbeddedStoreOptions { ExactSearch = false });
        await store.CreateAsync(Info());
        var documents = RandomDocuments(seed: 22, count: 1500);
        await store.WriteAsync(documents[..100]);
        using var stop = new CancellationTokenSource();
        var searches = new int[3];
        var readers = Enumerable.Range(0, searches.Length).Select(reader => Task.Run(async () =>
        {
            var random = new Random(reader);
            for (; !stop.IsCancellationRequested; searches[reader]++)
            {
                // A document that is there throughout is found by its own vector.
                var chunk = documents[random.Next(100)].Chunks[0];
                var hits = await store.SearchDenseAsync(chunk.Dense, 5);
                Assert.Equal(chunk.Chunk.Id, hits[0].Id);
                Assert.Equal(1, hits[0].Score, 1e-5);
            }
        })).ToArray();
        foreach (var part in documents[100..].Chunk(50))
        {
            await store.WriteAsync(part);
            await store.DeleteAsync([part[0].Record.Source]);
        }

        while (searches.Min() < 5 && !Array.Exists(readers, reader => reader.IsFaulted))
            await Task.Delay(10);
        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }

    protected override Task<IKnowledgeStore> OpenAsync()
        => Task.FromResult<IKnowledgeStore>(EmbeddedStore.Open(_folder.At($"{Guid.NewGuid():N}.db")));

    protected override Task<IKnowledgeStore> ReopenAsync(IKnowledgeStore store)
        => Task.FromResult<IKnowledgeStore>(EmbeddedStore.Open(store.Location));
}
