using Kotonoha.Rag.VectorData;
using Microsoft.Extensions.VectorData;

namespace Kotonoha.Rag.Tests.VectorData;

/// <summary>Distance functions, kinds of index and hybrid search.</summary>
public sealed class SearchTests : IDisposable
{
    private readonly EmbeddedVectorStore _store = new();

    public void Dispose() => _store.Dispose();

    [Theory]
    [InlineData(DistanceFunction.CosineDistance, 0, 2, 1, "same across opposite")]
    [InlineData(DistanceFunction.CosineSimilarity, 1, -1, 0, "same across opposite")]
    [InlineData(DistanceFunction.DotProductSimilarity, 1, -1, 0, "same across opposite")]
    [InlineData(DistanceFunction.NegativeDotProductSimilarity, -1, 1, 0, "same across opposite")]
    [InlineData(DistanceFunction.EuclideanDistance, 0, 2, 1.73, "same across opposite")]
    [InlineData(DistanceFunction.EuclideanSquaredDistance, 0, 4, 3, "same across opposite")]
    [InlineData(DistanceFunction.HammingDistance, 0, 1, 3, "same opposite across")]
    [InlineData(DistanceFunction.ManhattanDistance, 0, 2, 3, "same opposite across")]
    public async Task A_distance_function_gives_its_scores_and_order(
        string function, double same, double opposite, double across, string order)
    {
        var records = await RecordsAsync(function, IndexKind.Hnsw);
        var hits = await records.SearchAsync(new float[] { 1, 0, 0, 0 }, 9).ToListAsync();
        Assert.Equal(order, string.Join(' ', hits.Select(hit => hit.Record.Key)));
        var scores = new Dictionary<string, double> { ["same"] = same, ["opposite"] = opposite, ["across"] = across };
        Assert.All(hits, hit => Assert.Equal(scores[hit.Record.Key], hit.Score!.Value, 0.005));
        var threshold = hits[1].Score;
        Assert.Equal(2, await records.SearchAsync(new float[] { 1, 0, 0, 0 }, 9, new() { ScoreThreshold = threshold }).CountAsync());
    }

    [Theory]
    [InlineData(IndexKind.Flat)]
    [InlineData(IndexKind.Hnsw)]
    [InlineData(IndexKind.Dynamic)]
    [InlineData(IndexKind.QuantizedFlat)]
    [InlineData(null)]
    public async Task A_kind_of_index_is_known(string? kind)
    {
        var records = await RecordsAsync(DistanceFunction.CosineSimilarity, kind);
        Assert.Equal("same", (await records.SearchAsync(new float[] { 1, 0, 0, 0 }, 1).SingleAsync()).Record.Key);
    }

    [Fact]
    public async Task Other_distance_functions_and_kinds_of_index_are_refused()
    {
        await Assert.ThrowsAsync<NotSupportedException>(() => RecordsAsync("Chebyshev", null));
        await Assert.ThrowsAsync<NotSupportedException>(() => RecordsAsync(null, IndexKind.DiskAnn));
    }

    [Fact]
    public async Task Hybrid_search_puts_what_has_the_keyword_first()
    {
        var fruits = await FruitsAsync();
        Assert.Equal([3, 1, 2], await CodesAsync(fruits, ["Grapes"], 3));
        Assert.Equal([2], await CodesAsync(fruits, ["Oranges"], 1));
        Assert.Equal([1], await CodesAsync(fruits, ["Oranges"], 3, new() { Filter = r => r.Code == 1 }));
        Assert.Equal([2], await CodesAsync(fruits, ["healthy"], 3, new() { Skip = 2 }));
        Assert.Equal(3, (await CodesAsync(fruits, ["tangy", "nourishing"], 3))[2]);
        Assert.Equal([1, 2, 3], await CodesAsync(fruits, [], 3));
    }

    [Fact]
    public async Task Hybrid_search_ranks_by_bm25_and_fuses_by_reciprocal_rank()
    {
        var texts = _store.GetCollection<int, Text>("texts");
        var hybrid = (IKeywordHybridSearchable<Text>)texts;
        await texts.EnsureCollectionExistsAsync();
        // The word is rarer than the other, twice in 2, and 3 is longer: BM25 orders 2, 1, 3. By vector the order is 4, 3, 2, 1.
        await texts.UpsertAsync(
        [
            new() { Key = 1, Body = "rare word here", Vector = new float[] { 0.5f, 1 } },
            new() { Key = 2, Body = "rare rare word", Vector = new float[] { 0.6f, 1 } },
            new() { Key = 3, Body = "rare word in a text of many more words that say nothing", Vector = new float[] { 0.7f, 1 } },
            new() { Key = 4, Body = "another text", Vector = new float[] { 0.8f, 1 } },
        ]);
        var hits = await hybrid.HybridSearchAsync(new float[] { 1, 0 }, ["RARE"], 9).ToListAsync();
        var expected = new Dictionary<int, double>
        {
            [1] = 1.0 / 64 + 1.0 / 62,
            [2] = 1.0 / 63 + 1.0 / 61,
            [3] = 1.0 / 62 + 1.0 / 63,
            [4] = 1.0 / 61,
        };
        Assert.Equal(expected.OrderByDescending(pair => pair.Value).Select(pair => pair.Key), hits.Select(hit => hit.Record.Key));
        Assert.All(hits, hit => Assert.Equal(expected[hit.Record.Key], hit.Score!.Value, 1e-9));
        Assert.Equal(3,
            await hybrid.HybridSearchAsync(new float[] { 1, 0 }, ["rare"], 9,
                new() { ScoreThreshold = 0.02 }).CountAsync());
        // A changed text is found by its new words alone.
        await texts.UpsertAsync(new Text { Key = 2, Body = "東京タワーの高さ", Vector = new float[] { 0.1f, 1 } });
        Assert.Equal(2,
            (await hybrid.HybridSearchAsync(new float[] { 1, 0 }, ["東京タワー"], 1).SingleAsync()).Record.Key);
        Assert.NotEqual(2,
            (await hybrid.HybridSearchAsync(new float[] { 1, 0 }, ["rare"], 1).SingleAsync()).Record.Key);
    }

