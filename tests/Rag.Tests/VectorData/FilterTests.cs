using System.Linq.Expressions;
using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>
/// Filters of the contract's conformance suite: each is run on records with a class and on dynamic ones, by filtered get and by search, and
/// gives what LINQ gives on the same objects.
/// </summary>
public sealed class FilterTests : IDisposable
{
    private static readonly int StaticReadOnlyField = int.Parse("8");
    private static int _staticField = 8;
    private readonly int _readOnlyField = 8;
    private readonly Wrapper _wrapper = new();
    private readonly EmbeddedVectorStore _store = new();
    private readonly Thing[] _things =
    [
        new() { Key = "a", Int = 8, Text = "foo", Bool = true, Int2 = 80, Array = ["x", "y"], List = ["x", "y"] },
        new() { Key = "b", Int = 9, Text = "bar", Bool = false, Int2 = 90, Array = ["a", "b"], List = ["a", "b"] },
        new() { Key = "c", Int = 9, Text = "foo", Bool = true, Int2 = 9, Array = ["x"], List = ["x"] },
        new() { Key = "d", Int = 10, Text = null, Bool = false, Int2 = 100, Array = ["x", "y", "z"], List = ["x", "y", "z"] },
        new() { Key = "e", Int = 11, Text = "with some special \" characters ' in % _ it", Bool = true, Int2 = 101, Array = ["y", "z"],
            List = ["y", "z"] },
        new() { Key = "f", Int = 12, Text = "something", Bool = false, Int2 = 102, Maybe = 3, Array = [], List = [] },
    ];

    public void Dispose() => _store.Dispose();

    [Fact]
    public Task Equal_with_int() => TestAsync(r => r.Int == 8, r => (int)r["Int"]! == 8);

    [Fact]
    public Task Equal_with_a_double() => TestAsync(r => r.Int == 8.0, r => (int)r["Int"]! == 8.0);

    [Fact]
    public Task Equal_with_a_decimal() => TestAsync(r => r.Int == 8.00m, r => (int)r["Int"]! == 8.00m);

    [Fact]
    public Task Equal_with_a_fraction() => TestAsync(r => r.Int == 8.5, r => (int)r["Int"]! == 8.5, none: true);

    [Theory]
    [InlineData(9007199254740993L, 9007199254740992.0)]
    [InlineData(9007199254740991L, 9007199254740991.0)]
    [InlineData(-3L, -3.0)]
    public async Task A_whole_number_is_equal_to_a_double_as_it_is_in_csharp(long whole, double number)
    {
        var numbers = _store.GetCollection<string, Number>("numbers");
        await numbers.EnsureCollectionExistsAsync();
        await numbers.UpsertAsync([new Number { Key = "whole", Long = whole }, new Number { Key = "other", Long = whole + 100 }]);
        Assert.True(whole == number);
        Assert.Equal("whole", (await numbers.GetAsync(r => r.Long == number, 9).SingleAsync()).Key);
        double[] several = [number, 0.5];
        Assert.Equal("whole", (await numbers.GetAsync(r => several.Contains(r.Long), 9).SingleAsync()).Key);
    }

    [Fact]
    public Task Equal_with_string() => TestAsync(r => r.Text == "foo", r => (string?)r["Text"] == "foo");

    [Fact]
    public Task Equal_with_string_as_an_object()
    {
#pragma warning disable CS0252 // Values are compared as values, whatever their static type.
        return TestAsync(r => r.Text == "foo", r => r["Text"] == "foo");
#pragma warning restore CS0252
    }

    [Fact]
    public Task Equal_with_sql_in_the_value()
    {
        var sql = "foo'; DROP TABLE records; --";
        return TestAsync(r => r.Text == sql, r => (string?)r["Text"] == sql, none: true);
    }

    [Fact]
    public async Task Equal_with_sql_in_the_name_is_refused()
    {
        var (_, things) = await CollectionsAsync();
        await Assert.ThrowsAsync<InvalidOperationException>(
            () => things.GetAsync(r => (string?)r["Text = \"x\"; DROP TABLE records"] == "", 1).ToListAsync().AsTask());
    }

