using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Devices;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Torch;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.Torch.Tests;

/// <summary>
/// The supervised recipes on libtorch give the losses that they give on the processor: 20 steps without dropout, in float32.
/// </summary>
public sealed class RecipeTests
{
    private const int Steps = 20;
    private const double Tolerance = 1e-3;

    private static readonly string[] Texts =
        [.. Enumerable.Range(0, 64).Select(i => $"the {(i % 2 == 0 ? "red" : "blue")} {(i % 3 == 0 ? "cat" : "dog")} sees {i % 7} birds")];

    private static readonly Tokenizer Words = Tokenizer.TrainWordPiece(Texts, new WordPieceTrainingOptions
    {
        VocabularySize = 200,
        SpecialTokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
    });

    private static readonly Tokenizer Bytes = Tokenizer.TrainByteLevelBpe(
        Texts, 300, specialTokens: ["<pad>", "</s>", CheckpointParts.EndOfText]);

    public static TheoryData<string> Names => ["text", "distillation", "masked", "classes", "regression", "tags", "answers", "embeddings",
        "similarities", "preferences", "reward", "translation"];

    [Theory]
    [MemberData(nameof(Names))]
    public async Task Losses_follow_the_processors(string name)
    {
        var want = await LossesAsync(name, Device.Cpu);
        var got = await LossesAsync(name, TorchDevice.Cpu());
        for (int i = 0; i < Steps; i++)
            Assert.True(Math.Abs(want[i] - got[i]) <= Tolerance * Math.Max(1, Math.Abs(want[i])), $"step {i + 1}: {want[i]} and {got[i]}");
        Assert.Equal(Steps, want.Distinct().Count());
    }

    private static async Task<List<double>> LossesAsync(string name, Device device)
    {
        var held = new Stack<IDisposable>();
        try
        {
            var losses = new List<double>();
            var task = Task(name, held);
            held.Push(task);
            await new Trainer(new TrainingOptions
            {
                Steps = Steps,
                BatchSize = 4,
                ContextLength = 24,
                Schedule = LearningRateSchedule.Constant(5e-4),
                Device = device,
                Threads = 1,
                Seed = 3,
            }).RunAsync(task, new Told(losses));
            return losses;
        }
        finally
        {
            while (held.TryPop(out var thing))
                thing.Dispose();
        }
    }

    private static TrainingTask Task(string name, Stack<IDisposable> held)
    {
        T Keep<T>(T thing)
            where T : IDisposable
        {
            held.Push(thing);
            return thing;
        }

        Gpt2 Gpt(ulong seed) => Keep(Gpt2.Create(
            new Gpt2Config { VocabularySize = Bytes.VocabularySize, ContextLength = 32, Width = 32, Layers = 2, Heads = 2 }, seed));
        Bert Encoder(EncoderHead head, params string[] labels) => Keep(Bert.Create(
            BertConfig.Tiny with
            {
                VocabularySize = Words.VocabularySize,
                Positions = 32,
                Width = 32,
                Layers = 2,
                FeedForwardWidth = 64,
                HiddenDropout = 0,
                AttentionDropout = 0,
                Head = head,
                LabelNames = labels.Length > 0 ? labels : BertConfig.Tiny.LabelNames,
            },
            5));
        TokenDataset Data() => Keep(TokenDataset.From(Bytes, Texts, 0.1));
        PreferencePairs Pairs() => PreferencePairs.From(
            Bytes, Texts.Select(t => new PreferencePair("say: ", t, "birds birds birds")), Bytes.TokenToId(CheckpointParts.EndOfText));
        return name switch
        {
            "text" => new LanguageModeling(Gpt(1), Data()),
            "distillation" => new Distillation(Gpt(1), Gpt(2), Data()),
            "masked" => new MaskedLanguageModeling(
                Encoder(EncoderHead.Pretraining), Words, [.. Texts.Chunk(4).Select(c => (IReadOnlyList<string>)c)], []),
            "classes" => new TextClassification(Encoder(EncoderHead.SequenceClassification, "a", "b"), Words,
                [.. Texts.Select((t, i) => new LabeledText(t, i % 2))], []),
            "regression" => new TextClassification(Encoder(EncoderHead.SequenceClassification, "score"), Words,
                [.. Texts.Select((t, i) => new LabeledText(t, i % 3 / 2.0))], []),
            "tags" => new TokenClassification(Encoder(EncoderHead.TokenClassification, "O", "COLOR"), Words,
                [.. Texts.Select(t => new TaggedText(t, [(4, t.IndexOf(' ', 4), 1)]))], []),
            "answers" => new ExtractiveQuestionAnswering(Encoder(EncoderHead.QuestionAnswering), Words,
                [.. Texts.Select(t => new AnsweredQuestion("what color", t, [t[4..t.IndexOf(' ', 4)]], 4))], []),
            "embeddings" => new SentenceEmbeddings(Encoder(EncoderHead.None), Words,
                [.. Texts.Take(42).Select((t, i) => new TextPair($"{i % 7} birds", t))], (IReadOnlyList<TextPair>)[]),
            "similarities" => new SentenceEmbeddings(Encoder(EncoderHead.None), Words,
                [.. Texts.Select((t, i) => new ScoredPair(t, Texts[i / 2], i % 5 / 4.0))], (IReadOnlyList<ScoredPair>)[]),
            "preferences" => new PreferenceOptimization(Gpt(1), Pairs(), PreferencePairs.None),
            "reward" => new RewardModeling(Keep(RewardModel.Create(Gpt(1), 1)), Pairs(), PreferencePairs.None),
            _ => new Translation(
                Keep(Marian.Create(
                    new MarianConfig
                    {
                        VocabularySize = Bytes.VocabularySize,
                        Width = 32,
                        EncoderLayers = 1,
                        DecoderLayers = 1,
                        EncoderFeedForwardWidth = 64,
                        DecoderFeedForwardWidth = 64,
                    },
                    seed: 2)),
                Bytes, new SequenceSettings { EndTokenIds = [1], PadTokenId = 0 },
                [.. Texts.Select(t => new TranslationPair(t, string.Join(' ', t.Split(' ').Reverse())))], []),
        };
    }
}

/// <summary>Keeps the loss of each step.</summary>
internal sealed class Told(List<double> losses) : IProgress<TrainingProgress>
{
    public void Report(TrainingProgress value) => losses.Add(value.Loss);
}