    [Fact]
    public async Task Of_two_texts_the_one_to_search_must_be_named()
    {
        var texts = _store.GetCollection<int, TwoTexts>("two");
        await texts.EnsureCollectionExistsAsync();
        await texts.UpsertAsync(
            [new() { Key = 1, Title = "Apples", Body = "Oranges", Vector = new float[] { 1, 0 } },
                new() { Key = 2, Title = "Oranges", Body = "Apples", Vector = new float[] { 1, 0 } }]);
        Assert.Equal([2, 1], await Keys("Apples"));
        Assert.Equal([1, 2], await Keys("Oranges"));
        await Assert.ThrowsAsync<InvalidOperationException>(
            async () => await ((IKeywordHybridSearchable<TwoTexts>)texts).HybridSearchAsync(new float[] { 1, 0 }, ["Apples"], 3)
                .ToListAsync());

        async Task<List<int>> Keys(string word)
            => await ((IKeywordHybridSearchable<TwoTexts>)texts).HybridSearchAsync(
                new float[] { 1, 0 }, [word], 4, new() { AdditionalProperty = r => r.Body }).Select(hit => hit.Record.Key).ToListAsync();
    }

    private static async Task<List<int>> CodesAsync(
        IKeywordHybridSearchable<Fruit> fruits, string[] keywords, int top, HybridSearchOptions<Fruit>? options = null)
        => await fruits.HybridSearchAsync(new ReadOnlyMemory<float>([1, 0]), keywords, top, options).Select(hit => hit.Record.Code)
            .ToListAsync();

    private async Task<IKeywordHybridSearchable<Fruit>> FruitsAsync()
    {
        var fruits = _store.GetCollection<string, Fruit>("fruits");
        await fruits.EnsureCollectionExistsAsync();
        string[] texts =
            ["Apples are a healthy and nourishing snack", "Oranges are tangy and contain vitamin c", "Grapes are healthy, sweet and juicy"];
        await fruits.UpsertAsync(
            texts.Select((text, i) => new Fruit { Key = $"{i}", Text = text, Code = i + 1, Vector = new float[] { 1, 0 } }));
        return (IKeywordHybridSearchable<Fruit>)fruits;
    }

    private async Task<VectorStoreCollection<string, Record>> RecordsAsync(string? function, string? kind)
    {
        var records = _store.GetCollection<string, Record>("records", new VectorStoreCollectionDefinition
        {
            Properties =
            [
                new VectorStoreKeyProperty("Key", typeof(string)),
                new VectorStoreVectorProperty("Vector", typeof(float[]), 4) { DistanceFunction = function, IndexKind = kind },
            ],
        });
        await records.EnsureCollectionExistsAsync();
        await records.UpsertAsync(
        [
            new() { Key = "opposite", Vector = [-1, 0, 0, 0] },
            new() { Key = "across", Vector = [0, -1, -1, 0] },
            new() { Key = "same", Vector = [1, 0, 0, 0] },
        ]);
        return records;
    }

    private sealed class Record
    {
        public string Key { get; set; } = "";

        public float[]? Vector { get; set; }
    }

    private sealed class Fruit
    {
        [VectorStoreKey]
        public string Key { get; set; } = "";

        [VectorStoreData(IsFullTextIndexed = true)]
        public string Text { get; set; } = "";

        [VectorStoreData]
        public int Code { get; set; }

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> Vector { get; set; }
    }

    private sealed class Text
    {
        [VectorStoreKey]
        public int Key { get; set; }

        [VectorStoreData(IsFullTextIndexed = true)]
        public string Body { get; set; } = "";

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> Vector { get; set; }
    }

    private sealed class TwoTexts
    {
        [VectorStoreKey]
        public int Key { get; set; }

        [VectorStoreData(IsFullTextIndexed = true)]
        public string Title { get; set; } = "";

        [VectorStoreData(IsFullTextIndexed = true)]
        public string Body { get; set; } = "";

        [VectorStoreVector(2)]
        public ReadOnlyMemory<float> Vector { get; set; }
    }
}