    [Fact]
    public Task Equal_with_special_characters()
    {
        var text = _things[4].Text;
        return TestAsync(r => r.Text == text, r => (string?)r["Text"] == text);
    }

    [Fact]
    public Task Equal_is_not_contains() => TestAsync(r => r.Text == "some", r => (string?)r["Text"] == "some", none: true);

    [Fact]
    public Task Equal_reversed() => TestAsync(r => 8 == r.Int, r => 8 == (int)r["Int"]!);

    [Fact]
    public Task Equal_with_null() => TestAsync(r => r.Text == null, r => r["Text"] == null);

    [Fact]
    public Task Equal_with_null_captured()
    {
        string? text = null;
        return TestAsync(r => r.Text == text, r => (string?)r["Text"] == text);
    }

    [Fact]
    public Task Equal_with_a_nullable_int()
    {
        int? number = 8;
        return TestAsync(r => r.Int == number, r => (int)r["Int"]! == number);
    }

    [Fact]
    public Task Equal_of_an_int_with_a_nullable_int_that_is_null()
    {
        int? number = null;
        return TestAsync(r => r.Int == number, r => (int)r["Int"]! == number, none: true);
    }

    [Fact]
    public Task Equal_with_the_value_of_a_nullable_int()
    {
        int? number = 8;
        return TestAsync(r => r.Int == number.Value, r => (int)r["Int"]! == number.Value);
    }

    [Fact]
    public async Task Equal_with_the_value_of_a_nullable_int_that_is_null_is_an_error()
    {
        int? number = null;
        var (things, _) = await CollectionsAsync();
        await Assert.ThrowsAnyAsync<InvalidOperationException>(() => things.GetAsync(r => r.Int == number!.Value, 9).ToListAsync()
            .AsTask());
    }

    [Fact]
    public Task NotEqual_with_int() => TestAsync(r => r.Int != 8, r => (int)r["Int"]! != 8);

    [Fact]
    public Task NotEqual_with_string() => TestAsync(r => r.Text != "foo", r => (string?)r["Text"] != "foo");

    [Fact]
    public Task NotEqual_reversed() => TestAsync(r => 8 != r.Int, r => 8 != (int)r["Int"]!);

    [Fact]
    public Task NotEqual_with_null() => TestAsync(r => r.Text != null, r => r["Text"] != null);

    [Fact]
    public Task NotEqual_with_null_captured()
    {
        string? text = null;
        return TestAsync(r => r.Text != text, r => (string?)r["Text"] != text);
    }

    [Fact]
    public Task Bool() => TestAsync(r => r.Bool, r => (bool)r["Bool"]!);

    [Fact]
    public Task Bool_and_bool() => TestAsync(r => r.Bool && r.Bool, r => (bool)r["Bool"]! && (bool)r["Bool"]!);

    [Fact]
    public Task Bool_or_not_bool() => TestAsync(r => r.Bool || !r.Bool, r => (bool)r["Bool"]! || !(bool)r["Bool"]!, all: true);

    [Fact]
    public Task Greater() => TestAsync(r => r.Int > 9, r => (int)r["Int"]! > 9);

    [Fact]
    public Task Greater_or_equal() => TestAsync(r => r.Int >= 9, r => (int)r["Int"]! >= 9);

    [Fact]
    public Task Less() => TestAsync(r => r.Int < 10, r => (int)r["Int"]! < 10);

    [Fact]
    public Task Less_or_equal() => TestAsync(r => r.Int <= 10, r => (int)r["Int"]! <= 10);

    [Fact]
    public Task A_null_is_neither_greater_nor_less()
        => TestAsync(r => r.Maybe > 2 || r.Maybe < 2, r => (int?)r["Maybe"] > 2 || (int?)r["Maybe"] < 2);

    [Fact]
    public Task Two_properties() => TestAsync(r => r.Int == r.Int2, r => (int)r["Int"]! == (int)r["Int2"]!);

