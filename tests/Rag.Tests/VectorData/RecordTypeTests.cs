using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>
/// The types of data, keys and vectors: what is written is read back, found by equality, and the same for dynamic records.
/// </summary>
public sealed class RecordTypeTests : IDisposable
{
    private readonly EmbeddedVectorStore _store = new();

    public static TheoryData<object, object> Values => new()
    {
        { (byte)8, (byte)9 },
        { (sbyte)-8, (sbyte)9 },
        { (short)8, (short)-9 },
        { (ushort)8, (ushort)9 },
        { 8, int.MinValue },
        { 8u, uint.MaxValue },
        { 8L, long.MinValue },
        { 8UL, ulong.MaxValue },
        { 8.5f, float.NaN },
        { 8.5d, double.NegativeInfinity },
        { 8.50m, decimal.MaxValue },
        { "foo", "日本語 \0 𠮷" },
        { true, false },
        { new Guid("603840bf-cf91-4521-8b8e-8b6a2e75910a"), Guid.Empty },
        { new DateTime(2020, 1, 1, 12, 30, 45), new DateTime(2021, 2, 3, 13, 40, 55, DateTimeKind.Utc) },
        { new DateTimeOffset(2020, 1, 1, 12, 30, 45, TimeSpan.FromHours(2)), DateTimeOffset.MaxValue },
        { new DateOnly(2020, 1, 1), new DateOnly(2021, 2, 3) },
        { new TimeOnly(12, 30, 45), TimeOnly.MaxValue },
        { new[] { "foo", "bar" }, new[] { "foo", "baz" } },
        { new[] { 1, 2 }, Array.Empty<int>() },
        { new List<string> { "foo", "bar" }, new List<string> { "bar", "foo" } },
        { new List<DateTime> { DateTime.UnixEpoch }, new List<DateTime>() },
    };

    public static TheoryData<object, object> Keys => new()
    {
        { "key '; DROP TABLE records; --", "鍵" },
        { new Guid("603840bf-cf91-4521-8b8e-8b6a2e75910a"), Guid.NewGuid() },
        { 8, -8 },
        { long.MaxValue, -1L },
        { ulong.MaxValue, 8UL },
    };

    public void Dispose() => _store.Dispose();

    [Theory]
    [MemberData(nameof(Values))]
    public async Task Values_are_read_as_they_were_written_and_found(object value, object other)
        => await (Task)GetType()
            .GetMethod(nameof(TestAsync), System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Instance)!
            .MakeGenericMethod(value.GetType()).Invoke(this, [value, other])!;

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task Keys_find_their_records(object key, object other)
        => await (Task)GetType()
            .GetMethod(nameof(TestKeyAsync), System.Reflection.BindingFlags.NonPublic | System.Reflection.BindingFlags.Instance)!
            .MakeGenericMethod(key.GetType()).Invoke(this, [key, other])!;

    [Fact]
    public async Task Nullable_values()
    {
        var definition = Definition(typeof(int?));
        var records = _store.GetCollection<string, Record<int?>>("nullable", definition);
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync([new() { Key = "a", Value = 8 }, new() { Key = "b", Value = null }, new() { Key = "c", Value = 9 }]);
        Assert.Equal(8, (await records.GetAsync("a"))!.Value);
        Assert.Null((await records.GetAsync("b"))!.Value);
        Assert.Equal("b", (await records.GetAsync(r => r.Value == null, 9).SingleAsync()).Key);
        Assert.Equal("c", (await records.GetAsync(r => r.Value > 8, 9).SingleAsync()).Key);
        Assert.Equal(["b", "c"], await records.GetAsync(r => r.Value != 8, 9).Select(r => r.Key).ToListAsync());
    }

    [Fact]
    public void Other_types_are_refused_by_name()
    {
        var exception = Assert.ThrowsAny<Exception>(() => _store.GetCollection<string, Record<Uri>>("no", Definition(typeof(Uri))));
        Assert.Contains("Value", exception.Message);
        Assert.Contains("DateOnly", exception.Message);
        Assert.ThrowsAny<NotSupportedException>(() => _store.GetCollection<DateTime, KeyRecord<DateTime>>("no"));
    }

    [Fact]
    public async Task A_record_type_that_does_not_fit_is_a_typed_error()
    {
        var written = _store.GetCollection<string, Record<string>>("changed", Definition(typeof(string)));
        await written.EnsureCollectionExistsAsync();
        await written.UpsertAsync(new Record<string> { Key = "a", Value = "text" });
        var read = _store.GetCollection<string, Record<int>>("changed", Definition(typeof(int)));
        var exception = await Assert.ThrowsAsync<VectorStoreException>(() => read.GetAsync("a"));
        Assert.Contains("Value", exception.Message);
    }

    [Fact]
    public async Task Numbers_that_fit_are_read_as_wider_ones()
    {
        var written = _store.GetCollection<string, Record<int>>("wider", Definition(typeof(int)));
        await written.EnsureCollectionExistsAsync();
        await written.UpsertAsync(new Record<int> { Key = "a", Value = 7 });
        var read = _store.GetCollection<string, Record<long>>("wider", Definition(typeof(long)));
        Assert.Equal(7L, (await read.GetAsync("a"))!.Value);
        Assert.NotNull(await read.GetAsync(r => r.Value == 7, 1).SingleAsync());
    }

    [Fact]
    public Task Vectors_as_memory() => TestVectorAsync(new ReadOnlyMemory<float>([1, 2, 3]), vector => vector.ToArray());

