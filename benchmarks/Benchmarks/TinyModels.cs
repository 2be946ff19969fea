using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.Tokenizers;

namespace Kotonoha.Benchmarks;

/// <summary>Small models of every architecture that can be exported, trained for a moment so that their choices are clear.</summary>
internal static class TinyModels
{
    private const int Vocabulary = 512;
    private const int Context = 128;

    /// <summary>A tokenizer of a model of any number of ids; ids past its tokens mean nothing.</summary>
    public static CheckpointParts Parts(IEnumerable<string> texts)
    {
        var tokenizer = Tokenizer.TrainByteLevelBpe(texts, Vocabulary, specialTokens: [CheckpointParts.EndOfText]);
        return CheckpointParts.Of(tokenizer);
    }

    public static IEnumerable<(string Name, CausalModel Model)> All()
    {
        yield return ("gpt2",
            Gpt2.Create(
                new Gpt2Config
                {
                    VocabularySize = Vocabulary,
                    ContextLength = Context,
                    Width = 96,
                    Layers = 3,
                    Heads = 4,
                    InitializerRange = 0.06f
                }));
        yield return ("gpt2-untied",
            Gpt2.Create(
                new Gpt2Config
                {
                    VocabularySize = Vocabulary,
                    ContextLength = Context,
                    Width = 64,
                    Layers = 2,
                    Heads = 2,
                    InitializerRange = 0.06f,
                    TieWordEmbeddings = false
                }));
        var llama =
            new LlamaConfig
            {
                VocabularySize = Vocabulary,
                ContextLength = Context,
                Width = 96,
                Layers = 3,
                Heads = 6,
                KeyHeads = 2,
                HeadWidth = 16,
                InnerWidth = 160,
                InitializerRange = 0.06f
            };
        yield return ("llama", Llama.Create(llama));
        yield return ("llama-tied-linear",
            Llama.Create(
                llama with { TieWordEmbeddings = true, RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 2 } }));
        yield return ("llama3",
            Llama.Create(
                llama with
                {
                    RopeTheta = 500000,
                    RopeScaling = new RopeScaling { Kind = RopeScalingKind.Llama3, Factor = 8, OriginalContextLength = 32 }
                }));
        yield return ("mistral", Llama.Create(llama with { ModelType = "mistral" }));
        yield return ("qwen2", Llama.Create(llama with { ModelType = "qwen2", QueryKeyValueBias = true, TieWordEmbeddings = true }));
        yield return ("qwen3", Llama.Create(llama with { ModelType = "qwen3", QueryKeyNorm = true, HeadWidth = 32, Heads = 4 }));

        // llama.cpp wants Phi-3's own tokens of a model that is named after it.
        var phi = llama with { ModelType = "phi3", FusedProjections = true };
        yield return ("fused", Llama.Create(phi));
        yield return ("fused-longrope",
            Llama.Create(
                phi with
                {
                    PartialRotaryFactor = 0.75,

                    // Shorter than the prompts: llama.cpp takes the factors by the context that it is given, not by the text.
                    RopeScaling = new RopeScaling
                    {
                        Kind = RopeScalingKind.LongRope,
                        Factor = 8,
                        OriginalContextLength = Context / 8,
                        ShortFactors = [1, 1, 1, 1.2, 1.4, 1.6],
                        LongFactors = [1, 1.1, 1.3, 2, 3, 4]
                    }
                }));
        var gemma =
            new GemmaConfig
            {
                VocabularySize = Vocabulary,
                ContextLength = Context,
                Width = 96,
                Layers = 6,
                Heads = 4,
                KeyHeads = 2,
                HeadWidth = 32,
                InnerWidth = 160,
                InitializerRange = 0.06f,
                AttentionScalar = 32
            };
        yield return ("gemma", Gemma.Create(gemma with { ModelType = "gemma" }));
        yield return ("gemma2",
            Gemma.Create(
                gemma with
                {
                    ModelType = "gemma2",
                    AttentionSoftCap = 5,
                    FinalSoftCap = 12,
                    SlidingWindow = 12,
                    SlidingLayers = [true, false, true, false, true, false]
                }));
        yield return ("gemma3",
            Gemma.Create(
                gemma with
                {
                    SlidingWindow = 12,
                    SlidingLayers = [true, true, true, true, true, false],
                    RopeTheta = 1_000_000,
                    LocalRopeTheta = 10000,
                    RopeScaling = new RopeScaling { Kind = RopeScalingKind.Linear, Factor = 4 }
                }));
    }

    public static Task TrainAsync(CausalModel model, Tokenizer tokenizer, IEnumerable<string> texts, int steps)
        => new Trainer(model,
            new TrainingOptions { Steps = steps, BatchSize = 8, ContextLength = 64, LearningRate = 3e-3 }).RunAsync(
                TokenDataset.From(tokenizer, texts, 0.1));
}