    [Fact]
    public Task And() => TestAsync(r => r.Int == 8 && r.Text == "foo", r => (int)r["Int"]! == 8 && (string?)r["Text"] == "foo");

    [Fact]
    public Task Or() => TestAsync(r => r.Int == 8 || r.Text == "foo", r => (int)r["Int"]! == 8 || (string?)r["Text"] == "foo");

    [Fact]
    public Task And_within_and() => TestAsync(
        r => (r.Int == 8 && r.Text == "foo") && r.Int2 == 80,
        r => ((int)r["Int"]! == 8 && (string?)r["Text"] == "foo") && (int)r["Int2"]! == 80);

    [Fact]
    public Task And_within_or() => TestAsync(
        r => (r.Int == 8 && r.Text == "foo") || r.Int2 == 100,
        r => ((int)r["Int"]! == 8 && (string?)r["Text"] == "foo") || (int)r["Int2"]! == 100);

    [Fact]
    public Task Or_within_and() => TestAsync(
        r => (r.Int == 8 || r.Int == 9) && r.Text == "foo",
        r => ((int)r["Int"]! == 8 || (int)r["Int"]! == 9) && (string?)r["Text"] == "foo");

    [Fact]
    public Task Not_equal_8() => TestAsync(r => !(r.Int == 8), r => !((int)r["Int"]! == 8));

    [Fact]
    public Task Not_unequal_8() => TestAsync(r => !(r.Int != 8), r => !((int)r["Int"]! != 8));

    [Fact]
    public Task Not_over_and()
        => TestAsync(r => !(r.Int == 8 && r.Text == "foo"), r => !((int)r["Int"]! == 8 && (string?)r["Text"] == "foo"));

    [Fact]
    public Task Not_over_or()
        => TestAsync(r => !(r.Int == 8 || r.Text == "foo"), r => !((int)r["Int"]! == 8 || (string?)r["Text"] == "foo"));

    [Fact]
    public Task Not_over_bool() => TestAsync(r => !r.Bool, r => !(bool)r["Bool"]!);

    [Fact]
    public Task Not_over_bool_and_a_comparison()
        => TestAsync(r => !r.Bool && r.Int != int.MaxValue, r => !(bool)r["Bool"]! && (int)r["Int"]! != int.MaxValue);

    [Fact]
    public Task Contains_over_an_array() => TestAsync(r => r.Array!.Contains("x"), r => ((string[])r["Array"]!).Contains("x"));

    [Fact]
    public Task Contains_over_a_list() => TestAsync(r => r.List!.Contains("x"), r => ((List<string>)r["List"]!).Contains("x"));

    [Fact]
    public Task Contains_over_inline_ints()
        => TestAsync(r => new[] { 8, 10 }.Contains(r.Int), r => new[] { 8, 10 }.Contains((int)r["Int"]!));

    [Fact]
    public Task Contains_over_inline_strings() => TestAsync(
        r => new[] { "foo", "baz", "unknown" }.Contains(r.Text), r => new[] { "foo", "baz", "unknown" }.Contains((string?)r["Text"]));

    [Fact]
    public Task Contains_over_inline_strings_with_quotes() => TestAsync(
        r => new[] { "foo", "un  , ' \"" }.Contains(r.Text), r => new[] { "foo", "un  , ' \"" }.Contains((string?)r["Text"]));

    [Fact]
    public Task Contains_over_inline_strings_with_null()
        => TestAsync(r => new[] { "bar", null }.Contains(r.Text), r => new[] { "bar", null }.Contains((string?)r["Text"]));

    [Fact]
    public Task Contains_over_a_captured_array()
    {
        string[] texts = ["foo", "baz", "unknown"];
        return TestAsync(r => texts.Contains(r.Text), r => texts.Contains((string?)r["Text"]));
    }

    [Fact]
    public Task Contains_over_a_captured_list()
    {
        List<string?> texts = ["foo", "baz", "unknown"];
        return TestAsync(r => texts.Contains(r.Text), r => texts.Contains((string?)r["Text"]));
    }

