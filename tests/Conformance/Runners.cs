using Kotonoha.Conformance.Tokenizers;

namespace Kotonoha.Conformance;

/// <summary>The runners there are; the first that claims a family runs it.</summary>
internal static class Runners
{
    /// <param name="models">The folder of published models, which may be absent.</param>
    public static FixtureRunner[] All(string models) =>
    [
        new SamplingRunner(),
        new RetrievalRunner(),
        new MetricsRunner(),
        new Models.CausalModelsRunner(),
        new Models.LoraRunner(),
        new Models.EncoderModelsRunner(),
        new Models.EncoderDecodersRunner(),
        new Models.SentenceEmbedderRunner(),
        new Models.CrossEncoderRunner(),
        new Models.RealEmbedderRunner(models),
        new Models.RealCausalRunner(models),
        new Models.BrokenFilesRunner(),
        new Gguf.TensorTypesRunner(),
        new Gguf.MetadataRunner(),
        new Gguf.ModelsRunner(),
        new Gguf.QuantizeRunner(),
        new Training.CausalTrainingRunner(),
        new Training.OptimizerRunner(),
        new Training.EmbeddingLossRunner(),
        new Training.EncoderTrainingRunner(),
        new Training.SequenceTrainingRunner(),
        new Training.LoraTrainingRunner(),
        new Training.RewardTrainingRunner(),
        new Training.LossesRunner(),
        new NumericsRunner(),
        new GgufTokenizerRunner(),
        new SentencePieceRunner(),
        new TiktokenRunner(),
        new CostRunner(),
        new TokenizerFolderRunner(),
        new TruncationPaddingRunner(),
        new TokenizerRowsRunner(),
        new TrainerRunner(),
        new ComponentRunner(),
        new Chat.ChatTemplateRunner(),
        new Chat.JinjaRunner(),
        new Chat.HostileTemplateRunner(),
    ];
}
