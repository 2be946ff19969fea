using Kotonoha.Foundation;
using Kotonoha.LocalModel.Checkpoints;
using Kotonoha.LocalModel.Generation;
using Kotonoha.LocalModel.Models;
using Kotonoha.LocalModel.Training;
using Kotonoha.LocalModel.Training.Recipes;
using Kotonoha.Tokenizers;

namespace Kotonoha.LocalModel.Tests.Training;

public sealed class TranslationTests
{
    private static readonly string[] Words = ["one", "two", "three", "four", "five", "six", "seven", "eight"];
    private static readonly string[] Numbers = ["1", "2", "3", "4", "5", "6", "7", "8"];
    private static readonly SequenceSettings Settings = new() { EndTokenIds = [1], PadTokenId = 0 };

    [Fact]
    public async Task A_small_transformer_learns_to_translate_words_in_reverse_order()
    {
        var train = Pairs(800, seed: 1);
        var heldOut = Pairs(60, seed: 2);
        var tokenizer = TokenizerOf(train);
        using var model = Small(tokenizer);
        using var task = new Translation(model, tokenizer, Settings, train, heldOut)
        {
            Score = (found, right) => new Measurement("exact", found.Zip(right, (f, r) => f == r ? 1.0 : 0).Average()),
        };
        var result = await new Trainer(Options(400)).RunAsync(task);

        // The baseline knows how often each token occurs among targets, and nothing of the sources.
        var counts = train.SelectMany(p => tokenizer.Encode(p.Target).Append(1)).CountBy(id => id).ToDictionary();
        double all = counts.Values.Sum(), baseline = -counts.Values.Sum(c => c / all * Math.Log(c / all));
        Assert.True(result.ValidationLoss < baseline / 4, $"{result.ValidationLoss} against {baseline} of token frequencies");
        Assert.True(result.Measurements.Single(m => m.Name == "exact").Value > 0.8, string.Join(", ", result.Measurements));
    }