    [Fact]
    public Task Contains_of_Enumerable()
        => TestAsync(r => Enumerable.Contains(r.Array!, "x"), r => Enumerable.Contains((string[])r["Array"]!, "x"));

    [Fact]
    public Task Contains_of_MemoryExtensions() => TestAsync(
        r => MemoryExtensions.Contains(r.Array, "x"), r => MemoryExtensions.Contains((string[])r["Array"]!, "x"),
        expected: r => r.Array!.Any(s => s == "x"));

    [Fact]
    public Task Contains_of_MemoryExtensions_with_a_null_comparer() => TestAsync(
        r => MemoryExtensions.Contains(r.Array, "x", comparer: null),
        r => MemoryExtensions.Contains((string[])r["Array"]!, "x", comparer: null),
        expected: r => r.Array!.Any(s => s == "x"));

    [Fact]
    public Task Any_with_contains_over_an_inline_array() => TestAsync(
        r => r.Array!.Any(s => new[] { "x", "z" }.Contains(s)), r => ((string[])r["Array"]!).Any(s => new[] { "x", "z" }.Contains(s)));

    [Fact]
    public Task Any_with_contains_over_a_captured_array()
    {
        string[] wanted = ["x", "z", "nothing"];
        return TestAsync(r => r.Array!.Any(s => wanted.Contains(s)), r => ((string[])r["Array"]!).Any(s => wanted.Contains(s)));
    }

    [Fact]
    public Task Any_with_contains_over_a_captured_list()
    {
        List<string> wanted = ["x", "z", "nothing"];
        return TestAsync(r => r.Array!.Any(s => wanted.Contains(s)), r => ((string[])r["Array"]!).Any(s => wanted.Contains(s)));
    }

    [Fact]
    public Task Any_over_a_list()
    {
        string[] wanted = ["x", "z", "nothing"];
        return TestAsync(r => r.List!.Any(s => wanted.Contains(s)), r => ((List<string>)r["List"]!).Any(s => wanted.Contains(s)));
    }

    [Fact]
    public Task A_captured_variable()
    {
        int number = 8;
        return TestAsync(r => r.Int == number, r => (int)r["Int"]! == number);
    }

    [Fact]
    public Task A_field() => TestAsync(r => r.Int == _wrapper.Value, r => (int)r["Int"]! == _wrapper.Value);

    [Fact]
    public Task A_readonly_field() => TestAsync(r => r.Int == _readOnlyField, r => (int)r["Int"]! == _readOnlyField);

    [Fact]
    public Task A_static_field()
    {
        _staticField = 8;
        return TestAsync(r => r.Int == _staticField, r => (int)r["Int"]! == _staticField);
    }

    [Fact]
    public Task A_static_readonly_field() => TestAsync(r => r.Int == StaticReadOnlyField, r => (int)r["Int"]! == StaticReadOnlyField);

    [Fact]
    public Task True() => TestAsync(r => true, r => true, all: true);

    [Fact]
    public Task False() => TestAsync(r => false, r => false, none: true);

    [Fact]
    public Task The_key() => TestAsync(r => r.Key == "c", r => (string?)r["Key"] == "c");

    [Fact]
    public Task Methods_of_text() => TestAsync(
        r => r.Text!.StartsWith("some"), r => ((string?)r["Text"])!.StartsWith("some"), expected: r => r.Text?.StartsWith("some") == true);

    [Fact]
    public Task Arithmetic() => TestAsync(r => r.Int * 10 == r.Int2, r => (int)r["Int"]! * 10 == (int)r["Int2"]!);

    [Fact]
    public Task A_conversion_that_would_cut_a_number_is_made()
        => TestAsync(r => (byte)(r.Int2 * 10) == 32, r => (byte)((int)r["Int2"]! * 10) == 32);

