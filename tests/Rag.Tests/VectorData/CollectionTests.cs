using Kotonoha.Rag.Stores;
using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>Collections and their records, in memory and in a file: what the contract's suites of management and models ask.</summary>
public abstract class CollectionTests : IDisposable
{
    private static readonly VectorStoreCollectionDefinition Definition = new()
    {
        Properties =
        [
            new VectorStoreKeyProperty("Key", typeof(string)),
            new VectorStoreDataProperty("Text", typeof(string)) { IsIndexed = true, StorageName = "stored text" },
            new VectorStoreDataProperty("Number", typeof(int)) { IsIndexed = true },
            new VectorStoreVectorProperty("Vector", typeof(ReadOnlyMemory<float>), 3),
        ],
    };

    private readonly Note[] _notes =
    [
        new() { Key = "1", Text = "foo", Number = 1, Vector = new float[] { 1, 2, 3 } },
        new() { Key = "2", Text = "bar", Number = 2, Vector = new float[] { 1, 2, 4 } },
        new() { Key = "3", Text = "foo", Number = 3, Vector = new float[] { 1, 2, 5 } },
        new() { Key = "4", Text = "foo", Number = 4, Vector = new float[] { 1, 2, 6 } },
    ];

    protected abstract EmbeddedVectorStore Store { get; }