    [Fact]
    public async Task A_resumed_run_has_the_weights_of_an_undisturbed_one()
    {
        using var folder = new TemporaryFolder();
        var train = Pairs(100, seed: 1);
        var tokenizer = TokenizerOf(train);
        using Marian undisturbed = Small(tokenizer, dropout: 0.1f), resumed = Small(tokenizer, dropout: 0.1f);
        var options = Options(12) with { BatchSize = 40, MicroBatches = 2 };
        using (var task = new Translation(undisturbed, tokenizer, Settings, train, []))
            await new Trainer(options).RunAsync(task);
        var saving = options with { Checkpoints = new TrainingCheckpoints(folder.Path) };
        foreach (int steps in (int[])[5, 12])
        {
            using var task = new Translation(resumed, tokenizer, Settings, train, []);
            await new Trainer(saving with { Steps = steps, Schedule = options.Schedule }).RunAsync(task);
        }

        foreach (var (expected, got) in undisturbed.Parameters.Zip(resumed.Parameters))
            Assert.True(expected.Values.SequenceEqual(got.Values), expected.Name);
        using var loaded = SequenceToSequence.Load(folder.Path);
        Assert.Single(loaded.Generate(["one two"])[0].Hypotheses);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task Sources_give_the_same_results_together_as_alone(int beams)
    {
        var pairs = Pairs(12, seed: 3);
        var tokenizer = TokenizerOf(Pairs(100, seed: 1));
        using var translator = SequenceToSequence.Of(Small(tokenizer), tokenizer, Settings);
        var options = new SequenceOptions { MaxNewTokens = 9, Beams = new BeamSearchOptions { BeamCount = beams, ReturnCount = beams } };
        string[] sources = [.. pairs.Select(p => p.Source)];
        var together = translator.Generate(sources, options);
        var alone = await Task.WhenAll(sources.Select(s => translator.GenerateAsync([s], options)));
        for (int i = 0; i < sources.Length; i++)
            Assert.Equal(alone[i][0].Hypotheses.Select(h => (h.Text, h.Score)), together[i].Hypotheses.Select(h => (h.Text, h.Score)));
    }

    [Fact]
    public void A_translator_refuses_what_it_cannot_do()
    {
        var tokenizer = TokenizerOf(Pairs(100, seed: 1));
        var translator = SequenceToSequence.Of(Small(tokenizer), tokenizer, Settings);
        Assert.Throws<ContextOverflowException>(() => translator.Generate([string.Join(' ', Enumerable.Repeat("one", 40))]));
        Assert.Throws<ArgumentOutOfRangeException>(() => translator.Generate(["one"], new SequenceOptions { MaxNewTokens = 0 }));
        translator.Dispose();
        translator.Dispose();
        Assert.Throws<ObjectDisposedException>(() => translator.Generate(["one"]));
        using var model = Marian.Create(Config(tokenizer) with { VocabularySize = 5 });
        Assert.Throws<CheckpointException>(() => SequenceToSequence.Of(model, tokenizer, Settings));
        Assert.Throws<TrainingException>(() => new Translation(model, tokenizer, Settings, Pairs(2, seed: 1), []));
    }

    [Theory]
    [InlineData(false, false, "marian")]
    [InlineData(true, false, "kotonoha-transformer")]
    [InlineData(false, true, "kotonoha-transformer")]
    public void A_saved_transformer_is_read_as_what_it_is(bool learnedPositions, bool normalizeBefore, string type)
    {
        using var folder = new TemporaryFolder();
        var tokenizer = TokenizerOf(Pairs(100, seed: 1));
        var config = Config(tokenizer) with { LearnedPositions = learnedPositions, NormalizeBefore = normalizeBefore };
        using var model = Marian.Create(config, seed: 4);
        var saved = model.Save(folder.Path, tokenizer, Settings);
        Assert.Contains($"\"model_type\": \"{type}\"", File.ReadAllText(Path.Combine(saved, "config.json")), StringComparison.Ordinal);
        Assert.True(EncoderDecoderCheckpoint.IsEncoderDecoder(saved));
        using var loaded = (Marian)EncoderDecoderCheckpoint.Load(saved);
        Assert.Equal(config, loaded.Config with { DecoderVocabularySize = null });
        foreach (var (expected, got) in model.Parameters.Zip(loaded.Parameters))
            Assert.True(expected.Name == got.Name && expected.Values.SequenceEqual(got.Values), expected.Name);
    }

    [Fact]
    public void An_epoch_has_every_pair_once_and_draws_can_be_repeated()
    {
        var tokenizer = TokenizerOf(Pairs(100, seed: 1));
        (int[] Source, int[] Target)[] pairs = [.. Enumerable.Range(0, 500).Select(i => (new int[] { i, 1 }, new int[1 + i % 7]))];
        var data = new ParallelDataset(pairs, startId: 0, pairsInABatch: 20, seed: 9);
        var drawn = new List<int>();
        var draws = new List<int[]>();
        while (drawn.Count < pairs.Length)
        {
            data.Draw(draws.Count);
            draws.Add([.. data.Sources.TokenIds.ToArray().Where((_, i) => i % 2 == 0)]);
            drawn.AddRange(draws[^1]);
            Assert.True(data.Sources.Tokens + data.Targets.Length <= 20 * 6 + 1);
        }

        Assert.Equal(Enumerable.Range(0, pairs.Length), drawn.Order());
        var again = new ParallelDataset(pairs, startId: 0, pairsInABatch: 20, seed: 9);
        again.Draw(3 * draws.Count + 2);
        foreach (int draw in (int[])[draws.Count - 1, 4, 2])
        {
            again.Draw(draw);
            Assert.Equal(draws[draw], again.Sources.TokenIds.ToArray().Where((_, i) => i % 2 == 0));
        }
    }

    [Fact]
    public void Files_whose_lines_do_not_belong_together_are_refused_with_the_line()
    {
        using var folder = new TemporaryFolder();
        string left = Path.Combine(folder.Path, "a"), right = Path.Combine(folder.Path, "b");
        File.WriteAllLines(left, ["one", "", "two"]);
        File.WriteAllLines(right, ["1", "x", "2"]);
        Assert.Equal([new TranslationPair("one", "1"), new TranslationPair("two", "2")], TranslationPair.ReadParallel(left, right));
        File.AppendAllText(right, "3\n");
        Assert.Contains("line 4", Assert.Throws<TrainingException>(() => TranslationPair.ReadParallel(left, right)).Message,
            StringComparison.Ordinal);
    }

    private static TrainingOptions Options(int steps) => new()
    {
        Steps = steps,
        BatchSize = 32,
        LabelSmoothing = 0.05,
        Schedule = LearningRateSchedule.WarmupCosine(4e-3, 4e-4, steps / 10, steps),
        Optimizer = new AdamWOptions { Beta2 = 0.98, WeightDecay = 0 },
        EvaluateEvery = steps,
    };

    private static MarianConfig Config(Tokenizer tokenizer) => new()
    {
        VocabularySize = tokenizer.VocabularySize,
        ContextLength = 16,
        Width = 32,
        EncoderLayers = 2,
        DecoderLayers = 2,
        EncoderHeads = 2,
        DecoderHeads = 2,
        EncoderFeedForwardWidth = 64,
        DecoderFeedForwardWidth = 64,
    };

    private static Marian Small(Tokenizer tokenizer, float dropout = 0)
        => Marian.Create(Config(tokenizer) with { Dropout = dropout, AttentionDropout = dropout }, seed: 1);

    private static Tokenizer TokenizerOf(IReadOnlyList<TranslationPair> pairs)
        => Tokenizer.TrainWordLevel(pairs.SelectMany(p => (string[])[p.Source, p.Target]),
            new WordLevelTrainingOptions { VocabularySize = 30, SpecialTokens = ["<pad>", "</s>", "<unk>"], UnknownToken = "<unk>" });

    private static TranslationPair[] Pairs(int count, int seed)
    {
        var random = new Random(seed);
        var pairs = new TranslationPair[count];
        for (int i = 0; i < count; i++)
        {
            int[] chosen = [.. Enumerable.Range(0, random.Next(2, 7)).Select(_ => random.Next(Words.Length))];
            pairs[i] = new TranslationPair(
                string.Join(' ', chosen.Select(c => Words[c])), string.Join(' ', chosen.Reverse().Select(c => Numbers[c])));
        }

        return pairs;
    }
}
