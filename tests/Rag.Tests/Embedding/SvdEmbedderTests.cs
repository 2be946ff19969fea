using Kotonoha.Rag.Embedding;
using Kotonoha.Rag.Retrieval;

namespace Kotonoha.Rag.Tests.Embedding;

public sealed class SvdEmbedderTests : IDisposable
{
    private static readonly string[] Texts =
    [
        "The cat sat on the mat.", "A kitten is a young cat.", "Cats and kittens like milk.", "The dog barked at the cat.",
        "Stocks fell on the market today.", "The market for bonds and stocks rose.", "Investors buy stocks and bonds.",
        "Bonds are safer than stocks.",
        "東京は日本の首都である。", "日本の首都は東京です。", "京都は古い都である。",
    ];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Texts_that_share_words_are_near_and_others_far()
    {
        var embedder = await new SvdEmbedder(_folder.Path).FitAsync(Texts);
        var vectors = await VectorsAsync(embedder, "kitten milk", "cats", "stocks and bonds", "日本の首都");
        Assert.True(Cosine(vectors[0], vectors[1]) > Cosine(vectors[0], vectors[2]) + 0.2);
        Assert.True(Math.Abs(Cosine(vectors[3], vectors[2])) < 0.2);
        Assert.All(vectors, vector => Assert.Equal(1, Cosine(vector, vector), 1e-5));
    }

    [Fact]
    public async Task The_same_texts_give_the_same_version_and_bits_also_after_loading()
    {
        var first = await new SvdEmbedder(_folder.At("one")).FitAsync(Texts);
        var second = await new SvdEmbedder(_folder.At("two")).FitAsync(Texts);
        var other = await new SvdEmbedder(_folder.At("two")).FitAsync(Texts[..6]);
        Assert.Equal(first.Version, second.Version);
        Assert.NotEqual(first.Version, other.Version);
        var loaded = await new SvdEmbedder(_folder.At("one")).LoadAsync(first.Version!);
        Assert.Equal(await VectorsAsync(first, Texts), await VectorsAsync(loaded, Texts));
        Assert.Equal(await VectorsAsync(first, Texts), await VectorsAsync(second, Texts));
    }

    [Fact]
    public async Task Missing_and_damaged_files_are_typed_errors_that_name_the_remedy()
    {
        var embedder = new SvdEmbedder(_folder.Path);
        var missing = await Assert.ThrowsAsync<EmbedderMismatchException>(() => embedder.LoadAsync("0123456789abcdef0123456789abcdef"));
        Assert.Contains("re-index", missing.Message);
        var fitted = await embedder.FitAsync(Texts);
        var file = Directory.GetFiles(_folder.Path).Single();
        var bytes = await File.ReadAllBytesAsync(file);
        bytes[bytes.Length / 2] ^= 1;
        await File.WriteAllBytesAsync(file, bytes);
        await Assert.ThrowsAsync<EmbedderMismatchException>(() => embedder.LoadAsync(fitted.Version!));
        await File.WriteAllBytesAsync(file, bytes[..20]);
        await Assert.ThrowsAsync<EmbedderMismatchException>(() => embedder.LoadAsync(fitted.Version!));
    }

    [Fact]
    public async Task Unknown_words_and_empty_corpora_give_zero_vectors_of_the_right_width()
    {
        var embedder = await new SvdEmbedder(_folder.Path).FitAsync(Texts);
        var vectors = await VectorsAsync(embedder, "zyzzyva", "", "cat", "\ud800 \udfff𠮷");
        Assert.All(vectors[0], value => Assert.Equal(0, value));
        Assert.Equal(vectors[2].Length, vectors[0].Length);
        var empty = await new SvdEmbedder(_folder.Path).FitAsync([]);
        Assert.Single((await VectorsAsync(empty, "cat"))[0]);
    }

    [Fact]
    public async Task An_embedder_that_is_not_fitted_says_so()
        => await Assert.ThrowsAsync<InvalidOperationException>(() => new SvdEmbedder(_folder.Path).GenerateAsync(["x"]));

    private static async Task<float[][]> VectorsAsync(IFittedEmbedder embedder, params string[] texts)
        => [.. (await embedder.GenerateAsync(texts, EmbeddingPurpose.Query)).Select(embedding => embedding.Vector.ToArray())];

    private static double Cosine(float[] x, float[] y) => x.Zip(y, (a, b) => (double)a * b).Sum();
}