    public virtual void Dispose()
    {
        Store.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task A_collection_is_made_and_deleted()
    {
        var notes = Store.GetCollection<string, Note>("notes", Definition);
        Assert.False(await notes.CollectionExistsAsync());
        Assert.False(await Store.CollectionExistsAsync("notes"));
        Assert.Empty(await Store.ListCollectionNamesAsync().ToListAsync());
        await notes.EnsureCollectionExistsAsync();
        await notes.EnsureCollectionExistsAsync();
        Assert.True(await notes.CollectionExistsAsync());
        Assert.True(await Store.CollectionExistsAsync("notes"));
        Assert.Equal(["notes"], await Store.ListCollectionNamesAsync().ToListAsync());
        await notes.UpsertAsync(_notes);
        await notes.EnsureCollectionDeletedAsync();
        Assert.False(await notes.CollectionExistsAsync());
        await Store.EnsureCollectionDeletedAsync("notes");
        await notes.EnsureCollectionExistsAsync();
        Assert.Empty(await notes.GetAsync(r => true, 9).ToListAsync());
    }

    [Fact]
    public async Task Collections_of_a_store_do_not_see_each_other()
    {
        var one = Store.GetCollection<string, Note>("it's one; %", Definition);
        var other = Store.GetCollection<string, Note>("別の", Definition);
        await one.EnsureCollectionExistsAsync();
        await other.EnsureCollectionExistsAsync();
        await one.UpsertAsync(_notes[0]);
        await other.UpsertAsync(_notes[1]);
        Assert.Null(await one.GetAsync("2"));
        Assert.Equal("2", (await other.SearchAsync(_notes[0].Vector, 9).SingleAsync()).Record.Key);
        await one.EnsureCollectionDeletedAsync();
        Assert.NotNull(await other.GetAsync("2"));
    }

    [Fact]
    public async Task Metadata_and_errors_name_the_store_and_the_collection()
    {
        var notes = Store.GetCollection<string, Note>("notes", Definition);
        var metadata = (VectorStoreCollectionMetadata)notes.GetService(typeof(VectorStoreCollectionMetadata))!;
        Assert.Equal((EmbeddedVectorStore.SystemName, "notes"), (metadata.VectorStoreSystemName, metadata.CollectionName));
        var exception = await Assert.ThrowsAsync<VectorStoreException>(() => notes.UpsertAsync(_notes[0]));
        Assert.Equal((EmbeddedVectorStore.SystemName, "notes", "Upsert"),
            (exception.VectorStoreSystemName, exception.CollectionName, exception.OperationName));
        Assert.Equal(StoreError.Missing, Assert.IsType<StoreException>(exception.InnerException).Error);
        Assert.Equal(metadata.VectorStoreName, exception.VectorStoreName);
        Assert.Same(Store, Store.GetService(typeof(EmbeddedVectorStore)));
        Assert.Same(notes, notes.GetService(typeof(IKeywordHybridSearchable<Note>)));
        Assert.Null(notes.GetService(typeof(string)));
        Assert.Null(notes.GetService(typeof(VectorStoreCollectionMetadata), "key"));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Records_are_read_with_and_without_vectors(bool withVectors)
    {
        var notes = await NotesAsync();
        var options = new RecordRetrievalOptions { IncludeVectors = withVectors };
        AssertEqual(_notes[0], await notes.GetAsync("1", options), withVectors);
        var read = await notes.GetAsync(["2", "1"], options).ToListAsync();
        AssertEqual(_notes[1], read[0], withVectors);
        AssertEqual(_notes[0], read[1], withVectors);
        AssertEqual(_notes[1], await notes.GetAsync(r => r.Number == 2, 9, new() { IncludeVectors = withVectors }).SingleAsync(),
            withVectors);
        AssertEqual(
            _notes[0],
            (await notes.SearchAsync(_notes[0].Vector, 1, new() { IncludeVectors = withVectors }).SingleAsync()).Record,
            withVectors);
    }

    [Fact]
    public async Task Missing_keys_are_left_out()
    {
        var notes = await NotesAsync();
        Assert.Null(await notes.GetAsync("9"));
        Assert.Equal(["1", "2"], await notes.GetAsync(["1", "9", "2"]).Select(note => note.Key).ToListAsync());
        Assert.Empty(await notes.GetAsync([]).ToListAsync());
    }

    [Fact]
    public async Task Null_is_refused_by_the_name_of_the_argument()
    {
        var notes = await NotesAsync();
        Assert.Equal("key", (await Assert.ThrowsAsync<ArgumentNullException>(() => notes.GetAsync((string)null!))).ParamName);
        Assert.Equal("keys",
            (await Assert.ThrowsAsync<ArgumentNullException>(() => notes.GetAsync(keys: null!).ToListAsync().AsTask())).ParamName);
        Assert.Equal("keys", (await Assert.ThrowsAsync<ArgumentNullException>(() => notes.DeleteAsync(keys: null!))).ParamName);
        Assert.Equal("records", (await Assert.ThrowsAsync<ArgumentNullException>(() => notes.UpsertAsync(records: null!))).ParamName);
    }

    [Fact]
    public async Task Filtered_reading_is_ordered_and_paged()
    {
        var notes = await NotesAsync();
        Assert.Equal(4, await notes.GetAsync(r => true, 100).CountAsync());
        Assert.Equal([2, 3], await Numbers(r => r.Number > 1, 2, new() { OrderBy = o => o.Ascending(r => r.Number) }));
        Assert.Equal([4, 3], await Numbers(r => r.Number > 1, 2, new() { OrderBy = o => o.Descending(r => r.Number) }));
        Assert.Equal([1, 3], await Numbers(r => true, 2, new() { OrderBy = o => o.Descending(r => r.Text).Ascending(r => r.Number) }));
        Assert.Equal([4, 3], await Numbers(r => true, 2, new() { OrderBy = o => o.Descending(r => r.Text).Descending(r => r.Number) }));
        Assert.Equal([3, 4], await Numbers(r => r.Number > 1, 2, new() { OrderBy = o => o.Ascending(r => r.Number), Skip = 1 }));
        Assert.Equal([4, 3, 2, 1], await Numbers(r => true, 9, new() { OrderBy = o => o.Descending(r => r.Key) }));

        async Task<List<int>> Numbers(
            System.Linq.Expressions.Expression<Func<Note, bool>> filter, int top, FilteredRecordRetrievalOptions<Note> options)
            => await notes.GetAsync(filter, top, options).Select(note => note.Number).ToListAsync();
    }

    [Fact]
    public async Task Records_are_inserted_and_updated()
    {
        var notes = await NotesAsync();
        Note[] changed =
        [
            new() { Key = "9", Text = "new", Number = 9, Vector = new float[] { 10, 0, 0 } },
            new() { Key = "1", Text = "updated", Number = 456, Vector = new float[] { 10, 0, 1 } },
        ];
        await notes.UpsertAsync(changed);
        await notes.UpsertAsync([]);
        foreach (var note in changed)
        {
            AssertEqual(note, await notes.GetAsync(note.Key, new() { IncludeVectors = true }), withVectors: true);
            Assert.Equal(note.Key, (await notes.SearchAsync(note.Vector, 1).SingleAsync()).Record.Key);
            Assert.Equal(note.Key, (await notes.GetAsync(r => r.Text == note.Text, 9).SingleAsync()).Key);
        }

        Assert.Equal(5, await notes.GetAsync(r => true, 100).CountAsync());
    }

    [Fact]
    public async Task The_last_of_equal_keys_in_a_batch_counts()
    {
        var notes = await NotesAsync();
        await notes.UpsertAsync(
            [.. Enumerable.Range(0, 5).Select(i => new Note { Key = "same", Number = i, Vector = new float[] { 0, 0, i } })]);
        Assert.Equal(4, (await notes.GetAsync("same"))!.Number);
        Assert.Equal(5, await notes.SearchAsync(_notes[0].Vector, 100).CountAsync());
    }

    [Fact]
    public async Task Records_are_deleted()
    {
        var notes = await NotesAsync();
        await notes.DeleteAsync("1");
        Assert.Null(await notes.GetAsync("1"));
        await notes.DeleteAsync(["2", "3", "2", "unknown"]);
        await notes.DeleteAsync([]);
        await notes.DeleteAsync("1");
        Assert.Equal("4", (await notes.GetAsync(r => true, 100).SingleAsync()).Key);
        Assert.Equal("4", (await notes.SearchAsync(_notes[0].Vector, 100).SingleAsync()).Record.Key);
    }

    [Fact]
    public async Task Searches_are_filtered_paged_and_cut_at_a_score()
    {
        var notes = await NotesAsync();
        var query = _notes[0].Vector;
        Assert.Equal("2", (await notes.SearchAsync(query, 1, new() { Skip = 1 }).SingleAsync()).Record.Key);
        Assert.Equal("2", (await notes.SearchAsync(query, 1, new() { Filter = r => r.Number == 2 }).SingleAsync()).Record.Key);
        var all = await notes.SearchAsync(query, 100).ToListAsync();
        Assert.Equal(["1", "2", "3", "4"], all.Select(hit => hit.Record.Key));
        Assert.Equal(["1", "2"],
            await notes.SearchAsync(query, 100, new() { ScoreThreshold = all[1].Score }).Select(hit => hit.Record.Key).ToListAsync());
        Assert.Empty(await notes.SearchAsync(query, 100, new() { Skip = 4 }).ToListAsync());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => notes.SearchAsync(query, 0).ToListAsync().AsTask());
    }

    [Fact]
    public async Task Vectors_of_another_width_are_refused()
    {
        var notes = await NotesAsync();
        var short_ = new Note { Key = "9", Vector = new float[] { 1, 2 } };
        var exception = await Assert.ThrowsAsync<VectorStoreException>(() => notes.UpsertAsync([_notes[0], short_]));
        Assert.Equal(StoreError.Mismatch, Assert.IsType<StoreException>(exception.InnerException).Error);
        await Assert.ThrowsAsync<VectorStoreException>(() => notes.SearchAsync(short_.Vector, 1).ToListAsync().AsTask());
        Assert.Null(await notes.GetAsync("9"));
    }

    [Fact]
    public async Task Dynamic_records_hold_what_typed_ones_hold()
    {
        await NotesAsync();
        var notes = Store.GetDynamicCollection("notes", Definition);
        var read = (await notes.GetAsync("1"))!;
        Assert.Equal(["Key", "Number", "Text"], read.Keys.Order());
        Assert.Equal(("1", "foo", 1), ((string)read["Key"]!, (string)read["Text"]!, (int)read["Number"]!));
        read = (await notes.GetAsync("1", new() { IncludeVectors = true }))!;
        Assert.Equal([1, 2, 3], ((ReadOnlyMemory<float>)read["Vector"]!).ToArray());
        await notes.UpsertAsync(
            [new() { ["Key"] = "9", ["Text"] = null, ["Number"] = 9, ["Vector"] = new ReadOnlyMemory<float>([9, 0, 0]) }]);
        Assert.Equal("9", (await notes.SearchAsync(new ReadOnlyMemory<float>([9, 0, 0]), 1).SingleAsync()).Record["Key"]);
        Assert.Equal(
            [4, 3],
            await notes.GetAsync(
                r => (int)r["Number"]! < 9, 2, new() { OrderBy = o => o.Descending(r => r["Text"]).Descending(r => r["Number"]) })
                .Select(note => (int)note["Number"]!).ToListAsync());
        Assert.Equal(2, await notes.GetAsync(["9", "1", "none"]).CountAsync());
        await notes.DeleteAsync("9");
        Assert.Null(await notes.GetAsync("9"));
        await Assert.ThrowsAsync<ArgumentNullException>(() => notes.GetAsync((object)null!));
        Assert.Throws<ArgumentException>(() => Store.GetCollection<object, Dictionary<string, object?>>("notes", Definition));
    }

    [Fact]
    public async Task Records_without_data_and_records_without_vectors()
    {
        var bare = Store.GetCollection<string, Bare>("bare");
        await bare.EnsureCollectionExistsAsync();
        await bare.UpsertAsync([new() { Key = "a", Vector = new float[] { 1, 0 } }, new() { Key = "b" }]);
        Assert.Equal("a", (await bare.SearchAsync(new float[] { 1, 0 }, 9).SingleAsync()).Record.Key);
        Assert.Equal(2, await bare.GetAsync(["a", "b"]).CountAsync());
        Assert.Null((await bare.GetAsync("b", new() { IncludeVectors = true }))!.Vector);

        var plain = Store.GetCollection<Guid, Plain>("plain");
        await plain.EnsureCollectionExistsAsync();
        var record = new Plain { Text = "no vector" };
        await plain.UpsertAsync(record);
        Assert.NotEqual(Guid.Empty, record.Key);
        Assert.Equal("no vector", (await plain.GetAsync(record.Key))!.Text);
        Assert.Throws<InvalidOperationException>(() => plain.SearchAsync(new float[] { 1 }, 1).ToBlockingEnumerable().Any());
        await plain.DeleteAsync(record.Key);
        Assert.Null(await plain.GetAsync(record.Key));
    }

    [Fact]
    public async Task A_record_with_two_vectors_is_found_by_the_one_that_is_named()
    {
        var pairs = Store.GetCollection<int, Pair>("pairs");
        await pairs.EnsureCollectionExistsAsync();
        await pairs.UpsertAsync(
            [new() { Key = 1, First = new float[] { 1, 0 }, Second = new float[] { 0, 0, 1 } },
                new() { Key = 2, First = new float[] { 0, 1 }, Second = new float[] { 1, 0, 0 } }]);
        Assert.Equal(1,
            (await pairs.SearchAsync(new float[] { 1, 0 }, 1, new() { VectorProperty = r => r.First }).SingleAsync()).Record.Key);
        Assert.Equal(2,
            (await pairs.SearchAsync(new float[] { 1, 0, 0 }, 1, new() { VectorProperty = r => r.Second }).SingleAsync()).Record.Key);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await pairs.SearchAsync(new float[] { 1, 0 }, 1).ToListAsync());
        var read = await pairs.GetAsync(1, new() { IncludeVectors = true });
        Assert.Equal([0, 0, 1], read!.Second.ToArray());
    }

