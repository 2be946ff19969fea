using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Tensors;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;

namespace Kotonoha.Connector.Tests;

public sealed class LocalGptEmbeddingGeneratorTests : IDisposable
{
    private readonly LocalGpt _model = TinyGpt.Create(new LocalGptOptions { ModelId = "tiny" });
    private readonly IEmbeddingGenerator<string, Embedding<float>> _generator;

    public LocalGptEmbeddingGeneratorTests() => _generator = _model.AsEmbeddingGenerator();

    public void Dispose() => _model.Dispose();

    [Fact]
    public async Task A_batch_gives_the_same_bits_as_each_text_alone_at_length_one()
    {
        string[] texts = ["the quick brown fox", "言の葉", "", "the quick brown fox"];
        var batch = await _generator.GenerateAsync(texts);
        Assert.Equal(4, batch.Count);
        for (int i = 0; i < texts.Length; i++)
        {
            float[] alone = (await _generator.GenerateAsync([texts[i]]))[0].Vector.ToArray();
            Assert.Equal(alone, batch[i].Vector.ToArray());
            Assert.Equal(1, alone.Sum(x => (double)x * x), 1e-5);
            Assert.Equal("tiny", batch[i].ModelId);
            Assert.NotNull(batch[i].CreatedAt);
        }

        Assert.Equal(batch[0].Vector.ToArray(), batch[3].Vector.ToArray());

        // An empty text is the start token alone.
        Assert.Equal(texts.Sum(t => TinyGpt.Tokenizer.CountTokens(t)) + 1, batch.Usage!.InputTokenCount);
        Assert.Equal(batch.Usage.InputTokenCount, batch.Usage.TotalTokenCount);
        Assert.Empty(await _generator.GenerateAsync([]));
    }

    [Fact]
    public async Task Options_are_honoured()
    {
        EmbeddingGenerationOptions With(string key, object value) => new() { AdditionalProperties = new() { [key] = value } };
        async Task<float[]> Vector(EmbeddingGenerationOptions options)
            => (await _generator.GenerateAsync(["the fox"], options))[0].Vector.ToArray();
        async Task<float[]> Direct(EmbeddingRequestOptions options) => (await _model.EmbedAsync(["the fox"], options)).Vectors[0];

        Assert.Equal(await Direct(new() { Dimensions = 8 }), await Vector(new() { Dimensions = 8 }));
        Assert.Equal(8, (await Vector(new() { Dimensions = 8 })).Length);
        Assert.Equal(await Direct(new() { Pooling = Pooling.Last }), await Vector(With("pooling", "last")));
        Assert.Equal(await Direct(new() { Pooling = Pooling.First }), await Vector(With("pooling", "cls")));
        Assert.Equal(await Direct(new() { Normalize = false }), await Vector(With("normalize", false)));
        Assert.Equal(await Direct(new()), await Vector(With("prompt_name", "query")));
        Assert.Equal(await Direct(new() { Pooling = Pooling.Max }),
            await Vector(new() { RawRepresentationFactory = _ => new EmbeddingRequestOptions { Pooling = Pooling.Max } }));
        Assert.Single(await _generator.GenerateAsync([new string('x', 500)], With("truncate", true)));
    }

    [Fact]
    public async Task What_cannot_be_honoured_is_refused()
    {
        await Assert.ThrowsAsync<ContextOverflowException>(() => _generator.GenerateAsync([new string('x', 500)]));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => _generator.GenerateAsync(["a"], new() { Dimensions = 1000 }));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => _generator.GenerateAsync(["a"], new() { ModelId = "other" }));
        foreach (var (key, value) in ((string, object)[])[("pooling", "median"), ("normalize", "perhaps"), ("prompt_name", "poem")])
        {
            var error =
                await Assert.ThrowsAnyAsync<ArgumentException>(
                    () => _generator.GenerateAsync(["a"], new() { AdditionalProperties = new() { [key] = value } }));
            Assert.Contains($"'{key}'", error.Message, StringComparison.Ordinal);
        }

        await Assert.ThrowsAsync<ArgumentNullException>("values", () => _generator.GenerateAsync(null!));
    }

    [Fact]
    public async Task GetService_gives_metadata_model_and_tokenizer_and_disposing_leaves_the_model()
    {
        var metadata = _generator.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.Equal(("kotonoha", "tiny", _model.EmbeddingWidth),
            (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Null(metadata.ProviderUri);
        Assert.Same(_model, _generator.GetService<LocalGpt>());
        Assert.Same(_model.Tokenizer, _generator.GetService<Tokenizer>());
        Assert.Same(_generator, _generator.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Null(_generator.GetService(typeof(LocalGpt), "key"));
        _generator.Dispose();
        Assert.Equal(_model.EmbeddingWidth, (await _generator.GenerateVectorAsync("the")).Length);
    }
}
