using System.Globalization;
using Kotonoha.Rag.Stores;
using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>The file of a vector store: opened again, shared, cut off in the middle of writing, damaged.</summary>
public sealed class RecordFileTests : IDisposable
{
    private const int Dimension = 16;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task What_was_written_is_there_when_the_file_is_opened_again()
    {
        var path = _folder.At("records.db");
        using (var store = new EmbeddedVectorStore(path))
            await FillAsync(store, "items", 0, 50);
        using var again = new EmbeddedVectorStore(path);
        var items = again.GetCollection<int, Item>("items");
        Assert.Equal(50, await items.GetAsync(r => true, 100).CountAsync());
        Assert.Equal(7, (await items.SearchAsync(Vector(7), 1).SingleAsync()).Record.Key);
        var seventh = await items.GetAsync(7, new() { IncludeVectors = true });
        Assert.Equal(Vector(7), seventh!.Vector.ToArray());
        Assert.Equal(["items"], await again.ListCollectionNamesAsync().ToListAsync());
    }

    [Fact]
    public async Task A_large_collection_finds_nearly_all_through_its_graph_also_after_changes_and_when_it_is_opened_again()
    {
        const int count = 21_000;
        var vectors = Enumerable.Range(0, count).Select(Vector).ToArray();
        var path = _folder.At("large.db");
        using (var store = new EmbeddedVectorStore(path))
        {
            await FillAsync(store, "items", 0, count);
            Assert.True(await RecallAsync(store, from: 0) >= 0.95);
            await store.GetCollection<int, Item>("items").DeleteAsync(Enumerable.Range(0, 5000));
            Assert.True(await RecallAsync(store, from: 5000) >= 0.95);
        }

        using var again = new EmbeddedVectorStore(path);
        Assert.True(await RecallAsync(again, from: 5000) >= 0.95);

        async Task<double> RecallAsync(EmbeddedVectorStore store, int from)
        {
            var items = store.GetCollection<int, Item>("items");
            double found = 0;
            for (int query = 0; query < 20; query++)
            {
                var vector = Vector(-query - 1);
                bool filtered = query % 2 == 0;
                var expected = Enumerable.Range(from, count - from).Where(key => !filtered || key % 3 == 0)
                    .OrderByDescending(key => VectorMath.Cosine(vector, vectors[key])).Take(10);
                var hits = await items.SearchAsync(vector, 10, filtered ? new() { Filter = r => r.Key % 3 == 0 } : null)
                    .Select(hit => hit.Record.Key).ToListAsync();
                Assert.Equal(10, hits.Count);
                found += hits.Intersect(expected).Count();
            }

            return found / 200;
        }
    }

    [Fact]
    public void A_failed_call_does_not_have_the_collections_read_again()
    {
        using var store = RecordStore.Open(_folder.At("records.db"), 1);
        store.Create("items");
        store.Write("items", [new RecordWrite("a", new() { ["Text"] = "x" }, [])]);
        int loads = store.Loads;
        Assert.Equal(StoreError.Missing, Assert.Throws<StoreException>(() => store.Read("none", ["a"], false)).Error);
        Assert.Throws<StoreException>(
            () => store.Write("items", [new RecordWrite("b", new() { ["Text"] = new object() }, [])]));
        store.Write("items", [new RecordWrite("c", new() { ["Text"] = "y" }, [])]);
        Assert.Equal(["a", "c"], store.Read("items", ["a", "b", "c"], false).Select(record => record.Key));
        Assert.Equal(loads, store.Loads);
    }

    [Fact]
    public async Task Two_stores_on_a_file_see_each_others_writes()
    {
        var path = _folder.At("records.db");
        using var one = new EmbeddedVectorStore(path);
        using var other = new EmbeddedVectorStore(path);
        await FillAsync(one, "items", 0, 10);
        var items = other.GetCollection<int, Item>("items");
        Assert.Equal(10, await items.SearchAsync(Vector(0), 100).CountAsync());
        await items.DeleteAsync([1, 2]);
        await items.UpsertAsync(new Item { Key = 99, Text = "from the other", Vector = Vector(99) });
        var mine = one.GetCollection<int, Item>("items");
        Assert.Equal(9, await mine.SearchAsync(Vector(0), 100).CountAsync());
        Assert.Equal(99,
            (await ((IKeywordHybridSearchable<Item>)mine).HybridSearchAsync(Vector(99), ["other"], 1).SingleAsync()).Record.Key);
    }

