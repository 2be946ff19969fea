using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>Vectors that the store has made: which generator makes them, and what is refused.</summary>
public sealed class EmbeddingGenerationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(true, true, true, "property")]
    [InlineData(true, true, false, "collection")]
    [InlineData(true, false, false, "store")]
    public async Task The_nearest_generator_makes_the_vector_of_a_search(bool ofStore, bool ofCollection, bool ofProperty, string expected)
    {
        await FillAsync();
        using var store = Store(ofStore);
        var typed = store.GetCollection<string, Record>("records", Definition(ofCollection, ofProperty));
        Assert.Equal(expected, (await typed.SearchAsync("[1, 1, 0]", 1).SingleAsync()).Record.Text);
        var dynamic = store.GetDynamicCollection("records", Definition(ofCollection, ofProperty));
        Assert.Equal(expected, (await dynamic.SearchAsync("[1, 1, 0]", 1).SingleAsync()).Record["Text"]);
    }

    [Fact]
    public async Task A_generator_of_the_container_is_used()
    {
        await FillAsync();
        var services = new ServiceCollection();
        services.AddSingleton<IEmbeddingGenerator>(new LastNumber(1));
        services.AddEmbeddedVectorStore(_folder.At("records.db"));
        services.AddEmbeddedCollection<string, AttributedRecord>("records", _folder.At("records.db"));
        await using var provider = services.BuildServiceProvider();
        var fromStore = provider.GetRequiredService<VectorStore>().GetCollection<string, Record>("records", Definition(false, false));
        Assert.Equal("store", (await fromStore.SearchAsync("[1, 1, 0]", 1).SingleAsync()).Record.Text);
        var collection = provider.GetRequiredService<VectorStoreCollection<string, AttributedRecord>>();
        Assert.Equal("store", (await collection.SearchAsync("[1, 1, 0]", 1).SingleAsync()).Record.Text);
    }

    [Fact]
    public async Task Other_inputs_than_text_are_embedded_by_their_generator()
    {
        await FillAsync();
        using var store = new EmbeddedVectorStore(
            _folder.At("records.db"), new EmbeddedVectorStoreOptions { EmbeddingGenerator = new CustomerGenerator() });
        var definition = Definition(false, false);
        definition.Properties[^1] = new VectorStoreVectorProperty<Customer>("Embedding", 3);
        var records = store.GetCollection<string, CustomerRecord>("records", definition);
        Assert.Equal("store", (await records.SearchAsync(new Customer(1), 1).SingleAsync()).Record.Text);
        await records.UpsertAsync(new CustomerRecord { Key = "new", Text = "new", Embedding = new Customer(50) });
        Assert.Equal("new", (await records.SearchAsync(new Customer(50), 1).SingleAsync()).Record.Text);
    }

    [Fact]
    public async Task A_generator_serves_searches_where_the_property_is_a_vector()
    {
        await FillAsync();
        using var store = Store(generator: true);
        var definition = Definition(false, false);
        definition.Properties[^1] = new VectorStoreVectorProperty("Embedding", typeof(ReadOnlyMemory<float>), 3);
        var records = store.GetCollection<string, VectorRecord>("records", definition);
        Assert.Equal("store", (await records.SearchAsync("[1, 1, 1]", 1, new() { IncludeVectors = true }).SingleAsync()).Record.Text);
    }

    [Fact]
    public async Task Text_without_a_generator_is_refused()
    {
        await FillAsync();
        using var store = Store(generator: false);
        var definition = Definition(false, false);
        definition.Properties[^1] = new VectorStoreVectorProperty("Embedding", typeof(ReadOnlyMemory<float>), 3);
        var records = store.GetCollection<string, VectorRecord>("records", definition);
        var exception = await Assert.ThrowsAsync<NotSupportedException>(() => records.SearchAsync("text", 1).ToListAsync().AsTask());
        Assert.StartsWith("A value of type 'string' was passed to 'SearchAsync', but that isn't a supported vector type",
            exception.Message);
        Assert.Throws<InvalidOperationException>(() => store.GetCollection<string, Record>("records", Definition(false, false)));
    }

    [Fact]
    public async Task An_input_that_the_generator_does_not_take_is_refused()
    {
        await FillAsync();
        using var store = Store(generator: true);
        var records = store.GetCollection<string, Record>("records", Definition(true, true));
        var exception = await Assert.ThrowsAsync<InvalidOperationException>(() => records.SearchAsync(8, 1).ToListAsync().AsTask());
        Assert.Contains("LastNumber", exception.Message);
    }

    [Fact]
    public async Task Records_are_embedded_when_they_are_written_one_or_many_in_one_call_of_the_generator()
    {
        await FillAsync();
        var generator = new LastNumber(3);
        using var store = Store(generator: true);
        var definition = Definition(true, false);
        ((VectorStoreVectorProperty)definition.Properties[^1]).EmbeddingGenerator = generator;
        var records = store.GetCollection<string, Record>("records", definition);
        await records.UpsertAsync(new Record { Key = "a", Text = "one", Embedding = "[100, 1, 0]" });
        await records.UpsertAsync(
            [new() { Key = "b", Text = "two", Embedding = "[1, 100, 0]" },
                new() { Key = "c", Text = "three", Embedding = "[-1, 100, 0]" }]);
        Assert.Equal(2, generator.Calls);
        Assert.Equal("one", (await records.SearchAsync(new ReadOnlyMemory<float>([100, 1, 3]), 1).SingleAsync()).Record.Text);
        Assert.Equal("two", (await records.SearchAsync(new ReadOnlyMemory<float>([1, 100, 3]), 1).SingleAsync()).Record.Text);
        var dynamic = store.GetDynamicCollection("records", definition);
        await dynamic.UpsertAsync(new Dictionary<string, object?> { ["Key"] = "d", ["Text"] = "four", ["Embedding"] = "[0, -100, 0]" });
        Assert.Equal("four", (await dynamic.SearchAsync(new ReadOnlyMemory<float>([0, -100, 3]), 1).SingleAsync()).Record["Text"]);
        Assert.Null((await records.GetAsync("a"))!.Embedding);
    }

    [Fact]
    public async Task Vectors_cannot_be_read_where_they_are_generated()
    {
        await FillAsync();
        using var store = Store(generator: true);
        var records = store.GetCollection<string, Record>("records", Definition(true, true));
        string[] messages =
        [
            (await Assert.ThrowsAsync<NotSupportedException>(
                () => records.SearchAsync("[1, 0, 0]", 1, new() { IncludeVectors = true }).ToListAsync().AsTask())).Message,
            (await Assert.ThrowsAsync<NotSupportedException>(() => records.GetAsync("0", new() { IncludeVectors = true }))).Message,
            (await Assert.ThrowsAsync<NotSupportedException>(
                () => records.GetAsync(["0"], new() { IncludeVectors = true }).ToListAsync().AsTask())).Message,
        ];
        Assert.All(messages,
            message => Assert.Equal("When an embedding generator is configured, `Include Vectors` cannot be enabled.", message));
    }

    private async Task FillAsync()
    {
        using var store = Store(generator: false);
        var definition = Definition(false, false);
        definition.Properties[^1] = new VectorStoreVectorProperty("Embedding", typeof(ReadOnlyMemory<float>), 3);
        var records = store.GetCollection<string, VectorRecord>("records", definition);
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync(new[] { "store", "collection", "property" }
            .Select((text, i) => new VectorRecord { Key = $"{i}", Text = text, Embedding = new float[] { 1, 1, i + 1 } }));
    }

    private EmbeddedVectorStore Store(bool generator)
        => new(_folder.At("records.db"), new EmbeddedVectorStoreOptions { EmbeddingGenerator = generator ? new LastNumber(1) : null });

    private static VectorStoreCollectionDefinition Definition(bool ofCollection, bool ofProperty) => new()
    {
        EmbeddingGenerator = ofCollection ? new LastNumber(2) : null,
        Properties =
        [
            new VectorStoreKeyProperty("Key", typeof(string)),
            new VectorStoreDataProperty("Text", typeof(string)),
            new VectorStoreVectorProperty("Embedding", typeof(string), 3) { EmbeddingGenerator = ofProperty ? new LastNumber(3) : null },
        ],
    };

    private class Record
    {
        public string Key { get; set; } = "";

        public string? Text { get; set; }

        public string? Embedding { get; set; }
    }

    private sealed class AttributedRecord
    {
        [VectorStoreKey]
        public string Key { get; set; } = "";

        [VectorStoreData]
        public string? Text { get; set; }

        [VectorStoreVector(3)]
        public string? Embedding { get; set; }
    }

    private sealed class VectorRecord
    {
        public string Key { get; set; } = "";

        public string? Text { get; set; }

        public ReadOnlyMemory<float> Embedding { get; set; }
    }

    private sealed record Customer(int Number);

    private sealed class CustomerRecord
    {
        public string Key { get; set; } = "";

        public string? Text { get; set; }

        public Customer? Embedding { get; set; }
    }

    /// <summary>Reads the numbers of a text and puts one of its own in the last place.</summary>
    private sealed class LastNumber(float last) : IEmbeddingGenerator<string, Embedding<float>>
    {
        public int Calls { get; private set; }

        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
        {
            Calls++;
            return Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(values.Select(value =>
            {
                var numbers = value.Trim('[', ']').Split(',').Select(float.Parse).ToArray();
                numbers[^1] = last;
                return new Embedding<float>(numbers);
            })));
        }

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }

    private sealed class CustomerGenerator : IEmbeddingGenerator<Customer, Embedding<float>>
    {
        public Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
            IEnumerable<Customer> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
            => Task.FromResult(new GeneratedEmbeddings<Embedding<float>>(
                values.Select(value => new Embedding<float>(new float[] { 1, 1, value.Number }))));

        public object? GetService(Type serviceType, object? serviceKey = null) => null;

        public void Dispose()
        {
        }
    }
}
