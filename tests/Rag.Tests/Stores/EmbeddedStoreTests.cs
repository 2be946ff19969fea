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

    protected override Task<IKnowledgeStore> OpenAsync()
        => Task.FromResult<IKnowledgeStore>(EmbeddedStore.Open(_folder.At($"{Guid.NewGuid():N}.db")));

    protected override Task<IKnowledgeStore> ReopenAsync(IKnowledgeStore store)
        => Task.FromResult<IKnowledgeStore>(EmbeddedStore.Open(store.Location));
}