    [Fact]
    public async Task A_knowledge_base_and_collections_share_a_file()
    {
        var path = _folder.At("both.db");
        using (var knowledge = EmbeddedStore.Open(path))
        using (var store = new EmbeddedVectorStore(path))
        {
            await knowledge.CreateAsync(Stores.KnowledgeStoreTests.Info());
            await knowledge.WriteAsync(Stores.KnowledgeStoreTests.RandomDocuments(1, 5));
            await FillAsync(store, "items", 0, 5);
            Assert.Equal(5, (await knowledge.ListDocumentsAsync()).Count);
        }

        using var again = EmbeddedStore.Open(path);
        Assert.Equal(5, (await again.ListDocumentsAsync()).Count);
        await again.RemoveLeftoversAsync();
        using var records = new EmbeddedVectorStore(path);
        Assert.Equal(5, await records.GetCollection<int, Item>("items").GetAsync(r => true, 9).CountAsync());
    }

    [Fact]
    public async Task Many_changes_leave_what_was_written_last()
    {
        using var store = new EmbeddedVectorStore(_folder.At("records.db"));
        var items = store.GetCollection<int, Item>("items");
        await items.EnsureCollectionExistsAsync();
        var random = new Random(1);
        var expected = new Dictionary<int, int>();
        for (int round = 0; round < 150; round++)
        {
            // Enough dead slots for the table to be read anew several times.
            var batch = Enumerable.Range(0, 40).Select(_ => random.Next(300)).Distinct().ToArray();
            await items.UpsertAsync(
                batch.Select(key => new Item { Key = key, Text = $"version{round} common", Vector = Vector(key + 1000 * round) }));
            foreach (int key in batch)
                expected[key] = round;
            int gone = random.Next(300);
            await items.DeleteAsync(gone);
            expected.Remove(gone);
            if (round % 10 != 0)
                continue;
            int some = expected.Keys.ElementAt(random.Next(expected.Count));
            Assert.Equal(some, (await items.SearchAsync(Vector(some + 1000 * expected[some]), 1).SingleAsync()).Record.Key);
            int version = expected[some];
            Assert.Equal(
                expected.Where(pair => pair.Value == version).Select(pair => pair.Key).Order(),
                (await items.GetAsync(r => r.Text == $"version{version} common", 1000).Select(r => r.Key).ToListAsync()).Order());
            Assert.Equal(expected.Count, await items.GetAsync(r => true, 1000).CountAsync());
            Assert.Equal(
                expected.Count(pair => pair.Value == version),
                await ((IKeywordHybridSearchable<Item>)items).HybridSearchAsync(
                    Vector(1), [$"version{version}"], 1000, new() { Filter = r => r.Text == $"version{version} common" }).CountAsync());
        }
    }

    [Fact]
    public async Task Searches_go_on_beside_writes()
    {
        using var store = new EmbeddedVectorStore(_folder.At("records.db"));
        await FillAsync(store, "items", 0, 100);
        var items = store.GetCollection<int, Item>("items");
        using var stop = new CancellationTokenSource();
        var searches = new int[3];
        var readers = Enumerable.Range(0, searches.Length).Select(reader => Task.Run(async () =>
        {
            var random = new Random(reader);
            for (; !stop.IsCancellationRequested; searches[reader]++)
            {
                int key = random.Next(100);
                Assert.Equal(key, (await items.SearchAsync(Vector(key), 1, new() { Filter = r => r.Key < 100 }).SingleAsync()).Record.Key);
            }
        })).ToArray();
        for (int i = 1; i < 20 || (searches.Min() < 5 && !Array.Exists(readers, reader => reader.IsFaulted)); i++)
        {
            await FillAsync(store, "items", 100 * i, 20);
            await items.DeleteAsync(100 * i);
        }

        await stop.CancelAsync();
        await Task.WhenAll(readers);
    }

