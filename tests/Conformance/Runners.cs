using Kotonoha.Conformance.Tokenizers;

namespace Kotonoha.Conformance;

/// <summary>The runners there are; the first that claims a family runs it.</summary>
internal static class Runners
{
    public static FixtureRunner[] All() =>
    [
        new SamplingRunner(),
        new RetrievalRunner(),
        new Models.CausalModelsRunner(),
        new Models.EncoderModelsRunner(),
        new Models.BrokenFilesRunner(),
        new Gguf.TensorTypesRunner(),
        new Gguf.MetadataRunner(),
        new Training.CausalTrainingRunner(),
        new NumericsRunner(),
        new TokenizerFolderRunner(),
        new TruncationPaddingRunner(),
        new TokenizerRowsRunner(),
        new BpeTrainerRunner(),
        new ComponentRunner(),
    ];
}
