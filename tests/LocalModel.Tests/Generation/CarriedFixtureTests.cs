using Kotonoha.Conformance;
using Kotonoha.Conformance.Models;
using Kotonoha.Conformance.Training;

namespace Kotonoha.LocalModel.Tests.Generation;

/// <summary>The reference fixtures that the tests carry, run by the same code as <c>scripts/conformance</c>.</summary>
public sealed class CarriedFixtureTests
{
    [Theory]
    [InlineData("sampling", 400)]
    [InlineData("models-gpt2", 30)]
    [InlineData("models-gpt2-untied-odd", 30)]
    [InlineData("models-llama", 150)]
    [InlineData("models-gguf", 50)]
    [InlineData("models-encoders", 200)]
    [InlineData("models-encoder-decoders", 60)]
    [InlineData("losses", 600)]
    [InlineData("metrics", 1200)]
    public void Carried_fixtures_have_no_failure(string archive, int leastPassed)
    {
        using var folder = FixtureArchive.Extract(archive);
        var log = new CaseLog();
        foreach (FixtureRunner runner
            in (FixtureRunner[])[new SamplingRunner(), new CausalModelsRunner(), new LoraRunner(), new Conformance.Gguf.ModelsRunner(),
                new Conformance.Tokenizers.GgufTokenizerRunner(), new EncoderModelsRunner(), new SentenceEmbedderRunner(),
                new CrossEncoderRunner(), new EncoderDecodersRunner(), new LossesRunner(), new MetricsRunner()])
            foreach (var family in runner.Discover(folder.Path))
                runner.Run(folder.Path, family, log);

        Assert.Empty(log.Failures);
        Assert.True(log.Passed >= leastPassed, $"only {log.Passed} cases ran");
    }
}