    [Fact]
    public async Task A_file_that_is_cut_off_while_it_is_written_holds_all_acknowledged_batches_and_no_half_ones()
    {
        var path = _folder.At("records.db");
        using var store = new EmbeddedVectorStore(path);
        var items = store.GetCollection<int, Item>("items");
        await items.EnsureCollectionExistsAsync();
        var ends = new List<long>();
        for (int batch = 0; batch < 30; batch++)
        {
            await FillAsync(store, "items", 10 * batch, 10);
            ends.Add(new FileInfo(path + "-wal").Length);
        }

        // What a killed process leaves: the file, and the log as far as it was written.
        var (file, log) = (Read(path), Read(path + "-wal"));
        var random = new Random(2);
        for (int round = 0; round < 100; round++)
        {
            int cut = random.Next((int)ends[0], log.Length + 1);
            var copy = _folder.At(string.Create(CultureInfo.InvariantCulture, $"copy{round}.db"));
            await File.WriteAllBytesAsync(copy, file);
            await File.WriteAllBytesAsync(copy + "-wal", log[..cut]);
            using var left = new EmbeddedVectorStore(copy);
            var keys = await left.GetCollection<int, Item>("items").GetAsync(r => true, 1000).Select(item => item.Key).ToListAsync();
            int acknowledged = ends.Count(end => end <= cut);
            Assert.True(keys.Count >= 10 * acknowledged, $"{keys.Count} records of {acknowledged} batches");
            Assert.Equal(Enumerable.Range(0, keys.Count), keys.Order());
            Assert.Equal(0, keys.Count % 10);
            Assert.Equal(keys.Count, await left.GetCollection<int, Item>("items").SearchAsync(Vector(1), 1000).CountAsync());
        }

        static byte[] Read(string path)
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            var bytes = new byte[stream.Length];
            stream.ReadExactly(bytes);
            return bytes;
        }
    }

    [Fact]
    public async Task A_flipped_bit_is_a_typed_error_or_a_changed_value_and_nothing_else()
    {
        var path = _folder.At("records.db");
        using (var store = new EmbeddedVectorStore(path))
            await FillAsync(store, "items", 0, 60);
        var bytes = await File.ReadAllBytesAsync(path);
        var random = new Random(SoakSettings.Value("SEED", 3));
        int errors = 0, rounds = SoakSettings.Value("FLIPS", 400);
        for (int round = 0; round < rounds; round++)
        {
            var damaged = (byte[])bytes.Clone();
            int bit = random.Next(bytes.Length * 8);
            damaged[bit / 8] ^= (byte)(1 << bit % 8);
            var copy = _folder.At("damaged.db");
            await File.WriteAllBytesAsync(copy, damaged);
            try
            {
                using var store = new EmbeddedVectorStore(copy);
                var items = store.GetCollection<int, Item>("items");
                await items.SearchAsync(Vector(1), 100, new() { Filter = r => r.Text != "none", IncludeVectors = true }).ToListAsync();
                await ((IKeywordHybridSearchable<Item>)items).HybridSearchAsync(Vector(1), ["text"], 100).ToListAsync();
                await items.GetAsync(r => r.Key > 3, 100, new() { IncludeVectors = true }).ToListAsync();
                await items.UpsertAsync(new Item { Key = 1, Text = "again", Vector = Vector(1) });
                await items.DeleteAsync([.. Enumerable.Range(0, 60)]);
            }
            catch (VectorStoreException exception)
            {
                Assert.IsType<StoreException>(exception.InnerException);
                errors++;
            }

            foreach (var file in Directory.GetFiles(_folder.Path, "damaged.db*"))
                File.Delete(file);
        }

        Assert.True(errors > 0);
    }

    [Fact]
    public void A_file_that_is_not_ours_is_refused()
    {
        var path = _folder.Write("notes.db", string.Concat(Enumerable.Repeat("This is no database. ", 300)));
        var exception = Assert.Throws<VectorStoreException>(() => new EmbeddedVectorStore(path));
        Assert.Equal(StoreError.Foreign, Assert.IsType<StoreException>(exception.InnerException).Error);
        Assert.Equal(("notes.db", "Open"), (exception.VectorStoreName, exception.OperationName));
    }

    private static async Task FillAsync(EmbeddedVectorStore store, string name, int first, int count)
    {
        var items = store.GetCollection<int, Item>(name);
        await items.EnsureCollectionExistsAsync();
        await items.UpsertAsync(
            Enumerable.Range(first, count).Select(key => new Item { Key = key, Text = $"text of {key}", Vector = Vector(key) }));
    }

    private static float[] Vector(int key)
    {
        var random = new Random(key);
        return [.. Enumerable.Range(0, Dimension).Select(_ => (float)(random.NextDouble() - 0.5))];
    }

    private sealed class Item
    {
        [VectorStoreKey]
        public int Key { get; set; }

        [VectorStoreData(IsIndexed = true, IsFullTextIndexed = true)]
        public string? Text { get; set; }

        [VectorStoreVector(Dimension)]
        public ReadOnlyMemory<float> Vector { get; set; }
    }
}