    [Fact]
    public async Task A_filter_still_holds_after_changes()
    {
        var (things, _) = await CollectionsAsync();
        Assert.Equal(["a", "c"], await KeysAsync(r => r.Text == "foo" && r.Array!.Contains("x")));
        await things.UpsertAsync(new Thing { Key = "a", Text = "changed", Vector = new float[] { 1, 0 } });
        await things.UpsertAsync(new Thing { Key = "g", Text = "foo", Array = ["x"], Vector = new float[] { 1, 0 } });
        await things.DeleteAsync("c");
        Assert.Equal(["g"], await KeysAsync(r => r.Text == "foo" && r.Array!.Contains("x")));
        Assert.Equal(["a"], await KeysAsync(r => r.Text == "changed"));
        Assert.Equal(["a", "d", "f"], await KeysAsync(r => r.Text == null || r.Text == "changed" || r.Maybe == 3));

        async Task<List<string>> KeysAsync(Expression<Func<Thing, bool>> filter)
            => await things.GetAsync(filter, 100).Select(thing => thing.Key).ToListAsync();
    }

    private async Task TestAsync(
        Expression<Func<Thing, bool>> filter,
        Expression<Func<Dictionary<string, object?>, bool>> dynamicFilter,
        bool none = false,
        bool all = false,
        Func<Thing, bool>? expected = null)
    {
        string[] keys = [.. _things.Where(expected ?? filter.Compile()).Select(thing => thing.Key)];
        Assert.Equal(none, keys.Length == 0);
        Assert.Equal(all, keys.Length == _things.Length);
        var (things, dynamicThings) = await CollectionsAsync();
        var query = new ReadOnlyMemory<float>([1, 0]);
        Assert.Equal(keys, await things.GetAsync(filter, 100).Select(thing => thing.Key).ToListAsync());
        Assert.Equal(
            keys, await things.SearchAsync(query, 100, new() { Filter = filter }).Select(hit => hit.Record.Key).Order().ToListAsync());
        Assert.Equal(keys, await dynamicThings.GetAsync(dynamicFilter, 100).Select(thing => (string)thing["Key"]!).ToListAsync());
        Assert.Equal(
            keys,
            await dynamicThings.SearchAsync(query, 100, new() { Filter = dynamicFilter })
                .Select(hit => (string)hit.Record["Key"]!).Order().ToListAsync());
    }

    private async Task<(VectorStoreCollection<string, Thing> Things, VectorStoreCollection<object, Dictionary<string, object?>> Dynamic)>
        CollectionsAsync()
    {
        var definition = new VectorStoreCollectionDefinition
        {
            Properties =
            [
                new VectorStoreKeyProperty("Key", typeof(string)),
                new VectorStoreDataProperty("Int", typeof(int)) { IsIndexed = true },
                new VectorStoreDataProperty("Int2", typeof(int)),
                new VectorStoreDataProperty("Maybe", typeof(int?)),
                new VectorStoreDataProperty("Text", typeof(string)) { IsIndexed = true, StorageName = "the text" },
                new VectorStoreDataProperty("Bool", typeof(bool)),
                new VectorStoreDataProperty("Array", typeof(string[])) { IsIndexed = true },
                new VectorStoreDataProperty("List", typeof(List<string>)),
                new VectorStoreVectorProperty("Vector", typeof(ReadOnlyMemory<float>), 2),
            ],
        };
        var things = _store.GetCollection<string, Thing>("things", definition);
        await things.EnsureCollectionExistsAsync();
        await things.UpsertAsync(_things.Select((thing, i) =>
        {
            thing.Vector = new float[] { 1, i };
            return thing;
        }));
        return (things, _store.GetDynamicCollection("things", definition));
    }

    private sealed class Number
    {
        [VectorStoreKey]
        public string Key { get; set; } = "";

        [VectorStoreData(IsIndexed = true)]
        public long Long { get; set; }

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> Vector { get; set; } = new float[] { 1, 0 };
    }

    private sealed class Thing
    {
        public string Key { get; set; } = "";

        public int Int { get; set; }

        public int Int2 { get; set; }

        public int? Maybe { get; set; }

        public string? Text { get; set; }

        public bool Bool { get; set; }

        public string[]? Array { get; set; }

        public List<string>? List { get; set; }

        public ReadOnlyMemory<float> Vector { get; set; }
    }

    private sealed class Wrapper
    {
        public int Value { get; } = 8;
    }
}