    [Fact]
    public Task Vectors_as_embeddings()
        => TestVectorAsync(new Embedding<float>(new float[] { 1, 2, 3 }), vector => vector.Vector.ToArray());

    [Fact]
    public Task Vectors_as_arrays() => TestVectorAsync<float[]>([1, 2, 3], vector => vector);

    private async Task TestAsync<T>(T value, T other)
    {
        var records = _store.GetCollection<string, Record<T>>("values", Definition(typeof(T)));
        var dynamicRecords = _store.GetDynamicCollection("values", Definition(typeof(T)));
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync([new() { Key = "a", Value = value }, new() { Key = "b", Value = other }]);
        Assert.Equal(value, (await records.GetAsync("a"))!.Value);
        Assert.Equal(other, (await records.GetAsync("b"))!.Value);
        if (value is DateTime date)
            Assert.Equal(date.Kind, ((DateTime)(object)(await records.GetAsync("a"))!.Value!).Kind);
        var parameter = System.Linq.Expressions.Expression.Parameter(typeof(Record<T>));
        var filter = System.Linq.Expressions.Expression.Lambda<Func<Record<T>, bool>>(
            System.Linq.Expressions.Expression.Equal(
                System.Linq.Expressions.Expression.Property(parameter, "Value"),
                System.Linq.Expressions.Expression.Constant(value, typeof(T))),
            parameter);
        Assert.Equal("a", (await records.GetAsync(filter, 9).SingleAsync()).Key);
        Assert.Equal("a", (await records.SearchAsync(new float[] { 1, 0 }, 9, new() { Filter = filter }).SingleAsync()).Record.Key);
        await dynamicRecords.UpsertAsync(
            new Dictionary<string, object?> { ["Key"] = "c", ["Value"] = other, ["Vector"] = new float[] { 1, 0 } });
        Assert.Equal(value, (T)(await dynamicRecords.GetAsync("a"))!["Value"]!);
        Assert.Equal(other, (T)(await dynamicRecords.GetAsync("c"))!["Value"]!);
        Assert.Equal(
            "a", (await dynamicRecords.GetAsync(r => r["Value"] == (object)value!, 9).SingleAsync())["Key"]);
    }

    private async Task TestKeyAsync<TKey>(TKey key, TKey other)
        where TKey : notnull
    {
        var records = _store.GetCollection<TKey, KeyRecord<TKey>>("keys");
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync([new() { Key = key, Value = 1 }, new() { Key = other, Value = 2 }]);
        await records.UpsertAsync(new KeyRecord<TKey> { Key = key, Value = 3 });
        Assert.Equal(3, (await records.GetAsync(key))!.Value);
        Assert.Equal(other, (await records.GetAsync(other))!.Key);
        Assert.Equal(2, await records.GetAsync([key, other]).CountAsync());
        Assert.Equal(3, (await records.GetAsync(r => r.Key.Equals(key), 9).SingleAsync()).Value);
        await records.DeleteAsync(key);
        Assert.Null(await records.GetAsync(key));
        var dynamicRecords = _store.GetDynamicCollection("keys", new VectorStoreCollectionDefinition
        {
            Properties = [new VectorStoreKeyProperty("Key", typeof(TKey)), new VectorStoreDataProperty("Value", typeof(int))],
        });
        Assert.Equal(other, (TKey)(await dynamicRecords.GetAsync(other))!["Key"]!);
        await Assert.ThrowsAsync<ArgumentException>(() => dynamicRecords.GetAsync(new object()));
    }

    private async Task TestVectorAsync<TVector>(TVector vector, Func<TVector, float[]> numbers)
        where TVector : notnull
    {
        var definition = new VectorStoreCollectionDefinition
        {
            Properties = [new VectorStoreKeyProperty("Key", typeof(string)), new VectorStoreVectorProperty("Vector", typeof(TVector), 3)],
        };
        var records = _store.GetCollection<string, VectorRecord<TVector>>("vectors", definition);
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync(new VectorRecord<TVector> { Key = "a", Vector = vector });
        var written = await records.GetAsync("a", new() { IncludeVectors = true });
        Assert.Equal([1, 2, 3], numbers(written!.Vector!));
        var hit = await records.SearchAsync(vector, 1, new() { IncludeVectors = true }).SingleAsync();
        Assert.Equal([1, 2, 3], numbers(hit.Record.Vector!));
        Assert.Equal(1, hit.Score!.Value, 1e-6);
        var dynamicRecords = _store.GetDynamicCollection("vectors", definition);
        var read = await dynamicRecords.GetAsync("a", new() { IncludeVectors = true });
        Assert.Equal([1, 2, 3], numbers((TVector)read!["Vector"]!));
    }

    private static VectorStoreCollectionDefinition Definition(Type type) => new()
    {
        Properties =
        [
            new VectorStoreKeyProperty("Key", typeof(string)),
            new VectorStoreDataProperty("Value", type) { IsIndexed = true },
            new VectorStoreVectorProperty("Vector", typeof(float[]), 2),
        ],
    };

    private sealed class Record<T>
    {
        public string Key { get; set; } = "";

        public T? Value { get; set; }

        public float[] Vector { get; set; } = [1, 0];
    }

    private sealed class KeyRecord<TKey>
    {
        [VectorStoreKey]
        public TKey Key { get; set; } = default!;

        [VectorStoreData]
        public int Value { get; set; }
    }

    private sealed class VectorRecord<TVector>
    {
        public string Key { get; set; } = "";

        public TVector? Vector { get; set; }
    }
}
