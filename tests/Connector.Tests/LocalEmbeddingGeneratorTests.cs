using Kotonoha.Foundation.Text;
using Kotonoha.LocalModel.Generation;
using Kotonoha.Tokenizers;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;

namespace Kotonoha.Connector.Tests;

public sealed class LocalEmbeddingGeneratorTests : IDisposable
{
    private readonly TemporaryFolder _folder = FixtureArchive.Extract("models-encoders");
    private readonly LocalEncoder _model;
    private readonly IEmbeddingGenerator<string, Embedding<float>> _generator;

    public LocalEmbeddingGeneratorTests()
    {
        _model = LocalEncoder.Load(_folder.At("st-mean-prompts-excluded"), new LocalEncoderOptions { Threads = 1, ModelId = "tiny" });
        _generator = _model.AsEmbeddingGenerator();
    }

    public void Dispose()
    {
        _model.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Options_reach_the_model()
    {
        EmbeddingGenerationOptions With(string key, object value) => new() { AdditionalProperties = new() { [key] = value } };
        async Task<float[]> Vector(EmbeddingGenerationOptions? options)
            => (await _generator.GenerateAsync(["a boat"], options))[0].Vector.ToArray();
        async Task<float[]> Direct(EncodingOptions options) => (await _model.EmbedAsync(["a boat"], options)).Vectors[0];

        Assert.Equal(await Direct(new()), await Vector(null));
        Assert.Equal(await Direct(new() { PromptName = "passage" }), await Vector(With("prompt_name", "document")));
        Assert.Equal(await Direct(new() { PromptName = "query" }), await Vector(With("prompt_name", "query")));
        Assert.Equal(await Direct(new() { Prompt = "boats: " }), await Vector(With("prompt", "boats: ")));
        Assert.Equal(await Direct(new() { Normalize = false }), await Vector(With("normalize", false)));
        Assert.Equal(await Direct(new() { Dimensions = 4 }), await Vector(new() { Dimensions = 4 }));
        Assert.Equal(await Direct(new() { Dimensions = 5 }),
            await Vector(new() { RawRepresentationFactory = _ => new EncodingOptions { Dimensions = 5 } }));
        var result = await _generator.GenerateAsync(["a boat", ""]);
        Assert.Equal(("tiny", (await _model.EmbedAsync(["a boat", ""])).InputTokens),
            (result[0].ModelId, (int)result.Usage!.InputTokenCount!));
    }

    [Fact]
    public async Task What_is_not_known_and_what_is_cut_is_logged_once()
    {
        var log = new RecordingLogger();
        using var generator = new LocalEmbeddingGenerator(_model, loggerFactory: log);
        var plain = (await generator.GenerateAsync(["a boat"]))[0].Vector.ToArray();
        Assert.Empty(log.Warnings);
        string longText = string.Concat(Enumerable.Repeat("boat ", 200));
        for (int i = 0; i < 2; i++)
        {
            var options = new EmbeddingGenerationOptions { AdditionalProperties = new() { ["colour"] = "red" } };
            Assert.Equal(plain, (await generator.GenerateAsync(["a boat"], options))[0].Vector.ToArray());
            await generator.GenerateAsync([longText]);
        }

        Assert.Equal(2, log.Warnings.Count);
        Assert.Contains("'colour'", log.Warnings[0], StringComparison.Ordinal);
        Assert.Contains("longer", log.Warnings[1], StringComparison.Ordinal);
    }

    [Fact]
    public void The_generator_says_how_much_text_the_model_reads()
    {
        var limit = _generator.GetService<ITokenLimit>()!;
        Assert.Equal(_model.MaximumTokens, limit.MaxTokens);
        Assert.Equal(_model.Tokenizer.CountTokens("a boat"), limit.CountTokens("a boat"));
    }

    [Fact]
    public async Task What_cannot_be_honoured_is_refused()
    {
        foreach (var (key, value) in ((string, object)[])[("normalize", "perhaps"), ("prompt_name", "poem")])
        {
            var error =
                await Assert.ThrowsAnyAsync<ArgumentException>(
                    () => _generator.GenerateAsync(["a"], new() { AdditionalProperties = new() { [key] = value } }));
            Assert.Contains(key == "prompt_name" ? "'poem'" : $"'{key}'", error.Message, StringComparison.Ordinal);
        }

        await Assert.ThrowsAnyAsync<ArgumentException>(() => _generator.GenerateAsync(["a"], new() { ModelId = "other" }));
        await Assert.ThrowsAnyAsync<ArgumentException>(
            () => _generator.GenerateAsync(["a"], new() { RawRepresentationFactory = _ => "x" }));
        var truncate = new EmbeddingGenerationOptions { AdditionalProperties = new() { ["truncate"] = false } };
        await Assert.ThrowsAsync<ContextOverflowException>(
            () => _generator.GenerateAsync([string.Concat(Enumerable.Repeat("boat ", 200))], truncate));
    }

    [Fact]
    public async Task Services_are_metadata_model_tokenizer_and_version()
    {
        var metadata = _generator.GetService<EmbeddingGeneratorMetadata>()!;
        Assert.Equal(("kotonoha", "tiny", 32), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(_model, _generator.GetService<LocalEncoder>());
        Assert.Same(_model.Tokenizer, _generator.GetService<Tokenizer>());
        Assert.Equal(_model.Version, _generator.GetService<string>(LocalEmbeddingGenerator.VersionKey));
        Assert.Null(_generator.GetService<string>());
        Assert.Null(_generator.GetService<LocalEncoder>("version"));
        _generator.Dispose();
        Assert.Single(await _generator.GenerateAsync(["still there"]));

        var owner = LocalEmbeddingGenerator.Load(_folder.At("st-max-cls-concat"));
        owner.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => owner.GenerateAsync(["gone"]));
    }

    [Fact]
    public async Task AddLocalEmbeddings_registers_one_encoder_and_a_view_of_it()
    {
        LocalEncoder resolved;
        await using (var provider = new ServiceCollection()
            .AddLocalEmbeddings(_folder.At("st-max-cls-concat"), new LocalEncoderOptions { Threads = 1 })
            .AddLocalEmbeddings(_folder.At("st-mean-prompts-excluded"), serviceId: "other")
            .BuildServiceProvider())
        {
            resolved = provider.GetRequiredService<LocalEncoder>();
            Assert.Same(resolved, provider.GetRequiredService<IEmbeddingGenerator<string, Embedding<float>>>().GetService<LocalEncoder>());
            Assert.Equal("st-mean-prompts-excluded",
                provider.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("other")
                    .GetService<EmbeddingGeneratorMetadata>()!.DefaultModelId);
        }

        await Assert.ThrowsAsync<ObjectDisposedException>(() => resolved.EmbedAsync(["x"]));
        Assert.Throws<ArgumentException>("path", () => new ServiceCollection().AddLocalEmbeddings(""));
    }
}