    private static void AssertEqual(Note expected, Note? actual, bool withVectors)
    {
        Assert.NotNull(actual);
        Assert.Equal((expected.Key, expected.Text, expected.Number), (actual.Key, actual.Text, actual.Number));
        Assert.Equal(withVectors ? expected.Vector.ToArray() : [], actual.Vector.ToArray());
    }

    private async Task<VectorStoreCollection<string, Note>> NotesAsync()
    {
        var notes = Store.GetCollection<string, Note>("notes", Definition);
        await notes.EnsureCollectionExistsAsync();
        await notes.UpsertAsync(_notes);
        return notes;
    }

    internal sealed class Note
    {
        public string Key { get; set; } = "";

        public string? Text { get; set; }

        public int Number { get; set; }

        public ReadOnlyMemory<float> Vector { get; set; }
    }

    private sealed class Bare
    {
        [VectorStoreKey]
        public string Key { get; set; } = "";

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float>? Vector { get; set; }
    }

    private sealed class Plain
    {
        [VectorStoreKey]
        public Guid Key { get; set; }

        [VectorStoreData]
        public string? Text { get; set; }
    }

    private sealed class Pair
    {
        [VectorStoreKey]
        public int Key { get; set; }

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> First { get; set; }

        [VectorStoreVector(3)]
        public ReadOnlyMemory<float> Second { get; set; }
    }
}

public sealed class CollectionInMemoryTests : CollectionTests
{
    protected override EmbeddedVectorStore Store { get; } = new();
}

public sealed class CollectionFileTests : CollectionTests
{
    private readonly TemporaryFolder _folder = new();

    public CollectionFileTests() => Store = new EmbeddedVectorStore(_folder.At("records.db"));

    protected override EmbeddedVectorStore Store { get; }

    public override void Dispose()
    {
        base.Dispose();
        _folder.Dispose();
    }
}
